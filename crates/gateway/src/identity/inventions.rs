//! Names that lead nowhere: each costs a review, so that a caller has a few of them a second and no more. Whether a name is there shows in
//! nothing of this: a name that the caller may not call counts, there or not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// From so many callers on, those that have their whole allowance again are forgotten.
const FORGET_FROM: usize = 1_024;

/// How many names that lead nowhere each caller has left.
pub(super) struct Inventions {
    per_second: f64,
    spent: Mutex<HashMap<Arc<str>, Spent>>,
}

/// What a caller has used up, as of a time; it is less with time.
#[derive(Clone, Copy)]
struct Spent {
    names: f64,
    at: Instant,
}

impl Inventions {
    /// So many a second of each caller, and as many at once.
    pub(super) fn new(per_second: f64) -> Self {
        Self {
            per_second: per_second.clamp(0.01, 1e6),
            spent: Mutex::default(),
        }
    }

    /// Whether a caller may have another name looked at.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(super) fn may(&self, caller: &str, now: Instant) -> Result<(), Duration> {
        let spent = self.spent.lock().get(caller).copied();
        let over = spent.map_or(0.0, |spent| spent.as_of(now, self.per_second)) - self.allowance();
        if over <= -1.0 {
            return Ok(());
        }
        Err(Duration::from_secs_f64((over + 1.0) / self.per_second))
    }

    /// A name of the caller's led nowhere.
    pub(super) fn spend(&self, caller: &str, now: Instant) {
        let mut all = self.spent.lock();
        if all.len() >= FORGET_FROM && all.len() == all.capacity() {
            all.retain(|_, spent| spent.as_of(now, self.per_second) > 0.0);
        }
        if let Some(spent) = all.get_mut(caller) {
            spent.names = spent.as_of(now, self.per_second) + 1.0;
            spent.at = now;
        } else {
            all.insert(
                caller.into(),
                Spent {
                    names: 1.0,
                    at: now,
                },
            );
        }
    }

    /// At least one, or nobody would ever be let in.
    const fn allowance(&self) -> f64 {
        self.per_second.max(1.0)
    }
}

impl Spent {
    fn as_of(self, now: Instant, per_second: f64) -> f64 {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        (self.names - since * per_second).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_its_allowance_and_then_so_many_a_second_and_others_have_theirs() {
        let inventions = Inventions::new(10.0);
        let mut now = Instant::now();
        for _ in 0..10 {
            assert_eq!(inventions.may("a", now), Ok(()));
            inventions.spend("a", now);
        }
        let wait = inventions.may("a", now).expect_err("used up");
        assert!(wait <= Duration::from_millis(101), "{wait:?}");
        assert_eq!(inventions.may("b", now), Ok(()));
        let mut let_in = 0;
        for _ in 0..1_000 {
            now += Duration::from_millis(10);
            if inventions.may("a", now).is_ok() {
                inventions.spend("a", now);
                let_in += 1;
            }
        }
        assert!((90..=101).contains(&let_in), "{let_in} in 10 s");
    }

    #[test]
    fn callers_that_invent_no_more_are_forgotten() {
        let inventions = Inventions::new(10.0);
        let mut now = Instant::now();
        for number in 0..10_000 {
            inventions.spend(&format!("user-{number}"), now);
            now += Duration::from_millis(10);
        }
        assert!(inventions.spent.lock().len() < 4_000);
    }
}
