//! Which calls are made once more in their place, and after how long.
//!
//! What the pass has read so far stays good meanwhile, and the pause is of this one call: neither another operation nor another
//! service waits longer for it. The attempts end soon, so that whoever waits for the object learns why.

use std::time::Duration;

use agentcore_plan::fault::{Class, Fault};

use crate::operation::Operation;

/// Most attempts of one call.
const ATTEMPTS: u32 = 6;
/// Longest pause before the second attempt; it doubles with each, so that all pauses are 2 to 7.75 s.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The attempts of one call.
#[derive(Debug, Default)]
pub(super) struct Attempts(u32);

impl Attempts {
    /// After an attempt that failed: how long to wait before the next one (full jitter); `None`: the fault is the answer. The last pause is
    /// at least half of its maximum, so that a quota of one call a second has a token again, however short the other pauses were.
    pub fn pause(&mut self, operation: Operation, fault: &Fault) -> Option<Duration> {
        let longest = FIRST_PAUSE * 2_u32.pow(self.0);
        self.0 += 1;
        let least = if self.0 + 1 == ATTEMPTS { 0.5 } else { 0.0 };
        (self.0 < ATTEMPTS && passes(operation, fault))
            .then(|| longest.mul_f64(rand::random_range(least..1.0)))
    }
}

/// Whether a fault may be over in a moment. What AWS throttled it did not do; of any other fault of a change it is the planner that finds
/// out what became of it. A time-out has waited long enough.
fn passes(operation: Operation, fault: &Fault) -> bool {
    match fault.class {
        Class::Throttled => true,
        Class::Transient => {
            !operation.mutates() && !["Timeout", "Credentials"].contains(&fault.code.as_str())
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "again_tests.rs"]
mod tests;
