//! `follow` of an image: looks, picks, pins, and what is said of what is not taken.

use agentcore_api::conditions::IMAGE_RESOLVED;
use agentcore_api::names::annotations::RESOLVE_REQUESTED_AT;
use agentcore_api::reasons;
use agentcore_api::runtime::{CauseType, ImageChoice, ImageStatus, RejectedImage};
use jiff::{SignedDuration, Timestamp};

use super::super::pass::Pass;
use super::super::wish::Wish;
use super::container::{Found, Look};
use super::{Again, Flow, ask, next_look, say};
use crate::conditions::Verdict;
use crate::desk::{parsed, whole_second};
use crate::image::{
    Current, Freshness, Listing, Policy, Read, Selection, Trouble, is_other, select,
};

/// Most images that are remembered as not taken.
const MOST_REJECTED: usize = 10;
/// How old the time of the last look may get in status.
const TIMES_KEPT: SignedDuration = SignedDuration::from_hours(1);

/// A look that was made, and when the next one is due.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    listing: &'a Listing,
    next: Timestamp,
    pub again: Again,
}

impl Seen<'_> {
    /// Writes the times of the look where the rest of the status changes too, or they have grown old.
    pub fn note(&self, pass: &mut Pass<'_>) {
        let before = pass.view.object.status.as_ref();
        let before = before.and_then(|status| status.image.as_ref());
        let Some(image) = pass.desk.status.image.as_mut() else {
            return;
        };
        let last = image.last_scan_time.as_deref().and_then(parsed);
        let recent = last.is_some_and(|last| self.listing.at.duration_since(last) < TIMES_KEPT);
        if recent && before == Some(&*image) {
            return;
        }
        image.last_scan_time = Some(self.listing.at.to_string());
        image.next_scan_time = Some(self.next.to_string());
        image.tags_seen = u32::try_from(self.listing.tags.len()).ok();
    }
}

impl<'a> Look<'a> {
    /// What the policy makes of what is seen.
    pub fn follow(
        &self,
        mut pass: Pass<'a>,
        wish: Wish,
        known: bool,
        policy: &Policy,
        pin: Option<&'a str>,
    ) -> Flow<'a> {
        let (wanted, now) = (policy.wanted(), pass.desk.now);
        let listing = match pass.view.facts.source.listings.get(&wanted) {
            None => {
                let read = Read::Look {
                    repository: self.repository.clone(),
                    wanted,
                    freshness: self.freshness(policy, known),
                };
                return ask(pass, read);
            }
            // What is held needs no look.
            Some(Err(trouble)) if known && pin.is_some() && held(&pass) == pin => {
                let again = trouble.again.map(|at| Again::at(now, at));
                say(&mut pass, false, trouble.reason, &trouble.message);
                return self.go_on(pass, wish, again);
            }
            Some(Err(trouble)) => return self.fail(pass, wish, known, trouble.clone()),
            Some(Ok(listing)) => listing.clone(),
        };
        let next = next_look(&pass, listing.at, policy.interval);
        let seen = Seen {
            listing: &listing,
            next,
            again: Again::at(now, next),
        };
        if let Some(pin) = pin {
            let flow = self.hold(pass, wish, known, pin, seen);
            return flow.map_continue(|(mut pass, wish, again)| {
                show(&mut pass, policy, &listing);
                (pass, wish, again)
            });
        }
        if let Some(image) = pass.desk.status.image.as_mut() {
            image.pinned = None;
        }
        let object = pass.view.object;
        let seen_generation = object.status.as_ref().and_then(|it| it.observed_generation);
        if let Some(image) = pass.desk.status.image.as_mut()
            && (self.asked || seen_generation != object.metadata.generation)
        {
            image
                .rejected
                .retain(|one| one.reason != reasons::UPDATE_FAILED);
        }
        let selection = choose(&pass, known, policy, &listing);
        let unread = policy.unread(&listing, selection.tag());
        let selection = failed_before(&pass, with_unread(selection, unread.as_deref()));
        let flow = self.selected(pass, wish, known, selection, seen);
        flow.map_continue(|(mut pass, wish, again)| {
            if let Some(unread) = &unread {
                add_unread(&mut pass, unread);
            }
            (pass, wish, again)
        })
    }

    fn selected(
        &self,
        mut pass: Pass<'a>,
        wish: Wish,
        known: bool,
        selection: Selection,
        mut seen: Seen<'_>,
    ) -> Flow<'a> {
        match selection {
            Selection::Inspect { digest } => ask(pass, self.inspect(digest)),
            Selection::Unknown(trouble) => self.fail(pass, wish, known, trouble),
            Selection::Keep { tag } => {
                if let Some(image) = pass.desk.status.image.as_mut() {
                    image.tag = Some(tag);
                    image.candidate = None;
                }
                self.stay_after(pass, wish, seen)
            }
            Selection::Pick(choice) => {
                self.take(pass, wish, known, Found::Good(choice), Some(seen))
            }
            Selection::Wait { .. } | Selection::Refused { .. } => {
                if let Selection::Wait { until, .. } = &selection {
                    seen.again = Again::at(pass.desk.now, seen.next.min(*until));
                }
                if !known {
                    return self.first(pass, wish, &selection, seen);
                }
                let trouble = rejection(&selection);
                candidate(&mut pass, &selection, trouble.as_ref());
                let flow = self.stay_after(pass, wish, seen);
                flow.map_continue(|settled| told(settled, trouble.as_ref()))
            }
        }
    }

    /// The policy takes nothing yet, and nothing runs: the written image serves until it does.
    fn first(&self, pass: Pass<'a>, wish: Wish, selection: &Selection, seen: Seen<'_>) -> Flow<'a> {
        let found = match (&self.image.digest, self.image.effective_tag()) {
            (Some(digest), _) => self.examined(&pass, None, digest),
            (None, tag) => self.tagged(&pass, tag.unwrap_or("latest"), Freshness::Now),
        };
        let refused = rejection(selection);
        let flow = self.take(pass, wish, false, found, Some(seen));
        flow.map_continue(|mut settled| {
            candidate(&mut settled.0, selection, refused.as_ref());
            told(settled, refused.as_ref())
        })
    }

    /// `pin`: read once, then held.
    fn hold(&self, pass: Pass<'a>, wish: Wish, known: bool, pin: &str, seen: Seen<'_>) -> Flow<'a> {
        if known && held(&pass) == Some(pin) && !self.asked {
            return self.stay_after(pass, wish, seen);
        }
        let found = if pin.starts_with("sha256:") {
            self.examined(&pass, None, pin)
        } else {
            self.tagged(&pass, pin, Freshness::Now)
        };
        let good = matches!(found, Found::Good(_));
        let flow = self.take(pass, wish, known, found, Some(seen));
        flow.map_continue(|(mut pass, wish, again)| {
            if let Some(image) = pass.desk.status.image.as_mut().filter(|_| good) {
                image.pinned = Some(pin.to_owned());
            }
            (pass, wish, again)
        })
    }

    /// What is made anew is made of what is there now.
    fn freshness(&self, policy: &Policy, known: bool) -> Freshness {
        if known && !self.asked {
            Freshness::Within(policy.interval)
        } else {
            Freshness::Now
        }
    }
}

