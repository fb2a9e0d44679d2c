//! A container image: its tag becomes a digest once, or what `follow` says.

use std::ops::ControlFlow;

use agentcore_api::AgentRuntime;
use agentcore_api::reasons;
use agentcore_api::runtime::{Artifact, Container, ImageChoice, ImageStatus};
use agentcore_api::values::ImageRef;

use super::super::pass::Pass;
use super::super::wish::Wish;
use super::follow::Seen;
use super::{Again, Flow, There, ask, get, plain, refused, request, say, set, stand_by, there};
use crate::image::{Choice, Freshness, Policy, Read, Repository, Trouble, Wanted, said};

/// What the image becomes.
pub(super) enum Found {
    /// First ask.
    Ask(Read),
    /// This.
    Good(Choice),
    /// Nothing.
    Trouble(Trouble),
}

/// One image of one pass.
pub(super) struct Look<'a> {
    given: &'a str,
    pub image: ImageRef,
    pub repository: Repository,
    pub policy: Option<Policy>,
    /// Whether it may be for linux/amd64 alone.
    amd64: bool,
    pin: Option<&'a str>,
    request: Option<&'a String>,
    /// Whether a fresh look was asked for, and not answered yet.
    pub asked: bool,
}

/// The image that the status says is used; as written where it says none.
pub(super) fn recorded(object: &AgentRuntime, container: &Container) -> String {
    let Container { image, follow } = container;
    let record = object.status.as_ref().and_then(|it| it.image.as_ref());
    let fixed = || {
        let (record, parsed) = (record?, ImageRef::parse(image).ok()?);
        Repository::of(&parsed)?;
        let same = if follow.is_some() {
            ImageRef::parse(&record.given).ok()?.pinned("") == parsed.pinned("")
        } else {
            record.given == *image && parsed.digest.is_none()
        };
        let digest = record.digest.as_deref().filter(|_| same)?;
        Some(parsed.pinned(digest).to_string())
    };
    fixed().unwrap_or_else(|| image.clone())
}

pub(super) fn settle<'a>(mut pass: Pass<'a>, wish: Wish, container: &'a Container) -> Flow<'a> {
    let Container {
        image: given,
        follow,
    } = container;
    pass.desk.status.code = None;
    let image = match ImageRef::parse(given) {
        Ok(image) => image,
        Err(error) => {
            return refused(pass, format!("spec.artifact.container.image: {error}"));
        }
    };
    let Some(repository) = Repository::of(&image) else {
        if follow.is_some() {
            let text =
                "spec.artifact.container.follow needs an image in a private Amazon ECR repository";
            return refused(pass, text.to_owned());
        }
        as_written(&mut pass, given, &image);
        let text = "images of public.ecr.aws are given to AgentCore as they are written";
        set(&mut pass, "Unknown", reasons::TAKEN_AS_WRITTEN, text);
        return go(pass, wish, given, None, Again::default());
    };
    // A capacity provider may have machines of either kind, and AgentCore says which it has.
    let amd64 = pass.view.object.spec.capacity_provider.is_some();
    let policy = match follow.as_ref().map(Policy::parse).transpose() {
        Ok(policy) => policy.map(|policy| policy.where_amd64_runs(amd64)),
        Err(problem) => {
            return refused(pass, format!("spec.artifact.container.follow.{problem}"));
        }
    };
    if policy.is_none() && image.digest.is_some() {
        as_written(&mut pass, given, &image);
        say(
            &mut pass,
            true,
            reasons::RESOLVED,
            "the image is written with its digest",
        );
        return go(pass, wish, given, None, Again::default());
    }
    let request = request(pass.view.object);
    let answered = pass
        .desk
        .status
        .image
        .as_ref()
        .and_then(|record| record.last_resolve_request.clone());
    let look = Look {
        given,
        image,
        repository,
        policy,
        amd64,
        pin: follow.as_ref().and_then(|follow| follow.pin.as_deref()),
        request,
        asked: request.is_some() && request != answered.as_ref(),
    };
    look.resolve(pass, wish)
}

/// Notes an image that is used as it is written.
fn as_written(pass: &mut Pass<'_>, given: &str, image: &ImageRef) {
    let request = request(pass.view.object).cloned();
    let before = pass.desk.status.image.take().unwrap_or_default();
    pass.desk.status.image = Some(ImageStatus {
        given: given.to_owned(),
        tag: image.tag.clone(),
        digest: image.digest.clone(),
        previous: if before.given == given {
            before.previous
        } else {
            former(&before)
        },
        last_resolve_request: request,
        ..ImageStatus::default()
    });
}

