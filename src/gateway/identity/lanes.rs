//! Bounded queues before the API server, so that a flood of requests never becomes a flood of reviews.

use std::time::Duration;

use tokio::sync::Semaphore;

/// Longest wait for a review, its place in the queue included.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// Reviews of a lane under way at once.
pub(super) const AT_ONCE: usize = 32;
/// Reviews of a lane that run or wait; beyond, callers are turned away at once.
const QUEUE: usize = 512;

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
    places: Semaphore,
    turns: Semaphore,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            places: Semaphore::new(QUEUE),
            turns: Semaphore::new(AT_ONCE),
        }
    }
}

impl Lane {
    pub(super) async fn ask<T>(
        &self,
        review: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Trouble> {
        let _place = self.places.try_acquire().map_err(|_| Trouble::Busy)?;
        let answer = tokio::time::timeout(LIMIT, async {
            // Fails only when the semaphore was closed, and nobody closes it.
            let _turn = self.turns.acquire().await.map_err(|_| Trouble::Busy)?;
            review.await.map_err(Trouble::Failed)
        });
        answer.await.unwrap_or(Err(Trouble::Slow))
    }

    /// For streams that are open already: they lose nothing by waiting for their turn, however long the queue is.
    pub(super) async fn wait<T>(
        &self,
        review: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Trouble> {
        let _turn = self.turns.acquire().await.map_err(|_| Trouble::Busy)?;
        let answer = tokio::time::timeout(LIMIT, review).await;
        answer.map_or(Err(Trouble::Slow), |answer| answer.map_err(Trouble::Failed))
    }
}

/// A flood of invented tokens fills the lane of strangers and no other.
#[derive(Default)]
pub(super) struct Lanes {
    pub(super) strangers: Lane,
    pub(super) regulars: Lane,
    pub(super) access: Lane,
    /// Of open streams, which wait.
    pub(super) rechecks: Lane,
}
