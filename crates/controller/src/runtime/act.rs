//! One Action, one call.

use std::sync::Arc;

use agentcore_plan::runtime::{Action, Outcome, left_behind};
use jiff::Timestamp;
use kube::ResourceExt;

use super::gather::RuntimePass;
use crate::history;
use crate::pass::Error;
use agentcore_aws::Priority;
use agentcore_cluster::finalizer;

impl RuntimePass<'_> {
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
                // Before the object goes: after it nobody would know whose the runtime was.
                if let Some((id, arn)) = left_behind(&self.view()) {
                    let namespace = self.object.namespace().unwrap_or_default();
                    let retained = &self.shard.context.retained;
                    retained.keep(&namespace, &id, &arn).await?;
                }
                finalizer::remove(&self.shard.api(&*self.object), &*self.object).await?;
                // Seen without it, the object is forgotten.
                Arc::make_mut(&mut self.object).metadata.finalizers = None;
                return Ok(());
            }
            Action::Create {
                name,
                config,
                tags,
                client_token,
            } => control
                .create_runtime(priority, &name, &config, &tags, &client_token)
                .await
                .map(Outcome::Accepted),
            Action::Update {
                id,
                config,
                client_token,
            } => control
                .update_runtime(priority, &id, &config, &client_token)
                .await
                .map(Outcome::Accepted),
            Action::Delete { id, client_token } => control
                .delete_runtime(priority, &id, &client_token)
                .await
                .map(|()| Outcome::Done),
            Action::DeleteVersion {
                id,
                version,
                client_token,
            } => {
                let deletion =
                    control.delete_version(Priority::Sweep, &id, &version, &client_token);
                let outcome = deletion.await;
                if outcome.is_ok() {
                    history::deleted(self.shard, &self.object, &version).await;
                }
                outcome.map(|()| Outcome::Done)
            }
            Action::DeleteEndpoint {
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
            Action::PutResourcePolicy { arn, policy } => control
                .put_resource_policy(priority, &arn, &policy)
                .await
                .map(|()| Outcome::Done),
            Action::DeleteResourcePolicy { arn } => control
                .delete_resource_policy(priority, &arn)
                .await
                .map(|()| Outcome::Done),
        };
        self.shard
            .context
            .runtimes
            .with(&*self.object, |memory| memory.mutated_at = Timestamp::now());
        self.outcome = Some(self.scrubbed(outcome).unwrap_or_else(Outcome::Failed));
        Ok(())
    }
}
