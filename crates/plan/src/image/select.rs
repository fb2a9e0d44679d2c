//! Policy, listing and what runs make one of: keep, take, wait, refuse.

use std::cmp::Ordering;
use std::time::Duration;

use agentcore_api::reasons;
use jiff::{SignedDuration, Timestamp};

use super::{Facts, Flaw, Inspected, Listing, MOST_BYTES, Policy, Tagged, Trouble};

/// Shortest pause before an image that is not whole is looked at again.
const WHOLE_AGAIN: Duration = Duration::from_secs(10);

/// An image that may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Tag that it was found by.
    pub tag: Option<String>,
    /// Digest.
    pub digest: String,
    /// Digest of its image for linux/arm64.
    pub platform_digest: Option<String>,
    /// When it was pushed.
    pub pushed_at: Option<Timestamp>,
}

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Current<'a> {
    /// Digest.
    pub digest: &'a str,
    /// Tag that it was found by.
    pub tag: Option<&'a str>,
    /// When it was pushed.
    pub pushed_at: Option<Timestamp>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// What runs is what the policy takes, under this tag.
    Keep {
        /// Tag.
        tag: String,
    },
    /// First look into this image.
    Inspect {
        /// Digest.
        digest: String,
    },
    /// Take it.
    Pick(Choice),
    /// Take it later, if it is still the one.
    Wait {
        /// What would be taken.
        choice: Choice,
        /// When to decide again.
        until: Timestamp,
    },
    /// It is not taken.
    Refused {
        /// What would be taken, where there is something.
        choice: Option<Choice>,
        /// Constant of `agentcore_api::reasons`.
        reason: &'static str,
        /// Text for people.
        message: String,
    },
    /// Nothing can be said.
    Unknown(Trouble),
}

impl Selection {
    /// The tag that was selected, if one was.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Keep { tag } => Some(tag),
            Self::Pick(choice) | Self::Wait { choice, .. } => choice.tag.as_deref(),
            Self::Refused { choice, .. } => choice.as_ref()?.tag.as_deref(),
            Self::Inspect { .. } | Self::Unknown(_) => None,
        }
    }
}

/// Decides. `facts` holds the images that were looked into.
pub fn select(
    policy: &Policy,
    listing: &Listing,
    current: Option<&Current<'_>>,
    facts: &Facts,
    now: Timestamp,
) -> Selection {
    let best = match policy.best(listing, |digest| is_other(facts, digest)) {
        Ok(best) => best,
        Err(excluded) => return nothing(policy, excluded),
    };
    if current.is_some_and(|current| current.digest == best.digest) {
        return Selection::Keep {
            tag: best.tag.clone(),
        };
    }
    let inspected = match facts.images.get(&best.digest) {
        None => {
            return Selection::Inspect {
                digest: best.digest.clone(),
            };
        }
        Some(Err(trouble)) => return Selection::Unknown(trouble.clone()),
        Some(Ok(inspected)) => inspected,
    };
    let choice = chosen(best, inspected);
    if let Some(flaw) = inspected.flaw(policy.amd64) {
        return flawed(policy, choice, flaw, now);
    }
    match current {
        Some(current) if back(policy, current, &choice) => {
            if !policy.downgrade {
                let message = format!(
                    "{} names {}, which is older than what runs; it is taken with downgrade: Allow, or as pin",
                    policy.describe(),
                    choice.digest
                );
                return refused(choice, reasons::DOWNGRADE_REFUSED, message);
            }
            if !listing.complete {
                return incomplete(Some(choice));
            }
        }
        // Of a repository that was not seen whole, what is the best may be anything.
        None if !listing.complete => return incomplete(Some(choice)),
        Some(_) | None => {}
    }
    match settles_at(policy, &choice, now) {
        Some(until) => Selection::Wait { choice, until },
        None => Selection::Pick(choice),
    }
}

/// Whether a digest was looked into, and is no image.
pub(crate) fn is_other(facts: &Facts, digest: &str) -> bool {
    let seen = facts.images.get(digest);
    seen.is_some_and(|seen| matches!(seen, Ok(it) if it.flaw == Some(Flaw::NotAnImage)))
}

