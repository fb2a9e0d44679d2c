//! Token buckets, one per key.

use std::collections::HashMap;

use jiff::Timestamp;
use parking_lot::Mutex;

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Timestamp,
}

/// Token buckets by key, such as `ListAgentRuntimes/111122223333/us-east-1`.
#[derive(Debug, Default)]
pub struct Throttle {
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Throttle {
    /// Takes a token of `key`'s bucket; false when there is none.
    ///
    /// The bucket fills with `rate` tokens a second up to `burst` (the rate itself where `None`, never below one).
    /// A rate of 0 is no limit.
    pub fn take(&self, key: &str, rate: u32, burst: Option<u32>, now: Timestamp) -> bool {
        let size = f64::from(burst.unwrap_or(rate).max(1));
        self.take_from(key, f64::from(rate), size, now)
    }

    /// As [`Throttle::take`], with `rate` tokens a minute, all of which may be taken at once.
    pub fn take_of_minute(&self, key: &str, rate: u32, now: Timestamp) -> bool {
        self.take_from(key, f64::from(rate) / 60.0, f64::from(rate), now)
    }

    fn take_from(&self, key: &str, per_second: f64, size: f64, now: Timestamp) -> bool {
        if per_second <= 0.0 {
            return true;
        }
        let mut buckets = self.buckets.lock();
        let bucket = buckets.entry(key.to_owned()).or_insert_with(|| Bucket {
            tokens: size,
            filled_at: now,
        });
        let passed = now.duration_since(bucket.filled_at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + passed * per_second).min(size);
        bucket.filled_at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    /// Fills every bucket anew: after the settings have changed.
    pub fn reset(&self) {
        self.buckets.lock().clear();
    }
}
