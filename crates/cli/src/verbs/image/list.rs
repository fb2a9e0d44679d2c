//! `image list`: which image is used, which would be, which were refused, and those of old versions.

use agentcore_api::runtime::{ImageChoice, ImageStatus};
use agentcore_api::{AgentRuntime, Kind};
use agentcore_plan::image::Policy;
use jiff::Timestamp;
use kube::ResourceExt as _;
use serde::Serialize;

use super::{runtime, typed};
use crate::args::{Format, ImageList};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;
use crate::objects::list;
use crate::output::{Table, Tone, ago, lines, remark};
use crate::verbs::rollout::revisions;
use crate::verbs::status::short_digest;

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

/// Lists images.
pub async fn run(args: ImageList, context: &Context) -> Result<Outcome, Error> {
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
        for object in list(Kind::AgentRuntime, cluster, args.all_namespaces).await? {
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
            remark(&cluster.nothing(args.all_namespaces));
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
        info.extend([", next scan was due at ", time]);
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
