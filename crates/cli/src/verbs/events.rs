//! `events`: what the operator said of agents, once or as it comes.

use std::collections::HashSet;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::ResourceExt as _;
use kube::api::ListParams;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use serde_json::json;

use super::status::below;
use crate::args::{self, Format};
use crate::context::{Cluster, Context};
use crate::error::Error;
use crate::exit::Outcome;
use crate::objects::{Reference, pages};
use crate::output::{Table, Tone, ago, harmless, lines, remark};
use crate::refusals;

/// Events about objects of ours; the API server chooses them.
const OURS: &str = "regarding.apiVersion=agentcore.dev/v1alpha1";
/// Resource, as rights name it.
const RESOURCE: &str = "events.events.k8s.io";

/// Shows events.
pub async fn run(args: args::Events, context: &Context) -> Result<Outcome, Error> {
    let cluster = context.cluster().await?;
    let (about, gone) = match &args.name {
        Some(name) => subjects(&name.parse()?, cluster).await?,
        None => (None, None),
    };
    let wanted = |event: &Event| {
        about
            .as_ref()
            .is_none_or(|about| about.iter().any(|one| concerns(event, one)))
    };
    if args.watch {
        return follow(cluster, &args, context, wanted).await;
    }
    let api: Api<Event> = cluster.api(args.all_namespaces);
    let mut events = pages(&api, &ListParams::default().fields(OURS))
        .await
        .map_err(|error| refusals::of(&error, "list", RESOURCE, cluster))?;
    events.retain(wanted);
    events.sort_by_key(last);
    if let Some(gone) = gone.filter(|_| events.is_empty()) {
        return Err(gone);
    }
    match args.output {
        Some(format @ (Format::Json | Format::Yaml)) => {
            context.output.value(
                format,
                &json!({"apiVersion": "v1", "kind": "List", "items": events}),
            )?;
        }
        Some(Format::Name) => {
            let names = events
                .iter()
                .map(|event| format!("event.events.k8s.io/{}", event.name_any()));
            context.output.print(&lines(names))?;
        }
        _ if events.is_empty() => remark(
            "no events: the cluster keeps them for a while only (an hour, where nothing else is set)",
        ),
        wide => {
            let width = context
                .output
                .size()
                .map(|(columns, _)| columns)
                .filter(|_| wide.is_none());
            let table = table(&events, args.all_namespaces, Timestamp::now());
            context
                .output
                .print(&table.text(context.output.paint, width))?;
        }
    }
    Ok(Outcome::Done)
}

/// What the events are to be about, and the error where there is no such object: one that was deleted may have left some.
async fn subjects(
    reference: &Reference,
    cluster: &Cluster,
) -> Result<(Option<Vec<Reference>>, Option<Error>), Error> {
    match below(reference, cluster).await {
        Ok(about) => Ok((Some(about), None)),
        Err(gone @ Error::NotFound(_)) => Ok((Some(vec![reference.clone()]), Some(gone))),
        Err(other) => Err(other),
    }
}

fn concerns(event: &Event, reference: &Reference) -> bool {
    event.regarding.as_ref().is_some_and(|about| {
        about.kind.as_deref() == Some(reference.kind.as_str())
            && about.name.as_deref() == Some(&reference.name)
    })
}

/// When it happened last.
fn last(event: &Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .map(|series| series.last_observed_time.0);
    series
        .or_else(|| event.deprecated_last_timestamp.as_ref().map(|time| time.0))
        .or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| {
            event
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0)
        })
}

fn count(event: &Event) -> i32 {
    let series = event.series.as_ref().map(|series| series.count);
    series.or(event.deprecated_count).unwrap_or(1)
}

fn object(event: &Event) -> String {
    let about = event.regarding.clone().unwrap_or_default();
    format!(
        "{}/{}",
        about.kind.unwrap_or_default(),
        about.name.unwrap_or_default()
    )
}

fn tone(event: &Event) -> Tone {
    if event.type_.as_deref() == Some("Warning") {
        Tone::Busy
    } else {
        Tone::Plain
    }
}

