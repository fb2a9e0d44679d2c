//! Answers that are remembered for a while: bounded, each with its own end, none longer than its question is old.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use moka::{Equivalent, Expiry};
use tokio::time::Instant;

use crate::identity::{Access, Identity};
use crate::shares::{Held, Shares};

/// Most entries of each cache.
const ENTRIES: u64 = 10_000;
/// How many of them one caller may fill. What is more is asked about each time, so that nobody's answers make way for another's.
pub(super) const OWN_ENTRIES: Shares = Shares {
    caller: ENTRIES / 4,
    namespace: u64::MAX,
    all: u64::MAX,
};

/// A good answer, until when it is believed, and its place among its caller's entries: without one it is not kept.
#[derive(Clone)]
pub(super) struct Remembered<T> {
    pub(super) value: T,
    pub(super) until: Instant,
    pub(super) place: Option<Arc<Held>>,
}

/// Entries end at their own time: that of the question, not of the answer, counts.
struct ByUntil;

impl<K, T> Expiry<K, Remembered<T>> for ByUntil {
    fn expire_after_create(
        &self,
        _key: &K,
        entry: &Remembered<T>,
        _created_at: std::time::Instant,
    ) -> Option<Duration> {
        Some(entry.until.saturating_duration_since(Instant::now()))
    }
}

/// May this identity do that? The key of the access caches.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) who: Arc<Identity>,
    pub(super) access: Access,
}

/// A [`Question`] that owns nothing, so that a hit allocates nothing. Its fields hash as that one's do.
#[derive(Hash)]
pub(super) struct Asked<'a> {
    pub(super) who: &'a Arc<Identity>,
    pub(super) access: &'a Access,
}

impl Equivalent<Question> for Asked<'_> {
    fn equivalent(&self, key: &Question) -> bool {
        *self.who == key.who && *self.access == key.access
    }
}

pub(super) fn cache<K, V>(life: Duration) -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(ENTRIES)
        .time_to_live(life)
        .build()
}

pub(super) fn answers<K, T>() -> Cache<K, Remembered<T>>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(ENTRIES)
        .expire_after(ByUntil)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_entry_that_is_old_when_it_comes_is_not_kept() {
        let cache = answers::<u8, ()>();
        let entry = |until| Remembered {
            value: (),
            until,
            place: None,
        };
        let now = Instant::now();
        cache.insert(1, entry(now)).await;
        assert!(cache.get(&1).await.is_none());
        cache.insert(2, entry(now + Duration::from_hours(1))).await;
        assert!(cache.get(&2).await.is_some());
    }
}
