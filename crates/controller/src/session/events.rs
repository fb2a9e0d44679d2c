//! Events of an AgentSession.

use agentcore_plan::step::Event;

use super::gather::SessionPass;

impl SessionPass<'_> {
    /// Publishes what the planner said, about the object.
    pub async fn write_events(&self, events: Vec<Event>) {
        self.shard
            .context
            .publish(&*self.object, "Reconcile", events)
            .await;
    }
}
