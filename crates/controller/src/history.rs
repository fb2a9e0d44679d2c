//! The history of an AgentRuntime beside its passes. What cannot be written is logged and tried again later; it blocks nothing.

use std::time::Duration;

use agentcore_api::AgentRuntime;
use agentcore_api::limits::DEFAULT_REVISION_HISTORY_LIMIT;
use agentcore_plan::aws::ListedVersion;
use agentcore_plan::runtime::{self as plan, View};
use kube::ResourceExt;

use super::shard::Shard;

use agentcore_cluster::errors::told;

/// Pause before a revision that could not be written is tried again.
pub const AGAIN: Duration = Duration::from_mins(5);

/// Name of the revision of a version of the object's runtime.
fn name(object: &AgentRuntime, version: &str) -> Option<String> {
    let id = object.status.as_ref()?.id.as_deref()?;
    let uid = object.uid().unwrap_or_default();
    Some(plan::revision_name(&object.name_any(), &uid, id, version))
}

/// Writes the revision of the newest version, if it is not there and enough is known. False: it has to be tried again.
pub async fn keep(shard: &Shard, view: &View<'_>) -> bool {
    let object = view.object;
    let status = object.status.as_ref();
    let newest = status.and_then(|status| {
        let version = status.latest_version.as_ref()?;
        status.causes.iter().find(|one| one.version == *version)
    });
    let Some(newest) = newest else { return true };
    let uid = object.uid().unwrap_or_default();
    let written = name(object, &newest.version)
        .is_none_or(|name| shard.revisions.has(&uid, &name, &newest.time));
    if written {
        return true;
    }
    let Some(revision) = plan::revision(view) else {
        return true;
    };
    let name = revision.name.clone();
    match shard
        .revisions
        .write(&shard.context.kube, object, revision)
        .await
    {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%name, error = %told(&error), "cannot write the history, retrying");
            false
        }
    }
}

/// A version was deleted: its revision goes too.
pub async fn deleted(shard: &Shard, object: &AgentRuntime, version: &str) {
    if let Some(name) = name(object, version) {
        delete(shard, object, &name).await;
    }
}

/// All versions are known: revisions beyond the limit that belong to none of them go.
pub async fn tidy(shard: &Shard, object: &AgentRuntime, versions: &[ListedVersion]) {
    let kept = shard.revisions.names(&object.uid().unwrap_or_default());
    let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
    let listed: Vec<String> = versions
        .iter()
        .filter_map(|one| name(object, &one.version))
        .collect();
    let limit = object.spec.revision_history_limit;
    let limit = limit.unwrap_or(DEFAULT_REVISION_HISTORY_LIMIT);
    for name in plan::surplus(&kept, &listed, limit) {
        delete(shard, object, name).await;
    }
}

async fn delete(shard: &Shard, object: &AgentRuntime, name: &str) {
    let deleted = shard.revisions.delete(&shard.context.kube, object, name);
    if let Err(error) = deleted.await {
        tracing::warn!(name, error = %told(&error), "cannot delete the history, retrying");
    }
}
