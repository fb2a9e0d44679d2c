//! What a replica that waits has seen of the holder.

use std::time::Duration;

use super::{Moment, Record, Terms};

/// Whether the holder lives is judged by this replica's own clock, from the last change of the Lease on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) last: Option<Last>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Last {
    /// Absent where the Lease is not there any more.
    pub(super) version: Option<String>,
    is_held: bool,
    pub(super) since: Moment,
}

impl Seen {
    /// Notes what stands there, or that nothing does; `now` is after the answer came.
    pub fn note(&mut self, record: Option<&Record>, now: Moment) {
        let version = record.map(|record| &record.version);
        let before = self.last.as_ref().and_then(|last| last.version.as_ref());
        if before == version {
            return;
        }
        // One that is not there any more may have a holder that does not know it yet, and renewed or took it since the last look.
        let is_held = record.is_none_or(|record| {
            let holder = record.holder.as_ref();
            holder.is_some_and(|holder| !holder.is_empty())
        });
        self.last = Some(Last {
            version: version.cloned(),
            is_held,
            since: now,
        });
    }

    /// How long the lease is not to be taken. A lease without a holder is free at once, and so is one that was never there.
    pub fn wait(&self, now: Moment, terms: &Terms) -> Duration {
        match &self.last {
            Some(last) if last.is_held => last.since.after(terms.duration).since(now),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms::OPERATOR;

    fn record(holder: Option<&str>, version: &str) -> Record {
        Record {
            version: version.to_owned(),
            holder: holder.map(ToOwned::to_owned),
            acquired: None,
            transitions: 0,
        }
    }

    #[test]
    fn a_held_lease_is_waited_for_from_its_last_change_on() {
        let start = Moment::at(Duration::from_secs(100));
        let later = start.after(Duration::from_secs(9));
        let mut seen = Seen::default();
        seen.note(Some(&record(Some("other"), "1")), start);
        assert_eq!(seen.wait(start, &TERMS), TERMS.duration);
        // Seen again without a change: the time runs.
        seen.note(Some(&record(Some("other"), "1")), later);
        assert_eq!(seen.wait(later, &TERMS), Duration::from_secs(6));
        // Renewed: it begins again.
        seen.note(Some(&record(Some("other"), "2")), later);
        assert_eq!(seen.wait(later, &TERMS), TERMS.duration);
        assert_eq!(
            seen.wait(later.after(TERMS.duration), &TERMS),
            Duration::ZERO
        );
    }

    #[test]
    fn a_lease_without_a_holder_is_free_at_once() {
        let now = Moment::at(Duration::ZERO);
        let mut seen = Seen::default();
        assert_eq!(seen.wait(now, &TERMS), Duration::ZERO);
        for (holder, version) in [(None, "1"), (Some(""), "2")] {
            seen.note(Some(&record(holder, version)), now);
            assert_eq!(seen.wait(now, &TERMS), Duration::ZERO);
        }
    }

    #[test]
    fn a_lease_that_was_deleted_is_waited_for_from_the_moment_on_that_this_was_seen() {
        let start = Moment::at(Duration::from_secs(100));
        let later = start.after(Duration::from_secs(14));
        // Also one that nobody held: somebody may have taken it since.
        for holder in [Some("other"), None] {
            let mut seen = Seen::default();
            seen.note(Some(&record(holder, "1")), start);
            seen.note(None, later);
            assert_eq!(seen.wait(later, &TERMS), TERMS.duration);
            let end = later.after(TERMS.duration);
            seen.note(None, end);
            assert_eq!(seen.wait(end, &TERMS), Duration::ZERO);
        }
        // One that was never there has no holder.
        let mut seen = Seen::default();
        seen.note(None, start);
        assert_eq!(seen.wait(start, &TERMS), Duration::ZERO);
    }
}