fn former(record: &ImageStatus) -> Option<ImageChoice> {
    record.digest.clone().map(|digest| ImageChoice {
        digest,
        tag: record.tag.clone(),
        pushed_at: record.pushed_at.clone(),
    })
}

/// Goes on with this image. `also`: what AWS may have instead.
fn go<'a>(pass: Pass<'a>, wish: Wish, image: &str, also: Option<&str>, again: Again) -> Flow<'a> {
    let artifact = |image: &str| Artifact {
        container: Some(plain(image)),
        code: None,
    };
    let uid = pass.uid();
    let mut wish = wish.with_artifact(uid, artifact(image), None);
    wish.also = also.map(artifact);
    ControlFlow::Continue((pass, wish, again))
}

impl<'a> Look<'a> {
    fn resolve(self, mut pass: Pass<'a>, wish: Wish) -> Flow<'a> {
        let mut record = pass.desk.status.image.clone().unwrap_or_default();
        if record.digest.is_none() {
            // Nothing on record: what AWS has of this repository stays.
            match there(&pass) {
                There::Ask(id) => return get(pass, id),
                There::Fault(fault) => {
                    let serving = pass.steady;
                    return ControlFlow::Break(pass.desk.fault(fault, serving));
                }
                There::Found(runtime) => {
                    let image = runtime.config.artifact.container.as_ref();
                    if let Some(kept) = image.and_then(|image| self.kept(&image.image)) {
                        record = kept;
                        pass.desk.status.image = Some(record.clone());
                    }
                }
                There::Nothing => {}
            }
        }
        let known = self.known(&record);
        match (&self.policy, self.pin) {
            (None, _) if known && !self.asked => self.stay(pass, wish, None),
            (None, _) => {
                let tag = self.image.effective_tag().unwrap_or("latest");
                let found = self.tagged(&pass, tag, Freshness::Now);
                self.take(pass, wish, known, found, None)
            }
            (Some(policy), pin) => self.follow(pass, wish, known, policy, pin),
        }
    }

    /// Whether the record is of this spec.
    fn known(&self, record: &ImageStatus) -> bool {
        record.digest.is_some()
            && match &self.policy {
                None => record.given == self.given,
                Some(_) => self.here(&record.given),
            }
    }

    /// Whether an image is of this repository.
    fn here(&self, image: &str) -> bool {
        ImageRef::parse(image).is_ok_and(|other| other.pinned("") == self.image.pinned(""))
    }

    /// A record of what AWS has, if that is of this repository and fixed.
    fn kept(&self, there: &str) -> Option<ImageStatus> {
        let image = ImageRef::parse(there).ok().filter(|_| self.here(there))?;
        Some(ImageStatus {
            given: self.given.to_owned(),
            tag: image.tag,
            digest: Some(image.digest?),
            last_resolve_request: self.request.cloned(),
            ..ImageStatus::default()
        })
    }

    pub fn inspect(&self, digest: String) -> Read {
        Read::Inspect {
            repository: self.repository.clone(),
            digest,
        }
    }

    /// What a tag names.
    pub fn tagged(&self, pass: &Pass<'_>, tag: &str, freshness: Freshness) -> Found {
        let wanted = Wanted::Tag(tag.to_owned());
        match pass.view.facts.source.listings.get(&wanted) {
            None => Found::Ask(Read::Look {
                repository: self.repository.clone(),
                wanted,
                freshness,
            }),
            Some(Err(trouble)) => Found::Trouble(trouble.clone()),
            Some(Ok(listing)) => match listing.tags.iter().find(|seen| seen.tag == tag) {
                Some(seen) => self.examined(pass, Some(tag), &seen.digest),
                None => Found::Trouble(Trouble {
                    reason: reasons::TAG_NOT_FOUND,
                    message: format!("there is no tag {tag} in repository {}", self.repository),
                    again: None,
                }),
            },
        }
    }

    /// Whether an image can run.
    pub fn examined(&self, pass: &Pass<'_>, tag: Option<&str>, digest: &str) -> Found {
        match pass.view.facts.source.images.get(digest) {
            None => Found::Ask(self.inspect(digest.to_owned())),
            Some(Err(trouble)) => Found::Trouble(trouble.clone()),
            Some(Ok(seen)) => match seen.flaw(self.amd64) {
                Some(flaw) => {
                    let (reason, message) = said(flaw, digest);
                    Found::Trouble(Trouble {
                        reason,
                        message,
                        again: None,
                    })
                }
                None => Found::Good(Choice {
                    tag: tag.map(str::to_owned),
                    digest: digest.to_owned(),
                    platform_digest: seen.platform_digest.clone(),
                    pushed_at: seen.pushed_at,
                }),
            },
        }
    }

    /// Takes what was found.
    pub fn take(
        &self,
        mut pass: Pass<'a>,
        wish: Wish,
        known: bool,
        found: Found,
        after: Option<Seen<'_>>,
    ) -> Flow<'a> {
        let choice = match found {
            Found::Ask(read) => return ask(pass, read),
            Found::Trouble(trouble) => return self.fail(pass, wish, known, trouble),
            Found::Good(choice) => choice,
        };
        let before = pass.desk.status.image.take().unwrap_or_default();
        let changed = before.digest.as_ref() != Some(&choice.digest);
        if changed {
            let what = choice.tag.as_deref().unwrap_or("the written image");
            let text = match &before.digest {
                Some(old) => format!("{what} is {} now, and was {old}", choice.digest),
                None => format!("{what} is {}", choice.digest),
            };
            pass.desk.event(false, reasons::IMAGE_PICKED, text);
        }
        let Choice {
            tag,
            digest,
            platform_digest,
            pushed_at,
        } = choice;
        let mut rejected = before.rejected.clone();
        rejected.retain(|one| one.digest != digest);
        pass.desk.status.image = Some(ImageStatus {
            given: self.given.to_owned(),
            tag,
            digest: Some(digest),
            platform_digest,
            pushed_at: pushed_at.map(|at| at.to_string()),
            previous: if changed && self.here(&before.given) {
                former(&before)
            } else if changed {
                None
            } else {
                before.previous
            },
            candidate: None,
            pinned: None,
            last_scan_time: before.last_scan_time,
            next_scan_time: before.next_scan_time,
            tags_seen: before.tags_seen,
            rejected,
            last_resolve_request: self.request.cloned(),
        });
        match after {
            Some(seen) => self.stay_after(pass, wish, seen),
            None => self.stay(pass, wish, None),
        }
    }

