//! The right to call AWS: one rate for each operation of an account and region, handed out in two lanes.
//!
//! Every attempt takes a token. Those who change something go before those who only check: as long as anybody waits in
//! [`Lane::Urgent`], nobody in [`Lane::Sweep`] gets a token. Within a lane it is first come, first served. A waiter that is
//! dropped leaves its place to the next.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::operation::Operation;

/// Calls per second of each operation where nothing else is said: AgentCore's documented quota of CreateAgentRuntime and the
/// lists, and what is assumed for the operations whose quota is not documented.
pub const DEFAULT_RATE: f64 = 5.0;

/// Calls per second of InvokeAgentRuntime where nothing else is said: AgentCore's documented quota of one endpoint.
pub const INVOKE_RATE: f64 = 25.0;

/// Rates that can be asked for, in calls per second.
pub const RATE_RANGE: RangeInclusive<f64> = 0.01..=10_000.0;

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// New, edited and deleted objects, and those in transition.
    Urgent,
    /// Periodic checks.
    Sweep,
}

impl Lane {
    /// Name for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Sweep => "sweep",
        }
    }
}

/// A rate that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum RateError {
    /// No operation has this name.
    #[error(
        "{name:?} is not an AWS operation that the operator calls; it calls {}",
        known()
    )]
    UnknownOperation {
        /// The name that was given.
        name: String,
    },
    /// The rate is out of [`RATE_RANGE`].
    #[error("the rate of {operation} must be 0.01 to 10000 calls per second, not {rate}")]
    OutOfRange {
        /// Operation.
        operation: Operation,
        /// The rate that was given.
        rate: f64,
    },
}

fn known() -> String {
    let names: Vec<_> = Operation::ALL.iter().map(|one| one.as_str()).collect();
    names.join(", ")
}

/// Calls per second by operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates(BTreeMap<Operation, f64>);

impl Rates {
    /// [`DEFAULT_RATE`] for all but the operations named here.
    pub fn new(overrides: impl IntoIterator<Item = (String, f64)>) -> Result<Self, RateError> {
        let mut rates = BTreeMap::new();
        for (name, rate) in overrides {
            let operation = Operation::parse(&name).ok_or(RateError::UnknownOperation { name })?;
            if !RATE_RANGE.contains(&rate) {
                return Err(RateError::OutOfRange { operation, rate });
            }
            rates.insert(operation, rate);
        }
        Ok(Self(rates))
    }

    /// Calls per second of this operation.
    pub fn of(&self, operation: Operation) -> f64 {
        let default = if operation == Operation::InvokeAgentRuntime {
            INVOKE_RATE
        } else {
            DEFAULT_RATE
        };
        self.0.get(&operation).copied().unwrap_or(default)
    }
}

/// The rates of one account and region.
#[derive(Debug)]
pub struct Lanes {
    rates: Rates,
    buckets: HashMap<Operation, Bucket>,
}

impl Lanes {
    /// Full buckets of one token each.
    pub fn new(rates: Rates) -> Self {
        let buckets = Operation::ALL
            .iter()
            .map(|&operation| (operation, Bucket::new(rates.of(operation))))
            .collect();
        Self { rates, buckets }
    }

    /// Waits for a token of the operation and says for how long that took. Dropping the future gives the place in the lane up
    /// and takes no token.
    pub async fn token(&self, operation: Operation, lane: Lane) -> Duration {
        let began = Instant::now();
        if let Some(bucket) = self.buckets.get(&operation) {
            bucket.take(lane).await;
        }
        began.elapsed()
    }

    /// Shortest time between calls that together use a quarter of the operation's rate.
    pub fn quarter(&self, operation: Operation) -> Duration {
        Duration::from_secs_f64(4.0 / self.rates.of(operation))
    }
}

/// One operation's tokens.
struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>,
    clock: TokioClock,
    /// Whose turn it is in each lane; tokio's mutex is fair.
    urgent_turn: Mutex<()>,
    sweep_turn: Mutex<()>,
    /// How many wait in the urgent lane, the one whose turn it is included.
    urgent: watch::Sender<usize>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket")
            .field("urgent", &*self.urgent.borrow())
            .finish_non_exhaustive()
    }
}

impl Bucket {
    fn new(rate: f64) -> Self {
        let clock = TokioClock(Instant::now());
        let quota = Quota::with_period(Duration::from_secs_f64(1.0 / rate))
            .expect("a rate of RATE_RANGE has a period of more than 0 nanoseconds")
            .allow_burst(NonZeroU32::MIN);
        Self {
            limiter: RateLimiter::direct_with_clock(quota, clock.clone()),
            clock,
            urgent_turn: Mutex::new(()),
            sweep_turn: Mutex::new(()),
            urgent: watch::Sender::new(0),
        }
    }

    async fn take(&self, lane: Lane) {
        match lane {
            Lane::Urgent => {
                let _place = Place::take(&self.urgent);
                let _turn = self.urgent_turn.lock().await;
                while let Err(wait) = self.check() {
                    tokio::time::sleep(wait).await;
                }
            }
            Lane::Sweep => {
                let _turn = self.sweep_turn.lock().await;
                let mut urgent = self.urgent.subscribe();
                loop {
                    // Fails only when the sender is gone, and the bucket holds it.
                    let _ = urgent.wait_for(|waiting| *waiting == 0).await;
                    match self.check() {
                        Ok(()) => return,
                        Err(wait) => tokio::time::sleep(wait).await,
                    }
                }
            }
        }
    }

    /// Takes a token, or says how long to wait for the next.
    fn check(&self) -> Result<(), Duration> {
        self.limiter
            .check()
            .map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

/// A place in the urgent lane.
struct Place<'a>(&'a watch::Sender<usize>);

impl<'a> Place<'a> {
    fn take(urgent: &'a watch::Sender<usize>) -> Self {
        urgent.send_modify(|waiting| *waiting += 1);
        Self(urgent)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

/// Tokio's clock for governor, so that the two never disagree on how long a wait was.
#[derive(Clone, Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
