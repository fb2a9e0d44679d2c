//! One pass over one object: ask the planner, read or act, ask again, until it says rest.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use agentcore_plan::step::{Decision, Event, Rest, Step};
use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use tracing::Instrument;

use super::object_states::ObjectStates;
use super::permits::Permit;
use super::shard::Shard;
use agentcore_cluster::kept::Kept;
use agentcore_cluster::store::Cache;

use agentcore_cluster::errors::told;

/// More questions than this in one pass mean that the planner does not come to an end.
const MOST_STEPS: usize = 16;

/// Races in a row that are believed to be races.
const MOST_RACES: u32 = 3;

/// What went wrong in a pass. Faults of AWS are not among them: the planner deals with those.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error("kubernetes call failed")]
    Kubernetes(#[source] Box<kube::Error>),
    /// The the planner requested more than any object needs.
    #[error("the planner requested more than {MOST_STEPS} steps")]
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
    /// What is left to do once the pass has ended, however it did.
    fn tidy(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
    /// Remembers what the next pass has to know; says when it is.
    fn remember(&self, rest: Rest) -> Action;
    /// Whether it waits for AWS, and not for the API server.
    fn calls_aws(action: &Self::Action) -> bool;
    /// Does it and remembers the outcome; only Kubernetes failures end the pass.
    fn act(&mut self, action: Self::Action) -> impl Future<Output = Result<(), Error>> + Send;
}

/// One pass over one object, unless it is to be left alone for now. `ready`: what may take long before anything can be done, such as the first
/// list of AWS. `gather`: what the pass begins with; it has the turn for what it may have to wait for.
pub async fn reconcile<'t, K, P, F>(
    object: Arc<K>,
    shard: &'t Shard,
    store: &Cache<K>,
    states: &ObjectStates<P::Status>,
    controller: &'static str,
    ready: impl Future<Output = ()>,
    gather: impl FnOnce(Arc<K>, Permit<'t>) -> F,
) -> Result<Action, Error>
where
    K: Kept,
    P: Pass<Status: Clone>,
    F: Future<Output = (P, Permit<'t>)>,
{
    let span = tracing::info_span!(
        "reconcile",
        kind = &*K::kind(&()),
        namespace = object.namespace(),
        name = object.name_any(),
        account = shard.context.policy.account,
    );
    shard.filled().await;
    if let Some(later) = states.resting(&*object, Timestamp::now()) {
        return Ok(later);
    }
    let metrics = shard.context.metrics.pass(controller);
    ready.await;
    let namespace = object.namespace().unwrap_or_default();
    let tenant = shard.context.tenant(&namespace);
    let _weight = shard.context.weights.begin(store, &*object).await;
    let permit = shard.context.permits.begin(tenant).await;
    // It may have changed while it waited, or be gone.
    let Some(object) = store.get(&ObjectRef::from_obj(&*object)) else {
        metrics.ended(None);
        return Ok(Action::await_change());
    };
    let read = store.whole(&shard.context.kube, object);
    let Some(object) = Box::pin(read).await? else {
        metrics.ended(None);
        return Ok(Action::await_change());
    };
    // Boxed, and gathered inside: thousands may wait above at a time.
    Box::pin(async {
        let (mut pass, mut permit) = gather(object, permit).await;
        let rest = drive(&mut pass, &mut permit).await;
        pass.tidy().await;
        drop(permit);
        metrics.ended(rest.as_ref().err().map(Error::reason));
        Ok(pass.remember(rest?))
    })
    .instrument(span)
    .await
}

/// Runs one pass to its rest. Reads and writes are boxed: hundreds of passes wait at a time, and each would otherwise hold the room of the
/// largest AWS call.
async fn drive<P: Pass>(pass: &mut P, permit: &mut Permit<'_>) -> Result<Rest, Error> {
    for _ in 0..MOST_STEPS {
        let Decision {
            status,
            step,
            events,
        } = pass.plan(Timestamp::now());
        match step {
            Step::Read(read) => {
                drop(status);
                permit.aside(Box::pin(pass.read(read))).await;
            }
            Step::Act(action) => {
                Box::pin(pass.report(status)).await?;
                Box::pin(pass.publish(events)).await;
                let waits = P::calls_aws(&action);
                let acted = Box::pin(pass.act(action));
                if waits {
                    permit.aside(acted).await?;
                } else {
                    acted.await?;
                }
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
    agentcore_aws::pace(
        Timestamp::now()
            .duration_since(since)
            .try_into()
            .unwrap_or_default(),
    )
}

/// When to try again after a pass that failed in Kubernetes: at once where the object changed during the reconcile, else later.
pub fn after_error<K: Resource, S: Clone>(
    object: &K,
    error: &Error,
    states: &ObjectStates<S>,
) -> Action {
    let mut faults = 1;
    // By name: the pass may have been over a newer object than this one.
    let namespace = object.namespace().unwrap_or_default();
    states.mark(&namespace, &object.name_any(), |memory| {
        memory.streaks.begin();
        faults = memory.streaks.count();
    });
    if error.is_race() && faults <= MOST_RACES {
        tracing::debug!(name = %object.name_any(), error = %told(error), "the object changed during the reconcile");
        return Action::requeue(Duration::from_secs(1));
    }
    tracing::warn!(namespace = object.namespace(), name = %object.name_any(), error = %told(error), "reconcile failed, retrying");
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
