//! The reviews themselves: what the API server is asked, and what its answer means.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use tokio::time::Instant;

use super::{Gate, Question, Wait};
use crate::identity::lanes::{LIMIT, Trouble};
use crate::identity::metrics::Review;
use crate::identity::{Access, Denied, Identity, Token};

/// Shortest time between two log lines about an API server that does not answer.
const COMPLAIN_EVERY: Duration = Duration::from_secs(5);

impl Gate {
    /// Asks about a token, and remembers a refusal.
    pub(super) async fn review_token(
        &self,
        token: &Token,
        wait: Wait,
    ) -> Result<Arc<Identity>, Denied> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: token.text().to_owned(),
                audiences: Some(self.audiences.clone()),
            },
            ..TokenReview::default()
        };
        let regular = self.regulars.get(token.digest()).await;
        let caller = regular.as_ref().map(|(who, _)| who.user.as_str());
        let lane = match caller {
            Some(_) => &self.lanes.regulars,
            None => &self.lanes.strangers,
        };
        let (api, began) = (Api::all(self.client.clone()), Instant::now());
        let how = PostParams::default();
        let asking = api.create(&how, &review);
        let answer = match wait {
            Wait::Bounded => lane.ask(caller, asking).await,
            Wait::Patient => self.lanes.rechecks.wait(caller, asking).await,
        };
        let result = match answer {
            Ok(answer) => self.identity(answer.status.unwrap_or_default()),
            Err(trouble) => Err(self.unavailable(Review::Token, &trouble)),
        };
        self.metrics
            .review(Review::Token, began.elapsed(), result.as_ref().err());
        match &result {
            Ok(who) => {
                // A token that keeps its place keeps it; others of the same caller do not take those of other callers.
                let place = match regular {
                    Some((_, place)) => Some(place),
                    None => self.place(1, who),
                };
                if let Some(place) = place {
                    let entry = (who.clone(), place);
                    self.regulars.insert(*token.digest(), entry).await;
                }
            }
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
    pub(super) async fn review_access(
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
            Wait::Bounded => self.lanes.access.ask(Some(&who.user), asking).await,
            Wait::Patient => self.lanes.rechecks.wait(Some(&who.user), asking).await,
        };
        let result = match answer {
            Ok(SubjectAccessReview {
                status: Some(status),
                ..
            }) if status.allowed && status.denied != Some(true) => Ok(()),
            Ok(_) => Err(Denied::forbidden(who, access)),
            Err(trouble) => Err(self.unavailable(Review::Access, &trouble)),
        };
        self.metrics
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
                agentcore_cluster::errors::told(error),
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
