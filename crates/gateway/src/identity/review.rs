//! TokenReview and SubjectAccessReview, each asked once for many callers and remembered for a short while.
//!
//! What cannot be asked is refused: nobody is let through on an answer older than [`ALLOWED_FOR`].

mod ask;
mod remembered;

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use moka::future::Cache;
use parking_lot::Mutex;
use prometheus::core::Collector;
use tokio::time::Instant;

use super::inventions::Inventions;
pub use super::lanes::AtOnce;
use super::lanes::Lanes;
use super::metrics::{Review, ReviewMetrics};
use super::{Access, Denied, Identity, Token};
use crate::shares::{Held, Holder, Pool};
use remembered::{Asked, OWN_ENTRIES, Question, Remembered, answers, cache};

/// How long a good answer is believed, from the moment that it was asked for. The API server itself believes a token for 10 s: of a
/// ServiceAccount that is deleted nothing is let in after 30 s.
pub const ALLOWED_FOR: Duration = Duration::from_secs(20);
/// How long a refusal is believed: short, so that a new RoleBinding works soon.
pub const REFUSED_FOR: Duration = Duration::from_secs(5);
/// How long streams share the answer to a recheck: many that one caller opened together ask once.
pub const RECHECKED_FOR: Duration = Duration::from_secs(1);
/// How long a token that was good keeps its right to the lane of known callers.
const KNOWN_FOR: Duration = Duration::from_mins(15);

/// How much callers may ask of the API server through the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// Reviews under way.
    pub at_once: AtOnce,
    /// Names that lead nowhere, a second, of each caller.
    pub unknown_names: f64,
}

impl Asking {
    /// What one caller has of so many reviews under way: a sixteenth.
    pub fn of(reviews: NonZeroU64, unknown_names: NonZeroU32) -> Self {
        let all = usize::try_from(reviews.get()).unwrap_or(usize::MAX);
        Self {
            at_once: AtOnce {
                caller: all.div_ceil(16),
                all,
            },
            unknown_names: f64::from(unknown_names.get()),
        }
    }
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            at_once: AtOnce { caller: 2, all: 32 },
            unknown_names: 10.0,
        }
    }
}

/// How long answers are believed.
#[derive(Clone, Copy, Debug)]
struct Lives {
    allowed: Duration,
    refused: Duration,
    rechecked: Duration,
}

impl Default for Lives {
    fn default() -> Self {
        Self {
            allowed: ALLOWED_FOR,
            refused: REFUSED_FOR,
            rechecked: RECHECKED_FOR,
        }
    }
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was remembered.
    Remembered,
    /// The API server was asked.
    Asked,
}

/// The way in: every request passes it.
pub struct Gate {
    client: Client,
    audiences: Vec<String>,
    lives: Lives,
    /// By SHA-256 of the token.
    known: Cache<[u8; 32], Remembered<Arc<Identity>>>,
    unknown: Cache<[u8; 32], Denied>,
    /// Tokens that were good lately, and whose: their reviews do not queue behind strangers'.
    regulars: Cache<[u8; 32], (Arc<Identity>, Arc<Held>)>,
    allowed: Cache<Question, Remembered<()>>,
    refused: Cache<Question, Denied>,
    /// Rechecks of open streams.
    still_known: Cache<[u8; 32], Remembered<Arc<Identity>>>,
    still_allowed: Cache<Question, Remembered<()>>,
    /// Entries of `known`, `regulars` and `allowed`, by caller.
    entries: [Arc<Pool>; 3],
    lanes: Lanes,
    inventions: Inventions,
    metrics: ReviewMetrics,
    complained: Mutex<Option<Instant>>,
}

/// How a review queues.
#[derive(Clone, Copy)]
enum Wait {
    /// For a while, and not behind too many others: a request.
    Bounded,
    /// As long as it takes: a stream that is open.
    Patient,
}

impl Gate {
    /// Asks the API server behind `client`. A token must be meant for one of `audiences`; with none, every token is refused.
    pub fn new(client: Client, audiences: Vec<String>, asking: Asking) -> Self {
        Self::with_lives(client, audiences, asking, Lives::default())
    }

    fn with_lives(client: Client, audiences: Vec<String>, asking: Asking, lives: Lives) -> Self {
        Self {
            client,
            audiences,
            lives,
            known: answers(),
            unknown: cache(lives.refused),
            regulars: cache(KNOWN_FOR),
            allowed: answers(),
            refused: cache(lives.refused),
            still_known: answers(),
            still_allowed: answers(),
            entries: [(); 3].map(|()| Pool::new("remembered reviews", OWN_ENTRIES)),
            lanes: Lanes::new(asking.at_once),
            inventions: Inventions::new(asking.unknown_names),
            metrics: ReviewMetrics::new(),
            complained: Mutex::default(),
        }
    }

