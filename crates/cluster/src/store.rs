//! Watching a kind: one watch and one cache, shared by all who need them. The cache holds what [`Kept`] keeps of each object; what cannot be read, or has
//! no room, is not in it, and whoever asks is told why.

use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, Stream};
use kube::core::ObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef, ReflectHandle, Store};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::watch;

use super::kept::{Kept, Piece};
use super::listing::listing;
use super::readable::{Raw, Why};
use super::room::{Held, Room, Taken};

/// How many events a slow reader may lag behind before the watch waits for it.
const BUFFER: usize = 1024;

/// Objects that are read at a time because there is room for them again.
const READS: usize = 4;

/// The cache of a kind. What it gives may be less than the object: see [`Cache::whole`].
pub struct Cache<K: Kept> {
    store: Store<K>,
    held: Arc<Held>,
}

impl<K: Kept> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            held: self.held.clone(),
        }
    }
}

impl<K: Kept> Deref for Cache<K> {
    type Target = Store<K>;

    fn deref(&self) -> &Store<K> {
        &self.store
    }
}

impl<K: Kept> Cache<K> {
    /// A cache that holds all of what is in a store.
    pub fn of(store: Store<K>) -> Self {
        let held = Arc::new(Held::new(Room::usual()));
        Self { store, held }
    }

    /// The cache as kube has it.
    pub fn store(&self) -> Store<K> {
        self.store.clone()
    }

    /// What is known of its objects besides.
    pub fn held(&self) -> &Arc<Held> {
        &self.held
    }

    /// The whole of an object that was in the cache: itself, or read anew where the cache has less. `None`: it is gone, or cannot be read any more.
    ///
    /// # Errors
    /// The API server did not answer, or refused.
    pub async fn whole(&self, kube: &Client, object: Arc<K>) -> kube::Result<Option<Arc<K>>> {
        if self.held.whole(object.meta()).is_none() {
            return Ok(Some(object));
        }
        let ObjectMeta {
            namespace, name, ..
        } = object.meta();
        let namespace = namespace.as_deref().unwrap_or_default();
        let api = Api::<Raw<K>>::namespaced(kube.clone(), namespace);
        let raw = api.get_opt(name.as_deref().unwrap_or_default()).await?;
        Ok(raw
            .and_then(|raw| raw.whole().ok())
            .map(|(object, _)| Arc::new(object)))
    }
}

/// An object that is left alone.
#[derive(Clone, Debug)]
pub struct LeftAlone {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Why.
    pub why: Why,
    /// Whether its status says so already.
    pub said: bool,
}

/// What readers want to be told besides what the cache has.
pub trait Told<K>: Send + Sync {
    /// An object went away, or cannot be read any more.
    fn gone(&self, _object: &K) {}
    /// An object is left alone.
    fn left_alone(&self, _object: LeftAlone) {}
}

/// A shared watch: readers subscribe before it is driven.
pub struct Watch<K: Kept> {
    /// The cache.
    pub store: Cache<K>,
    writer: Writer<K>,
    filled: watch::Sender<bool>,
}

