//! Status of an AgentRuntime, by server-side apply.

use std::sync::Arc;

use agentcore_api::{AgentRuntimeStatus, Kind};

use super::gather::RuntimePass;
use crate::left_alone;
use crate::pass::Error;
use crate::shard::released;
use agentcore_cluster::status;

/// Field manager of this controller's status.
const FIELD_MANAGER: &str = "agentcore-operator/agentruntime";

impl RuntimePass<'_> {
    /// Writes the status if it differs from the one that is there.
    pub async fn write_status(&mut self, status: AgentRuntimeStatus) -> Result<(), Error> {
        let marked = self.shard.runtimes.held().is_marked(&self.object.metadata);
        let same = self.object.status.as_ref() == Some(&status);
        if (same && !marked) || released(&*self.object) {
            return Ok(());
        }
        let api = self.shard.api(&*self.object);
        let mut written =
            status::apply(&api, &self.object.metadata, FIELD_MANAGER, &status).await?;
        if marked {
            written = left_alone::release(&api, &self.object.metadata).await?;
        }
        self.shard
            .context
            .runtimes
            .wrote(&*self.object, &written, status.clone());
        let object = Arc::make_mut(&mut self.object);
        let before = object.status.replace(status.clone()).unwrap_or_default();
        self.shard.context.metrics.status_written(
            Kind::AgentRuntime,
            &before.conditions,
            &status.conditions,
        );
        Ok(())
    }
}
