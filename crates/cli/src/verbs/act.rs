//! Verbs that ask the operator for something, by an annotation: restart, retry and image scan.

use agentcore_api::Kind;
use std::sync::Mutex;
use std::time::Duration;

use agentcore_api::conditions::IMAGE_RESOLVED;
use agentcore_api::names::annotations;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::{Timestamp, Unit};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::wait::{Error as WaitError, await_condition};
use serde_json::{Value, json};

use crate::args::Act;
use crate::context::{Cluster, Context};
use crate::error::Error;
use crate::exit::Outcome;
use crate::objects::{Reference, api, text};
use crate::refusals;
use crate::salvaged::Salvaged;

/// Field manager of the annotations.
const MANAGER: &str = "kubectl-agentcore";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Sessions that run now end, by the drain policy.
    Restart,
    /// One more attempt now.
    Retry,
    /// A look at the repository, or at the object of the code.
    Scan,
}

impl Request {
    const fn annotation(self) -> &'static str {
        match self {
            Self::Restart => annotations::DRAIN_REQUESTED_AT,
            Self::Retry => annotations::REQUESTED_AT,
            Self::Scan => annotations::RESOLVE_REQUESTED_AT,
        }
    }

    /// Where the operator echoes the value once it has taken it up.
    const fn echoes(self) -> &'static [&'static str] {
        match self {
            Self::Restart => &["/status/lastHandledDrain"],
            Self::Retry => &["/status/lastHandledRequest"],
            Self::Scan => &[
                "/status/image/lastResolveRequest",
                "/status/code/lastResolveRequest",
            ],
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Retry => "retry",
            Self::Scan => "scan",
        }
    }
}

/// Asks, and waits if that is wanted.
pub async fn run(request: Request, args: Act, context: &Context) -> Result<Outcome, Error> {
    let references: Vec<Reference> = args
        .names
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, _>>()?;
    if request == Request::Scan
        && let Some(other) = references.iter().find(|one| one.kind != Kind::AgentRuntime)
    {
        return Err(Error::Usage(format!(
            "{other} has no image: scan its AgentRuntime"
        )));
    }
    let cluster = context.cluster().await?;
    // Milliseconds: two requests of one second are two.
    let now = Timestamp::now();
    let now = now.round(Unit::Millisecond).unwrap_or(now).to_string();
    // All names are looked at first, so that a wrong one changes nothing.
    for reference in &references {
        reference.get(cluster).await?;
    }
    for reference in &references {
        set(request, reference, &now, cluster).await?;
        context.output.line(&format!(
            "{}/{} {} requested",
            reference.kind.singular(),
            reference.name,
            request.word()
        ))?;
    }
    if !args.wait {
        return Ok(Outcome::Done);
    }
    let patient = cluster.patient()?;
    let mut waits: FuturesUnordered<_> = references
        .iter()
        .map(|reference| taken_up(request, reference, &now, &patient, args.timeout))
        .collect();
    while let Some(done) = waits.next().await {
        let reference = done?;
        context.output.line(&format!(
            "{}/{} {} taken up",
            reference.kind.singular(),
            reference.name,
            request.word()
        ))?;
    }
    Ok(Outcome::Done)
}

async fn set(
    request: Request,
    reference: &Reference,
    now: &str,
    cluster: &Cluster,
) -> Result<(), Error> {
    let api = api(reference.kind, cluster, false);
    let patch = json!({"metadata": {"annotations": {request.annotation(): now}}});
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch_metadata(&reference.name, &params, &Patch::Merge(&patch))
        .await
        .map_err(|error| refusals::of_kind(&error, "patch", reference.kind, cluster))?;
    Ok(())
}

async fn taken_up<'a>(
    request: Request,
    reference: &'a Reference,
    value: &str,
    cluster: &Cluster,
    timeout: Duration,
) -> Result<&'a Reference, Error> {
    let api = api(reference.kind, cluster, false);
    let failed = Mutex::new(None);
    let echoed = |object: Option<&Salvaged>| {
        let object = object.map(|object| &object.0);
        if let Ok(mut failed) = failed.lock() {
            *failed = object.and_then(failed_look);
        }
        object.is_none_or(|object| {
            let echoes = request.echoes().iter();
            echoes
                .copied()
                .any(|pointer| text(object, pointer) == Some(value))
        })
    };
    match tokio::time::timeout(timeout, await_condition(api, &reference.name, echoed)).await {
        Ok(Ok(Some(_))) => Ok(reference),
        Ok(Ok(None)) => Err(Error::NotFound(format!(
            "{reference} was deleted in the meantime"
        ))),
        Ok(Err(WaitError::ProbeFailed(error))) => Err(watching(&error, reference.kind, cluster)),
        Err(_) => {
            let failed = failed.into_inner().ok().flatten();
            Err(unanswered(request, reference, failed, timeout))
        }
    }
}

