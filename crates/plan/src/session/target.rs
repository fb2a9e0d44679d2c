//! Where a session runs: what its reference leads to, or why it leads nowhere.

use agentcore_api::limits::{DEFAULT_IDLE_SECONDS, DEFAULT_MAX_LIFETIME_SECONDS};
use agentcore_api::values::{Arn, seconds_or};
use agentcore_api::{AgentEndpoint, AgentRuntime, Kind, reasons};
use jiff::SignedDuration;

use super::View;
use crate::conditions::{Verdict, ready_reason};
use crate::policy::Policy;

/// Name of the endpoint of those who name a runtime.
const DEFAULT: &str = "DEFAULT";

/// What serves behind the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// ARN of the runtime.
    pub runtime_arn: String,
    /// Name of the endpoint.
    pub qualifier: String,
    /// Version that is live there.
    pub version: String,
    /// How long AgentCore lets a session rest.
    pub idle: SignedDuration,
    /// How long AgentCore lets a session live.
    pub lifetime: SignedDuration,
}

/// Follows the reference.
pub(super) fn target(view: &View<'_>) -> Result<Target, Verdict> {
    let spec = &view.object.spec;
    let Some(reference) = &spec.endpoint_ref else {
        let name = spec.runtime_ref.as_ref().map_or("", |one| &one.name);
        let runtime = runtime(view.runtime, name)?;
        let status = runtime.status.clone().unwrap_or_default();
        let live = status.default_endpoint.and_then(|one| one.live_version);
        let place = status.arn.zip(live);
        return make(runtime, view.policy, place, DEFAULT.to_owned(), || {
            not_ready(Kind::AgentRuntime, name, reasons::RUNTIME_NOT_READY)
        });
    };
    let name = &reference.name;
    let endpoint = view.endpoint.ok_or_else(|| {
        let text = format!("there is no AgentEndpoint {name} in this namespace");
        Verdict::waiting(reasons::ENDPOINT_NOT_FOUND, text)
    })?;
    let runtime = runtime(view.runtime, &endpoint.spec.runtime_ref.name)?;
    let conditions = endpoint.status.as_ref().map(|status| &status.conditions);
    if conditions.is_some_and(|all| ready_reason(all) == Some(reasons::NOT_OWNED)) {
        let text = format!("AgentEndpoint {name} is not its own in AgentCore, so it is not called");
        return Err(Verdict::stalled(reasons::NOT_OWNED, text));
    }
    let none = || not_ready(Kind::AgentEndpoint, name, reasons::ENDPOINT_NOT_READY);
    let (place, qualifier) = place_of(endpoint).ok_or_else(none)?;
    make(runtime, view.policy, Some(place), qualifier, none)
}

/// Whether the AgentRuntime says that its runtime is another's.
pub(super) fn is_told(runtime: &AgentRuntime) -> bool {
    let status = runtime.status.as_ref();
    status.is_some_and(|status| ready_reason(&status.conditions) == Some(reasons::NOT_OWNED))
}

/// Whether the runtime of this ARN can be the object's, by its name: statuses may be written by others than the operator.
pub(super) fn can_own(runtime: &AgentRuntime, arn: &str, policy: &Policy) -> bool {
    Arn(arn)
        .runtime_id()
        .is_some_and(|id| policy.names().can_own(runtime, id))
}

fn place_of(endpoint: &AgentEndpoint) -> Option<((String, String), String)> {
    if endpoint.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let status = endpoint.status.clone()?;
    let arn = status.arn.and(status.runtime_arn)?;
    Some(((arn, status.live_version?), status.name?))
}

fn runtime<'a>(runtime: Option<&'a AgentRuntime>, name: &str) -> Result<&'a AgentRuntime, Verdict> {
    runtime.ok_or_else(|| {
        let text = format!("there is no AgentRuntime {name} in this namespace");
        Verdict::waiting(reasons::RUNTIME_NOT_FOUND, text)
    })
}

fn not_ready(kind: Kind, name: &str, reason: &'static str) -> Verdict {
    Verdict::working(reason, format!("{kind} {name} serves no version"))
}

fn make(
    runtime: &AgentRuntime,
    policy: &Policy,
    place: Option<(String, String)>,
    qualifier: String,
    none: impl FnOnce() -> Verdict,
) -> Result<Target, Verdict> {
    // A token is wanted once the version that wants it is live.
    if runtime.wants_token() {
        let text = "the runtime has a JWT authorizer and refuses the operator's signature; declared sessions need IAM";
        return Err(Verdict::stalled(reasons::JWT_AUTHORIZER, text));
    }
    let going = runtime.metadata.deletion_timestamp.is_some();
    let (runtime_arn, version) = place.filter(|_| !going).ok_or_else(none)?;
    if is_told(runtime) || !can_own(runtime, &runtime_arn, policy) {
        let text = format!(
            "the runtime of AgentRuntime {} is not its own, so it is not called",
            runtime.metadata.name.as_deref().unwrap_or_default()
        );
        return Err(Verdict::stalled(reasons::NOT_OWNED, text));
    }
    let time =
        |text: Option<&str>, default| SignedDuration::from_secs(seconds_or(text, default).into());
    let effective = runtime.effective();
    let idle = effective.map(|one| one.idle_runtime_session_timeout.as_str());
    Ok(Target {
        runtime_arn,
        qualifier,
        version,
        idle: time(idle, DEFAULT_IDLE_SECONDS),
        lifetime: time(
            effective.map(|one| one.max_lifetime.as_str()),
            DEFAULT_MAX_LIFETIME_SECONDS,
        ),
    })
}
