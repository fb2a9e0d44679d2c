//! The right to call AWS: one rate for each operation of an account and region, handed out by priority and fairly by namespace.
//!
//! Every attempt takes a token. Those who change something go before those who only check: while anybody waits in
//! [`Priority::Urgent`], [`Priority::Sweep`] gets one token of ten and no more. Within a priority each namespace has a queue, and the queues are served by
//! weight ([`crate::fair`]); within a queue it is first come, first served. A waiter that is dropped leaves its place to the next,
//! and its token too if it has not used it.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::operation::Operation;
use crate::fair::{Fair, Place, Rank, Tenant};

/// Calls per second of each operation where nothing else is said: AgentCore's documented quota of CreateAgentRuntime and the
/// lists, and what is assumed for the operations whose quota is not documented.
pub const DEFAULT_RATE: f64 = 5.0;

/// Calls per second of InvokeAgentRuntime where nothing else is said: AgentCore's documented quota of one endpoint.
pub const INVOKE_RATE: f64 = 25.0;

/// Rates that can be asked for, in calls per second.
pub const RATE_RANGE: RangeInclusive<f64> = 0.01..=10_000.0;

/// Tokens of urgent calls in a row while the sweep waits too.
const URGENT_IN_A_ROW: u32 = 9;

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Priority {
    /// New, edited and deleted objects, and those in transition.
    Urgent,
    /// Periodic checks.
    Sweep,
}

impl Priority {
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
pub struct RateLimiter {
    rates: Rates,
    buckets: HashMap<Operation, Arc<Bucket>>,
}

impl RateLimiter {
    /// Full buckets of one token each.
    pub fn new(rates: Rates) -> Self {
        let bucket = |&operation| (operation, Arc::new(Bucket::new(rates.of(operation))));
        let buckets = Operation::ALL.iter().map(bucket).collect();
        Self { rates, buckets }
    }

    /// Waits for a token of the operation and says for how long that took. Dropping the future gives the place in the queue up
    /// and takes no token.
    pub async fn token(
        &self,
        operation: Operation,
        priority: Priority,
        tenant: &Tenant,
    ) -> Duration {
        let began = Instant::now();
        if let Some(bucket) = self.buckets.get(&operation)
            && let Some(waiting) = Bucket::join(bucket, priority, tenant)
        {
            waiting.served().await;
        }
        began.elapsed()
    }

    /// Shortest time between calls that together use a quarter of the operation's rate.
    pub fn quarter(&self, operation: Operation) -> Duration {
        Duration::from_secs_f64(4.0 / self.rates.of(operation))
    }
}

/// One operation's tokens.
#[derive(Debug)]
struct Bucket {
    period: Duration,
    state: Mutex<State>,
}

type Queues = Fair<oneshot::Sender<u64>>;

#[derive(Debug)]
struct State {
    urgent: Queues,
    sweep: Queues,
    /// When there is a token again: an idle bucket saves one.
    ready_at: Instant,
    /// Number of the last token that was given.
    given: u64,
    /// Tokens that urgent calls got since the sweep, which waits, got one.
    in_a_row: u32,
    /// Whether a task hands out tokens.
    pumped: bool,
}

impl Bucket {
    fn new(rate: f64) -> Self {
        Self {
            period: Duration::from_secs_f64(1.0 / rate),
            state: Mutex::new(State {
                urgent: Fair::default(),
                sweep: Fair::default(),
                ready_at: Instant::now(),
                given: 0,
                in_a_row: 0,
                pumped: false,
            }),
        }
    }

    /// Takes the token that is there (`None`), or a place in the queue. While anybody waits, a task of the bucket hands out tokens.
    fn join(self: &Arc<Self>, priority: Priority, tenant: &Tenant) -> Option<Waiting> {
        let mut state = self.state.lock();
        let now = Instant::now();
        if state.nobody_waits() && state.ready_at <= now {
            state.ready_at = now + self.period;
            state.given += 1;
            return None;
        }
        let (served, token) = oneshot::channel();
        let place = state.queues(priority).push(tenant, Rank::Next, served);
        if !std::mem::replace(&mut state.pumped, true) {
            tokio::spawn(Arc::clone(self).pump());
        }
        Some(Waiting {
            bucket: Arc::clone(self),
            priority,
            namespace: tenant.namespace().clone(),
            place,
            token,
            taken: false,
        })
    }

    /// Hands out tokens as they come, until nobody waits.
    async fn pump(self: Arc<Self>) {
        loop {
            let ready_at = {
                let mut state = self.state.lock();
                if state.nobody_waits() {
                    state.pumped = false;
                    return;
                }
                state.ready_at
            };
            tokio::time::sleep_until(ready_at).await;
            let mut state = self.state.lock();
            let now = Instant::now();
            if state.ready_at <= now && state.serve() {
                state.ready_at = now + self.period;
            }
        }
    }
}

impl State {
    fn queues(&mut self, priority: Priority) -> &mut Queues {
        match priority {
            Priority::Urgent => &mut self.urgent,
            Priority::Sweep => &mut self.sweep,
        }
    }

    fn nobody_waits(&self) -> bool {
        self.urgent.is_empty() && self.sweep.is_empty()
    }

    /// Whose turn it is.
    fn priority(&mut self) -> Priority {
        if self.sweep.is_empty() {
            self.in_a_row = 0;
            return Priority::Urgent;
        }
        if self.urgent.is_empty() || self.in_a_row >= URGENT_IN_A_ROW {
            self.in_a_row = 0;
            return Priority::Sweep;
        }
        self.in_a_row += 1;
        Priority::Urgent
    }

    /// Gives a token to whoever is next; false: nobody waits.
    fn serve(&mut self) -> bool {
        let priority = self.priority();
        let Some((_, waiter)) = self.queues(priority).pop(|_| true) else {
            return false;
        };
        self.given += 1;
        // Who gives up takes its place with it, under this lock: whoever is in a queue still listens.
        let _ = waiter.send(self.given);
        true
    }

    /// A token comes back unused. It is good for somebody else unless the next one has been given meanwhile: no two calls follow each
    /// other faster than the rate for that.
    fn take_back(&mut self, number: u64) {
        if number == self.given && !self.serve() {
            self.ready_at = Instant::now();
        }
    }
}

/// A place in a queue, and then a token.
struct Waiting {
    bucket: Arc<Bucket>,
    priority: Priority,
    namespace: Arc<str>,
    place: Place,
    token: oneshot::Receiver<u64>,
    taken: bool,
}

impl Waiting {
    async fn served(mut self) {
        self.taken = (&mut self.token).await.is_ok();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut state = self.bucket.state.lock();
        let left = state
            .queues(self.priority)
            .remove(&self.namespace, self.place)
            .is_some();
        if !left && let Ok(number) = self.token.try_recv() {
            state.take_back(number);
        }
    }
}

#[cfg(test)]
#[path = "rate_limiter_tests.rs"]
mod tests;
