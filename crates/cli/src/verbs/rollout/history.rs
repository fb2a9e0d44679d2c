//! `rollout history`: why each version was made, when, by whom, and of what.

use agentcore_api::AgentRuntime;
use jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::{Kept, find, revisions};
use crate::args::{Format, History};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;
use crate::output::{Table, Tone, ago, lines, remark};
use crate::verbs::image::runtime;
use crate::verbs::status::short_digest;

/// Lists the versions, or prints one.
pub async fn run(args: History, context: &Context) -> Result<Outcome, Error> {
    let cluster = context.cluster().await?;
    let object = runtime(&args.name, cluster).await?;
    let kept = revisions(&object, cluster).await?;
    if let Some(version) = &args.revision {
        let one = find(&kept, version, &object.name_any())?;
        let format = args.output.unwrap_or(Format::Yaml);
        context.output.value(format, &value(one, &object))?;
        return Ok(Outcome::Done);
    }
    match args.output {
        Some(format @ (Format::Json | Format::Yaml)) => {
            let items: Vec<Value> = kept.iter().map(|one| value(one, &object)).collect();
            context.output.value(format, &json!({"items": items}))?;
        }
        Some(Format::Name) => {
            context
                .output
                .print(&lines(kept.iter().map(|one| &one.version)))?;
        }
        wide if kept.is_empty() => {
            let _ = wide;
            remark(&format!(
                "no version of AgentRuntime {} is kept yet",
                object.name_any()
            ));
        }
        wide => {
            let width = context
                .output
                .size()
                .map(|(columns, _)| columns)
                .filter(|_| wide.is_none());
            let table = table(&kept, &object, wide.is_some(), Timestamp::now());
            context
                .output
                .print(&table.text(context.output.paint, width))?;
        }
    }
    Ok(Outcome::Done)
}

/// What became of a version, as far as it is known.
fn result(kept: &Kept, object: &AgentRuntime) -> (Tone, &'static str) {
    let Some(status) = &object.status else {
        return (Tone::Dim, "unknown");
    };
    if status.id.as_deref() != Some(&kept.runtime_id) {
        return (Tone::Dim, "of a runtime that is gone");
    }
    let is = |version: Option<&String>| version == Some(&kept.version);
    let number = |version: &str| version.parse::<u32>().ok();
    let live = status
        .default_endpoint
        .as_ref()
        .and_then(|default| default.live_version.as_ref());
    let newer = status
        .ready_version
        .as_deref()
        .is_none_or(|ready| number(&kept.version) > number(ready));
    if is(live) {
        (Tone::Good, "live")
    } else if is(status.ready_version.as_ref()) || is(status.previous_version.as_ref()) {
        (Tone::Plain, "ready")
    } else if !newer {
        (Tone::Dim, "old")
    } else if is(status.latest_version.as_ref()) && status.failure_reason.is_none() {
        (Tone::Busy, "being made")
    } else {
        (Tone::Bad, "not ready")
    }
}

fn table(kept: &[Kept], object: &AgentRuntime, wide: bool, now: Timestamp) -> Table {
    let mut table = Table::new(&[
        "VERSION", "CAUSE", "ACTOR", "DIGEST", "AGE", "RESULT", "MESSAGE",
    ]);
    for one in kept {
        let digest = one.digest.as_deref().map(|digest| {
            if wide {
                digest.to_owned()
            } else {
                short_digest(digest)
            }
        });
        let (tone, result) = result(one, object);
        table.row([
            (Tone::Plain, one.version.clone()),
            (Tone::Plain, one.cause.clone()),
            (Tone::Plain, one.actor.clone().unwrap_or_default()),
            (Tone::Plain, digest.unwrap_or_default()),
            (Tone::Plain, ago(Some(&one.time), now)),
            (tone, result.to_owned()),
            (Tone::Dim, one.message.clone()),
        ]);
    }
    table
}

fn value(kept: &Kept, object: &AgentRuntime) -> Value {
    json!({
        "version": kept.version,
        "cause": {"type": kept.cause, "message": kept.message},
        "time": kept.time,
        "generation": kept.generation,
        "actor": kept.actor,
        "imageDigest": kept.digest,
        "result": result(kept, object).1,
        "input": kept.input,
    })
}
