//! Secrets and ConfigMaps in passes: what a pass reads of them, and which objects a change wakes.

use std::sync::Arc;
use std::time::Duration;

use agentcore_api::AgentRuntime;
use agentcore_plan::config::sources;
use agentcore_plan::step::Rest;
use kube::ResourceExt;
use tokio::sync::mpsc;

use super::context::Context;
use super::shard::Shard;
use agentcore_cluster::config::{Changed, Reading};

/// How often something is read again that nothing tells of; a fifth more or less.
const AGAIN: Duration = Duration::from_secs(30);

/// Reads what an object refers to. One that is being deleted needs nothing.
pub async fn read(context: &Context, object: &AgentRuntime) -> Reading {
    if object.metadata.deletion_timestamp.is_some() {
        return Reading::default();
    }
    let namespace = object.namespace().unwrap_or_default();
    context
        .configs
        .read(&namespace, sources(&object.spec))
        .await
}

/// A rest that is over when things are to be read again.
pub fn again(rest: Rest) -> Rest {
    let most = AGAIN.mul_f64(0.8 + 0.4 * rand::random::<f64>());
    at_most(rest, most)
}

/// A rest that ends after `most`.
pub fn at_most(rest: Rest, most: Duration) -> Rest {
    match rest {
        Rest::Settled => Rest::After(most),
        Rest::After(time) => Rest::After(time.min(most)),
        Rest::Backoff(time) => Rest::Backoff(time.min(most)),
        Rest::Transition { .. } | Rest::Forget => rest,
    }
}

/// Turns changes into passes, for ever. A namespace in which nobody refers to anything is let go.
pub async fn dispatch(shards: &[Arc<Shard>], mut changes: mpsc::UnboundedReceiver<Changed>) {
    while let Some(Changed { namespace, source }) = changes.recv().await {
        let (mut refer, mut concerned) = (0_usize, Vec::new());
        for shard in shards {
            for object in shard.runtimes.state() {
                if object.namespace().as_deref() != Some(namespace.as_str()) {
                    continue;
                }
                let wanted = sources(&object.spec);
                refer += usize::from(!wanted.is_empty());
                if wanted.contains(&source) {
                    concerned.push((shard, object.name_any()));
                }
            }
        }
        for (shard, name) in concerned {
            shard.wake_runtime(&namespace, &name);
        }
        if refer == 0
            && let Some(shard) = shards.first()
        {
            shard.context.configs.forget(&namespace);
        }
    }
}

/// An AgentRuntime went away: without another one that refers to anything its namespace is let go.
pub fn released(shard: &Shard, namespace: &str) {
    let configs = &shard.context.configs;
    let refers = |object: &Arc<AgentRuntime>| {
        object.namespace().as_deref() == Some(namespace) && !sources(&object.spec).is_empty()
    };
    if configs.watches(namespace) && !shard.runtimes.state().iter().any(refers) {
        configs.forget(namespace);
    }
}
