//! What a controller remembers of each object between passes. Losing it costs a call or two, never correctness.

use std::collections::HashMap;

use agentcore_plan::step::{Due, Rest, Sweep};
use jiff::Timestamp;
use kube::core::ObjectMeta;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use parking_lot::Mutex;

use super::pass;
use agentcore_aws::Streaks;

/// Annotations that the planner reads.
const ANNOTATION_PREFIX: &str = "agentcore.dev/";

/// Memory of one object.
#[derive(Debug, Clone)]
pub struct ObjectState<S> {
    uid: String,
    /// Faults in a row.
    pub streaks: Streaks,
    /// When the last AWS mutation was answered: older lists say nothing.
    pub mutated_at: Timestamp,
    /// The pace of transitions says to read the object at this time.
    pub poll_at: Option<Timestamp>,
    /// A check of the sweep that is due.
    pub sweep: Option<Sweep>,
    /// Something that the object depends on has changed since the last pass.
    pub woken: bool,
    /// How the last pass left it.
    rested: Option<Rested>,
    /// The newest resource version that holds nothing but what the last pass looked at and wrote.
    confirmed: u64,
    /// The last status that we wrote, and the resource version that it made: the cache may be behind it.
    written: Option<(u64, Box<S>)>,
}

/// The object as a pass left it: until something else happens, another pass would find the same.
#[derive(Debug, Clone, Copy)]
struct Rested {
    resource_version: u64,
    until: Option<Timestamp>,
}

/// ObjectStates of one kind, by namespace and name.
#[derive(Debug)]
pub struct ObjectStates<S>(Mutex<HashMap<(String, String), ObjectState<S>>>);

impl<S> Default for ObjectStates<S> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<S: Clone> ObjectStates<S> {
    /// Does something with an object's memory, which is new for an object of another UID.
    pub fn with<K: Resource, T>(&self, object: &K, f: impl FnOnce(&mut ObjectState<S>) -> T) -> T {
        let uid = object.uid().unwrap_or_default();
        let mut states = self.0.lock();
        let memory = states
            .entry(key(object))
            .or_insert_with(|| ObjectState::new(uid.clone()));
        if memory.uid != uid {
            *memory = ObjectState::new(uid);
        }
        f(memory)
    }

    /// Marks an object by name, if it is known.
    pub fn mark(&self, namespace: &str, name: &str, f: impl FnOnce(&mut ObjectState<S>)) {
        if let Some(memory) = self
            .0
            .lock()
            .get_mut(&(namespace.to_owned(), name.to_owned()))
        {
            f(memory);
        }
    }

    /// Forgets an object.
    pub fn forget<K: Resource>(&self, object: &K) {
        self.0.lock().remove(&key(object));
    }

    /// Whether a pass would find what the last one left: our own status write, say, wakes the object for nothing. If so, when
    /// to look again.
    pub fn resting<K: Resource>(&self, object: &K, now: Timestamp) -> Option<Action> {
        let version = resource_version(object);
        self.with(object, |memory| {
            memory.caught_up(version);
            let Rested {
                resource_version,
                until,
            } = memory.rested?;
            let due = memory.woken
                || memory.sweep.is_some()
                || memory.poll_at.is_some_and(|at| at <= now);
            if due || version > resource_version {
                return None;
            }
            match until {
                None => Some(Action::await_change()),
                Some(until) if until > now => {
                    Some(Action::requeue(until.duration_since(now).unsigned_abs()))
                }
                Some(_) => None,
            }
        })
    }

    /// Remembers how a pass left an object, and says when to look again.
    pub fn rests<K: Resource>(&self, object: &K, rest: Rest, now: Timestamp) -> Action {
        let pause = pass::pause(rest);
        let seen = resource_version(object);
        self.with(object, |memory| {
            memory.rested = Some(Rested {
                resource_version: seen.max(memory.confirmed),
                until: pause.map(|pause| now + pause),
            });
            if matches!(rest, Rest::Backoff(_)) {
                memory.streaks.count();
            } else {
                memory.streaks.clear();
            }
        });
        pause.map_or_else(Action::await_change, Action::requeue)
    }

    /// What is due for an object now; asking takes it.
    pub fn take_due<K: Resource>(&self, object: &K, now: Timestamp) -> Due {
        self.with(object, |memory| {
            memory.woken = false;
            memory.rested = None;
            memory.streaks.begin();
            let poll = memory.poll_at.is_some_and(|at| at <= now);
            if poll {
                memory.poll_at = None;
            }
            Due {
                poll,
                sweep: memory.sweep.take(),
            }
        })
    }

    /// Faults in a row of an object's calls.
    pub fn streaks<K: Resource>(&self, object: &K) -> Streaks {
        self.with(object, |memory| memory.streaks.clone())
    }

    /// The status that we wrote after this version of the object.
    pub fn newer_status<K: Resource>(&self, object: &K) -> Option<S> {
        let version = resource_version(object);
        self.with(object, |memory| {
            memory.caught_up(version);
            let written = memory.written.as_ref();
            written.map(|(_, status)| S::clone(status))
        })
    }

    /// Remembers a status that was written: over `looked_at`, answered by `written`. An edit in between is in the answer too, and
    /// has not been looked at.
    pub fn wrote(&self, looked_at: &impl Resource, written: &impl Resource, status: S) {
        let version = resource_version(written);
        let confirms = asks_for(looked_at.meta()) == asks_for(written.meta());
        self.with(written, |memory| {
            memory.confirmed = if confirms { version } else { 0 };
            memory.written = Some((version, Box::new(status)));
        });
    }

    /// How many objects are to be read at some time.
    pub fn polled(&self) -> usize {
        self.0
            .lock()
            .values()
            .filter(|memory| memory.poll_at.is_some())
            .count()
    }
}

impl<S> ObjectState<S> {
    fn new(uid: String) -> Self {
        Self {
            uid,
            streaks: Streaks::default(),
            mutated_at: Timestamp::UNIX_EPOCH,
            poll_at: None,
            sweep: None,
            woken: false,
            rested: None,
            confirmed: 0,
            written: None,
        }
    }

    /// The cache has this version of the object.
    fn caught_up(&mut self, version: u64) {
        self.written.take_if(|(written, _)| *written <= version);
    }
}

fn key<K: Resource>(object: &K) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// What of an object can make a pass come to another end, status aside.
fn asks_for(meta: &ObjectMeta) -> impl PartialEq + use<> {
    let mut annotations = meta.annotations.clone().unwrap_or_default();
    annotations.retain(|key, _| key.starts_with(ANNOTATION_PREFIX));
    let deleted = meta.deletion_timestamp.is_some();
    (
        meta.uid.clone(),
        meta.generation,
        deleted,
        meta.finalizers.clone().unwrap_or_default(),
        annotations,
    )
}

/// Resource versions of one object can be compared as numbers (Kubernetes KEP-5504).
fn resource_version<K: Resource>(object: &K) -> u64 {
    object
        .resource_version()
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}
