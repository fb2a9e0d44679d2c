//! What sessions wrote, line by line, in log groups that forget their oldest lines.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use parking_lot::Mutex;

/// Most lines that a group keeps.
pub const LINES: usize = 10_000;
/// Most bytes of text that a group keeps.
pub const BYTES: usize = 16 << 20;
/// Most groups; the one that was written to least recently goes first.
const GROUPS: usize = 1000;

/// Where a group is: account, region, name. Groups of an account and region lie together, by name.
type Place = (String, String, String);

/// One line that a session's program wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Counts all lines of the simulator: tells lines of the same time apart, and orders them.
    pub seq: u64,
    /// Name of the stream.
    pub stream: String,
    /// When it was read.
    pub at: Timestamp,
    /// The text, without its line feed.
    pub message: String,
}

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// When its first line came.
    pub created_at: Timestamp,
    events: VecDeque<Event>,
    bytes: usize,
    written: u64,
}

impl Group {
    /// The lines that are kept, oldest first.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    /// Bytes of text that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, event: Event) {
        self.bytes += event.message.len();
        self.written = event.seq;
        self.events.push_back(event);
        while self.events.len() > LINES || self.bytes > BYTES {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.bytes -= oldest.message.len();
        }
    }
}

/// All log groups.
#[derive(Debug, Default)]
pub struct Logs(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    groups: BTreeMap<Place, Group>,
    seq: u64,
}

impl Logs {
    /// Writes a line. The group is there from its first line on.
    pub fn write(
        &self,
        (account, region): (&str, &str),
        group: &str,
        stream: &str,
        at: Timestamp,
        message: &str,
    ) {
        let mut inner = self.0.lock();
        inner.seq += 1;
        let event = Event {
            seq: inner.seq,
            stream: stream.to_owned(),
            at,
            message: message.to_owned(),
        };
        let place = (account.to_owned(), region.to_owned(), group.to_owned());
        if !inner.groups.contains_key(&place) && inner.groups.len() == GROUPS {
            let oldest = inner.groups.iter().min_by_key(|(_, group)| group.written);
            if let Some(oldest) = oldest.map(|(place, _)| place.clone()) {
                inner.groups.remove(&oldest);
            }
        }
        inner
            .groups
            .entry(place)
            .or_insert_with(|| Group {
                created_at: at,
                events: VecDeque::new(),
                bytes: 0,
                written: 0,
            })
            .push(event);
    }

    /// Looks into a group, if it is there.
    pub fn group<T>(
        &self,
        (account, region): (&str, &str),
        name: &str,
        look: impl FnOnce(&Group) -> T,
    ) -> Option<T> {
        let place = (account.to_owned(), region.to_owned(), name.to_owned());
        self.0.lock().groups.get(&place).map(look)
    }

    /// Looks at every group of an account and region, by name.
    pub fn groups<T>(
        &self,
        (account, region): (&str, &str),
        mut look: impl FnMut(&str, &Group) -> T,
    ) -> Vec<T> {
        let inner = self.0.lock();
        let here = inner
            .groups
            .iter()
            .filter(|((a, r, _), _)| a == account && r == region);
        here.map(|((_, _, name), group)| look(name, group))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: (&str, &str) = ("111122223333", "us-east-1");

    fn kept(logs: &Logs, group: &str) -> Option<(usize, usize, String)> {
        logs.group(PLACE, group, |group| {
            let first = group.events().next().map(|event| event.message.clone());
            (
                group.events().count(),
                group.bytes(),
                first.unwrap_or_default(),
            )
        })
    }

    #[test]
    fn a_group_forgets_its_oldest_lines_and_no_more() {
        let logs = Logs::default();
        for n in 0..LINES + 5 {
            logs.write(PLACE, "g", "s", Timestamp::UNIX_EPOCH, &format!("{n:05}"));
        }
        assert_eq!(
            kept(&logs, "g"),
            Some((LINES, LINES * 5, "00005".to_owned()))
        );
    }

    #[test]
    fn long_lines_push_out_more() {
        let logs = Logs::default();
        let line = "x".repeat(BYTES / 4);
        for _ in 0..6 {
            logs.write(PLACE, "g", "s", Timestamp::UNIX_EPOCH, &line);
        }
        assert_eq!(kept(&logs, "g"), Some((4, BYTES, line)));
    }

    #[test]
    fn the_group_that_was_written_to_least_recently_makes_room() {
        let logs = Logs::default();
        for n in 0..GROUPS {
            logs.write(PLACE, &format!("g{n}"), "s", Timestamp::UNIX_EPOCH, "line");
        }
        logs.write(PLACE, "g0", "s", Timestamp::UNIX_EPOCH, "again");
        logs.write(PLACE, "another", "s", Timestamp::UNIX_EPOCH, "line");
        assert!(kept(&logs, "g0").is_some() && kept(&logs, "another").is_some());
        assert_eq!(kept(&logs, "g1"), None);
        assert_eq!(logs.groups(PLACE, |_, _| ()).len(), GROUPS);
        assert_eq!(logs.groups(("444455556666", PLACE.1), |_, _| ()).len(), 0);
    }
}