/// Why the last look at the repository or at the code failed, if it did and was one of this spec. Such a look answers no request.
fn failed_look(object: &DynamicObject) -> Option<String> {
    let conditions = object.data.pointer("/status/conditions");
    let mut conditions = conditions.and_then(Value::as_array)?.iter();
    let resolved = conditions.find(|one| one["type"] == IMAGE_RESOLVED)?;
    let current = resolved["observedGeneration"].as_i64() == object.metadata.generation;
    (current && resolved["status"] == "False").then(|| {
        let said = |field: &str| resolved[field].as_str().unwrap_or_default();
        format!("{}: {}", said("reason"), said("message"))
    })
}

/// Nothing was echoed in time. `failed`: why the last look failed.
fn unanswered(
    request: Request,
    reference: &Reference,
    failed: Option<String>,
    timeout: Duration,
) -> Error {
    let seconds = timeout.as_secs();
    match (request, failed) {
        (Request::Scan, Some(why)) => Error::Failed(format!(
            "the scan of {reference} found nothing to use within {seconds}s: {why} (the operator goes on trying)"
        )),
        _ => Error::TimedOut(format!(
            "the operator did not take up the {} of {reference} within {seconds}s: is it running? kubectl agentcore events {reference} may say why",
            request.word()
        )),
    }
}

/// Why a watch failed.
pub fn watching(error: &kube::runtime::watcher::Error, kind: Kind, cluster: &Cluster) -> Error {
    use kube::runtime::watcher::Error as E;
    match error {
        E::InitialListFailed(cause) => refusals::of_kind(cause, "list", kind, cluster),
        E::WatchStartFailed(cause) | E::WatchFailed(cause) => {
            refusals::of_kind(cause, "watch", kind, cluster)
        }
        other => Error::Unreachable(format!(
            "the watch of {} failed: {other}; try again",
            kind.plural()
        )),
    }
}

#[cfg(test)]
mod tests {
    use agentcore_api::{AgentEndpointStatus, AgentRuntimeStatus, AgentSessionStatus};

    use super::*;

    #[test]
    fn every_kind_echoes_a_drain_and_a_retry_where_they_are_waited_for() {
        let (drain, request) = (Some("drain".to_owned()), Some("retry".to_owned()));
        let runtime = AgentRuntimeStatus {
            last_handled_drain: drain.clone(),
            last_handled_request: request.clone(),
            ..AgentRuntimeStatus::default()
        };
        let endpoint = AgentEndpointStatus {
            last_handled_drain: drain.clone(),
            last_handled_request: request.clone(),
            ..AgentEndpointStatus::default()
        };
        let session = AgentSessionStatus {
            last_handled_drain: drain,
            last_handled_request: request,
            ..AgentSessionStatus::default()
        };
        for status in [json!(runtime), json!(endpoint), json!(session)] {
            let object = json!({"status": status});
            for (request, value) in [(Request::Restart, "drain"), (Request::Retry, "retry")] {
                let [pointer] = request.echoes() else {
                    panic!("{request:?} has one echo");
                };
                assert_eq!(object.pointer(pointer), Some(&json!(value)), "{object}");
            }
        }
    }

    #[test]
    fn a_scan_whose_look_failed_says_why_and_does_not_blame_the_operator() {
        let reference: Reference = "support".parse().unwrap();
        let late = |request, generation: i64, status: &str| {
            let object = json!({
                "metadata": {"name": "support", "generation": generation},
                "status": {"conditions": [
                    {"type": "Ready", "status": "False", "observedGeneration": 2, "reason": "Other", "message": "m"},
                    {"type": "ImageResolved", "status": status, "observedGeneration": 2, "reason": "TagNotFound", "message": "there is no tag prod"},
                ]},
            });
            let object: DynamicObject = serde_json::from_value(object).unwrap();
            let failed = failed_look(&object);
            unanswered(request, &reference, failed, Duration::from_secs(9))
        };
        let failed = late(Request::Scan, 2, "False");
        assert!(
            matches!(&failed, Error::Failed(text) if text.contains("9s: TagNotFound: there is no tag prod")),
            "{failed}"
        );
        for other in [
            late(Request::Scan, 2, "True"),
            late(Request::Scan, 3, "False"),
            late(Request::Retry, 2, "False"),
        ] {
            assert!(
                matches!(&other, Error::TimedOut(text) if text.contains("is it running?")),
                "{other}"
            );
        }
    }
}
