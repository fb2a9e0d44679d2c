//! TokenReview and SubjectAccessReview, each asked once for many callers and remembered for a short while.
//!
//! What cannot be asked is refused: nobody is let through on an answer older than [`ALLOWED_FOR`].

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use moka::Equivalent;
use moka::future::Cache;
use parking_lot::Mutex;
use prometheus::core::Collector;
use tokio::time::Instant;

use super::figures::{Figures, Review};
use super::lanes::{LIMIT, Lanes, Trouble};
use super::{Access, Denied, Identity, Token};

use crate::errors::told;

/// How long a good answer is believed.
pub const ALLOWED_FOR: Duration = Duration::from_secs(30);
/// How long a refusal is believed: short, so that a new RoleBinding works soon.
pub const REFUSED_FOR: Duration = Duration::from_secs(5);
/// How long streams share the answer to a recheck: many that one caller opened together ask once.
pub const RECHECKED_FOR: Duration = Duration::from_secs(1);
/// Most entries of each cache.
const ENTRIES: u64 = 10_000;
/// How long a token that was good keeps its right to the lane of known callers.
const KNOWN_FOR: Duration = Duration::from_mins(15);
/// Shortest time between two log lines about an API server that does not answer.
const COMPLAIN_EVERY: Duration = Duration::from_secs(5);
/// The way in: every request passes it.
pub struct Gate {
    client: Client,
    audiences: Vec<String>,
    /// By SHA-256 of the token.
    known: Cache<[u8; 32], Arc<Identity>>,
    unknown: Cache<[u8; 32], Denied>,
    /// Tokens that were good lately: their reviews do not queue behind strangers'.
    regulars: Cache<[u8; 32], ()>,
    allowed: Cache<Question, ()>,
    refused: Cache<Question, Denied>,
    /// Rechecks of open streams.
    still_known: Cache<[u8; 32], Arc<Identity>>,
    still_allowed: Cache<Question, ()>,
    lanes: Lanes,
    figures: Figures,
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

/// May this identity do that? The key of the access caches.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    who: Arc<Identity>,
    access: Access,
}

/// A [`Question`] that owns nothing, so that a hit allocates nothing. Its fields hash as that one's do.
#[derive(Hash)]
struct Asked<'a> {
    who: &'a Arc<Identity>,
    access: &'a Access,
}

impl Equivalent<Question> for Asked<'_> {
    fn equivalent(&self, key: &Question) -> bool {
        *self.who == key.who && *self.access == key.access
    }
}

fn cache<K, V>(life: Duration) -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(ENTRIES)
        .time_to_live(life)
        .build()
}

impl Gate {
    /// Asks the API server behind `client`. A token must be meant for one of `audiences`; with none, every token is refused.
    pub fn new(client: Client, audiences: Vec<String>) -> Self {
        Self::with_lives(client, audiences, ALLOWED_FOR, REFUSED_FOR, RECHECKED_FOR)
    }

    fn with_lives(
        client: Client,
        audiences: Vec<String>,
        allowed_for: Duration,
        refused_for: Duration,
        rechecked_for: Duration,
    ) -> Self {
        Self {
            client,
            audiences,
            known: cache(allowed_for),
            unknown: cache(refused_for),
            regulars: cache(KNOWN_FOR),
            allowed: cache(allowed_for),
            refused: cache(refused_for),
            still_known: cache(rechecked_for),
            still_allowed: cache(rechecked_for),
            lanes: Lanes::default(),
            figures: Figures::new(),
            complained: Mutex::default(),
        }
    }

