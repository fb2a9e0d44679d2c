//! `rollout status`: how a roll goes, until its end. Exit codes: 0 it is done, 1 it failed, 3 not in time.

use agentcore_api::Kind;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;

use crate::args::RolloutStatus;
use crate::context::{Cluster, Context};
use crate::error::Error;
use crate::exit::Outcome;
use crate::objects::{Reference, api, text};
use crate::output::remark;
use crate::verbs::act::watching;
use crate::verdict::{State, Verdict};

/// How far a roll is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    Done(String),
    Failed(String),
    Going(String),
}

/// Says how a roll goes.
pub async fn run(args: RolloutStatus, context: &Context) -> Result<Outcome, Error> {
    let reference: Reference = args.name.parse()?;
    let cluster = context.cluster().await?;
    let object = reference.get(cluster).await?;
    if !args.watch {
        return match progress(&reference, &object) {
            Progress::Done(text) | Progress::Going(text) => {
                context.output.line(&text)?;
                Ok(Outcome::Done)
            }
            Progress::Failed(text) => failed(&text, context),
        };
    }
    let patient = cluster.patient()?;
    let waited = wait(&reference, &patient, context);
    if args.timeout.is_zero() {
        return waited.await;
    }
    if let Ok(outcome) = tokio::time::timeout(args.timeout, waited).await {
        return outcome;
    }
    Err(Error::TimedOut(format!(
        "the roll of {reference} has not ended within {}",
        crate::output::span(i64::try_from(args.timeout.as_secs()).unwrap_or(i64::MAX))
    )))
}

fn failed(text: &str, context: &Context) -> Result<Outcome, Error> {
    context.output.line(text)?;
    Ok(Outcome::Failed)
}

/// Pause before the watch is taken up again after it broke.
const PAUSE: Duration = Duration::from_secs(1);

async fn wait(
    reference: &Reference,
    cluster: &Cluster,
    context: &Context,
) -> Result<Outcome, Error> {
    let api = api(reference.kind, cluster, false);
    let mut states = watch_object(api, &reference.name).default_backoff().boxed();
    let mut last = String::new();
    loop {
        let object = match states.next().await {
            Some(Ok(Some(object))) => object.0,
            Some(Ok(None)) => {
                return Err(Error::NotFound(format!(
                    "{reference} was deleted in the meantime"
                )));
            }
            Some(Err(error)) => match watching(&error, reference.kind, cluster) {
                // The API server may be away for a while; the roll goes on.
                Error::Unreachable(text) => {
                    remark(&text);
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                other => return Err(other),
            },
            None => {
                return Err(Error::Unreachable(
                    "the watch has ended: try again".to_owned(),
                ));
            }
        };
        match progress(reference, &object) {
            Progress::Done(text) => {
                context.output.line(&text)?;
                return Ok(Outcome::Done);
            }
            Progress::Failed(text) => return failed(&text, context),
            Progress::Going(text) if text != last => {
                context.output.line(&text)?;
                last = text;
            }
            Progress::Going(_) => {}
        }
    }
}

/// What the object says of its roll.
fn progress(reference: &Reference, object: &DynamicObject) -> Progress {
    let verdict = Verdict::of(object);
    let (live, target) = match reference.kind {
        Kind::AgentRuntime => (
            "/status/defaultEndpoint/liveVersion",
            "/status/latestVersion",
        ),
        Kind::AgentEndpoint => ("/status/liveVersion", "/status/targetVersion"),
        Kind::AgentSession => ("/status/version", "/status/next/version"),
    };
    let (live, target) = (text(object, live), text(object, target));
    let versions = match (live, target) {
        (Some(live), Some(target)) if live != target => {
            format!(" (version {live} serves, {target} is next)")
        }
        (Some(live), _) => format!(" (version {live} serves)"),
        (None, _) => String::new(),
    };
    let moving = target.is_some() && live != target;
    let said = format!(
        "{reference}: {}: {}{versions}",
        verdict.reason, verdict.message
    );
    match verdict.state {
        // Of a push that failed: what ran before is set again, and nothing is rolled any more.
        State::Ready | State::Warning if moving && reference.kind != Kind::AgentSession => {
            Progress::Going(said)
        }
        State::Ready | State::Warning => {
            Progress::Done(format!("{reference} is rolled out{versions}"))
        }
        State::Failed => Progress::Failed(said),
        State::Suspended => Progress::Failed(format!(
            "{reference} is suspended: nothing is rolled until spec.suspend is taken out"
        )),
        State::Progressing | State::Waiting => Progress::Going(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(status: &Value) -> Progress {
        let object =
            json!({"metadata": {"name": "a", "generation": 1}, "spec": {}, "status": status});
        progress(
            &"a".parse().unwrap(),
            &serde_json::from_value(object).unwrap(),
        )
    }

    fn status(ready: &str, reason: &str, more: &[&str], live: &str) -> Value {
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": reason, "message": "m", "lastTransitionTime": "2026-11-01T00:00:00Z"});
        let mut conditions = vec![condition("Ready", ready)];
        conditions.extend(more.iter().map(|kind| condition(kind, "True")));
        json!({"observedGeneration": 1, "conditions": conditions, "latestVersion": "2", "defaultEndpoint": {"liveVersion": live, "status": "READY"}})
    }

    #[test]
    fn a_roll_is_done_only_when_what_was_asked_for_serves() {
        assert!(matches!(
            of(&status("True", "Ready", &[], "2")),
            Progress::Done(_)
        ));
        assert!(matches!(
            of(&status("True", "Ready", &[], "1")),
            Progress::Going(_)
        ));
        assert!(matches!(
            of(&status("True", "RolloutActive", &[], "1")),
            Progress::Going(_)
        ));
        assert!(matches!(
            of(&status("False", "Updating", &["Reconciling"], "1")),
            Progress::Going(_)
        ));
        assert!(matches!(
            of(&status("False", "UpdateFailed", &["Stalled"], "1")),
            Progress::Failed(_)
        ));
        assert!(matches!(of(&json!({})), Progress::Going(_)));
    }
}
