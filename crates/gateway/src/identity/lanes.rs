//! Bounded queues before the API server, so that a flood of requests never becomes a flood of reviews, and a flood of one caller's holds up
//! nobody but that caller.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Longest wait for a review, its place in the queue included.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// Reviews of a lane that run or wait for their turn among all; beyond, callers are turned away at once.
const QUEUE: usize = 512;
/// Reviews of one caller that run or wait.
const OWN_QUEUE: usize = 128;

/// How many reviews are under way at once.
#[derive(Clone, Copy, Debug)]
pub struct AtOnce {
    /// Of one caller.
    pub caller: usize,
    /// Of all, in each lane.
    pub all: usize,
}

/// Why there is no answer.
pub(super) enum Trouble {
    /// The queue is full.
    Busy,
    /// It took longer than [`LIMIT`].
    Slow,
    /// The API server, or the way to it, failed.
    Failed(kube::Error),
}

/// A bounded queue before the API server.
pub(super) struct Lane {
    at_once: AtOnce,
    places: Semaphore,
    turns: Semaphore,
    callers: Mutex<HashMap<Arc<str>, Arc<Own>>>,
}

/// One caller's part of a lane.
struct Own {
    places: Semaphore,
    turns: Semaphore,
}

/// A caller that is in a lane, until this is dropped.
struct Inside<'a> {
    lane: &'a Lane,
    caller: Arc<str>,
    own: Arc<Own>,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut callers = self.lane.callers.lock();
        // The map's and this one: nobody else is in, and nobody comes in meanwhile.
        if Arc::strong_count(&self.own) <= 2 {
            callers.remove(&self.caller);
        }
    }
}

impl Lane {
    fn new(at_once: AtOnce) -> Self {
        Self {
            at_once,
            places: Semaphore::new(QUEUE),
            turns: Semaphore::new(at_once.all),
            callers: Mutex::default(),
        }
    }

    /// Where it is known who asks, its reviews wait for one another first: only then for others.
    fn enter(&self, caller: Option<&str>) -> Option<Inside<'_>> {
        let caller = caller?;
        let mut callers = self.callers.lock();
        let (caller, own) = if let Some((caller, own)) = callers.get_key_value(caller) {
            (caller.clone(), own.clone())
        } else {
            let caller: Arc<str> = caller.into();
            let own = Arc::new(Own {
                places: Semaphore::new(OWN_QUEUE),
                turns: Semaphore::new(self.at_once.caller),
            });
            callers.insert(caller.clone(), own.clone());
            (caller, own)
        };
        Some(Inside {
            lane: self,
            caller,
            own,
        })
    }

    /// For requests: they wait for a while, and not behind too many others.
    pub(super) async fn ask<T>(
        &self,
        caller: Option<&str>,
        review: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Trouble> {
        let inside = self.enter(caller);
        let own = inside.as_ref().map(|inside| &inside.own);
        let place = own.map(|own| own.places.try_acquire());
        let _own_place = place.transpose().map_err(|_| Trouble::Busy)?;
        let answer = tokio::time::timeout(LIMIT, async {
            let _own_turn = turn(own.map(|own| &own.turns)).await?;
            let _place = self.places.try_acquire().map_err(|_| Trouble::Busy)?;
            let _turn = turn(Some(&self.turns)).await?;
            review.await.map_err(Trouble::Failed)
        });
        answer.await.unwrap_or(Err(Trouble::Slow))
    }

    /// For streams that are open already: they lose nothing by waiting for their turn, however long the queue is.
    pub(super) async fn wait<T>(
        &self,
        caller: Option<&str>,
        review: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Trouble> {
        let inside = self.enter(caller);
        let _own_turn = turn(inside.as_ref().map(|inside| &inside.own.turns)).await?;
        let _turn = turn(Some(&self.turns)).await?;
        let answer = tokio::time::timeout(LIMIT, review).await;
        answer.map_or(Err(Trouble::Slow), |answer| answer.map_err(Trouble::Failed))
    }

    #[cfg(test)]
    pub(super) fn callers(&self) -> usize {
        self.callers.lock().len()
    }
}

/// A turn, where turns are taken.
async fn turn(turns: Option<&Semaphore>) -> Result<Option<SemaphorePermit<'_>>, Trouble> {
    match turns {
        // Fails only when the semaphore was closed, and nobody closes it.
        Some(turns) => turns.acquire().await.map(Some).map_err(|_| Trouble::Busy),
        None => Ok(None),
    }
}

/// A flood of invented tokens fills the lane of strangers and no other.
pub(super) struct Lanes {
    pub(super) strangers: Lane,
    pub(super) regulars: Lane,
    pub(super) access: Lane,
    /// Of open streams, which wait.
    pub(super) rechecks: Lane,
}

impl Lanes {
    pub(super) fn new(at_once: AtOnce) -> Self {
        let lane = || Lane::new(at_once);
        Self {
            strangers: lane(),
            regulars: lane(),
            access: lane(),
            rechecks: lane(),
        }
    }
}
