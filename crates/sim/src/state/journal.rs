//! What things looked like a while ago, for lists and gets that lag behind.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

/// States kept for each thing: enough for any lag that a test sets.
const KEPT: usize = 32;

/// One thing's states: when each began, and what it was (`None`: gone).
type History = VecDeque<(Timestamp, Option<Arc<Value>>)>;

/// The last states of each thing, by key. Keys sort as lists do.
#[derive(Debug, Default)]
pub struct Journal<K: Ord> {
    entries: BTreeMap<K, History>,
}

impl<K: Ord> Journal<K> {
    /// Notes that the thing looks like this from now on.
    pub fn record(&mut self, key: K, at: Timestamp, state: Option<Value>) {
        let history = self.entries.entry(key).or_default();
        if history.len() == KEPT {
            history.pop_front();
        }
        history.push_back((at, state.map(Arc::new)));
    }

    /// How the thing looked at a time.
    pub fn at(&self, key: &K, time: Timestamp) -> Option<Arc<Value>> {
        self.entries
            .get(key)
            .and_then(|history| look(history, time))
    }

    /// How everything looked at a time, in order of keys.
    pub fn all_at(&self, time: Timestamp) -> impl Iterator<Item = (&K, Arc<Value>)> {
        self.entries
            .iter()
            .filter_map(move |(key, history)| Some((key, look(history, time)?)))
    }
}

fn look(history: &History, time: Timestamp) -> Option<Arc<Value>> {
    history
        .iter()
        .rev()
        .find(|(since, _)| *since <= time)
        .and_then(|(_, state)| state.clone())
}