    /// Nothing new could be found out. What is on record goes on; without a record nothing is made.
    pub fn fail(&self, mut pass: Pass<'a>, wish: Wish, known: bool, trouble: Trouble) -> Flow<'a> {
        if known {
            say(&mut pass, false, trouble.reason, &trouble.message);
            let again = match trouble.again {
                Some(at) => Again::at(pass.desk.now, at),
                None => Again(Some(crate::desk::SLOW)),
            };
            return self.go_on(pass, wish, Some(again));
        }
        // The very image that is written runs, by its tag: that is no worse than before, but nothing is sent.
        if let There::Found(runtime) = there(&pass) {
            let image = runtime.config.artifact.container.as_ref();
            if image.is_some_and(|image| image.image == self.given) {
                say(&mut pass, false, trouble.reason, &trouble.message);
                let again = Again(Some(crate::desk::SLOW));
                let flow = go(pass, wish, self.given, None, again);
                return flow.map_continue(|(pass, mut wish, again)| {
                    wish.held = Some(trouble);
                    (pass, wish, again)
                });
            }
        }
        ControlFlow::Break(stand_by(pass, &trouble))
    }

    /// What is on record is what runs.
    fn stay(&self, mut pass: Pass<'a>, wish: Wish, again: Option<Again>) -> Flow<'a> {
        if let Some(image) = pass.desk.status.image.as_mut() {
            if self.asked {
                image.last_resolve_request = self.request.cloned();
            }
            self.given.clone_into(&mut image.given);
        }
        let record = pass.desk.status.image.as_ref();
        let digest = record.and_then(|image| image.digest.clone());
        let text = format!("{} is used", digest.unwrap_or_default());
        say(&mut pass, true, reasons::RESOLVED, &text);
        self.go_on(pass, wish, again)
    }

    pub fn stay_after(&self, pass: Pass<'a>, wish: Wish, seen: Seen<'_>) -> Flow<'a> {
        let flow = self.stay(pass, wish, Some(seen.again));
        flow.map_continue(|(mut pass, wish, again)| {
            seen.note(&mut pass);
            (pass, wish, again)
        })
    }

    pub fn go_on(&self, pass: Pass<'a>, wish: Wish, again: Option<Again>) -> Flow<'a> {
        let record = pass.desk.status.image.clone().unwrap_or_default();
        let digest = record.digest.as_deref().unwrap_or_default();
        let pinned = self.image.pinned(digest).to_string();
        // By its tag, and never resolved to anything else: it is fixed with the next update, not by one of its own.
        let same = record.tag.as_deref() == self.image.effective_tag();
        let also = (record.previous.is_none() && same).then_some(self.given);
        go(pass, wish, &pinned, also, again.unwrap_or_default())
    }
}
