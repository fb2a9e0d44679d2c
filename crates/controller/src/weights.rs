//! How much of large objects passes hold at a time. A pass over one holds it several times over, also while it waits for AWS: the object, the request, its text.
//! Small objects, which the caches keep whole, do not count.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use agentcore_api::AgentRuntime;
use kube::{Resource, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use agentcore_cluster::kept::Kept;
use agentcore_cluster::store::Cache;

/// Bytes of a permit.
const UNIT: usize = 1024;
/// Most of one kind in one namespace, in permits: 4 MiB.
const NAMESPACE: usize = 4096;
/// Most AgentRuntimes of all namespaces, in permits: 8 MiB. AgentSessions are bounded by their namespace alone: their calls last as long as agents let
/// them, and nobody's agents may hold up another namespace.
const RUNTIMES: usize = 8192;

/// The weights that passes hold.
pub struct Weights {
    runtimes: Arc<Semaphore>,
    /// By kind and namespace; those that nobody holds or waits for are gone.
    namespaces: Mutex<HashMap<(String, String), Weak<Semaphore>>>,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            runtimes: Arc::new(Semaphore::new(RUNTIMES)),
            namespaces: Mutex::default(),
        }
    }
}

/// What a pass holds, until it is dropped.
pub struct Weight {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Weights {
    /// Waits until there is room for a pass over this object; first come, first served.
    pub async fn begin<K: Kept>(&self, cache: &Cache<K>, object: &K) -> Weight {
        let mut permits = Vec::new();
        if let Some(bytes) = cache.held().whole(object.meta()) {
            let units = (bytes / UNIT).clamp(1, NAMESPACE);
            let namespace = object.namespace().unwrap_or_default();
            let kind = K::kind(&()).into_owned();
            let mut of = vec![self.of_namespace(&kind, namespace)];
            if kind == AgentRuntime::kind(&()) {
                of.push(self.runtimes.clone());
            }
            for semaphore in of {
                let units = u32::try_from(units).unwrap_or(1);
                // Fails only when it is closed, which nobody does.
                permits.extend(semaphore.acquire_many_owned(units).await.ok());
            }
        }
        Weight { _permits: permits }
    }

    fn of_namespace(&self, kind: &str, namespace: String) -> Arc<Semaphore> {
        let mut namespaces = self.namespaces.lock();
        if namespaces.len() == namespaces.capacity() {
            namespaces.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let key = (kind.to_owned(), namespace);
        if let Some(there) = namespaces.get(&key).and_then(Weak::upgrade) {
            return there;
        }
        let made = Arc::new(Semaphore::new(NAMESPACE));
        namespaces.insert(key, Arc::downgrade(&made));
        made
    }
}
