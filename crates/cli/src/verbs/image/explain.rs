//! `image explain`: why this image runs, and which edit in Git would change it.

use std::fmt::Write as _;

use agentcore_api::AgentRuntime;
use agentcore_api::runtime::{Container, ImageStatus};
use agentcore_api::values::ImageRef;
use agentcore_plan::image::{Policy, Repository};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;

use super::runtime;
use crate::args::One;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;
use crate::output::ago;

/// Says why this image runs.
pub async fn run(args: One, context: &Context) -> Result<Outcome, Error> {
    let cluster = context.cluster().await?;
    let object = runtime(&args.name, cluster).await?;
    context
        .output
        .print(&explained(&object, Timestamp::now())?)?;
    Ok(Outcome::Done)
}

/// The explanation.
fn explained(object: &AgentRuntime, now: Timestamp) -> Result<String, Error> {
    let Some(container) = &object.spec.artifact.container else {
        return Err(Error::Usage(format!(
            "AgentRuntime {} runs code from S3, not an image: kubectl agentcore rollout history shows its versions",
            object.name_any()
        )));
    };
    let status = object.status.as_ref();
    let unknown = ImageStatus::default();
    let image = status
        .and_then(|status| status.image.as_ref())
        .unwrap_or(&unknown);
    let mut out = String::new();
    let mut say = |name: &str, text: &str| {
        let _ = writeln!(out, "{name:<12}{text}"); // into a String: cannot fail
    };
    say("written", &container.image);
    let choice = |digest: &str, tag: Option<&str>, pushed: Option<&str>| {
        let tag = tag.map(|tag| format!(" (tag {tag})")).unwrap_or_default();
        let pushed = pushed
            .map(|_| format!(", pushed {} ago", ago(pushed, now)))
            .unwrap_or_default();
        format!("{digest}{tag}{pushed}")
    };
    match &image.digest {
        Some(digest) => say(
            "runs",
            &choice(digest, image.tag.as_deref(), image.pushed_at.as_deref()),
        ),
        None => say("runs", "what is written: no digest is known"),
    }
    let resolved = status.and_then(|status| {
        let mut conditions = status.conditions.iter();
        conditions.find(|one| one.type_ == agentcore_api::conditions::IMAGE_RESOLVED)
    });
    say("because", &why(container, image, resolved));
    // Something runs, and yet the last look at what is written came to nothing.
    if image.digest.is_some()
        && image.candidate.is_none()
        && let Some(failed) = resolved.filter(|one| one.status == "False")
    {
        say("  but", &said(failed));
    }
    if let Some(candidate) = &image.candidate {
        let text = choice(
            &candidate.digest,
            candidate.tag.as_deref(),
            candidate.pushed_at.as_deref(),
        );
        let why = if image.pinned.is_some() {
            "held by the pin".to_owned()
        } else {
            resolved.map(said).unwrap_or_default()
        };
        say("would take", &text);
        say("  but", &why);
    }
    if let Some(previous) = &image.previous {
        say(
            "before",
            &choice(
                &previous.digest,
                previous.tag.as_deref(),
                previous.pushed_at.as_deref(),
            ),
        );
    }
    for rejected in &image.rejected {
        say(
            "refused",
            &format!(
                "{}: {}, {} ago",
                rejected.digest,
                rejected.reason,
                ago(Some(&rejected.time), now)
            ),
        );
    }
    if let Some(time) = &image.last_scan_time {
        let next = image
            .next_scan_time
            .as_deref()
            .map(|next| format!("; the next was due at {next}"))
            .unwrap_or_default();
        say(
            "looked at",
            &format!("{time}{next} (written with other changes and once an hour)"),
        );
    }
    out.push_str(&edits(container, image));
    Ok(out)
}

fn said(condition: &Condition) -> String {
    format!("{}: {}", condition.reason, condition.message)
}

/// Why it is this image. `resolved`: the condition ImageResolved.
fn why(container: &Container, image: &ImageStatus, resolved: Option<&Condition>) -> String {
    let written = match ImageRef::parse(&container.image) {
        Ok(written) => written,
        Err(error) => return format!("spec.artifact.container.image: {error}"),
    };
    match &container.follow {
        Some(follow) => match (&follow.pin, Policy::parse(follow)) {
            (Some(pin), _) => format!("spec.artifact.container.follow.pin holds {pin}"),
            (None, Ok(policy)) => {
                format!("spec.artifact.container.follow takes {}", policy.describe())
            }
            (None, Err(problem)) => {
                format!("spec.artifact.container.follow cannot be understood: {problem}")
            }
        },
        None if written.digest.is_some() => "the image is written with its digest".to_owned(),
        None if Repository::of(&written).is_none() => {
            "images of public.ecr.aws are given to AgentCore as they are written".to_owned()
        }
        None if image.digest.is_none() => {
            resolved.map_or_else(|| "the operator has not resolved it yet".to_owned(), said)
        }
        None if !image.given.is_empty() && image.given != container.image => format!(
            "it was written before ({}): what is written now has not been taken yet",
            image.given
        ),
        None => format!(
            "tag {} was read once, when the image was edited; a later push changes nothing (kubectl agentcore image scan reads it again)",
            image.tag.as_deref().unwrap_or("latest")
        ),
    }
}