    /// What to register for `/metrics`: `gateway_review_lookups_total{review,result}` with result `hit` or `miss`, and
    /// `gateway_review_duration_seconds{review,result}` with result `allowed`, `refused` or `unavailable`.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        self.figures.collectors()
    }

    /// Who sent this token.
    ///
    /// # Errors
    /// [`Denied::BadToken`] when the API server does not accept it for our audience, [`Denied::Unavailable`] when it does not say.
    pub async fn authenticate(&self, token: &Token) -> Result<Arc<Identity>, Denied> {
        let key = token.digest();
        if let Some(who) = self.known.get(key).await {
            self.figures.lookup(Review::Token, true);
            return Ok(who);
        }
        if let Some(denied) = self.unknown.get(key).await {
            self.figures.lookup(Review::Token, true);
            return Err(denied);
        }
        self.figures.lookup(Review::Token, false);
        // Those who ask at the same time wait for one review, refused or not.
        self.known
            .try_get_with(*key, self.review_token(token, Wait::Bounded))
            .await
            .map_err(|denied| (*denied).clone())
    }

    /// Whether the caller may do this.
    ///
    /// # Errors
    /// [`Denied::Forbidden`] when the API server says no, [`Denied::Unavailable`] when it does not say.
    pub async fn authorize(&self, who: &Arc<Identity>, access: &Access) -> Result<(), Denied> {
        let asked = Asked { who, access };
        if self.allowed.get(&asked).await.is_some() {
            self.figures.lookup(Review::Access, true);
            return Ok(());
        }
        if let Some(denied) = self.refused.get(&asked).await {
            self.figures.lookup(Review::Access, true);
            return Err(denied);
        }
        self.figures.lookup(Review::Access, false);
        let question = Question {
            who: who.clone(),
            access: access.clone(),
        };
        self.allowed
            .try_get_with(question, self.review_access(who, access, Wait::Bounded))
            .await
            .map_err(|denied| (*denied).clone())
    }

    /// Both anew, whatever is remembered for requests: for streams that have been open for a while. Streams that ask within
    /// [`RECHECKED_FOR`] share an answer, and wait for it however many there are. A refusal is remembered, so that it holds for new
    /// requests too.
    ///
    /// # Errors
    /// As [`Gate::authenticate`] and [`Gate::authorize`].
    pub async fn still(&self, token: &Token, access: &Access) -> Result<(), Denied> {
        let key = token.digest();
        let review = self.review_token(token, Wait::Patient);
        let who = match self.still_known.try_get_with(*key, review).await {
            Ok(who) => who,
            Err(denied) => {
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
        let review = self.review_access(&who, access, Wait::Patient);
        let allowed = self.still_allowed.try_get_with(question, review).await;
        if matches!(
            allowed.as_ref().map_err(|denied| &**denied),
            Err(Denied::Forbidden(_))
        ) {
            self.allowed.invalidate(&Asked { who: &who, access }).await;
        }
        allowed.map_err(|denied| (*denied).clone())
    }

    /// Asks about a token, and remembers a refusal.
    async fn review_token(&self, token: &Token, wait: Wait) -> Result<Arc<Identity>, Denied> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: token.text().to_owned(),
                audiences: Some(self.audiences.clone()),
            },
            ..TokenReview::default()
        };
        let lane = if self.regulars.contains_key(token.digest()) {
            &self.lanes.regulars
        } else {
            &self.lanes.strangers
        };
        let (api, began) = (Api::all(self.client.clone()), Instant::now());
        let how = PostParams::default();
        let asking = api.create(&how, &review);
        let answer = match wait {
            Wait::Bounded => lane.ask(asking).await,
            Wait::Patient => self.lanes.rechecks.wait(asking).await,
        };
        let result = match answer {
            Ok(answer) => self.identity(answer.status.unwrap_or_default()),
            Err(trouble) => Err(self.unavailable(Review::Token, &trouble)),
        };
        self.figures
            .review(Review::Token, began.elapsed(), result.as_ref().err());
        match &result {
            Ok(_) => self.regulars.insert(*token.digest(), ()).await,
            Err(denied @ Denied::BadToken(_)) => {
                self.unknown.insert(*token.digest(), denied.clone()).await;
            }
            Err(_) => {}
        }
        result
    }

    /// Reads the answer to a TokenReview.
    fn identity(&self, status: TokenReviewStatus) -> Result<Arc<Identity>, Denied> {
        let for_us = status
            .audiences
            .unwrap_or_default()
            .iter()
            .any(|audience| self.audiences.contains(audience));
        let user = status.user.unwrap_or_default();
        let name = user.username.filter(|name| !name.is_empty());
        let (Some(true), true, Some(name)) = (status.authenticated, for_us, name) else {
            if let Some(error) = status.error {
                tracing::debug!(error, "a token was refused");
            }
            return Err(Denied::BadToken(format!(
                "the API server does not accept the token for audience {}: it may have expired, or be for another audience",
                self.audiences.join(" or ")
            )));
        };
        Ok(Arc::new(Identity {
            user: name,
            uid: user.uid.filter(|uid| !uid.is_empty()),
            groups: user.groups.unwrap_or_default(),
            extra: user.extra.unwrap_or_default(),
        }))
    }

    /// Asks about an access, and remembers a refusal.
    async fn review_access(
        &self,
        who: &Arc<Identity>,
        access: &Access,
        wait: Wait,
    ) -> Result<(), Denied> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(who.user.clone()),
                uid: who.uid.clone(),
                groups: Some(who.groups.clone()),
                extra: Some(who.extra.clone()),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(agentcore_api::GROUP.to_owned()),
                    version: Some(agentcore_api::VERSION.to_owned()),
                    resource: Some(access.kind.plural().to_owned()),
                    subresource: Some(access.subresource.as_str().to_owned()),
                    namespace: Some(access.namespace.clone()),
                    name: Some(access.name.clone()),
                    verb: Some(access.verb.as_str().to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let (api, began) = (Api::all(self.client.clone()), Instant::now());
        let how = PostParams::default();
        let asking = api.create(&how, &review);
        let answer = match wait {
            Wait::Bounded => self.lanes.access.ask(asking).await,
            Wait::Patient => self.lanes.rechecks.wait(asking).await,
        };
        let result = match answer {
            Ok(SubjectAccessReview {
                status: Some(status),
                ..
            }) if status.allowed && status.denied != Some(true) => Ok(()),
            Ok(_) => Err(Denied::forbidden(who, access)),
            Err(trouble) => Err(self.unavailable(Review::Access, &trouble)),
        };
        self.figures
            .review(Review::Access, began.elapsed(), result.as_ref().err());
        if let Err(denied @ Denied::Forbidden(_)) = &result {
            let question = Question {
                who: who.clone(),
                access: access.clone(),
            };
            self.refused.insert(question, denied.clone()).await;
        }
        result
    }

    /// No answer: the caller learns that much, the log learns why.
    fn unavailable(&self, review: Review, trouble: &Trouble) -> Denied {
        let (error, text) = match trouble {
            Trouble::Busy => (
                "too many reviews wait".to_owned(),
                "too many callers are being checked; try again",
            ),
            Trouble::Slow => (
                format!("no answer within {LIMIT:?}"),
                "the API server did not say in time who may call; try again",
            ),
            Trouble::Failed(error) => (
                told(error),
                "the API server could not say who may call; try again",
            ),
        };
        let mut complained = self.complained.lock();
        if complained.is_none_or(|last| last.elapsed() >= COMPLAIN_EVERY) {
            *complained = Some(Instant::now());
            tracing::warn!(
                review = review.as_str(),
                error,
                "callers are refused: the API server gives no answer"
            );
        }
        Denied::Unavailable(text.to_owned())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "apiserver_tests.rs"]
mod apiserver_tests;
