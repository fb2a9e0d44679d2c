//! How much of each namespace is kept in memory, and what is not: objects that cannot be read, and those beyond their namespace's limit.

use std::collections::HashMap;
use std::sync::Arc;

use kube::core::ObjectMeta;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::readable::Why;

/// Bytes of JSON that are kept of the objects of one namespace where no grant says another number.
pub const BYTES: u64 = 32 << 20;

/// Bytes that are kept of each namespace, all kinds together.
pub struct Room {
    limit: Box<dyn Fn(&str) -> u64 + Send + Sync>,
    used: Mutex<HashMap<String, u64>>,
    freed: watch::Sender<()>,
}

impl Room {
    /// `limit` says the most bytes of a namespace. It is asked with each object.
    pub fn new(limit: impl Fn(&str) -> u64 + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            limit: Box::new(limit),
            used: Mutex::default(),
            freed: watch::Sender::new(()),
        })
    }

    /// [`BYTES`] for each namespace.
    pub fn usual() -> Arc<Self> {
        Self::new(|_| BYTES)
    }

    /// Takes `now` bytes in place of `before`; always, if `must`. False: there is no room, and nothing is taken any more.
    fn take(&self, namespace: &str, before: u64, now: u64, must: bool) -> bool {
        let mut used = self.used.lock();
        let other = used.get(namespace).map_or(0, |used| used - before);
        let fits = must || other + now <= (self.limit)(namespace);
        let after = if fits { other + now } else { other };
        if after == 0 {
            used.remove(namespace);
        } else {
            used.insert(namespace.to_owned(), after);
        }
        drop(used);
        if after < other + before {
            self.freed.send_replace(());
        }
        fits
    }

    /// Tells when there may be room again.
    pub(super) fn freed(&self) -> watch::Receiver<()> {
        self.freed.subscribe()
    }

    fn has_room(&self, namespace: &str, bytes: u64) -> bool {
        let used = self.used.lock().get(namespace).copied().unwrap_or_default();
        used + bytes <= (self.limit)(namespace)
    }
}

/// What is known of the objects of one watch, by namespace and name.
pub struct Held {
    room: Arc<Room>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Rises with each list: what a list did not name is gone after it.
    round: u32,
    objects: HashMap<String, HashMap<String, One>>,
    /// How many wait for room.
    waiting: usize,
}

struct One {
    round: u32,
    /// Bytes in the room.
    bytes: u64,
    /// Bytes of the whole object, where less than that is kept.
    whole: Option<usize>,
    /// Its status says that it cannot be read, and that is over.
    marked: bool,
    out: Option<Out>,
}

/// An object that is not kept.
#[derive(Clone, Debug)]
pub struct Out {
    /// Why.
    pub why: Why,
    /// Resource version that was looked at.
    version: Option<String>,
    /// Bytes that it would take.
    bytes: u64,
}

impl One {
    /// The bytes that it would take, if it waits for room.
    fn waits(&self) -> Option<u64> {
        let out = self.out.as_ref()?;
        matches!(out.why, Why::OverTheLimit(_)).then_some(out.bytes)
    }
}

/// What a watch takes in.
pub(super) struct Taken {
    pub bytes: usize,
    pub whole: Option<usize>,
    pub marked: bool,
    /// Kept although there is no room: it is being deleted.
    pub must: bool,
}

