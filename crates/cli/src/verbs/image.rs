//! `image list` and `image explain`: which image runs, why, and which edit in Git would change it.

use std::fmt::Write as _;

use agentcore_api::AgentRuntime;
use agentcore_api::runtime::{Container, ImageChoice, ImageStatus};
use agentcore_api::values::ImageRef;
use agentcore_plan::image::Policy;
use jiff::Timestamp;
use kube::ResourceExt as _;
use serde::Serialize;

use super::rollout::revisions;
use super::status::short_digest;
use crate::args::{Format, ImageList, One};
use crate::context::{Cluster, Context};
use crate::error::Error;
use crate::exit::Outcome;
use crate::objects::{Kind, Reference, list};
use crate::output::{Table, Tone, ago, lines, remark};

/// A runtime's image for `-o json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    namespace: String,
    name: String,
    /// As the manifest has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<String>,
    /// What is followed, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    follows: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<ImageStatus>,
    /// Images of the versions that are kept, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    versions: Vec<OfVersion>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfVersion {
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    cause: String,
    time: String,
}

fn typed(object: kube::api::DynamicObject) -> Result<AgentRuntime, Error> {
    let name = object.name_any();
    object.try_parse().map_err(|error| {
        Error::Failed(format!(
            "AgentRuntime {name} is not understood: {error}; is this plugin older than the operator?"
        ))
    })
}

fn runtime_reference(name: &str) -> Result<Reference, Error> {
    let reference: Reference = name.parse()?;
    if reference.kind != Kind::Runtime {
        return Err(Error::Usage(format!(
            "{reference} has no image and no versions of its own: name its AgentRuntime"
        )));
    }
    Ok(reference)
}

/// Reads an AgentRuntime.
pub async fn runtime(name: &str, cluster: &Cluster) -> Result<AgentRuntime, Error> {
    typed(runtime_reference(name)?.get(cluster).await?)
}

/// Lists images.
pub async fn list_images(args: ImageList, context: &Context) -> Result<Outcome, Error> {
    let cluster = context.cluster().await?;
    let now = Timestamp::now();
    let mut entries = Vec::new();
    if let Some(name) = &args.name {
        let object = runtime(name, cluster).await?;
        let kept = revisions(&object, cluster).await?;
        let versions = kept.into_iter().map(|kept| OfVersion {
            version: kept.version,
            digest: kept.digest,
            cause: kept.cause,
            time: kept.time,
        });
        entries.push(Entry {
            versions: versions.collect(),
            ..entry(&object)
        });
    } else {
        for object in list(Kind::Runtime, cluster, args.all_namespaces).await? {
            entries.push(entry(&typed(object)?));
        }
    }
    match args.output {
        Some(format @ (Format::Json | Format::Yaml)) => {
            context
                .output
                .value(format, &serde_json::json!({"items": entries}))?;
        }
        Some(Format::Name) => {
            let names = entries
                .iter()
                .map(|entry| format!("agentruntime.agentcore.dev/{}", entry.name));
            context.output.print(&lines(names))?;
        }
        wide if entries.is_empty() => {
            let _ = wide;
            remark(&format!("no agents in namespace {}", cluster.namespace));
        }
        wide => {
            let text = table(&entries, args.all_namespaces, wide.is_some(), now, context);
            context.output.print(&text)?;
        }
    }
    Ok(Outcome::Done)
}

fn entry(object: &AgentRuntime) -> Entry {
    let container = object.spec.artifact.container.as_ref();
    let status = object.status.as_ref();
    Entry {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        written: container.map(|one| one.image.clone()),
        follows: container.and_then(|one| one.follow.as_ref()).map(|follow| {
            let held = follow
                .pin
                .as_ref()
                .map(|pin| format!(", held at {}", short_digest(pin)));
            let policy =
                Policy::parse(follow).map_or_else(|problem| problem, |policy| policy.describe());
            policy + &held.unwrap_or_default()
        }),
        image: status.and_then(|status| status.image.clone()),
        versions: Vec::new(),
    }
}

