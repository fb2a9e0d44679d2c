//! Which events were shown already, where the same stretch of time is read again and again.

use std::collections::HashMap;

use super::cloudwatch::Event;

/// How far behind the newest event another one may still come in, in milliseconds: streams are taken in by different servers.
const LATE: i64 = 15_000;

/// The events of the last moments, and where to read on.
#[derive(Debug)]
pub struct Seen {
    from: i64,
    newest: i64,
    ids: HashMap<String, i64>,
}

impl Seen {
    /// Nothing yet, from a time on.
    pub fn new(from: i64) -> Self {
        Self {
            from,
            newest: from,
            ids: HashMap::new(),
        }
    }

    /// Whether an event is new.
    pub fn is_new(&mut self, event: &Event) -> bool {
        self.newest = self.newest.max(event.at);
        self.ids.insert(event.id.clone(), event.at).is_none()
    }

    /// From where to read next, once everything up to now was read. What lies before it is forgotten.
    pub fn advance(&mut self) -> i64 {
        self.from = self.from.max(self.newest - LATE);
        let from = self.from;
        self.ids.retain(|_, at| *at >= from);
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, at: i64) -> Event {
        Event {
            id: id.to_owned(),
            at,
            stream: String::new(),
            message: String::new(),
        }
    }

    #[test]
    fn an_event_is_new_once_and_late_ones_are_still_found() {
        let mut seen = Seen::new(1000);
        assert_eq!(seen.advance(), 1000, "nothing came: the same again");
        assert!(seen.is_new(&event("a", 20_000)));
        assert!(seen.is_new(&event("b", 20_000)));
        assert_eq!(seen.advance(), 5000);
        assert!(!seen.is_new(&event("a", 20_000)));
        assert!(seen.is_new(&event("late", 6000)));
        assert!(!seen.is_new(&event("late", 6000)));
    }

    #[test]
    fn memory_holds_the_last_moments_only_and_time_never_goes_back() {
        let mut seen = Seen::new(0);
        for n in 0..1000 {
            let at = n * 1000;
            assert!(seen.is_new(&event(&n.to_string(), at)));
            seen.advance();
        }
        assert!(seen.ids.len() <= 16, "{}", seen.ids.len());
        let from = seen.advance();
        seen.is_new(&event("old", 5));
        assert_eq!(seen.advance(), from);
    }
}
