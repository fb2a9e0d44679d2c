//! The status of an AgentRuntime. Written by the AgentRuntime controller alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AgentRuntime, AgentRuntimeSpec, CodeStatus, ImageStatus, NextCause, ServerProtocol,
    VersionCause, VersionsStatus,
};
use crate::common::{Pending, Retry};
use crate::sessions::SessionsStatus;

/// What was last seen of a runtime, and what it means.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentRuntimeStatus {
    /// Generation of the spec that this status speaks of; -1 before the first verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Phase in short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// AgentCore's own status, such as READY or CREATE_FAILED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_status: Option<String>,
    /// AgentCore's own reason of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// ARN of the runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// Id of the runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the runtime in AgentCore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Region that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Account that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Newest version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_version: Option<String>,
    /// Newest version that was READY.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_version: Option<String>,
    /// Version that was READY before `readyVersion`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_version: Option<String>,
    /// Why the last five versions were made, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub causes: Vec<VersionCause>,
    /// Why the version was asked for whose number is not known yet, or that was asked for last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cause: Option<NextCause>,
    /// How many versions there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<VersionsStatus>,
    /// The DEFAULT endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_endpoint: Option<DefaultEndpoint>,
    /// The image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageStatus>,
    /// The code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeStatus>,
    /// Address of `InvokeAgentRuntime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation_url: Option<String>,
    /// Address of the WebSocket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_socket_url: Option<String>,
    /// ARN of the workload identity that AgentCore made with the runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_identity_arn: Option<String>,
    /// What was last compared with the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// Values in force, defaults included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
    /// Rises before a create or update that follows an observed failure or loss; part of the client token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// A mutating call whose outcome is not known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// When and why a failed wish is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// When, at the latest, the operator tries again or looks again by itself (RFC 3339), while it is not Ready; absent: once what it waits
    /// for has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
    /// Since when AgentCore answers 404 for the id (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<String>,
    /// When AgentCore accepted the deletion (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_accepted_at: Option<String>,
    /// Last value of the annotation `agentcore.dev/requested-at` that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_request: Option<String>,
    /// Last value of the annotation `agentcore.dev/drain-requested-at` that was taken up: sessions that began before it are stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_drain: Option<String>,
    /// What is known of sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionsStatus>,
    /// Conditions: Ready always; Reconciling and Stalled only when True.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Phases of a runtime.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(transform = crate::rules::undescribed)]
pub enum Phase {
    /// Not there yet: it is made, or will be by itself.
    Creating,
    /// AgentCore says READY.
    Active,
    /// A new version is being made.
    Updating,
    /// AgentCore refused or failed it, or it cannot be made as it is written.
    Failed,
    /// Going away.
    Deleting,
}

impl Phase {
    /// As it is written in status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Failed => "FAILED",
            Self::Deleting => "DELETING",
        }
    }
}

/// The DEFAULT endpoint, which AgentCore makes and moves by itself.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DefaultEndpoint {
    /// Version that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_version: Option<String>,
    /// AgentCore's own status of it.
    pub status: String,
}

/// What was last compared with the spec: as long as AWS still lists this and the wish is the same, nothing needs reading.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// Version.
    pub version: String,
    /// AgentCore's time of the last change, as it was given; absent: not read since the last mutation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_at: Option<String>,
    /// Keyed hash of the rendered request and tags.
    pub wish_hash: String,
}

/// Values in force, AgentCore's defaults included.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Effective {
    /// Idle time-out, such as `900s`.
    pub idle_runtime_session_timeout: String,
    /// Longest life, such as `28800s`.
    pub max_lifetime: String,
    /// Protocol; also one that this release does not know.
    #[schemars(with = "String", length(max = 64))]
    pub server_protocol: ServerProtocol,
    /// Port.
    pub port: i32,
    /// Path.
    pub path: String,
    /// Platform version, as AgentCore says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_version: Option<String>,
    /// How callers prove who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound_auth: Option<InboundAuth>,
    /// Request headers that reach the agent besides those of AgentCore itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub request_headers: Vec<String>,
}

/// How callers of AgentCore prove who they are.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::upper_case_acronyms)] // as they are written in status
#[schemars(transform = crate::rules::undescribed)]
pub enum InboundAuth {
    /// IAM, by SigV4.
    IAM,
    /// A JSON web token of the configured issuer.
    JWT,
}

impl AgentRuntime {
    /// What is in force, where it is known.
    pub fn effective(&self) -> Option<&Effective> {
        self.status.as_ref()?.effective.as_ref()
    }

    /// Whether AgentCore wants callers' tokens instead of SigV4.
    pub fn wants_token(&self) -> bool {
        self.spec.wants_token(self.effective())
    }
}

impl AgentRuntimeSpec {
    /// Whether AgentCore wants callers' tokens instead of SigV4: what is in force goes before what is wished for.
    pub fn wants_token(&self, effective: Option<&Effective>) -> bool {
        effective
            .and_then(|effective| effective.inbound_auth)
            .map_or(self.authorizer.is_some(), |auth| auth == InboundAuth::JWT)
    }
}
