//! One Action, one call.

use std::sync::Arc;

use agentcore_api::values::Arn;
use agentcore_plan::fault::{Class, Fault};
use agentcore_plan::session::{Action, Address, CallResult, Outcome};
use kube::ResourceExt;

use super::gather::SessionPass;
use crate::pass::Error;
use agentcore_aws::{DataPlane, Priority};
use agentcore_cluster::finalizer;

impl SessionPass<'_> {
    /// Does it. AgentCore's answer, good or bad, becomes the pass's outcome.
    pub async fn perform(&mut self, action: Action) -> Result<(), Error> {
        match action {
            Action::AddFinalizer => {
                let api = self.shard.api(&*self.object);
                let mut added = finalizer::add(&api, &*self.object).await?;
                added.status.clone_from(&self.object.status);
                self.object = Arc::new(added);
            }
            Action::RemoveFinalizer => {
                finalizer::remove(&self.shard.api(&*self.object), &*self.object).await?;
                // Seen without it, the object is forgotten.
                Arc::make_mut(&mut self.object).metadata.finalizers = None;
            }
            Action::Invoke {
                at,
                payload,
                within,
            } => {
                let result = match self.data_plane(&at) {
                    Ok(plane) => plane.invoke(Priority::Urgent, &at, payload, within).await,
                    Err(fault) => CallResult::Failed(fault),
                };
                self.note(at, result);
            }
            Action::Stop { at } => {
                let result = match self.data_plane(&at) {
                    Ok(plane) => plane.stop(Priority::Urgent, &at).await,
                    Err(fault) => CallResult::Failed(fault),
                };
                self.note(at, result);
            }
        }
        Ok(())
    }

    /// The data plane of the session's region.
    fn data_plane(&self, at: &Address) -> Result<DataPlane, Fault> {
        let context = &self.shard.context;
        let region = Arn(&at.runtime_arn).region();
        let region = region.unwrap_or(&context.policy.region);
        let tenant = context.tenant(&self.object.namespace().unwrap_or_default());
        let plane = context.regions.data_plane(region, tenant);
        plane.map_err(|error| Fault {
            class: Class::Unknown,
            reason: agentcore_api::reasons::UNKNOWN_ERROR,
            code: "Setup".to_owned(),
            message: error.to_string(),
            request_id: None,
        })
    }

    fn note(&mut self, at: Address, result: CallResult) {
        tracing::debug!(qualifier = %at.qualifier, ?result, "invoked the session");
        self.outcome = Some(Outcome {
            session_id: at.session_id,
            result,
        });
    }
}
