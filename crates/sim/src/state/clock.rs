//! The simulator's clock: real time plus an offset that only grows.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Real time plus an offset. Jumps wake whoever waits on [`Clock::jumps`].
#[derive(Debug)]
pub struct Clock {
    offset_ms: AtomicI64,
    jumps: watch::Sender<u64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            offset_ms: AtomicI64::new(0),
            jumps: watch::Sender::new(0),
        }
    }
}

impl Clock {
    /// The simulator's time.
    pub fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_millis(self.offset_ms.load(Ordering::Relaxed));
        // Jumps are bounded (see `advance`), so that the sum stays in range for centuries.
        Timestamp::now()
            .saturating_add(offset)
            .unwrap_or(Timestamp::MAX)
    }

    /// Jumps ahead by `by` and returns the new time. Negative jumps are ignored.
    pub fn advance(&self, by: SignedDuration) -> Timestamp {
        let ms = i64::try_from(by.as_millis()).unwrap_or(0).max(0);
        self.offset_ms.fetch_add(ms, Ordering::Relaxed);
        self.jumps.send_modify(|n| *n += 1);
        self.now()
    }

    /// Changes with every jump. Whoever sleeps until a time of this clock also waits for this, then looks again.
    pub fn jumps(&self) -> watch::Receiver<u64> {
        self.jumps.subscribe()
    }

    /// Sleeps until this clock shows `until`, however it gets there.
    pub async fn sleep_until(&self, until: Timestamp) {
        let mut jumps = self.jumps();
        loop {
            let left = until.duration_since(self.now());
            let Ok(left) = std::time::Duration::try_from(left) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                _ = jumps.changed() => {}
            }
        }
    }
}