fn table(events: &[Event], namespaces: bool, now: Timestamp) -> Table {
    let mut head = vec!["LAST", "COUNT", "TYPE", "REASON", "OBJECT", "MESSAGE"];
    if namespaces {
        head.insert(0, "NAMESPACE");
    }
    let mut table = Table::new(&head);
    for event in events {
        let mut cells = vec![
            (
                Tone::Plain,
                ago(last(event).map(|time| time.to_string()).as_deref(), now),
            ),
            (Tone::Plain, count(event).to_string()),
            (tone(event), event.type_.clone().unwrap_or_default()),
            (tone(event), event.reason.clone().unwrap_or_default()),
            (Tone::Plain, object(event)),
            (Tone::Plain, event.note.clone().unwrap_or_default()),
        ];
        if namespaces {
            cells.insert(0, (Tone::Dim, event.namespace().unwrap_or_default()));
        }
        table.row(cells);
    }
    table
}

/// Events as they come, a line each: first those that there are.
async fn follow(
    cluster: &Cluster,
    args: &args::Events,
    context: &Context,
    wanted: impl Fn(&Event) -> bool,
) -> Result<Outcome, Error> {
    let patient = cluster.patient()?;
    let config = watcher::Config::default().fields(OURS);
    let mut stream = watcher(patient.api::<Event>(args.all_namespaces), config)
        .default_backoff()
        .boxed();
    let mut told = HashSet::new();
    let mut first = Some(Vec::new());
    while let Some(event) = stream.next().await {
        use watcher::Event as E;
        match event {
            Ok(E::InitApply(event)) if wanted(&event) => match &mut first {
                Some(first) => first.push(event),
                None => tell(&event, &mut told, args, context)?,
            },
            Ok(E::Apply(event)) if wanted(&event) => tell(&event, &mut told, args, context)?,
            Ok(E::InitDone) => {
                let mut events = first.take().unwrap_or_default();
                events.sort_by_key(last);
                for event in &events {
                    tell(event, &mut told, args, context)?;
                }
            }
            Ok(_) => {}
            Err(error) => {
                let error = match &error {
                    watcher::Error::InitialListFailed(cause) => {
                        refusals::of(cause, "list", RESOURCE, cluster)
                    }
                    watcher::Error::WatchStartFailed(cause)
                    | watcher::Error::WatchFailed(cause) => {
                        refusals::of(cause, "watch", RESOURCE, cluster)
                    }
                    other => Error::Unreachable(format!("the watch of events failed: {other}")),
                };
                if first.is_some() || !matches!(error, Error::Unreachable(_)) {
                    return Err(error);
                }
                remark(&error.to_string());
            }
        }
    }
    Err(Error::Unreachable(
        "the watch has ended: try again".to_owned(),
    ))
}

/// Tells of an event, unless it was told of already: a watch that is taken up again begins with what there is.
fn tell(
    event: &Event,
    told: &mut HashSet<(String, i32)>,
    args: &args::Events,
    context: &Context,
) -> Result<(), Error> {
    if !told.insert((event.uid().unwrap_or_default(), count(event))) {
        return Ok(());
    }
    match args.output {
        Some(Format::Json) => {
            let text =
                serde_json::to_string(event).map_err(|error| Error::Failed(error.to_string()))?;
            context.output.line(&text)
        }
        Some(Format::Yaml) => {
            context.output.print("---\n")?;
            context.output.value(Format::Yaml, event)
        }
        _ => {
            let time = last(event)
                .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
                .unwrap_or_default();
            let namespace = if args.all_namespaces {
                format!("{}/", event.namespace().unwrap_or_default())
            } else {
                String::new()
            };
            let reason = context.output.paint.text(
                tone(event),
                &harmless(event.reason.as_deref().unwrap_or_default()),
            );
            let note = harmless(event.note.as_deref().unwrap_or_default());
            context.output.line(&format!(
                "{time}  {namespace}{}  {reason}  {note}",
                harmless(&object(event))
            ))
        }
    }
}
