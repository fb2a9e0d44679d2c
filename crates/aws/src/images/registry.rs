//! One repository of a private ECR registry: looks at its tags, for all who ask.

use std::collections::HashMap;
use std::sync::Arc;

use agentcore_api::reasons;
use agentcore_plan::fault::Fault;
use agentcore_plan::image::{Freshness, Inspected, Listing, Repository, Tagged, Trouble, Wanted};
use aws_sdk_ecr::operation::RequestId as _;
use aws_sdk_ecr::operation::batch_get_image::BatchGetImageOutput;
use aws_sdk_ecr::types::{DescribeImagesFilter, ImageFailureCode, ImageIdentifier, TagStatus};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::calls::{get_images, id, trouble};
use super::doors::Doors;
use super::inspect::is_configuration;
use super::{Failures, priority, serves};
use crate::classify;
use crate::control::Caller;
use crate::observe::Scan;
use crate::operation::Operation;

/// Most images of a repository that are looked at.
pub(super) const MOST_IMAGES: usize = 5000;
/// Entries of a page, and identifiers of a call; the API's maximums.
const PAGE: i32 = 1000;
const BATCH: usize = 100;
/// How long a tag that was asked for once goes along with other looks.
const ONCE: SignedDuration = SignedDuration::from_mins(1);
/// Most manifests and images that are remembered of a repository.
const MOST_REMEMBERED: usize = 1000;

/// An answer about tags.
type Answer = Result<Arc<Listing>, Trouble>;

/// A repository.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) doors: Doors,
    pub(super) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Until when a tag goes along with every look of a namespace.
    interest: HashMap<Arc<str>, HashMap<String, Timestamp>>,
    /// When the last look at each question began, and what it said.
    seen: HashMap<Wanted, (Timestamp, Answer)>,
    /// Failures in a row of a namespace's lists (true) and looks at tags: what one asks for may be what fails.
    failures: HashMap<(Arc<str>, bool), Failures>,
    /// Manifests that a look brought along, by digest.
    pub manifests: HashMap<String, String>,
    /// Images that were looked into and cannot change.
    pub images: HashMap<String, Inspected>,
}

impl Registry {
    /// Which digests tags have.
    pub async fn look(
        &self,
        caller: &Caller,
        repository: &Repository,
        wanted: &Wanted,
        freshness: Freshness,
    ) -> Answer {
        let (asked, namespace) = (Timestamp::now(), caller.tenant().namespace());
        if let Wanted::Tag(tag) = wanted {
            self.state.lock().want(namespace, tag, freshness, asked);
        }
        let known = || self.state.lock().known(namespace, wanted, freshness, asked);
        let look = async {
            let answer = self.ask(caller, repository, wanted, freshness, asked).await;
            self.doors.tell();
            answer
        };
        self.doors.look(caller.tenant(), known, look).await
    }

    async fn ask(
        &self,
        caller: &Caller,
        repository: &Repository,
        wanted: &Wanted,
        freshness: Freshness,
        asked: Timestamp,
    ) -> Answer {
        let namespace = caller.tenant().namespace();
        let (all, began) = (*wanted == Wanted::All, Mutex::new(asked));
        let done = if all {
            self.look_at_all(caller, repository, freshness, &began)
                .await
        } else {
            self.look_at_tags(caller, repository, freshness, &began)
                .await
        };
        let began = *began.lock();
        let key = (namespace.clone(), all);
        let mut state = self.state.lock();
        let scan = |result| {
            caller.observer.0.scanned(&Scan {
                repository: &repository.name,
                result,
                interval: match freshness {
                    Freshness::Now => None,
                    Freshness::Within(interval) => Some(interval),
                },
            });
        };
        match done {
            Ok(complete) => {
                state.failures.remove(&key);
                scan(if complete { "success" } else { "incomplete" });
            }
            Err((operation, fault)) => {
                let trouble = trouble(operation, repository, &fault);
                scan(trouble.reason);
                let failures =
                    Failures::after(state.failures.get(&key), began, &fault, trouble.clone());
                state.failures.insert(key, failures);
            }
        }
        match state.known(namespace, wanted, freshness, asked) {
            Some(answer) => answer,
            // A tag that is not among the answers was not asked for: that cannot be, and is no reason to say that it is gone.
            None => Err(Trouble {
                reason: reasons::REGISTRY_UNREACHABLE,
                message: format!("the scan of repository {repository} did not finish"),
                again: None,
            }),
        }
    }

