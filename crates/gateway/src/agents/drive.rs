//! Keeps a watch of agents up to date, and tells when anything changed.

use std::future::ready;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use kube::{Api, Client};
use tokio::sync::Notify;

use super::Made;
use agentcore_cluster::kept::Kept;
use agentcore_cluster::store::{LeftAlone, Told, Watch};

/// Keeps one watch running.
pub(super) fn drive<K>(
    watch: Watch<K>,
    client: &Client,
    namespace: &str,
    made: &Arc<Made<K>>,
    changed: &Arc<Notify>,
) -> BoxFuture<'static, ()>
where
    K: Kept,
{
    let api = if namespace.is_empty() {
        Api::all(client.clone())
    } else {
        Api::namespaced(client.clone(), namespace)
    };
    let changed = changed.clone();
    Box::pin(watch.drive(api, Forgets(made.clone())).for_each(move |()| {
        changed.notify_one();
        ready(())
    }))
}

/// Forgets the agents of objects that went away.
struct Forgets<K: Kept>(Arc<Made<K>>);

impl<K: Kept> Told<K> for Forgets<K> {
    fn gone(&self, object: &K) {
        self.0.forget(object);
    }

    fn left_alone(&self, LeftAlone { metadata, why, .. }: LeftAlone) {
        let (namespace, name) = (metadata.namespace, metadata.name);
        tracing::debug!(kind = %K::kind(&()), namespace, name, %why, "object skipped");
    }
}
