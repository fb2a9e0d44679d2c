//! Status of an AgentSession, by server-side apply.

use std::sync::Arc;

use agentcore_api::AgentSessionStatus;

use super::gather::SessionPass;
use crate::cluster::status;
use crate::controllers::pass::Error;
use crate::controllers::shard::released;

/// Field manager of this controller's status.
const FIELD_MANAGER: &str = "agentcore-operator/agentsession";

impl SessionPass<'_> {
    /// Writes the status if it differs from the one that is there.
    pub async fn write_status(&mut self, status: AgentSessionStatus) -> Result<(), Error> {
        if self.object.status.as_ref() == Some(&status) || released(&*self.object) {
            return Ok(());
        }
        let api = self.shard.api(&*self.object);
        let written = status::apply(&api, &*self.object, FIELD_MANAGER, &status).await?;
        let context = &self.shard.context;
        context
            .sessions
            .wrote(&*self.object, &written, status.clone());
        let object = Arc::make_mut(&mut self.object);
        let before = object.status.replace(status.clone()).unwrap_or_default();
        context
            .metrics
            .status_written("AgentSession", &before.conditions, &status.conditions);
        Ok(())
    }
}
