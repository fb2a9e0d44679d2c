//! Verbs that ask the operator for something, by an annotation: restart, retry and image scan.

use std::time::Duration;

use agentcore_api::names::annotations;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::{Timestamp, Unit};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::wait::{Error as WaitError, await_condition};
use serde_json::json;

use crate::args::Act;
use crate::context::{Cluster, Context};
use crate::error::Error;
use crate::exit::Outcome;
use crate::objects::{Kind, Reference, text};
use crate::refusals;

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
        && let Some(other) = references.iter().find(|one| one.kind != Kind::Runtime)
    {
        return Err(Error::Usage(format!(
            "{other} has no image of its own: scan the AgentRuntime"
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
            reference.kind.name().to_lowercase(),
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
            reference.kind.name().to_lowercase(),
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
    let api: Api<DynamicObject> = reference.kind.api(cluster, false);
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
    let api = reference.kind.api(cluster, false);
    let echoed = |object: Option<&DynamicObject>| {
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
            "{reference} was deleted meanwhile"
        ))),
        Ok(Err(WaitError::ProbeFailed(error))) => Err(watching(&error, reference.kind, cluster)),
        Err(_) => Err(Error::TimedOut(format!(
            "the operator did not take up the {} of {reference} within {}s: is it running? kubectl agentcore events {reference} may say why",
            request.word(),
            timeout.as_secs()
        ))),
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
