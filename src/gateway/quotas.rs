//! What one caller may use: requests a second, and streams at once.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::identity::Identity;

/// How often callers that have been idle are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(30);
/// When a caller with too many streams may try again: nobody knows when one ends.
const STREAM_RETRY: Duration = Duration::from_secs(5);

/// The quotas of all callers, each by its user name. Callers that ask for nothing cost nothing after a while.
pub struct Quotas {
    rate: Option<Rate>,
    streams: usize,
    open: Arc<Mutex<HashMap<String, usize>>>,
}

struct Rate {
    limiter: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
    forgot: Mutex<Instant>,
}

/// The caller has used its quota up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests of this caller")]
pub struct TooMany {
    /// How long to wait before the next try.
    pub retry_after: Duration,
}

/// One stream of a caller; it ends when this is dropped.
#[derive(Debug)]
pub struct StreamGuard {
    user: String,
    open: Arc<Mutex<HashMap<String, usize>>>,
}

impl Quotas {
    /// `rate`: requests a second of each caller, and as many in a burst; none: no limit. `streams`: open streams of each
    /// caller; 0: no limit.
    pub fn new(rate: Option<NonZeroU32>, streams: usize) -> Self {
        Self {
            rate: rate.map(|rate| Rate {
                limiter: RateLimiter::keyed(Quota::per_second(rate)),
                clock: DefaultClock::default(),
                forgot: Mutex::new(Instant::now()),
            }),
            streams: if streams == 0 { usize::MAX } else { streams },
            open: Arc::default(),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// [`TooMany`], with the time until the next is let in.
    pub fn admit(&self, who: &Identity) -> Result<(), TooMany> {
        let Some(rate) = &self.rate else {
            return Ok(());
        };
        rate.forget_idle();
        rate.limiter
            .check_key(&who.user)
            .map_err(|refused| TooMany {
                retry_after: refused.wait_time_from(rate.clock.now()),
            })
    }

    /// Counts a stream until the guard is dropped.
    ///
    /// # Errors
    /// [`TooMany`] when the caller has as many as it may.
    pub fn stream(&self, who: &Identity) -> Result<StreamGuard, TooMany> {
        let mut open = self.open.lock();
        let count = open.entry(who.user.clone()).or_default();
        if *count >= self.streams {
            return Err(TooMany {
                retry_after: STREAM_RETRY,
            });
        }
        *count += 1;
        Ok(StreamGuard {
            user: who.user.clone(),
            open: self.open.clone(),
        })
    }
}

impl Rate {
    /// A caller whose bucket is full again is the same as one that never came.
    fn forget_idle(&self) {
        let Some(mut forgot) = self.forgot.try_lock() else {
            return;
        };
        if forgot.elapsed() >= FORGET_EVERY {
            *forgot = Instant::now();
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Identity {
        Identity {
            user: name.to_owned(),
            uid: None,
            groups: Vec::new(),
            extra: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn a_caller_over_its_rate_waits_and_another_does_not() {
        let quotas = Quotas::new(NonZeroU32::new(2), 0);
        let (one, other) = (user("one"), user("other"));
        let mut admitted = 0;
        let refused = loop {
            match quotas.admit(&one) {
                Ok(()) => admitted += 1,
                Err(refused) => break refused,
            }
            assert!(admitted < 1_000, "nothing is ever refused");
        };
        assert!(admitted >= 2, "only {admitted}");
        assert!(refused.retry_after <= Duration::from_millis(500));
        assert!(refused.retry_after > Duration::ZERO);
        assert_eq!(quotas.admit(&other), Ok(()));
    }

    #[test]
    fn without_a_rate_nobody_is_refused() {
        let quotas = Quotas::new(None, 0);
        for _ in 0..10_000 {
            assert_eq!(quotas.admit(&user("one")), Ok(()));
        }
        let _many: Vec<_> = (0..1_000).map(|_| quotas.stream(&user("one"))).collect();
        assert!(quotas.stream(&user("one")).is_ok());
    }

    #[test]
    fn a_stream_that_ends_makes_room_and_an_idle_caller_is_forgotten() {
        let quotas = Quotas::new(None, 2);
        let (one, other) = (user("one"), user("other"));
        let first = quotas.stream(&one).expect("room");
        let second = quotas.stream(&one).expect("room");
        assert!(quotas.stream(&one).is_err());
        drop(quotas.stream(&other).expect("another caller has room"));
        drop(first);
        let third = quotas.stream(&one).expect("room again");
        drop((second, third));
        assert!(quotas.open.lock().is_empty());
    }

    #[test]
    fn callers_whose_bucket_is_full_again_are_forgotten() {
        let quotas = Quotas::new(NonZeroU32::new(1_000_000), 0);
        for number in 0..100 {
            quotas
                .admit(&user(&format!("user-{number}")))
                .expect("admitted");
        }
        let Rate {
            limiter, forgot, ..
        } = quotas.rate.as_ref().expect("a rate");
        assert!(limiter.len() > 1);
        let deadline = Instant::now() + Duration::from_mins(1);
        while limiter.len() > 1 {
            assert!(Instant::now() < deadline, "nobody is forgotten");
            *forgot.lock() -= FORGET_EVERY;
            quotas.admit(&user("late")).expect("admitted");
        }
    }
}