    /// BatchGetImage of every tag that anybody of the namespace is interested in.
    async fn look_at_tags(
        &self,
        caller: &Caller,
        repository: &Repository,
        freshness: Freshness,
        began: &Mutex<Timestamp>,
    ) -> Result<bool, (Operation, Fault)> {
        let (operation, namespace) = (Operation::BatchGetImage, caller.tenant().namespace());
        let (mut first, mut left, mut alone) = (true, Vec::new(), Vec::new());
        while first || !left.is_empty() || !alone.is_empty() {
            let mut batch = Vec::new();
            let answer = caller
                .call(operation, priority(freshness), || {
                    // Only now, so that those who asked meanwhile are answered too.
                    if first {
                        let now = Timestamp::now();
                        *began.lock() = now;
                        left = self.state.lock().interesting(namespace, now);
                        batch.clear();
                    }
                    // Of an attempt that failed.
                    left.append(&mut batch);
                    batch = left.split_off(left.len().saturating_sub(BATCH));
                    if batch.is_empty() {
                        batch.extend(alone.pop());
                    }
                    let ids = batch.iter().map(|tag| id(Some(tag), None)).collect();
                    get_images(caller, repository, ids).send()
                })
                .await
                .map_err(|fault| (operation, fault))?;
            first = false;
            let at = *began.lock();
            let mut state = self.state.lock();
            let several = batch.len() > 1;
            for tag in batch {
                match state.answered(repository, &tag, &answer, at, several) {
                    Some(said) => {
                        state.seen.insert(Wanted::Tag(tag), (at, said));
                    }
                    // Said nothing of: tags of one image may share an entry. It is asked for by itself.
                    None => alone.push(tag),
                }
            }
        }
        Ok(true)
    }

    /// DescribeImages, all pages. A list that breaks off is an error: half a list would look like images that are gone.
    async fn look_at_all(
        &self,
        caller: &Caller,
        repository: &Repository,
        freshness: Freshness,
        began: &Mutex<Timestamp>,
    ) -> Result<bool, (Operation, Fault)> {
        let operation = Operation::DescribeImages;
        let failed = |fault| (operation, fault);
        let (mut tags, mut images, mut next) = (Vec::new(), 0, None::<String>);
        let tagged = DescribeImagesFilter::builder()
            .tag_status(TagStatus::Tagged)
            .build();
        let mut first = true;
        let complete = loop {
            let request = caller
                .ecr
                .describe_images()
                .registry_id(&repository.account)
                .repository_name(&repository.name)
                .filter(tagged.clone())
                .max_results(PAGE)
                .set_next_token(next.clone());
            let page = caller
                .call(operation, priority(freshness), || {
                    if first {
                        *began.lock() = Timestamp::now();
                    }
                    request.clone().send()
                })
                .await
                .map_err(failed)?;
            first = false;
            for image in page.image_details() {
                images += 1;
                let Some(digest) = image.image_digest() else {
                    continue;
                };
                // Signatures and charts lie beside images, under tags that any policy may fit.
                if image
                    .artifact_media_type()
                    .is_some_and(|it| !is_configuration(it))
                {
                    continue;
                }
                let pushed_at = image
                    .image_pushed_at()
                    .and_then(|at| Timestamp::from_millisecond(at.to_millis().ok()?).ok());
                tags.extend(image.image_tags().iter().map(|tag| Tagged {
                    tag: tag.clone(),
                    digest: digest.to_owned(),
                    pushed_at,
                }));
            }
            let following = page.next_token().filter(|token| !token.is_empty());
            match following {
                None => break true,
                Some(_) if images >= MOST_IMAGES => break false,
                Some(token) if Some(token) == next.as_deref() => {
                    return Err(failed(classify::endless(page.request_id())));
                }
                Some(token) => next = Some(token.to_owned()),
            }
        };
        let at = *began.lock();
        let listing = Arc::new(Listing { at, complete, tags });
        let mut state = self.state.lock();
        state.seen.insert(Wanted::All, (at, Ok(listing)));
        Ok(complete)
    }
}

