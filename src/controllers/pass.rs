//! One pass over one object: ask the planner, read or act, ask again, until it says rest.

use std::future::Future;
use std::time::Duration;

use agentcore_plan::step::{Decision, Event, Rest, Step};
use jiff::Timestamp;
use kube::runtime::controller::Action;

/// More questions than this in one pass mean that the planner does not come to an end.
const MOST_STEPS: usize = 16;

/// Races in a row that are believed to be races.
const MOST_RACES: u32 = 3;

/// What went wrong in a pass. Faults of AWS are not among them: the planner deals with those.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error("kubernetes call failed: {0}")]
    Kubernetes(#[source] Box<kube::Error>),
    /// The planner asked for more than any object needs.
    #[error("planner asked for more than {MOST_STEPS} steps")]
    TooManySteps,
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kubernetes(Box::new(error))
    }
}

impl Error {
    /// Label of the metric.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Kubernetes(_) => "kubernetes",
            Self::TooManySteps => "too_many_steps",
        }
    }

    /// Whether the object changed or went away meanwhile: nothing is wrong, the newer one is on its way.
    pub fn is_race(&self) -> bool {
        match self {
            Self::Kubernetes(error) => {
                matches!(error.as_ref(), kube::Error::Api(status) if matches!(status.code, 404 | 409 | 422))
            }
            Self::TooManySteps => false,
        }
    }
}

/// One kind's reads and writes, as a pass needs them.
pub trait Pass: Send {
    /// Status of the kind.
    type Status: PartialEq + Send;
    /// Reads of the kind.
    type Read: Send;
    /// Actions of the kind.
    type Action: Send;

    /// Pure.
    fn plan(&self, now: Timestamp) -> Decision<Self::Status, Self::Read, Self::Action>;
    /// Reads from AWS or the inventory; a failure is a fact too.
    fn read(&mut self, read: Self::Read) -> impl Future<Output = ()> + Send;
    /// Writes the status if it differs from the one that is there.
    fn report(&mut self, status: Self::Status) -> impl Future<Output = Result<(), Error>> + Send;
    /// Publishes events; one that cannot be published is logged and forgotten.
    fn publish(&self, events: Vec<Event>) -> impl Future<Output = ()> + Send;
    /// Does it and remembers the outcome; only Kubernetes failures end the pass.
    fn act(&mut self, action: Self::Action) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Runs one pass to its rest. Reads and writes are boxed: thousands of passes wait at a time, and each would otherwise hold the room of the
/// largest AWS call.
pub async fn drive<P: Pass>(pass: &mut P) -> Result<Rest, Error> {
    for _ in 0..MOST_STEPS {
        let Decision {
            status,
            step,
            events,
        } = pass.plan(Timestamp::now());
        match step {
            Step::Read(read) => Box::pin(pass.read(read)).await,
            Step::Act(action) => {
                Box::pin(pass.report(status)).await?;
                Box::pin(pass.publish(events)).await;
                Box::pin(pass.act(action)).await?;
            }
            Step::Rest(rest) => {
                Box::pin(pass.report(status)).await?;
                Box::pin(pass.publish(events)).await;
                return Ok(rest);
            }
        }
    }
    Err(Error::TooManySteps)
}

/// How long to leave an object alone; `None`: until something happens.
pub fn pause(rest: Rest) -> Option<Duration> {
    match rest {
        Rest::Settled | Rest::Forget => None,
        Rest::Transition { since } => Some(pace_since(since)),
        Rest::After(time) => Some(time),
        Rest::Backoff(most) => Some(full_jitter(most)),
    }
}

/// The pace of a transition that began at `since`.
pub fn pace_since(since: Timestamp) -> Duration {
    crate::aws::pace(
        Timestamp::now()
            .duration_since(since)
            .try_into()
            .unwrap_or_default(),
    )
}

/// When to try again after a pass that failed.
pub fn after_error<K: kube::ResourceExt>(object: &K, error: &Error, faults: u32) -> Action {
    if error.is_race() && faults <= MOST_RACES {
        tracing::debug!(name = %object.name_any(), %error, "the object changed meanwhile");
        return Action::requeue(Duration::from_secs(1));
    }
    tracing::warn!(namespace = object.namespace(), name = %object.name_any(), %error, "pass failed; it is tried again");
    Action::requeue(full_jitter(
        Duration::from_secs(1 << faults.min(9)).min(Duration::from_mins(5)),
    ))
}

/// A random time from 1 s to `most`.
pub fn full_jitter(most: Duration) -> Duration {
    let least = Duration::from_secs(1);
    if most <= least {
        return least;
    }
    least + most.saturating_sub(least).mul_f64(rand::random::<f64>())
}
