//! What callers may use: requests a second of each, and streams at once of each, of a namespace and of all.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::identity::Identity;
use super::shares::{Full, Held, Holder, Pool, Shares};

/// How often callers that have been idle are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(30);

/// The quotas of all callers, each by its user name. Callers that ask for nothing cost nothing after a while.
pub struct Quotas {
    rate: Option<Rate>,
    streams: Arc<Pool>,
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

impl Quotas {
    /// `rate`: requests a second of each caller, and as many in a burst; none: no limit. `streams`: open requests, streams and
    /// WebSockets.
    pub fn new(rate: Option<NonZeroU32>, streams: Shares) -> Self {
        Self {
            rate: rate.map(|rate| Rate {
                limiter: RateLimiter::keyed(Quota::per_second(rate)),
                clock: DefaultClock::default(),
                forgot: Mutex::new(Instant::now()),
            }),
            streams: Pool::new("streams", streams),
        }
    }

    /// The pool of streams.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.streams
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

    /// Counts a stream until what is returned is dropped.
    ///
    /// # Errors
    /// [`Full`] when the caller, its agent's namespace or all have as many as they may.
    pub fn stream(&self, holder: &Holder) -> Result<Held, Full> {
        self.streams.take(holder, 1)
    }
}

/// What `--caller-streams` (0: no limit of its own) and `--share-streams` mean.
pub const fn streams(caller: usize, all: u64) -> Shares {
    Shares {
        caller: if caller == 0 { u64::MAX } else { caller as u64 },
        ..Shares::of(all)
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
        let quotas = Quotas::new(NonZeroU32::new(2), streams(0, 2_000));
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
        let quotas = Quotas::new(None, streams(0, 2_000));
        for _ in 0..10_000 {
            assert_eq!(quotas.admit(&user("one")), Ok(()));
        }
    }

    #[test]
    fn a_caller_with_all_its_streams_leaves_room_for_others_and_one_that_ends_makes_room() {
        let quotas = Quotas::new(None, streams(2, 2_000));
        let holder = |caller: &str| Holder {
            caller: caller.into(),
            namespace: "shop".into(),
        };
        let first = quotas.stream(&holder("one")).expect("room");
        let _second = quotas.stream(&holder("one")).expect("room");
        let refused = quotas.stream(&holder("one"));
        assert_eq!(refused.err(), Some(Full::Caller { pool: "streams" }));
        drop(
            quotas
                .stream(&holder("other"))
                .expect("another caller has room"),
        );
        drop(first);
        quotas.stream(&holder("one")).expect("room again");
    }

    #[test]
    fn callers_whose_bucket_is_full_again_are_forgotten() {
        let quotas = Quotas::new(NonZeroU32::new(1_000_000), streams(0, 2_000));
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