impl State {
    fn want(&mut self, namespace: &Arc<str>, tag: &str, freshness: Freshness, now: Timestamp) {
        let span = match freshness {
            Freshness::Now => ONCE,
            // Who looks every interval asks again within another half of it.
            Freshness::Within(most) => SignedDuration::try_from(most.mul_f64(1.5)).unwrap_or(ONCE),
        };
        let until = now + span.max(ONCE);
        let interest = self.interest.entry(namespace.clone()).or_default();
        let kept = interest.entry(tag.to_owned()).or_insert(until);
        *kept = (*kept).max(until);
    }

    fn interesting(&mut self, namespace: &Arc<str>, now: Timestamp) -> Vec<String> {
        self.interest.retain(|_, tags| {
            tags.retain(|_, until| *until > now);
            !tags.is_empty()
        });
        let interest = &self.interest;
        self.seen.retain(|wanted, _| match wanted {
            Wanted::All => true,
            Wanted::Tag(tag) => interest.values().any(|tags| tags.contains_key(tag)),
        });
        let tags = interest.get(namespace).into_iter();
        tags.flat_map(HashMap::keys).cloned().collect()
    }

    fn known(
        &self,
        namespace: &Arc<str>,
        wanted: &Wanted,
        freshness: Freshness,
        asked: Timestamp,
    ) -> Option<Answer> {
        let seen = self
            .seen
            .get(wanted)
            .filter(|(at, _)| serves(*at, freshness, asked))
            .map(|(_, answer)| answer.clone());
        seen.or_else(|| {
            let key = (namespace.clone(), *wanted == Wanted::All);
            let failures = self.failures.get(&key)?;
            failures
                .answers(freshness, asked)
                .then(|| Err(failures.trouble.clone()))
        })
    }

    /// What an answer says of a tag, one of `several` or the only one; `None`: nothing.
    fn answered(
        &mut self,
        repository: &Repository,
        tag: &str,
        answer: &BatchGetImageOutput,
        at: Timestamp,
        several: bool,
    ) -> Option<Answer> {
        let of_tag = |id: Option<&ImageIdentifier>| id.and_then(|id| id.image_tag()) == Some(tag);
        let images = answer.images();
        let found = images.iter().find(|image| of_tag(image.image_id()));
        let found = found.or_else(|| images.first().filter(|_| !several));
        let digest = found.and_then(|image| image.image_id()?.image_digest());
        if let (Some(digest), Some(manifest)) =
            (digest, found.and_then(|image| image.image_manifest()))
        {
            self.remember_manifest(digest, manifest);
        }
        let failures = answer.failures();
        let failure = failures
            .iter()
            .find(|failure| of_tag(failure.image_id()))
            .or_else(|| failures.first().filter(|_| !several));
        let code = failure.and_then(|failure| failure.failure_code());
        match (digest, failure) {
            (None, None) if several => None,
            (None, Some(failure)) if code != Some(&ImageFailureCode::ImageNotFound) => {
                Some(Err(Trouble {
                    reason: reasons::REGISTRY_UNREACHABLE,
                    message: format!(
                        "ecr:BatchGetImage of tag {tag} in repository {repository} failed: {}: {}",
                        code.map_or("?", ImageFailureCode::as_str),
                        failure.failure_reason().unwrap_or_default()
                    ),
                    again: None,
                }))
            }
            (digest, _) => {
                let tagged = digest.map(|digest| Tagged {
                    tag: tag.to_owned(),
                    digest: digest.to_owned(),
                    pushed_at: None,
                });
                Some(Ok(Arc::new(Listing {
                    at,
                    complete: true,
                    tags: tagged.into_iter().collect(),
                })))
            }
        }
    }

    fn remember_manifest(&mut self, digest: &str, manifest: &str) {
        if self.images.contains_key(digest) {
            return;
        }
        if self.manifests.len() >= MOST_REMEMBERED {
            self.manifests.clear();
        }
        self.manifests
            .insert(digest.to_owned(), manifest.to_owned());
    }

    /// Remembers an image that cannot change any more.
    pub fn remember(&mut self, digest: &str, inspected: &Inspected) {
        if self.images.len() >= MOST_REMEMBERED {
            self.images.clear();
        }
        self.images.insert(digest.to_owned(), inspected.clone());
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