/// A row of the table.
struct Row {
    version: String,
    digest: String,
    tag: String,
    pushed: String,
    state: (Tone, &'static str),
    info: String,
}

impl Row {
    fn of(digest: &str, state: (Tone, &'static str), info: String) -> Self {
        Self {
            version: String::new(),
            digest: digest.to_owned(),
            tag: String::new(),
            pushed: String::new(),
            state,
            info,
        }
    }

    fn chosen(
        choice: &ImageChoice,
        state: (Tone, &'static str),
        info: String,
        now: Timestamp,
    ) -> Self {
        Self {
            tag: choice.tag.clone().unwrap_or_default(),
            pushed: ago(choice.pushed_at.as_deref(), now),
            ..Self::of(&choice.digest, state, info)
        }
    }
}

fn rows(entry: &Entry, wide: bool, now: Timestamp) -> Vec<Row> {
    let written = entry.written.clone().unwrap_or_else(|| "code".to_owned());
    let Some(image) = &entry.image else {
        return vec![Row::of("", (Tone::Dim, "unknown"), written)];
    };
    let mut info = entry
        .follows
        .as_deref()
        .map_or(written, |policy| format!("follows {policy}"));
    if let Some(time) = image.next_scan_time.as_deref().filter(|_| wide) {
        info.extend([", next look was due at ", time]);
    }
    let used = ImageChoice {
        digest: image.digest.clone().unwrap_or_default(),
        tag: image.tag.clone(),
        pushed_at: image.pushed_at.clone(),
    };
    let mut rows = vec![Row::chosen(&used, (Tone::Good, "used"), info, now)];
    if let Some(candidate) = &image.candidate {
        let info = "not taken, or not yet: see image explain".to_owned();
        rows.push(Row::chosen(candidate, (Tone::Busy, "candidate"), info, now));
    }
    if let Some(previous) = image
        .previous
        .as_ref()
        .filter(|_| entry.versions.is_empty())
    {
        rows.push(Row::chosen(
            previous,
            (Tone::Dim, "before"),
            String::new(),
            now,
        ));
    }
    for rejected in &image.rejected {
        let info = format!(
            "{}, {} ago",
            rejected.reason,
            ago(Some(&rejected.time), now)
        );
        rows.push(Row::of(&rejected.digest, (Tone::Bad, "refused"), info));
    }
    for version in &entry.versions {
        let info = format!("{}, {} ago", version.cause, ago(Some(&version.time), now));
        let digest = version.digest.as_deref().unwrap_or_default();
        rows.push(Row {
            version: version.version.clone(),
            ..Row::of(digest, (Tone::Dim, "version"), info)
        });
    }
    rows
}

fn table(
    entries: &[Entry],
    namespaces: bool,
    wide: bool,
    now: Timestamp,
    context: &Context,
) -> String {
    let mut head = vec![
        "NAME", "VERSION", "DIGEST", "TAG", "PUSHED", "STATE", "INFO",
    ];
    if namespaces {
        head.insert(0, "NAMESPACE");
    }
    let mut table = Table::new(&head);
    for entry in entries {
        for row in rows(entry, wide, now) {
            let digest = if wide {
                row.digest
            } else {
                short_digest(&row.digest)
            };
            let mut cells = vec![
                (Tone::Plain, entry.name.clone()),
                (Tone::Plain, row.version),
                (Tone::Plain, digest),
                (Tone::Plain, row.tag),
                (Tone::Plain, row.pushed),
                (row.state.0, row.state.1.to_owned()),
                (Tone::Dim, row.info),
            ];
            if namespaces {
                cells.insert(0, (Tone::Dim, entry.namespace.clone()));
            }
            table.row(cells);
        }
    }
    let width = context.output.size().map(|(columns, _)| columns);
    table.text(context.output.paint, width.filter(|_| !wide))
}

/// Says why this image runs.
pub async fn explain(args: One, context: &Context) -> Result<Outcome, Error> {
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
    say("because", &why(container, image));
    if let Some(candidate) = &image.candidate {
        let text = choice(
            &candidate.digest,
            candidate.tag.as_deref(),
            candidate.pushed_at.as_deref(),
        );
        let resolved = object.status.iter().flat_map(|status| &status.conditions);
        let resolved = resolved
            .into_iter()
            .find(|one| one.type_ == agentcore_api::conditions::IMAGE_RESOLVED);
        let why = if image.pinned.is_some() {
            "held by the pin".to_owned()
        } else {
            resolved
                .map(|one| format!("{}: {}", one.reason, one.message))
                .unwrap_or_default()
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

fn why(container: &Container, image: &ImageStatus) -> String {
    let written = ImageRef::parse(&container.image).ok();
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
        None if written.as_ref().is_some_and(|one| one.digest.is_some()) => {
            "the image is written with its digest".to_owned()
        }
        None if image.digest.is_none() => {
            "images of public.ecr.aws are given to AgentCore as they are written".to_owned()
        }
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