impl<K> Watch<K>
where
    K: Kept,
    K::DynamicType: Eq + Hash + Clone + Default,
{
    /// Makes the cache, which takes its part of the room; nothing is read yet.
    pub fn new(room: &Arc<Room>) -> Self {
        let (store, writer) = reflector::store_shared(BUFFER);
        Self {
            store: Cache {
                store,
                held: Arc::new(Held::new(room.clone())),
            },
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
    pub fn drive(
        self,
        api: Api<Raw<K>>,
        told: impl Told<K> + 'static,
    ) -> impl Stream<Item = ()> + Send {
        let Self {
            store,
            writer,
            filled,
        } = self;
        let told = Arc::new(told);
        let mut before = Vec::new();
        pieces(api, store.clone(), told.clone())
            .reflect_shared(writer)
            .map(move |event| match event {
                Ok(Event::Init) => before = store.state(),
                Ok(Event::InitDone) => {
                    filled.send_replace(true);
                    let listed = |object: &K| {
                        let now = store.get(&ObjectRef::from_obj(object));
                        now.is_some_and(|now| now.meta().uid == object.meta().uid)
                    };
                    // No event tells of what a list does not have any more.
                    for object in std::mem::take(&mut before) {
                        if !listed(&object) {
                            told.gone(&object);
                        }
                    }
                }
                // Told once it is not in the cache any more.
                Ok(Event::Delete(object)) => told.gone(&object),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(kind = %K::kind(&()), error = %crate::errors::told(&error), "watch interrupted, retrying");
                }
            })
    }
}

/// The events of a watch, of what the cache is to keep.
fn pieces<K: Kept>(
    api: Api<Raw<K>>,
    cache: Cache<K>,
    told: Arc<impl Told<K> + 'static>,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send {
    let kube = api.clone().into_client();
    let mut freed = cache.held.room().freed();
    async_stream::stream! {
        let mut events = std::pin::pin!(listing(api, watcher::Config::default()));
        let mut reads = FuturesUnordered::new();
        // During a list nothing is read besides: the list replaces the cache at its end.
        let mut listing = true;
        loop {
            let next = tokio::select! {
                event = events.next() => event.map(|event| event.map(Some)),
                Some(read) = reads.next(), if !reads.is_empty() => {
                    // What has changed meanwhile came with an event of its own.
                    let read: Option<Raw<K>> = read;
                    let read = read.filter(|raw| !listing && cache.held.waits_at(raw.metadata()));
                    Some(Ok(read.map(Event::Apply)))
                }
                Ok(()) = freed.changed() => Some(Ok(None)),
            };
            match next {
                None => break,
                Some(Err(error)) => yield Err(error),
                Some(Ok(event)) => {
                    match &event {
                        Some(Event::Init) => listing = true,
                        Some(Event::InitDone) => listing = false,
                        _ => {}
                    }
                    if let Some(event) = event.and_then(|event| take(&cache, &*told, event)) {
                        yield Ok(event);
                    }
                }
            }
            if reads.is_empty() && !listing {
                for (namespace, name) in cache.held.wait_for_room().into_iter().take(READS) {
                    let api = Api::<Raw<K>>::namespaced(kube.clone(), &namespace);
                    // One that cannot be read now is tried with the next event.
                    reads.push(async move { api.get(&name).await.ok() }.boxed());
                }
            }
        }
    }
}

/// What an event means for the cache.
pub(super) fn take<K: Kept>(
    cache: &Cache<K>,
    told: &impl Told<K>,
    event: Event<Raw<K>>,
) -> Option<Event<K>> {
    match event {
        Event::Init => {
            cache.held.begin();
            Some(Event::Init)
        }
        Event::InitDone => {
            cache.held.complete();
            Some(Event::InitDone)
        }
        Event::InitApply(raw) => keep(cache, told, &raw).map(Event::InitApply),
        Event::Apply(raw) => match keep(cache, told, &raw) {
            Some(object) => Some(Event::Apply(object)),
            None => remove(cache, &raw),
        },
        Event::Delete(raw) => {
            cache.held.forget(raw.metadata());
            remove(cache, &raw)
        }
    }
}

/// What is kept of an object; `None`: it is left alone.
fn keep<K: Kept>(cache: &Cache<K>, told: &impl Told<K>, raw: &Raw<K>) -> Option<K> {
    let meta = raw.metadata();
    let kept = raw.piece().and_then(|piece| {
        let Piece {
            object,
            bytes,
            whole,
            marked,
        } = piece;
        let taken = Taken {
            bytes,
            whole,
            marked,
            must: meta.deletion_timestamp.is_some(),
        };
        cache.held.take(meta, &taken).map(|()| object)
    });
    match kept {
        Ok(object) => Some(object),
        Err(why) => {
            if matches!(why, Why::Unreadable(_)) {
                cache.held.leave(meta, why.clone());
            }
            let said = raw.verdict() == Some((why.reason().to_owned(), why.to_string()));
            told.left_alone(LeftAlone {
                metadata: meta.clone(),
                why,
                said,
            });
            None
        }
    }
}

/// Takes an object out of the cache, if it is there.
fn remove<K: Kept>(cache: &Cache<K>, raw: &Raw<K>) -> Option<Event<K>> {
    let reference: ObjectRef<K> = {
        let meta = raw.metadata();
        ObjectRef::new(meta.name.as_deref().unwrap_or_default())
            .within(meta.namespace.as_deref().unwrap_or_default())
    };
    let object = cache.get(&reference)?;
    Some(Event::Delete(Arc::unwrap_or_clone(object)))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
