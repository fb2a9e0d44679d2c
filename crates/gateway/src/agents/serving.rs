//! What serves behind an object, and whether that is its own: the agent that calls go to.

use std::time::Duration;

use agentcore_api::limits::{DEFAULT_IDLE_SECONDS, DEFAULT_MAX_LIFETIME_SECONDS};
use agentcore_api::runtime::ServerProtocol;
use agentcore_api::sessions::Sessions;
use agentcore_api::values::{ClusterNames, seconds_or};
use agentcore_api::{AgentRuntime, reasons};
use agentcore_invoke::{ArnError, Target};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Resource, ResourceExt};

use super::readiness::{not_seen, readiness};
use super::{Agent, Kind, NotReady};
use crate::sessions::policy::Policy;

/// A runtime's object, and what tells whether a runtime can be its own.
pub(super) struct Owned<'a> {
    runtime: &'a AgentRuntime,
    names: &'a ClusterNames,
}

impl<'a> Owned<'a> {
    pub(super) fn new(runtime: &'a AgentRuntime, names: &'a ClusterNames) -> Self {
        Self { runtime, names }
    }

    /// The controller has not found the runtime to be another's, and the one of this ARN can be the object's by its name. The gateway sees no
    /// tags, and a status may have been written by somebody else than the controller.
    pub(super) fn check(&self, arn: Option<&str>) -> Result<(), NotReady> {
        let status = self.runtime.status.as_ref();
        let told = status.map(|status| readiness(&status.conditions));
        if let Some(Err(not_ready)) = told
            && not_ready.reason == reasons::NOT_OWNED
        {
            return Err(not_ready);
        }
        let id = arn
            .and_then(|arn| arn.rsplit_once(":runtime/"))
            .map(|(_, id)| id);
        if arn.is_none() || id.is_some_and(|id| self.names.can_own(self.runtime, id)) {
            return Ok(());
        }
        Err(NotReady {
            reason: reasons::NOT_OWNED.to_owned(),
            message: "the runtime in status has a name that is not this object's".to_owned(),
        })
    }
}

/// An agent, if anything serves behind the object: it has a place, and there a version that is live.
pub(super) fn make<K: Resource>(
    kind: Kind,
    object: &K,
    owned: &Owned<'_>,
    place: Option<(String, Option<String>)>,
    version: Option<String>,
    conditions: &[Condition],
    sessions: Option<&Sessions>,
) -> Result<Agent, NotReady> {
    let runtime = owned.runtime;
    let ready = readiness(conditions);
    // Another's is not called, whatever status says of where it is.
    if let Err(not_ready) = &ready
        && not_ready.reason == reasons::NOT_OWNED
    {
        return Err(not_ready.clone());
    }
    owned.check(place.as_ref().map(|(arn, _)| arn.as_str()))?;
    let (Some((arn, qualifier)), true) = (place, version.is_some() || ready.is_ok()) else {
        return Err(ready.err().unwrap_or_else(not_seen));
    };
    let arn = arn.parse().map_err(|error: ArnError| NotReady {
        reason: "InvalidArn".to_owned(),
        message: format!("the ARN in status cannot be used: {error}"),
    })?;
    let (spec, effective) = (&runtime.spec, runtime.effective());
    // What is in force goes before what is wished for.
    let protocol = effective
        .map(|effective| effective.server_protocol.clone())
        .or_else(|| {
            spec.protocol
                .as_ref()
                .and_then(|one| one.server_protocol.clone())
        })
        .unwrap_or(ServerProtocol::Http);
    let time = |text: Option<&str>, default| Duration::from_secs(seconds_or(text, default).into());
    let jwt = runtime.wants_token();
    let wished = spec.request_headers.iter().flat_map(|one| &one.allowlist);
    // Statuses of earlier releases say nothing of either.
    let headers: Vec<&String> = match effective.filter(|one| one.inbound_auth.is_some()) {
        Some(effective) => effective.request_headers.iter().collect(),
        None => wished.collect(),
    };
    Ok(Agent {
        kind,
        namespace: object.namespace().unwrap_or_default().into(),
        name: object.name_any().into(),
        uid: object.uid().unwrap_or_default(),
        target: Target { arn, qualifier },
        session: None,
        edition: version.as_deref().map(Into::into),
        version,
        idle_timeout: time(
            effective.map(|one| one.idle_runtime_session_timeout.as_str()),
            DEFAULT_IDLE_SECONDS,
        ),
        max_lifetime: time(
            effective.map(|one| one.max_lifetime.as_str()),
            DEFAULT_MAX_LIFETIME_SECONDS,
        ),
        protocol,
        jwt,
        // The schema's pattern lets only header names in.
        allowlist: headers
            .into_iter()
            .filter_map(|name| name.parse().ok())
            .collect(),
        sessions: Policy::of(sessions, jwt),
        ready,
    })
}
