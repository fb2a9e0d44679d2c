//! What callers share: bounded pools of bytes, streams and places, in which no caller and no namespace holds more than its share.
//!
//! A pool never waits. It says at once whether it is the caller, the namespace or everybody that has no room, so that whoever asks is
//! refused with words and nobody queues behind somebody else's greed.

mod metrics;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

pub use metrics::{Reading, ShareMetrics};

/// Who takes from a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// User name of the caller.
    pub caller: Arc<str>,
    /// Namespace of the agent that is called.
    pub namespace: Arc<str>,
}

/// How much of a pool may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// By one caller, over all namespaces.
    pub caller: u64,
    /// By all callers of the agents of one namespace.
    pub namespace: u64,
    /// By all.
    pub all: u64,
}

impl Shares {
    /// A quarter for one caller, half for one namespace.
    pub const fn of(all: u64) -> Self {
        Self {
            caller: all.div_ceil(4),
            namespace: all.div_ceil(2),
            all,
        }
    }
}

/// Whose share is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The caller's.
    #[error("this caller has used up its share of {pool}")]
    Caller {
        /// Name of the pool.
        pool: &'static str,
    },
    /// The namespace's.
    #[error("the callers of this namespace's agents have used up their share of {pool}")]
    Namespace {
        /// Name of the pool.
        pool: &'static str,
    },
    /// Everybody's.
    #[error("{pool} are used up")]
    All {
        /// Name of the pool.
        pool: &'static str,
    },
}

impl Full {
    /// Whose share it is: `caller`, `namespace` or `all`.
    pub const fn whose(self) -> &'static str {
        WHOSE[self.index()]
    }

    const fn index(self) -> usize {
        match self {
            Self::Caller { .. } => 0,
            Self::Namespace { .. } => 1,
            Self::All { .. } => 2,
        }
    }
}

/// Whose share, as metrics say it.
const WHOSE: [&str; 3] = ["caller", "namespace", "all"];

/// One pool.
#[derive(Debug)]
pub struct Pool {
    name: &'static str,
    shares: Shares,
    used: Mutex<Used>,
    /// How often it was refused, by [`WHOSE`] share.
    refused: [AtomicU64; 3],
}

#[derive(Debug, Default)]
struct Used {
    all: u64,
    callers: HashMap<Arc<str>, u64>,
    namespaces: HashMap<Arc<str>, u64>,
}

impl Pool {
    /// An empty pool. `name` is a plural for people, such as `bytes of request bodies`.
    pub fn new(name: &'static str, shares: Shares) -> Arc<Self> {
        Arc::new(Self {
            name,
            shares,
            used: Mutex::default(),
            refused: Default::default(),
        })
    }

    /// Takes an amount until what is returned is dropped.
    ///
    /// # Errors
    /// [`Full`], and nothing is taken.
    pub fn take(self: &Arc<Self>, holder: &Holder, amount: u64) -> Result<Held, Full> {
        let mut held = self.open(holder);
        held.grow(amount)?;
        Ok(held)
    }

    /// Nothing yet, for what grows as it comes.
    pub fn open(self: &Arc<Self>, holder: &Holder) -> Held {
        Held {
            pool: self.clone(),
            holder: holder.clone(),
            amount: 0,
        }
    }

    /// How much is held by all.
    pub fn used(&self) -> u64 {
        self.used.lock().all
    }

    /// What metrics say of it.
    pub fn reading(&self) -> Reading {
        Reading {
            used: self.used(),
            limit: self.shares.all,
            refused: self
                .refused
                .each_ref()
                .map(|count| count.load(Ordering::Relaxed)),
        }
    }

    fn full(&self, full: Full) -> Full {
        self.refused[full.index()].fetch_add(1, Ordering::Relaxed);
        full
    }
}

/// An amount of a pool, given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    pool: Arc<Pool>,
    holder: Holder,
    amount: u64,
}

impl Held {
    /// How much it is.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// Takes more.
    ///
    /// # Errors
    /// [`Full`], and nothing more is taken; what was held stays held.
    pub fn grow(&mut self, more: u64) -> Result<(), Full> {
        if more == 0 {
            return Ok(());
        }
        let Pool {
            name, shares, used, ..
        } = &*self.pool;
        let mut used = used.lock();
        let of = |held: &HashMap<Arc<str>, u64>, key: &Arc<str>| {
            held.get(key).copied().unwrap_or_default()
        };
        let pool = *name;
        if of(&used.callers, &self.holder.caller).saturating_add(more) > shares.caller {
            return Err(self.pool.full(Full::Caller { pool }));
        }
        if of(&used.namespaces, &self.holder.namespace).saturating_add(more) > shares.namespace {
            return Err(self.pool.full(Full::Namespace { pool }));
        }
        if used.all.saturating_add(more) > shares.all {
            return Err(self.pool.full(Full::All { pool }));
        }
        used.all += more;
        *used.callers.entry(self.holder.caller.clone()).or_default() += more;
        *used
            .namespaces
            .entry(self.holder.namespace.clone())
            .or_default() += more;
        self.amount += more;
        Ok(())
    }

    /// Gives back all but `left`.
    pub fn shrink(&mut self, left: u64) {
        let less = self.amount.saturating_sub(left);
        if less == 0 {
            return;
        }
        let mut used = self.pool.used.lock();
        used.all -= less;
        let Used {
            callers,
            namespaces,
            ..
        } = &mut *used;
        for (held, key) in [
            (callers, &self.holder.caller),
            (namespaces, &self.holder.namespace),
        ] {
            if let Some(amount) = held.get_mut(key) {
                *amount -= less;
                // Who holds nothing is forgotten: names cost nothing.
                if *amount == 0 {
                    held.remove(key);
                }
            }
        }
        self.amount = left;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(caller: &str, namespace: &str) -> Holder {
        Holder {
            caller: caller.into(),
            namespace: namespace.into(),
        }
    }

    fn pool() -> Arc<Pool> {
        Pool::new(
            "places",
            Shares {
                caller: 4,
                namespace: 6,
                all: 8,
            },
        )
    }

    #[test]
    fn a_caller_a_namespace_and_all_are_refused_at_their_own_share() {
        let pool = pool();
        let _one = pool.take(&holder("a", "x"), 4).expect("room");
        let again = pool.take(&holder("a", "y"), 1);
        assert_eq!(again.err(), Some(Full::Caller { pool: "places" }));
        let _two = pool.take(&holder("b", "x"), 2).expect("room");
        let third = pool.take(&holder("c", "x"), 1);
        assert_eq!(third.err(), Some(Full::Namespace { pool: "places" }));
        let _other = pool.take(&holder("c", "y"), 2).expect("room");
        let last = pool.take(&holder("d", "z"), 1);
        assert_eq!(last.err(), Some(Full::All { pool: "places" }));
        let Reading {
            used,
            limit,
            refused,
        } = pool.reading();
        assert_eq!((used, limit, refused), (8, 8, [1, 1, 1]));
    }

    #[test]
    fn what_is_given_back_is_there_for_others_and_nobody_is_remembered() {
        let pool = pool();
        let mut held = pool.take(&holder("a", "x"), 3).expect("room");
        assert!(held.grow(2).is_err());
        assert_eq!((held.amount(), pool.used()), (3, 3));
        held.shrink(1);
        assert_eq!(pool.used(), 1);
        held.grow(3).expect("room");
        drop(held);
        let used = pool.used.lock();
        assert_eq!(used.all, 0);
        assert!(used.callers.is_empty() && used.namespaces.is_empty());
    }
}