    /// What to register for `/metrics`: `gateway_review_lookups_total{review,result}` with result `hit` or `miss`, and
    /// `gateway_review_duration_seconds{review,result}` with result `allowed`, `refused` or `unavailable`.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        self.metrics.collectors()
    }

    /// Who sent this token.
    ///
    /// # Errors
    /// [`Denied::BadToken`] when the API server does not accept it for our audience, [`Denied::Unavailable`] when it does not say.
    pub async fn authenticate(&self, token: &Token) -> Result<Arc<Identity>, Denied> {
        let key = token.digest();
        if let Some(known) = self.known.get(key).await {
            self.metrics.lookup(Review::Token, true);
            return Ok(known.value);
        }
        if let Some(denied) = self.unknown.get(key).await {
            self.metrics.lookup(Review::Token, true);
            return Err(denied);
        }
        self.metrics.lookup(Review::Token, false);
        // Those who ask at the same time wait for one review, refused or not.
        let review = async {
            let asked = Instant::now();
            let who = self.review_token(token, Wait::Bounded).await?;
            let place = self.place(0, &who);
            Ok(Remembered {
                value: who,
                until: asked + self.lives.allowed,
                place,
            })
        };
        let known = self.known.try_get_with(*key, review).await;
        let known = known.map_err(|denied: Arc<Denied>| (*denied).clone())?;
        if known.place.is_none() {
            self.known.invalidate(key).await;
        }
        Ok(known.value)
    }

    /// Whether the caller may do this, and whether that had to be asked.
    ///
    /// # Errors
    /// [`Denied::Forbidden`] when the API server says no, [`Denied::Unavailable`] when it does not say, [`Denied::TooMany`] when the
    /// caller asked for too many things lately that it may not have.
    pub async fn authorize(&self, who: &Arc<Identity>, access: &Access) -> Result<Answer, Denied> {
        let asked = Asked { who, access };
        if self.allowed.get(&asked).await.is_some() {
            self.metrics.lookup(Review::Access, true);
            return Ok(Answer::Remembered);
        }
        if let Some(denied) = self.refused.get(&asked).await {
            self.metrics.lookup(Review::Access, true);
            return Err(denied);
        }
        self.inventions
            .may(&who.user, Instant::now())
            .map_err(Denied::TooMany)?;
        self.metrics.lookup(Review::Access, false);
        let question = Question {
            who: who.clone(),
            access: access.clone(),
        };
        let review = async {
            let asked = Instant::now();
            let allowed = self.review_access(who, access, Wait::Bounded).await;
            if matches!(allowed, Err(Denied::Forbidden(_))) {
                self.inventions.spend(&who.user, Instant::now());
            }
            allowed?;
            Ok(Remembered {
                value: (),
                until: asked + self.lives.allowed,
                place: self.place(2, who),
            })
        };
        let allowed = self.allowed.try_get_with(question, review).await;
        let allowed = allowed.map_err(|denied: Arc<Denied>| (*denied).clone())?;
        if allowed.place.is_none() {
            self.allowed.invalidate(&asked).await;
        }
        Ok(Answer::Asked)
    }

    /// What a caller was let through to is not there. Where that cost a review, it has fewer of them left.
    pub fn invented(&self, who: &Identity, answer: Answer) {
        if answer == Answer::Asked {
            self.inventions.spend(&who.user, Instant::now());
        }
    }

    /// A place among a caller's entries of one cache.
    fn place(&self, cache: usize, who: &Identity) -> Option<Arc<Held>> {
        let holder = Holder {
            caller: who.user.as_str().into(),
            namespace: Arc::default(),
        };
        let pool = self.entries.get(cache)?;
        pool.take(&holder, 1).ok().map(Arc::new)
    }

    /// Both anew, whatever is remembered for requests: for streams that have been open for a while. Streams that ask within
    /// [`RECHECKED_FOR`] share an answer, and wait for it however many there are. A refusal is remembered, so that it holds for new
    /// requests too.
    ///
    /// # Errors
    /// As [`Gate::authenticate`] and [`Gate::authorize`].
    pub async fn still(&self, token: &Token, access: &Access) -> Result<(), Denied> {
        let key = token.digest();
        let until = |asked: Instant| asked + self.lives.rechecked;
        let review = async {
            let asked = Instant::now();
            let who = self.review_token(token, Wait::Patient).await?;
            Ok(Remembered {
                value: who,
                until: until(asked),
                place: None,
            })
        };
        let who = match self.still_known.try_get_with(*key, review).await {
            Ok(who) => who.value,
            Err(denied) => {
                let denied: Arc<Denied> = denied;
                if matches!(*denied, Denied::BadToken(_)) {
                    self.known.invalidate(key).await;
                }
                return Err((*denied).clone());
            }
        };
        let question = Question {
            who: who.clone(),
            access: access.clone(),
        };
        let review = async {
            let asked = Instant::now();
            self.review_access(&who, access, Wait::Patient).await?;
            Ok(Remembered {
                value: (),
                until: until(asked),
                place: None,
            })
        };
        let allowed = self.still_allowed.try_get_with(question, review).await;
        let allowed = allowed.map_err(|denied: Arc<Denied>| (*denied).clone());
        if matches!(allowed, Err(Denied::Forbidden(_))) {
            self.allowed.invalidate(&Asked { who: &who, access }).await;
        }
        allowed.map(drop)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "shares_tests.rs"]
mod shares_tests;

#[cfg(test)]
#[path = "apiserver_tests.rs"]
mod apiserver_tests;
