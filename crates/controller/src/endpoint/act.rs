//! One Action, one call.

use std::sync::Arc;

use agentcore_plan::endpoint::{Action, Outcome};
use jiff::Timestamp;

use super::gather::EndpointPass;
use crate::pass::Error;
use agentcore_aws::{DesiredEndpoint, Priority};
use agentcore_cluster::finalizer;

impl EndpointPass<'_> {
    /// Does it. AWS's answer, good or bad, becomes the pass's outcome.
    pub async fn perform(&mut self, action: Action) -> Result<(), Error> {
        let control = &self.control;
        let priority = Priority::Urgent;
        let outcome = match action {
            Action::AddFinalizer => {
                let api = self.shard.api(&*self.object);
                let mut added = finalizer::add(&api, &*self.object).await?;
                added.status.clone_from(&self.object.status);
                self.object = Arc::new(added);
                return Ok(());
            }
            Action::RemoveFinalizer => {
                finalizer::remove(&self.shard.api(&*self.object), &*self.object).await?;
                // Seen without it, the object is forgotten.
                Arc::make_mut(&mut self.object).metadata.finalizers = None;
                return Ok(());
            }
            Action::Create {
                runtime_id,
                name,
                version,
                description,
                tags,
                client_token,
            } => {
                let desired = DesiredEndpoint {
                    name: &name,
                    version: &version,
                    description: description.as_deref(),
                };
                control
                    .create_endpoint(priority, &runtime_id, desired, &tags, &client_token)
                    .await
                    .map(Outcome::Accepted)
            }
            Action::Update {
                runtime_id,
                name,
                version,
                description,
                client_token,
            } => {
                let desired = DesiredEndpoint {
                    name: &name,
                    version: &version,
                    description: description.as_deref(),
                };
                control
                    .update_endpoint(priority, &runtime_id, desired, &client_token)
                    .await
                    .map(Outcome::Accepted)
            }
            Action::Delete {
                runtime_id,
                name,
                client_token,
            } => control
                .delete_endpoint(priority, &runtime_id, &name, &client_token)
                .await
                .map(|()| Outcome::Done),
            Action::Tag { arn, tags } => control
                .tag(priority, &arn, &tags)
                .await
                .map(|()| Outcome::Done),
            Action::Untag { arn, keys } => control
                .untag(priority, &arn, &keys)
                .await
                .map(|()| Outcome::Done),
        };
        self.shard
            .context
            .endpoints
            .with(&*self.object, |memory| memory.mutated_at = Timestamp::now());
        self.outcome = Some(outcome.unwrap_or_else(Outcome::Failed));
        Ok(())
    }
}
