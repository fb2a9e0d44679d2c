//! AgentSession: gather -> plan -> act -> report, once a pass. Validation and planning are in `agentcore-plan`.

mod act;
mod events;
mod gather;
mod report;
mod triggers;

use std::sync::Arc;

use agentcore_api::{AgentSession, Kind};
use agentcore_plan::session::{self as plan, Action, Decision, Read};
use agentcore_plan::step::{Event, Rest};
use jiff::Timestamp;
use kube::runtime::controller::Action as Requeue;

use super::pass::{self, Error, Pass};
use super::shard::Shard;
use gather::SessionPass;

pub use triggers::{Declared, controller, drive as drive_watch};

const KIND: Kind = Kind::AgentSession;

/// One pass over one AgentSession.
pub async fn reconcile(object: Arc<AgentSession>, shard: Arc<Shard>) -> Result<Requeue, Error> {
    let gather = |object, permit| std::future::ready((SessionPass::gather(object, &shard), permit));
    pass::reconcile(
        object.clone(),
        &shard,
        &shard.sessions.store,
        &shard.context.sessions,
        KIND.singular(),
        std::future::ready(()),
        gather,
    )
    .await
}

/// After a Kubernetes failure.
#[allow(clippy::needless_pass_by_value)] // the signature is kube's
pub fn on_error(object: Arc<AgentSession>, error: &Error, shard: Arc<Shard>) -> Requeue {
    pass::after_error(&*object, error, &shard.context.sessions)
}

impl Pass for SessionPass<'_> {
    type Status = agentcore_api::AgentSessionStatus;
    type Read = Read;
    type Action = Action;

    fn plan(&self, now: Timestamp) -> Decision {
        plan::plan(&self.view(), now)
    }

    async fn read(&mut self, read: Read) {
        match read {}
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

    /// When the next pass is.
    fn remember(&self, rest: Rest) -> Requeue {
        let states = &self.shard.context.sessions;
        if rest == Rest::Forget {
            states.forget(&*self.object);
            return Requeue::await_change();
        }
        states.rests(&*self.object, rest, Timestamp::now())
    }
}