impl Held {
    /// Nothing is known yet.
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self {
            room,
            state: Mutex::default(),
        }
    }

    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// A list begins.
    pub(super) fn begin(&self) {
        let mut state = self.state.lock();
        state.round = state.round.wrapping_add(1);
    }

    /// A list has ended.
    pub(super) fn complete(&self) {
        let mut state = self.state.lock();
        let State {
            round,
            objects,
            waiting,
        } = &mut *state;
        objects.retain(|namespace, objects| {
            objects.retain(|_, one| {
                let there = one.round == *round;
                if !there {
                    self.room.take(namespace, one.bytes, 0, true);
                    *waiting -= usize::from(one.waits().is_some());
                }
                there
            });
            !objects.is_empty()
        });
    }

    /// Takes an object in.
    ///
    /// # Errors
    /// There is no room for it in its namespace.
    pub(super) fn take(&self, meta: &ObjectMeta, taken: &Taken) -> Result<(), Why> {
        let bytes = taken.bytes as u64;
        let mut state = self.state.lock();
        let before = state.of(meta).map_or(0, |one| one.bytes);
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let fits = self.room.take(namespace, before, bytes, taken.must);
        let out = (!fits).then(|| Out {
            why: Why::OverTheLimit(format!(
                "the objects of the namespace are larger than the {} bytes that are kept in memory for it; make some smaller, delete some, or have limits.bytes raised in its AgentGrant",
                (self.room.limit)(namespace)
            )),
            version: meta.resource_version.clone(),
            bytes,
        });
        let why = out.as_ref().map(|out| out.why.clone());
        let one = One {
            round: state.round,
            bytes: if fits { bytes } else { 0 },
            whole: taken.whole,
            marked: taken.marked,
            out,
        };
        state.set(meta, one);
        why.map_or(Ok(()), Err)
    }

    /// Leaves an object alone that cannot be read.
    pub(super) fn leave(&self, meta: &ObjectMeta, why: Why) {
        let mut state = self.state.lock();
        self.release(&state, meta);
        let one = One {
            round: state.round,
            bytes: 0,
            whole: None,
            marked: false,
            out: Some(Out {
                why,
                version: meta.resource_version.clone(),
                bytes: 0,
            }),
        };
        state.set(meta, one);
    }

    /// An object is gone.
    pub(super) fn forget(&self, meta: &ObjectMeta) {
        let mut state = self.state.lock();
        self.release(&state, meta);
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let Some(objects) = state.objects.get_mut(namespace) else {
            return;
        };
        let before = objects.remove(meta.name.as_deref().unwrap_or_default());
        if objects.is_empty() {
            state.objects.remove(namespace);
        }
        state.waiting -= usize::from(before.is_some_and(|one| one.waits().is_some()));
    }

    fn release(&self, state: &State, meta: &ObjectMeta) {
        let before = state.of(meta).map_or(0, |one| one.bytes);
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        self.room.take(namespace, before, 0, true);
    }

    /// Namespaces and names of objects that are left alone for want of room and for which there is room now.
    pub(super) fn wait_for_room(&self) -> Vec<(String, String)> {
        let state = self.state.lock();
        let mut found = Vec::new();
        if state.waiting == 0 {
            return found;
        }
        for (namespace, objects) in &state.objects {
            let mut bytes = 0;
            for (name, one) in objects {
                if let Some(more) = one.waits()
                    && self.room.has_room(namespace, bytes + more)
                {
                    bytes += more;
                    found.push((namespace.clone(), name.clone()));
                }
            }
        }
        found
    }

    /// Whether an object waits for room at this resource version.
    pub(super) fn waits_at(&self, meta: &ObjectMeta) -> bool {
        let state = self.state.lock();
        let one = state.of(meta).filter(|one| one.waits().is_some());
        let out = one.and_then(|one| one.out.as_ref());
        out.is_some_and(|out| out.version == meta.resource_version)
    }

    /// Why an object is left alone, if it is.
    pub fn out(&self, namespace: &str, name: &str) -> Option<Why> {
        let state = self.state.lock();
        let out = state.objects.get(namespace)?.get(name)?.out.as_ref()?;
        Some(out.why.clone())
    }

    /// Bytes of the whole object, where less than that is kept.
    pub fn whole(&self, meta: &ObjectMeta) -> Option<usize> {
        self.state.lock().of(meta)?.whole
    }

    /// Whether the object's status says that it cannot be read, although it can.
    pub fn is_marked(&self, meta: &ObjectMeta) -> bool {
        self.state.lock().of(meta).is_some_and(|one| one.marked)
    }

    /// Whether any object of a namespace is left alone.
    pub fn any_out(&self, namespace: &str) -> bool {
        let state = self.state.lock();
        let objects = state.objects.get(namespace);
        objects.is_some_and(|objects| objects.values().any(|one| one.out.is_some()))
    }

    /// How many objects are left alone, by namespace; only those with some.
    pub fn outs(&self) -> Vec<(String, usize)> {
        let state = self.state.lock();
        let counts = state.objects.iter().map(|(namespace, objects)| {
            let out = objects.values().filter(|one| one.out.is_some()).count();
            (namespace.clone(), out)
        });
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

impl State {
    fn of(&self, meta: &ObjectMeta) -> Option<&One> {
        let objects = self.objects.get(meta.namespace.as_deref()?)?;
        objects.get(meta.name.as_deref()?)
    }

    fn set(&mut self, meta: &ObjectMeta, one: One) {
        let namespace = meta.namespace.clone().unwrap_or_default();
        let objects = self.objects.entry(namespace).or_default();
        self.waiting += usize::from(one.waits().is_some());
        let before = objects.insert(meta.name.clone().unwrap_or_default(), one);
        self.waiting -= usize::from(before.is_some_and(|one| one.waits().is_some()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(namespace: &str, name: &str, version: &str) -> ObjectMeta {
        ObjectMeta {
            namespace: Some(namespace.into()),
            name: Some(name.into()),
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        }
    }

    fn of(bytes: usize) -> Taken {
        Taken {
            bytes,
            whole: None,
            marked: false,
            must: false,
        }
    }

    #[test]
    fn a_full_namespace_fills_no_other_and_what_waits_is_named_once_there_is_room() {
        let room = Room::new(|namespace| if namespace == "small" { 10 } else { 100 });
        let (one, other) = (Held::new(room.clone()), Held::new(room.clone()));
        one.take(&meta("small", "a", "1"), &of(6)).unwrap();
        // Kinds share the room of their namespace.
        let why = other.take(&meta("small", "b", "1"), &of(5)).unwrap_err();
        assert_eq!(why.reason(), agentcore_api::reasons::OVER_THE_LIMIT);
        other.take(&meta("large", "b", "1"), &of(100)).unwrap();
        assert_eq!(other.outs(), [("small".to_owned(), 1)]);
        assert!(other.wait_for_room().is_empty());
        let mut freed = room.freed();
        // One that is being deleted is taken in any case.
        let must = Taken {
            must: true,
            ..of(50)
        };
        one.take(&meta("small", "c", "1"), &must).unwrap();
        assert!(!freed.has_changed().unwrap());
        one.forget(&meta("small", "c", "2"));
        assert!(freed.has_changed().unwrap());
        freed.mark_unchanged();
        assert!(other.wait_for_room().is_empty());
        one.take(&meta("small", "a", "2"), &of(5)).unwrap();
        assert!(freed.has_changed().unwrap());
        let waits = other.wait_for_room();
        assert_eq!(waits, [("small".into(), "b".into())]);
        assert!(
            other.waits_at(&meta("small", "b", "1")) && !other.waits_at(&meta("small", "b", "2"))
        );
        other.take(&meta("small", "b", "1"), &of(5)).unwrap();
        assert!(other.outs().is_empty() && room.used.lock()["small"] == 10);
    }

    #[test]
    fn an_object_that_grows_too_large_gives_its_room_back() {
        let room = Room::new(|_| 10);
        let held = Held::new(room.clone());
        held.take(&meta("a", "x", "1"), &of(6)).unwrap();
        held.take(&meta("a", "x", "2"), &of(11)).unwrap_err();
        assert!(room.used.lock().is_empty());
        held.take(&meta("a", "x", "3"), &of(6)).unwrap();
        held.leave(&meta("a", "x", "4"), Why::Unreadable("spec".into()));
        assert!(room.used.lock().is_empty() && held.any_out("a") && !held.any_out("b"));
        assert!(held.wait_for_room().is_empty(), "no room makes it readable");
    }

    #[test]
    fn what_a_list_does_not_name_is_forgotten_after_it() {
        let room = Room::new(|_| 10);
        let held = Held::new(room.clone());
        held.begin();
        held.take(&meta("a", "x", "1"), &of(6)).unwrap();
        held.take(&meta("a", "y", "1"), &of(4)).unwrap();
        held.take(&meta("b", "y", "1"), &of(4)).unwrap();
        held.complete();
        held.begin();
        held.take(&meta("a", "y", "1"), &of(4)).unwrap();
        held.complete();
        assert_eq!(*room.used.lock(), [("a".to_owned(), 4)].into());
    }
}
