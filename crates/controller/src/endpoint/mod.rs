//! AgentEndpoint: gather -> plan -> act -> report, once a pass. Validation and planning are in `agentcore-plan`.

mod act;
mod events;
mod gather;
mod report;

use std::sync::Arc;

use agentcore_api::{AgentEndpoint, Kind};
use agentcore_plan::endpoint::{self as plan, Action, Decision, Read};
use agentcore_plan::stale_sessions::note_endpoint;
use agentcore_plan::step::{Event, Rest};
use jiff::Timestamp;
use kube::runtime::controller::Action as Requeue;

use super::pass::{self, Error, Pass};
use super::shard::Shard;
use agentcore_aws::Operation;
use gather::EndpointPass;

pub use gather::aws_name;

const KIND: Kind = Kind::AgentEndpoint;

/// One pass over one AgentEndpoint.
pub async fn reconcile(object: Arc<AgentEndpoint>, shard: Arc<Shard>) -> Result<Requeue, Error> {
    let ready = async { drop(gather::region(&object, &shard).await) };
    let gather = |object, permit| EndpointPass::gather(object, &shard, permit);
    pass::reconcile(
        object.clone(),
        &shard,
        &shard.endpoints,
        &shard.context.endpoints,
        KIND.singular(),
        ready,
        gather,
    )
    .await
}

/// After a Kubernetes failure.
#[allow(clippy::needless_pass_by_value)] // the signature is kube's
pub fn on_error(object: Arc<AgentEndpoint>, error: &Error, shard: Arc<Shard>) -> Requeue {
    pass::after_error(&*object, error, &shard.context.endpoints)
}

impl Pass for EndpointPass<'_> {
    type Status = agentcore_api::AgentEndpointStatus;
    type Read = Read;
    type Action = Action;

    fn plan(&self, now: Timestamp) -> Decision {
        let (view, context) = (self.view(), &self.shard.context);
        let mut decision = plan::plan(&view, now);
        let sessions = context.reports.of(KIND, &*self.object);
        note_endpoint(&mut decision, &self.object, view.runtime, &sessions, now);
        decision
    }

    async fn read(&mut self, read: Read) {
        self.fetch(read).await;
    }

    async fn report(&mut self, status: Self::Status) -> Result<(), Error> {
        self.write_status(status).await
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

    /// What the next pass has to know, and when it is. No inventory lists endpoints: one in transition is read at the pace of
    /// transitions.
    fn remember(&self, rest: Rest) -> Requeue {
        let states = &self.shard.context.endpoints;
        if rest == Rest::Forget {
            states.forget(&*self.object);
            return Requeue::await_change();
        }
        let now = Timestamp::now();
        // All endpoints in transition together take a quarter of the rate at most.
        let together = u32::try_from(states.polled()).unwrap_or(u32::MAX);
        let pace = self
            .control
            .quarter(Operation::GetAgentRuntimeEndpoint)
            .saturating_mul(together);
        states.with(&*self.object, |memory| {
            memory.poll_at = match rest {
                // A wake in between does not put the next look off.
                Rest::Transition { since } => Some(
                    memory
                        .poll_at
                        .unwrap_or(now + pace.max(pass::pace_since(since))),
                ),
                _ => None,
            };
        });
        states.rests(&*self.object, rest, now)
    }
}
