//! Watching a kind: one watch and one cache, shared by all who need them.

use std::fmt::Debug;
use std::hash::Hash;

use futures::{Stream, StreamExt};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ReflectHandle, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::errors::told;

/// How many events a slow reader may lag behind before the watch waits for it.
const BUFFER: usize = 1024;

/// Objects of one page of the first list: what a page is decoded from stays in memory for a while.
const PAGE: u32 = 100;

/// A shared watch: readers subscribe before it is driven.
pub struct Watch<K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static> {
    /// The cache.
    pub store: Store<K>,
    writer: Writer<K>,
    filled: watch::Sender<bool>,
}

impl<K> Watch<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Default,
{
    /// Makes the cache; nothing is read yet.
    pub fn new() -> Self {
        let (store, writer) = reflector::store_shared(BUFFER);
        Self {
            store,
            writer,
            filled: watch::Sender::new(false),
        }
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

    /// Whether the first list is in the cache. (The cache's own `wait_until_ready` wakes only the last of several waiters.)
    pub fn filled(&self) -> watch::Receiver<bool> {
        self.filled.subscribe()
    }

    /// Reads and watches for ever, without what nobody reads.
    /// `gone` is told of each object that went away: the readers' streams do not tell.
    pub fn drive(self, api: Api<K>, gone: impl Fn(&K) + Send) -> impl Stream<Item = ()> + Send {
        let Self {
            store: _,
            writer,
            filled,
        } = self;
        watcher(api, watcher::Config::default().page_size(PAGE))
            .default_backoff()
            .modify(drop_unread)
            .reflect_shared(writer)
            .map(move |event| match event {
                Ok(watcher::Event::InitDone) => {
                    filled.send_replace(true);
                }
                Ok(watcher::Event::Delete(object)) => gone(&object),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(kind = %K::kind(&()), error = %told(&error), "watch interrupted; it is tried again");
                }
            })
    }
}

/// Drops what nobody reads and what may be larger than the object: managed fields, and kubectl's copy of the manifest.
pub fn drop_unread(object: &mut impl Resource) {
    object.managed_fields_mut().clear();
    object
        .annotations_mut()
        .remove("kubectl.kubernetes.io/last-applied-configuration");
}

impl<K> Default for Watch<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}