/// What the policy makes of a look, and of what is on record.
fn choose(pass: &Pass<'_>, known: bool, policy: &Policy, listing: &Listing) -> Selection {
    let record = pass.desk.status.image.as_ref().filter(|_| known);
    let current = record.and_then(|record| {
        Some(Current {
            digest: record.digest.as_deref()?,
            tag: record.tag.as_deref(),
            pushed_at: record.pushed_at.as_deref().and_then(parsed),
        })
    });
    let facts = &pass.view.facts.source;
    select(policy, listing, current.as_ref(), facts, pass.desk.now)
}

/// Where nothing is found, tags that could not be read are part of why.
fn with_unread(mut selection: Selection, unread: Option<&str>) -> Selection {
    if let (
        Selection::Refused {
            choice: None,
            message,
            ..
        },
        Some(unread),
    ) = (&mut selection, unread)
    {
        message.extend(["; ", unread]);
    }
    selection
}

/// Adds to what ImageResolved says.
fn add_unread(pass: &mut Pass<'_>, text: &str) {
    let mut conditions = pass.desk.status.conditions.iter_mut();
    if let Some(said) = conditions.find(|one| one.type_ == IMAGE_RESOLVED)
        && !said.message.contains(text)
    {
        said.message.extend(["; ", text]);
    }
}

/// What a pin holds.
fn held<'a>(pass: &'a Pass<'_>) -> Option<&'a str> {
    pass.desk.status.image.as_ref()?.pinned.as_deref()
}

/// Says why something else was not taken.
fn told<'a>(
    (mut pass, wish, again): (Pass<'a>, Wish, Again),
    trouble: Option<&Trouble>,
) -> (Pass<'a>, Wish, Again) {
    if let Some(trouble) = trouble {
        say(&mut pass, false, trouble.reason, &trouble.message);
    }
    (pass, wish, again)
}

/// Remembers an image as not taken.
fn reject(image: &mut ImageStatus, digest: &str, reason: &str, now: Timestamp) {
    image.rejected.retain(|one| one.digest != digest);
    image.rejected.push(RejectedImage {
        digest: digest.to_owned(),
        reason: reason.to_owned(),
        time: now.to_string(),
    });
    let surplus = image.rejected.len().saturating_sub(MOST_REJECTED);
    image.rejected.drain(..surplus);
}

