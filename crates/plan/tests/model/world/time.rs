//! Time: timers, the inventory's lists and the sweep, as the operator has them.

use agentcore_plan::step::{Due, Sweep};
use jiff::{SignedDuration, Timestamp};

use super::{Disturb, World, due_at};

impl World {
    /// Lets time pass, with an inventory and timers as the operator has them, until nothing is due within `hours`.
    pub fn run(&mut self, hours: i64) {
        let end = self.aws.now + SignedDuration::from_hours(hours);
        let mut next_list = self.aws.now;
        let mut steps = 0;
        while self.aws.now < end {
            if steps > 3000 {
                // Something is stuck in transition: the checks will tell what.
                break;
            }
            steps += 1;
            assert!(
                steps < 20_000,
                "too many steps:\n{}",
                self.trace[self.trace.len().saturating_sub(80)..].join("\n")
            );
            let now = self.aws.now;
            let transition = self.runtime.as_ref().is_some_and(|stored| stored.polling);
            if transition {
                next_list = next_list.min(now + SignedDuration::from_secs(3));
            }
            if now >= next_list {
                self.poll_list();
                next_list = now + SignedDuration::from_secs(if transition { 3 } else { 60 });
            }
            self.due_passes();
            let at = [
                self.runtime.as_ref().and_then(|stored| due_at(stored, now)),
                self.endpoint
                    .as_ref()
                    .and_then(|stored| due_at(stored, now)),
                Some(
                    next_list.min(now + SignedDuration::from_secs(if transition { 3 } else { 60 })),
                ),
            ];
            let at = at.into_iter().flatten().min().expect("one at least");
            let wait = at.duration_since(now).as_secs().max(1);
            self.aws.advance(wait);
            if self.resting() && self.far() {
                break;
            }
        }
    }

    /// Nothing is dirty, and no timer but a far one runs.
    fn resting(&self) -> bool {
        let quiet = |dirty: bool, polling: bool| !dirty && !polling;
        self.runtime
            .as_ref()
            .is_none_or(|stored| quiet(stored.dirty, stored.polling))
            && self
                .endpoint
                .as_ref()
                .is_none_or(|stored| quiet(stored.dirty, stored.polling))
    }

    fn far(&self) -> bool {
        let none = |next: Option<Timestamp>| next.is_none();
        self.runtime.as_ref().is_none_or(|stored| none(stored.next))
            && self
                .endpoint
                .as_ref()
                .is_none_or(|stored| none(stored.next))
    }

    fn due_passes(&mut self) {
        let now = self.aws.now;
        if let Some(stored) = &mut self.runtime {
            let timer = stored.next.is_some_and(|at| now >= at);
            if stored.dirty || timer {
                stored.dirty = false;
                stored.next = stored.next.filter(|_| !timer);
                self.runtime_pass(Due::default(), Disturb::default());
            }
        }
        if let Some(stored) = &mut self.endpoint {
            let timer = stored.next.is_some_and(|at| now >= at);
            if stored.dirty || timer {
                let poll = timer && stored.polling;
                stored.dirty = false;
                stored.next = stored.next.filter(|_| !timer);
                self.endpoint_pass(Due { poll, sweep: None }, Disturb::default());
            }
        }
    }

    /// One round of the slow sweep.
    pub fn sweep(&mut self) {
        for sweep in [
            Sweep::Tags,
            Sweep::ResourcePolicy,
            Sweep::Endpoint,
            Sweep::Versions,
        ] {
            let due = Due {
                poll: false,
                sweep: Some(sweep),
            };
            self.runtime_pass(due, Disturb::default());
            self.endpoint_pass(due, Disturb::default());
        }
    }
}