fn chosen(seen: &Tagged, inspected: &Inspected) -> Choice {
    Choice {
        tag: Some(seen.tag.clone()),
        digest: seen.digest.clone(),
        platform_digest: inspected.platform_digest.clone(),
        pushed_at: inspected.pushed_at.or(seen.pushed_at),
    }
}

fn nothing(policy: &Policy, excluded: bool) -> Selection {
    let what = policy.describe();
    let (reason, message) = if excluded {
        let text =
            format!("everything that the repository has for {what} is excluded, or no image");
        (reasons::EXCLUDED, text)
    } else {
        let text = format!("the repository has nothing for {what}");
        (reasons::TAG_NOT_FOUND, text)
    };
    Selection::Refused {
        choice: None,
        reason,
        message,
    }
}

fn refused(choice: Choice, reason: &'static str, message: String) -> Selection {
    Selection::Refused {
        choice: Some(choice),
        reason,
        message,
    }
}

fn incomplete(choice: Option<Choice>) -> Selection {
    Selection::Refused {
        choice,
        reason: reasons::LISTING_INCOMPLETE,
        message: "the repository holds more tagged images than are looked at, so what is newest is not known; remove old ones, or follow a tag"
            .to_owned(),
    }
}

fn flawed(policy: &Policy, choice: Choice, flaw: Flaw, now: Timestamp) -> Selection {
    match flaw {
        Flaw::Missing | Flaw::Incomplete => {
            let pause = policy.settle.max(WHOLE_AGAIN);
            Selection::Wait {
                choice,
                until: later(now, pause),
            }
        }
        Flaw::NoArm64 | Flaw::NotAnImage | Flaw::TooLarge { .. } => {
            let (reason, message) = said(flaw, &choice.digest);
            refused(choice, reason, message)
        }
    }
}

/// A flaw for people.
pub(crate) fn said(flaw: Flaw, digest: &str) -> (&'static str, String) {
    match flaw {
        Flaw::Missing => (
            reasons::TAG_NOT_FOUND,
            format!("the repository has no image {digest}"),
        ),
        Flaw::Incomplete => (
            reasons::IMAGE_INCOMPLETE,
            format!("index {digest} is there, and its image for linux/arm64 is not"),
        ),
        Flaw::NoArm64 => (
            reasons::NO_ARM64,
            format!("{digest} has nothing for linux/arm64, which AgentCore needs"),
        ),
        Flaw::NotAnImage => (
            reasons::NOT_AN_IMAGE,
            format!("{digest} is no image, but an artifact such as a signature or an SBOM"),
        ),
        Flaw::TooLarge { bytes } => (
            reasons::TOO_LARGE,
            format!("{digest} has {bytes} bytes, and AgentCore takes {MOST_BYTES}"),
        ),
    }
}

/// Whether it would be a step back. What is excluded may be left for anything.
fn back(policy: &Policy, current: &Current<'_>, choice: &Choice) -> bool {
    if policy.excludes(current.tag, current.digest) {
        return false;
    }
    let (Some(from), Some(to)) = (current.tag, choice.tag.as_deref()) else {
        return older(current.pushed_at, choice.pushed_at);
    };
    match policy.by_version(from, to) {
        Ordering::Greater => true,
        Ordering::Less => false,
        Ordering::Equal => older(current.pushed_at, choice.pushed_at),
    }
}

fn older(current: Option<Timestamp>, next: Option<Timestamp>) -> bool {
    current
        .zip(next)
        .is_some_and(|(current, next)| next < current)
}

/// When the push will be old enough; `None`: it is. A registry whose clock runs ahead holds nothing up for longer than that.
fn settles_at(policy: &Policy, choice: &Choice, now: Timestamp) -> Option<Timestamp> {
    let until = later(choice.pushed_at?.min(now), policy.settle);
    (until > now).then_some(until)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).map_or(at, |by| at + by)
}