/// AgentCore failed the image that a push brought: the one before is used again, and this one not before somebody asks for it.
/// False where no push is to blame, or there is nothing to go back to.
pub(in super::super) fn take_back(pass: &mut Pass<'_>, reason: &'static str, why: &str) -> bool {
    let container = pass.view.object.spec.artifact.container.as_ref();
    let follow = container.and_then(|container| container.follow.as_ref());
    let to_blame = [
        reasons::UPDATE_FAILED,
        reasons::IMAGE_ARCHITECTURE,
        reasons::IMAGE_NOT_FOUND,
        reasons::AGENT_UNHEALTHY,
        reasons::WARMUP_FAILED,
    ];
    if !pass.steady || !to_blame.contains(&reason) || follow.is_none_or(|it| it.pin.is_some()) {
        return false;
    }
    // A changed Secret, say, failed with an image that had been good before.
    let newest = pass.desk.status.causes.first();
    if newest.is_none_or(|newest| newest.cause.r#type != CauseType::Image) {
        return false;
    }
    let now = whole_second(pass.desk.now);
    let Some(image) = pass.desk.status.image.as_mut() else {
        return false;
    };
    let (Some(bad), Some(good)) = (image.digest.clone(), image.previous.take()) else {
        return false;
    };
    image.candidate = Some(ImageChoice {
        digest: bad.clone(),
        tag: image.tag.take(),
        pushed_at: image.pushed_at.take(),
    });
    reject(image, &bad, reasons::UPDATE_FAILED, now);
    image.platform_digest = None;
    image.digest = Some(good.digest.clone());
    image.tag = good.tag;
    image.pushed_at = good.pushed_at;
    let text = format!(
        "AgentCore failed {bad} ({why}); {} is used again",
        good.digest
    );
    pass.desk.event(true, reasons::IMAGE_REJECTED, text.clone());
    say(pass, false, reasons::UPDATE_FAILED, &text);
    pass.desk.status.pending = None;
    pass.desk
        .verdict(Verdict::ready(reasons::ROLLOUT_ACTIVE, text));
    true
}

/// What AgentCore failed is not taken again.
fn failed_before(pass: &Pass<'_>, selection: Selection) -> Selection {
    let (Selection::Pick(choice) | Selection::Wait { choice, .. }) = &selection else {
        return selection;
    };
    let record = pass.desk.status.image.as_ref();
    let failed = record.is_some_and(|image| {
        let fits = |one: &RejectedImage| {
            one.digest == choice.digest && one.reason == reasons::UPDATE_FAILED
        };
        image.rejected.iter().any(fits)
    });
    if !failed {
        return selection;
    }
    let message = format!(
        "AgentCore failed {}; it is taken after another push, an edit, or a new value of the annotation {RESOLVE_REQUESTED_AT}",
        choice.digest
    );
    Selection::Refused {
        choice: Some(choice.clone()),
        reason: reasons::UPDATE_FAILED,
        message,
    }
}

/// Why a selection takes nothing, if it is for good.
fn rejection(selection: &Selection) -> Option<Trouble> {
    match selection {
        Selection::Refused {
            reason, message, ..
        } => Some(Trouble {
            reason,
            message: message.clone(),
            again: None,
        }),
        _ => None,
    }
}

/// Shows what the policy would take while something else is held.
fn show(pass: &mut Pass<'_>, policy: &Policy, listing: &Listing) {
    let view = pass.view;
    if let Some(image) = pass.desk.status.image.as_mut() {
        image.candidate = policy
            .best(listing, |digest| is_other(&view.facts.source, digest))
            .ok()
            .filter(|best| image.digest.as_ref() != Some(&best.digest))
            .map(|best| ImageChoice {
                digest: best.digest.clone(),
                tag: Some(best.tag.clone()),
                pushed_at: best.pushed_at.map(|at| at.to_string()),
            });
    }
}

/// Notes what the policy would take, and that it is not taken.
fn candidate(pass: &mut Pass<'_>, selection: &Selection, rejected: Option<&Trouble>) {
    let choice = match selection {
        Selection::Wait { choice, .. } | Selection::Pick(choice) => Some(choice),
        Selection::Refused { choice, .. } => choice.as_ref(),
        _ => None,
    };
    let now = whole_second(pass.desk.now);
    let Some(image) = pass.desk.status.image.as_mut() else {
        return;
    };
    if !matches!(selection, Selection::Inspect { .. } | Selection::Unknown(_)) {
        image.candidate = choice.map(|choice| ImageChoice {
            digest: choice.digest.clone(),
            tag: choice.tag.clone(),
            pushed_at: choice.pushed_at.map(|at| at.to_string()),
        });
    }
    let (Some(choice), Some(trouble)) = (choice, rejected) else {
        return;
    };
    let seen = |one: &RejectedImage| one.digest == choice.digest && one.reason == trouble.reason;
    if image.rejected.iter().any(seen) {
        return;
    }
    reject(image, &choice.digest, trouble.reason, now);
    let text = format!("{}: {}", trouble.reason, trouble.message);
    pass.desk.event(true, reasons::IMAGE_REJECTED, text);
}
