//! Grants in passes: which objects look again when a namespace has something else, and how many objects count against its limits.

use std::sync::Arc;

use kube::{Resource, ResourceExt};
use tokio::sync::mpsc;

use super::shard::Shard;

/// Turns changes of what namespaces may use into passes, for ever.
pub async fn dispatch(shards: &[Arc<Shard>], mut changes: mpsc::UnboundedReceiver<String>) {
    while let Some(namespace) = changes.recv().await {
        for shard in shards {
            wake(shard, &namespace);
        }
    }
}

/// Asks for a pass over everything in a namespace.
fn wake(shard: &Shard, namespace: &str) {
    for object in shard.runtimes.state() {
        if object.namespace().as_deref() == Some(namespace) {
            shard.wake_runtime(namespace, &object.name_any());
        }
    }
    for object in shard.endpoints.state() {
        if object.namespace().as_deref() == Some(namespace) {
            shard.wake_endpoint(namespace, &object.name_any());
        }
    }
    shard.sessions.wake_all(&shard.context, namespace);
}

/// How many objects of a namespace are older than this one and not being deleted.
pub fn older<K: Resource>(object: &K, all: &[Arc<K>]) -> usize {
    let age = |object: &K| (object.creation_timestamp(), object.name_any());
    let mine = age(object);
    let counts = |other: &&Arc<K>| {
        other.namespace() == object.namespace()
            && other.uid() != object.uid()
            && other.meta().deletion_timestamp.is_none()
            && age(other) < mine
    };
    all.iter().filter(counts).count()
}

/// Asks for a pass over everything in namespaces that have a limit.
pub fn wake_limited(shards: &[Arc<Shard>]) {
    for shard in shards {
        for object in shard.runtimes.state() {
            let namespace = object.namespace().unwrap_or_default();
            let limits = shard.context.grants.of(&namespace).limits;
            if limits.runtimes.is_some() {
                shard.wake_runtime(&namespace, &object.name_any());
            }
        }
    }
}
