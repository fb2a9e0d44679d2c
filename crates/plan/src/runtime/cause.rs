//! Why a version is made: decided before it is asked for, and kept with its number once AgentCore has told that.

use std::collections::BTreeSet;

use agentcore_api::conditions::READY;
use agentcore_api::reasons;
use agentcore_api::runtime::{Artifact, Cause, CauseType, NextCause, VersionCause};

use super::diff::METADATA_SERVICE;
use super::pass::Pass;
use super::wish::Wish;
use crate::aws::{Runtime, RuntimeConfig};
use crate::conditions::find;
use crate::desk::whole_second;

/// Versions whose cause stays in status.
const KEPT: usize = 5;
/// Names of variables that one message holds.
const NAMED: usize = 5;

impl Pass<'_> {
    /// Writes down why the version that is about to be asked for is made. A call that is repeated, or tried again after a
    /// failure, keeps its cause. `there`: what AgentCore has; `None` with a create.
    pub(super) fn ask(&mut self, wish: &Wish, there: Option<&Runtime>) {
        let hash = wish.hash.to_string();
        let status = &self.desk.status;
        let same_call = status
            .pending
            .as_ref()
            .is_some_and(|pending| pending.wish_hash == hash);
        let same_wish = status
            .retry
            .as_ref()
            .is_some_and(|retry| retry.wish_hash == hash);
        let kept = status
            .next_cause
            .as_ref()
            .is_some_and(|next| next.wish_hash == wish.hash.request);
        if (same_call || same_wish) && kept {
            return;
        }
        let cause = match there {
            Some(there) => self.cause(wish, there),
            None => self.cause_of_create(),
        };
        let next = NextCause {
            cause,
            time: whole_second(self.desk.now).to_string(),
            generation: self.generation(),
            wish_hash: wish.hash.request.clone(),
            after: there.map(|there| there.version.clone()),
        };
        self.desk.status.next_cause = Some(next);
    }

    fn generation(&self) -> i64 {
        self.view.object.metadata.generation.unwrap_or_default()
    }

    fn cause_of_create(&self) -> Cause {
        let before = self.view.object.status.as_ref();
        let lost = before
            .and_then(|status| find(&status.conditions, READY))
            .is_some_and(|ready| ready.reason == reasons::LOST);
        if lost {
            return plain(
                CauseType::Drift,
                "the runtime was gone in AWS and is made anew",
            );
        }
        Cause {
            to: Some(format!("generation {}", self.generation())),
            ..plain(CauseType::Spec, "created")
        }
    }

    fn cause(&self, wish: &Wish, there: &Runtime) -> Cause {
        let fields = wish.differing(&there.config);
        let named = fields.join(", ");
        let status = &self.desk.status;
        let last = status.causes.first().map(|cause| cause.generation);
        let before = last.or(status.observed_generation).unwrap_or_default();
        let now = self.generation();
        if before != now {
            return Cause {
                from: (before > 0).then(|| format!("generation {before}")),
                to: Some(format!("generation {now}")),
                ..plain(
                    CauseType::Spec,
                    &format!("the manifest was edited: {named}"),
                )
            };
        }
        if fields == [METADATA_SERVICE] && there.version == super::ready::FIRST_VERSION {
            let text = "metadataService, which AgentCore takes with an update only";
            return plain(CauseType::Spec, text);
        }
        if self.desk.observed().request == wish.hash.request {
            let text = format!("{named} was changed in AWS and is set back");
            return plain(CauseType::Drift, &text);
        }
        if fields.contains(&"artifact") {
            let (from, to) = (image(&there.config.artifact), image(&wish.config.artifact));
            return Cause {
                from,
                to,
                ..plain(CauseType::Image, "another image is meant")
            };
        }
        let variables = changed_variables(wish, &there.config);
        if !variables.is_empty() {
            let text = format!("another value of {}", variables.join(", "));
            return plain(CauseType::Config, &text);
        }
        plain(CauseType::Drift, &format!("{named} differs in AWS"))
    }

    /// AgentCore accepted a create or an update as this version.
    pub(super) fn accepted_version(&mut self, version: &str) {
        let Some(next) = self.desk.status.next_cause.clone() else {
            return self.seen_version(version);
        };
        // A failed update may have taken its version back: its number comes again.
        let number = |text: &str| text.parse::<u32>().unwrap_or_default();
        let same = |cause: &VersionCause| cause.version == version && cause.time == next.time;
        if self.desk.status.causes.first().is_some_and(same) {
            return;
        }
        self.desk
            .status
            .causes
            .retain(|cause| number(&cause.version) < number(version));
        self.keep(version, next);
    }

    /// AgentCore shows this version as the newest.
    pub(super) fn seen_version(&mut self, version: &str) {
        let status = &self.desk.status;
        if status.causes.iter().any(|cause| cause.version == version) {
            return;
        }
        let open = status.next_cause.clone().filter(|next| {
            next.after.as_deref() != Some(version)
                && !status.causes.iter().any(|cause| cause.time == next.time)
        });
        let now = whole_second(self.desk.now).to_string();
        let next = open.unwrap_or_else(|| {
            let cause = if status.causes.is_empty() {
                plain(CauseType::Spec, "found as it is: the history begins here")
            } else {
                plain(CauseType::Drift, "made in AWS by somebody else")
            };
            NextCause {
                cause,
                time: now,
                generation: status.observed_generation.unwrap_or_default(),
                wish_hash: String::new(),
                after: None,
            }
        });
        self.keep(version, next);
    }

    fn keep(&mut self, version: &str, next: NextCause) {
        let NextCause {
            cause,
            time,
            generation,
            wish_hash: _,
            after: _,
        } = next;
        let kept = VersionCause {
            version: version.to_owned(),
            cause,
            time,
            generation,
        };
        let causes = &mut self.desk.status.causes;
        causes.insert(0, kept);
        causes.truncate(KEPT);
    }

    /// The newest version is what this generation wishes.
    pub(super) fn serves_generation(&mut self) {
        let generation = self.generation();
        let status = &mut self.desk.status;
        if let Some(newest) = status.causes.first_mut()
            && Some(&newest.version) == status.ready_version.as_ref()
        {
            newest.generation = generation;
        }
    }
}

fn plain(r#type: CauseType, message: &str) -> Cause {
    Cause {
        r#type,
        message: message.to_owned(),
        from: None,
        to: None,
    }
}

/// The image, or where the code lies.
fn image(artifact: &Artifact) -> Option<String> {
    let container = artifact.container.as_ref();
    let code = artifact.code.as_ref();
    container
        .map(|container| container.image.clone())
        .or_else(|| {
            code.map(|code| {
                let version = code.s3.version_id.as_deref().unwrap_or("newest");
                format!("s3://{}/{} ({version})", code.s3.bucket, code.s3.prefix)
            })
        })
}

/// Variables whose value is another one, with the source of each; never the value.
fn changed_variables(wish: &Wish, there: &RuntimeConfig) -> Vec<String> {
    let names: BTreeSet<&String> = wish.config.env.keys().chain(there.env.keys()).collect();
    let changed = names
        .into_iter()
        .filter(|name| wish.config.env.get(*name) != there.env.get(*name));
    let mut texts: Vec<String> = changed
        .map(|name| match wish.origins.get(name) {
            Some(origin) => format!("{name} ({}, key {})", origin.source, origin.key),
            None => name.clone(),
        })
        .collect();
    if texts.len() > NAMED {
        let more = texts.len() - NAMED;
        texts.truncate(NAMED);
        texts.push(format!("{more} more"));
    }
    texts
}
