//! Watching a kind: one watch and one cache, shared by all who need them.

use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ReflectHandle, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// How many events a slow reader may lag behind before the watch waits for it.
const BUFFER: usize = 1024;

/// A shared watch: readers subscribe before it is driven.
pub struct Watch<K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static> {
    /// The cache.
    pub store: Store<K>,
    writer: Writer<K>,
}

impl<K> Watch<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Default,
{
    /// Makes the cache; nothing is read yet.
    pub fn new() -> Self {
        let (store, writer) = reflector::store_shared(BUFFER);
        Self { store, writer }
    }

    /// A stream of every object that changes from now on.
    ///
    /// # Panics
    /// Never: a shared store can always be subscribed to.
    pub fn subscribe(&self) -> ReflectHandle<K> {
        self.writer
            .subscribe()
            .expect("store_shared makes a writer that can be subscribed to")
    }

    /// Reads and watches for ever. What nobody reads (managed fields, kubectl's copy of the manifest) is dropped at once.
    pub fn drive(self, api: Api<K>) -> impl Stream<Item = ()> + Send {
        watcher(api, watcher::Config::default())
            .default_backoff()
            .modify(|object| {
                object.managed_fields_mut().clear();
                object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
            })
            .reflect_shared(self.writer)
            .filter_map(|event| async move {
                if let Err(error) = event {
                    tracing::warn!(kind = %K::kind(&()), %error, "watch interrupted; it is tried again");
                }
                Some(())
            })
    }
}

impl<K> Default for Watch<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

/// Waits until the first list is in the cache, at most 30 s.
pub async fn filled<K>(store: &Store<K>) -> bool
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    matches!(
        tokio::time::timeout(Duration::from_secs(30), store.wait_until_ready()).await,
        Ok(Ok(()))
    )
}