/// The edits of the manifest that would change it.
fn edits(container: &Container, image: &ImageStatus) -> String {
    let mut out = String::new();
    let mut edit = |what: &str, yaml: &[&str]| {
        let _ = write!(out, "\n{what}, edit in Git:\n"); // into a String: cannot fail
        for line in ["spec:", "  artifact:", "    container:"]
            .iter()
            .chain(yaml)
        {
            let _ = writeln!(out, "  {line}");
        }
    };
    let Some(digest) = &image.digest else {
        return out;
    };
    if let Some(follow) = &container.follow {
        if follow.pin.is_some() {
            edit(
                "to let the policy go on",
                &[
                    "      follow:",
                    "        pin: null    # or take the line out",
                ],
            );
        } else {
            edit(
                "to hold what runs",
                &["      follow:", &format!("        pin: {digest}")],
            );
        }
        let mut exclude = |what: &str, digest: &str| {
            let exclude = [
                "      follow:",
                "        exclude:",
                "          digests:",
                &format!("          - {digest}"),
            ];
            edit(what, &exclude);
        };
        exclude("never to take again what runs", digest);
        if let Some(candidate) = &image.candidate {
            exclude("never to take the candidate", &candidate.digest);
        }
    } else if let Ok(written) = ImageRef::parse(&container.image)
        && written.digest.is_none()
    {
        edit(
            "to fix what runs",
            &[&format!("      image: {}", written.pinned(digest))],
        );
        edit(
            "to take each push of the tag by itself",
            &[
                "      follow:",
                &format!(
                    "        tag: {}",
                    written.tag.as_deref().unwrap_or("latest")
                ),
            ],
        );
    }
    if let Some(previous) = &image.previous
        && container.follow.is_some()
    {
        edit(
            "to go back to what ran before",
            &[
                "      follow:",
                &format!("        pin: {}", previous.digest),
            ],
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PRIVATE: &str = "111122223333.dkr.ecr.us-west-2.amazonaws.com/support:prod";

    fn text(image: &str, status: &Value) -> String {
        let object = json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime", "metadata": {"name": "support"},
            "spec": {
                "artifact": {"container": {"image": image}},
                "executionRole": {"arn": "arn:aws:iam::111122223333:role/agentcore/support"},
            },
            "status": status,
        });
        let object: AgentRuntime = serde_json::from_value(object).unwrap();
        explained(&object, Timestamp::UNIX_EPOCH).unwrap()
    }

    fn because(image: &str, status: &Value) -> String {
        let text = text(image, status);
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix("because"));
        line.unwrap().trim().to_owned()
    }

    #[test]
    fn an_image_without_a_digest_is_as_written_at_public_ecr_aws_only() {
        let public = because("public.ecr.aws/team/support:prod", &json!({}));
        assert!(
            public.contains("given to AgentCore as they are"),
            "{public}"
        );
        let condition = json!({
            "type": "ImageResolved", "status": "False", "reason": "TagNotFound", "message": "there is no tag prod",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        let failed = because(PRIVATE, &json!({"conditions": [condition]}));
        assert_eq!(failed, "TagNotFound: there is no tag prod");
        let new = because(PRIVATE, &json!({}));
        assert_eq!(new, "the operator has not resolved it yet");
        let wrong = because("docker.io/team/support:prod", &json!({}));
        assert!(
            wrong.starts_with("spec.artifact.container.image: "),
            "{wrong}"
        );
    }

    #[test]
    fn an_edit_that_cannot_be_resolved_is_not_explained_by_what_still_runs() {
        let status = json!({
            "image": {"given": PRIVATE, "tag": "prod", "digest": format!("sha256:{}", "ab".repeat(32))},
            "conditions": [{
                "type": "ImageResolved", "status": "False", "reason": "TagNotFound", "message": "there is no tag nosuch",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
        });
        let text = text(&PRIVATE.replace("prod", "nosuch"), &status);
        assert!(text.contains("has not been taken yet"), "{text}");
        assert!(
            text.contains("  but       TagNotFound: there is no tag nosuch"),
            "{text}"
        );
    }

    #[test]
    fn a_tag_with_a_digest_was_read_once() {
        let image = json!({"given": PRIVATE, "tag": "prod", "digest": format!("sha256:{}", "ab".repeat(32))});
        let read = because(PRIVATE, &json!({"image": image}));
        assert!(read.starts_with("tag prod was read once"), "{read}");
    }
}
