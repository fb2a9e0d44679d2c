//! From what the inventories of AWS noticed to passes over the objects that it concerns.

use std::collections::HashSet;
use std::sync::Arc;

use agentcore_api::AgentRuntime;
use kube::ResourceExt;
use tokio::sync::mpsc;

use super::runtime;
use super::shard::Shard;
use agentcore_aws::Trigger;

/// Wakes that are matched with the objects at once.
const WAKES: usize = 1024;

/// Asks for the passes, until nobody can notice anything any more.
pub async fn run(shards: Vec<Arc<Shard>>, mut triggered: mpsc::UnboundedReceiver<Trigger>) {
    let mut triggers = Vec::new();
    while triggered.recv_many(&mut triggers, WAKES).await > 0 {
        let mut entries = Vec::new();
        for trigger in triggers.drain(..) {
            match trigger.key.as_deref().and_then(|key| key.split_once('/')) {
                Some((namespace, name)) => {
                    for shard in &shards {
                        shard.wake_by_key(namespace, name, trigger.poll);
                    }
                }
                None => entries.push(trigger),
            }
        }
        if entries.is_empty() {
            continue;
        }
        // One look at the objects for all of them: there may be thousands of both.
        let ids: HashSet<&str> = entries.iter().map(|one| &*one.runtime_id).collect();
        let names: HashSet<&str> = entries.iter().map(|one| &*one.name).collect();
        for shard in &shards {
            for object in shard.runtimes.state() {
                if concerns(&object, &ids, &names, shard) {
                    shard.wake_runtime(&object.namespace().unwrap_or_default(), &object.name_any());
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Whether one of the inventory's entries belongs to an object: by id once it has one, else by name.
fn concerns(
    object: &AgentRuntime,
    ids: &HashSet<&str>,
    names: &HashSet<&str>,
    shard: &Shard,
) -> bool {
    let status = object.status.as_ref();
    match status.and_then(|status| status.id.as_deref()) {
        Some(id) => ids.contains(id),
        None => runtime::aws_names(object, &shard.context.policy)
            .iter()
            .any(|name| names.contains(&**name)),
    }
}
