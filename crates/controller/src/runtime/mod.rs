//! AgentRuntime: gather -> plan -> act -> report, once a pass. Validation and planning are in `agentcore-plan`.

mod act;
mod events;
mod gather;
mod report;

use std::sync::Arc;

use agentcore_api::{AgentRuntime, Kind};
use agentcore_plan::runtime::{self as plan, Action, Decision, Read};
use agentcore_plan::stale_sessions::note_runtime;
use agentcore_plan::step::{Event, Rest};
use jiff::Timestamp;
use kube::runtime::controller::Action as Requeue;

use super::pass::{self, Error, Pass};
use super::shard::Shard;
use super::{config, history};
use gather::RuntimePass;

pub use agentcore_plan::runtime::names as aws_names;
pub use gather::{key, over_the_limit};

const KIND: Kind = Kind::AgentRuntime;

/// One pass over one AgentRuntime.
pub async fn reconcile(object: Arc<AgentRuntime>, shard: Arc<Shard>) -> Result<Requeue, Error> {
    shard.revisions.filled().await;
    let regions = &shard.context.regions;
    let region = plan::region(&object, &shard.context.policy);
    let ready = async { drop(regions.get(&region).await) };
    let gather = |object, permit| RuntimePass::gather(object, &shard, permit);
    pass::reconcile(
        object.clone(),
        &shard,
        &shard.runtimes,
        &shard.context.runtimes,
        KIND.singular(),
        ready,
        gather,
    )
    .await
}

/// After a Kubernetes failure.
#[allow(clippy::needless_pass_by_value)] // the signature is kube's
pub fn on_error(object: Arc<AgentRuntime>, error: &Error, shard: Arc<Shard>) -> Requeue {
    pass::after_error(&*object, error, &shard.context.runtimes)
}

impl Pass for RuntimePass<'_> {
    type Status = agentcore_api::AgentRuntimeStatus;
    type Read = Read;
    type Action = Action;

    fn plan(&self, now: Timestamp) -> Decision {
        let mut decision = plan::plan(&self.view(), now);
        let sessions = self.shard.context.reports.of(KIND, &*self.object);
        note_runtime(&mut decision, &self.object, &sessions, now);
        decision
    }

    async fn read(&mut self, read: Read) {
        self.fetch(read).await;
    }

    async fn report(&mut self, status: Self::Status) -> Result<(), Error> {
        self.write_status(status).await?;
        self.history_due = !history::keep(self.shard, &self.view()).await;
        Ok(())
    }

    async fn publish(&self, events: Vec<Event>) {
        self.write_events(events).await;
    }

    fn calls_aws(action: &Action) -> bool {
        !matches!(action, Action::AddFinalizer | Action::RemoveFinalizer)
    }

    async fn act(&mut self, action: Action) -> Result<(), Error> {
        self.perform(action).await
    }

    async fn tidy(&self) {
        if let Some(versions) = self.versions() {
            history::tidy(self.shard, &self.object, versions).await;
        }
    }

    /// What the next pass has to know, and what the inventory has to watch.
    fn remember(&self, mut rest: Rest) -> Requeue {
        if self.config.asks_again {
            rest = config::again(rest);
        }
        if self.history_due {
            rest = config::at_most(rest, history::AGAIN);
        }
        let (states, inventory) = (&self.shard.context.runtimes, &self.region.inventory);
        let key = key(&self.object);
        match rest {
            Rest::Forget => {
                inventory.settle(&key);
                states.forget(&*self.object);
                return Requeue::await_change();
            }
            Rest::Transition { since } => {
                let id = self
                    .object
                    .status
                    .as_ref()
                    .and_then(|status| status.id.clone());
                inventory.track(key, id, since);
            }
            Rest::Settled | Rest::After(_) | Rest::Backoff(_) => inventory.settle(&key),
        }
        states.rests(&*self.object, rest, Timestamp::now())
    }
}
