//! Whose turn it is, where namespaces share something scarce: a queue for each, served by weight.
//!
//! A tag says when the head of a queue would have been served if all queues were served at once, each in proportion to its weight; the
//! smallest goes first (self-clocked fair queueing). Of what is served while it waits, the k-th waiter of a namespace is no later than
//! place k * (sum of weights of the namespaces that wait) / (its own weight), and one more for each other namespace if it came
//! while they were already waiting. Nothing is remembered of a namespace without waiters, and nobody gains by that: what was served last
//! sets the clock for whoever comes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Least and most weight of a namespace.
const WEIGHTS: std::ops::RangeInclusive<u32> = 1..=100;
/// What one turn costs a namespace of weight 1.
const COST: u64 = 1 << 24;

/// For whom something is done: a namespace with its weight. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    namespace: Arc<str>,
    weight: u32,
}

impl Tenant {
    /// A namespace. `weight` is its share, 1 to 100; what is out of that counts as the nearest.
    pub fn new(namespace: &str, weight: u32) -> Self {
        Self {
            namespace: namespace.into(),
            weight: weight.clamp(*WEIGHTS.start(), *WEIGHTS.end()),
        }
    }

    /// Whatever serves all namespaces alike: it takes its turn as one of them. No namespace has the empty name.
    pub fn everybody() -> Self {
        Self::new("", agentcore_plan::grant::DEFAULT_SHARE)
    }

    /// Name of the namespace; empty for everybody.
    pub fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }
}

/// Order among the waiters of one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Before those that come later, and before all of [`Rank::Next`].
    First,
    /// First come, first served.
    Next,
}

/// Where somebody waits: with it the place can be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Rank, u64);

/// Those who wait, by namespace.
#[derive(Debug)]
pub struct Fair<T> {
    queues: HashMap<Arc<str>, Queue<T>>,
    /// Tag of what was served last.
    clock: u64,
    /// Number of the next who comes.
    next: u64,
    len: usize,
}

/// One namespace that has waiters.
#[derive(Debug)]
struct Queue<T> {
    waiting: BTreeMap<Place, Waiter<T>>,
    /// Tag before the head's turn is paid for.
    start: u64,
}

#[derive(Debug)]
struct Waiter<T> {
    weight: u32,
    item: T,
}

impl<T> Queue<T> {
    /// Tag of the head, and when the head came.
    fn tag(&self) -> (u64, u64) {
        let head = self.waiting.first_key_value();
        head.map_or((u64::MAX, u64::MAX), |(Place(_, number), waiter)| {
            let cost = COST / u64::from(waiter.weight);
            (self.start.saturating_add(cost), *number)
        })
    }
}

impl<T> Default for Fair<T> {
    fn default() -> Self {
        Self {
            queues: HashMap::new(),
            clock: 0,
            next: 0,
            len: 0,
        }
    }
}

impl<T> Fair<T> {
    /// Somebody comes to wait.
    pub fn push(&mut self, tenant: &Tenant, rank: Rank, item: T) -> Place {
        let place = Place(rank, self.next);
        self.next += 1;
        self.len += 1;
        let clock = self.clock;
        let queue = self
            .queues
            .entry(tenant.namespace.clone())
            .or_insert_with(|| Queue {
                waiting: BTreeMap::new(),
                start: clock,
            });
        let weight = tenant.weight;
        queue.waiting.insert(place, Waiter { weight, item });
        place
    }

    /// Who is served next, and of which namespace; only namespaces that `may` be served count.
    pub fn pop(&mut self, may: impl Fn(&str) -> bool) -> Option<(Arc<str>, T)> {
        let queues = self.queues.iter();
        let (namespace, (tag, _)) = queues
            .filter(|(namespace, _)| may(namespace))
            .map(|(namespace, queue)| (namespace, queue.tag()))
            .min_by_key(|(_, tag)| *tag)?;
        let namespace = namespace.clone();
        self.clock = self.clock.max(tag);
        // Who might not be served saves nothing up.
        for (name, queue) in &mut self.queues {
            if queue.tag().0 < self.clock && !may(name) {
                queue.start = self.clock;
            }
        }
        let queue = self.queues.get_mut(&namespace)?;
        queue.start = tag;
        let (_, waiter) = queue.waiting.pop_first()?;
        self.left(&namespace);
        Some((namespace, waiter.item))
    }

    /// Somebody gives up waiting; `None`: was served already.
    pub fn remove(&mut self, namespace: &Arc<str>, place: Place) -> Option<T> {
        let queue = self.queues.get_mut(namespace)?;
        let waiter = queue.waiting.remove(&place)?;
        self.left(namespace);
        Some(waiter.item)
    }

    /// One waiter less.
    fn left(&mut self, namespace: &Arc<str>) {
        self.len -= 1;
        let queue = self.queues.get(namespace);
        if queue.is_some_and(|queue| queue.waiting.is_empty()) {
            self.queues.remove(namespace);
        }
        if self.queues.is_empty() {
            self.queues.shrink_to(16);
            self.clock = 0;
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many namespaces have waiters: as many as are remembered.
    #[cfg(test)]
    fn namespaces(&self) -> usize {
        self.queues.len()
    }
}

#[cfg(test)]
#[path = "fair/tests.rs"]
mod tests;
