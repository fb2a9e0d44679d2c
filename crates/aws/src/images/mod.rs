//! The shared eye on registries and on code in S3: one look at a repository serves everybody who asks about it.
//!
//! Who looks does so in the queue of its namespace, and for the tags of its namespace. A look answers all questions that were asked before it began. Questions that allow an older answer get the last one; after
//! a failure nobody asks again before its pause is over.

mod blob;
mod calls;
mod doors;
mod inspect;
mod objects;
mod registry;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use agentcore_plan::fault::{Class, Fault};
use agentcore_plan::image::{Facts, Freshness, Read, Repository, Trouble};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Aws;
use super::rate_limiter::Priority;
use crate::fair::Tenant;
use objects::Object;
use registry::Registry;

/// First pause after a failed look; it doubles with each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause after failed looks.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How long something is remembered that nobody asks about.
const KEPT: Duration = Duration::from_hours(1);

/// What was seen of everything that was asked about.
#[derive(Debug, Default)]
pub(super) struct Images {
    repositories: Mutex<HashMap<Repository, Kept<Registry>>>,
    objects: Mutex<HashMap<(String, String, String), Kept<Object>>>,
    blobs: blob::Blobs,
}

/// Something that is remembered, and when it was asked about last.
#[derive(Debug)]
struct Kept<T> {
    value: Arc<T>,
    used: Instant,
}

impl Images {
    /// Forgets what nobody has asked about for long.
    pub fn release(&self) {
        self.repositories.lock().retain(|_, kept| kept.used());
        self.objects.lock().retain(|_, kept| kept.used());
    }
}

impl<T> Kept<T> {
    fn used(&self) -> bool {
        Arc::strong_count(&self.value) > 1 || self.used.elapsed() < KEPT
    }
}

impl Aws {
    /// Answers a question about where images or code come from, into `facts`; false: the answer is that it cannot be found out. Calls
    /// that it takes are the namespace's.
    pub async fn source(&self, tenant: &Tenant, read: Read, facts: &mut Facts) -> bool {
        match read {
            Read::Look {
                repository,
                wanted,
                freshness,
            } => {
                let registry = entry(&self.images.repositories, &repository);
                let caller = self.caller(&repository.region).of(tenant.clone());
                let look = registry.look(&caller, &repository, &wanted, freshness);
                let answer = Box::pin(look).await;
                let good = answer.is_ok();
                facts.listings.insert(wanted, answer);
                good
            }
            Read::Inspect { repository, digest } => {
                let registry = entry(&self.images.repositories, &repository);
                let caller = self.caller(&repository.region).of(tenant.clone());
                let blobs = &self.images.blobs;
                let inspect = registry.inspect(&caller, blobs, &repository, &digest);
                let answer = Box::pin(inspect).await;
                let good = answer.is_ok();
                facts.images.insert(digest, answer);
                good
            }
            Read::Object {
                bucket,
                key,
                region,
                freshness,
            } => {
                let place = (region, bucket, key);
                let object = entry(&self.images.objects, &place);
                let (region, bucket, key) = &place;
                let caller = self.caller(region).of(tenant.clone());
                let head = object.head(&caller, bucket, key, freshness);
                let answer = Box::pin(head).await;
                let good = answer.is_ok();
                facts.object = Some(answer);
                good
            }
        }
    }
}

fn entry<K: Hash + Eq + Clone, V: Default>(map: &Mutex<HashMap<K, Kept<V>>>, key: &K) -> Arc<V> {
    let mut map = map.lock();
    let kept = map.entry(key.clone()).or_insert_with(|| Kept {
        value: Arc::default(),
        used: Instant::now(),
    });
    kept.used = Instant::now();
    Arc::clone(&kept.value)
}

/// The priority of a question: who waits for a first answer goes before periodic looks.
fn priority(freshness: Freshness) -> Priority {
    match freshness {
        Freshness::Now => Priority::Urgent,
        Freshness::Within(_) => Priority::Sweep,
    }
}

/// Whether an answer of a look that began at `at` serves a question asked at `asked`.
fn serves(at: Timestamp, freshness: Freshness, asked: Timestamp) -> bool {
    match freshness {
        Freshness::Now => at >= asked,
        Freshness::Within(most) => {
            let age = Timestamp::now().duration_since(at);
            at >= asked || SignedDuration::try_from(most).is_ok_and(|most| age < most)
        }
    }
}

/// Failures in a row of one place.
#[derive(Debug, Clone)]
struct Failures {
    count: u32,
    /// When the last failed look began.
    began: Timestamp,
    trouble: Trouble,
    throttled: bool,
}

impl Failures {
    /// One more.
    fn after(before: Option<&Self>, began: Timestamp, fault: &Fault, trouble: Trouble) -> Self {
        let count = before.map_or(0, |before| before.count).saturating_add(1);
        let pause = FIRST_PAUSE
            .saturating_mul(2_u32.saturating_pow(count.saturating_sub(1).min(10)))
            .min(LONGEST_PAUSE);
        let again = SignedDuration::try_from(pause).map_or(began, |pause| Timestamp::now() + pause);
        Self {
            count,
            began,
            trouble: Trouble {
                again: Some(again),
                ..trouble
            },
            throttled: fault.class == Class::Throttled,
        }
    }

    /// Whether a question gets this failure as its answer, without another look.
    fn answers(&self, freshness: Freshness, asked: Timestamp) -> bool {
        let pausing = self.trouble.again.is_some_and(|at| Timestamp::now() < at);
        self.began >= asked
            || (pausing && (self.throttled || matches!(freshness, Freshness::Within(_))))
    }
}
