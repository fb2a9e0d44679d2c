//! AgentSession: a session that is declared, begun, kept alive, and replaced when its agent gets another version.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::common::LocalReference;
use crate::limits::DURATION_PATTERN;
use crate::payload::Payload;
use crate::rules;

/// Time between keepalives in seconds when the spec gives none.
pub const DEFAULT_EVERY_SECONDS: u32 = 300;
/// Most fields at the top of a keepalive's payload.
const PAYLOAD_FIELDS_MAX: usize = 100;

/// A long-lived session of an agent: begun, kept alive, and replaced when its agent gets another version.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "agentcore.dev",
    version = "v1alpha1",
    kind = "AgentSession",
    namespaced
)]
#[kube(
    doc = "A long-lived session of an agent: begun, kept alive, and replaced when its agent gets another version."
)]
#[kube(
    status = "AgentSessionStatus",
    derive = "PartialEq",
    shortname = "ase",
    category = "agentcore"
)]
#[kube(
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".status.version","description":"Version that it was born on"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Last Answer","type":"date","jsonPath":".status.lastAnswerTime"}"#,
    printcolumn = r#"{"name":"Session","type":"string","jsonPath":".status.sessionId","priority":1}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::exactly_one("spec", &["endpointRef", "runtimeRef"]),
    validation = rules::fixed("endpointRef"),
    validation = rules::fixed("runtimeRef")
)]
pub struct AgentSessionSpec {
    /// The AgentEndpoint that it runs behind, in the same namespace; instead of `runtimeRef`. Fixed at creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_ref: Option<LocalReference>,
    /// The AgentRuntime behind whose `DEFAULT` endpoint it runs, in the same namespace; instead of `endpointRef`. Fixed at creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_ref: Option<LocalReference>,
    /// How it is kept alive; absent: the defaults of its fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<KeepAlive>,
    /// Sends nothing, neither keepalives nor stops, until deletion; absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// How a session is kept alive.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct KeepAlive {
    /// Time from an answer to the next keepalive, 10s to 336h, and below the runtime's idle time-out; absent: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 20), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = rules::duration_range("spec.keepAlive.every", "10s", "336h"))]
    pub every: Option<String>,
    /// JSON object that the agent is invoked with, at most 100 fields at its top, 32 levels and 64 KiB; absent: `{"action": "keepalive"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "payload")]
    pub payload: Option<Payload>,
}

/// An object whose fields are the agent's business.
fn payload(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": PAYLOAD_FIELDS_MAX,
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// What was last seen of a session, and what it means.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentSessionStatus {
    /// Generation of the spec that this status speaks of; -1 before the first verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Phase in short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<SessionPhase>,
    /// AgentCore's id of the session that serves; it has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Rises with each session that is begun; part of the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Version that the session was born on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// True after a keepalive while another version was live: a microVM that had ended by then was begun again on that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_unsure: Option<bool>,
    /// True after a drain was asked for, until another session has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_wanted: Option<bool>,
    /// Name of the endpoint, in AgentCore, that the session was born with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<String>,
    /// ARN of the runtime that it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_arn: Option<String>,
    /// When it was first invoked (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When AgentCore ends it for its age (RFC 3339); it is replaced before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it last answered a keepalive well (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_answer_time: Option<String>,
    /// HTTP status of the last answer to a keepalive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_answer: Option<u16>,
    /// Keepalives in a row that the session that serves did not answer well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// When it is asked again after a failure (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
    /// The session that is to serve once it has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<NextSession>,
    /// Sessions that serve no more and are still to be stopped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub previous: Vec<PreviousSession>,
    /// Last value of the annotation `agentcore.dev/requested-at` that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_request: Option<String>,
    /// Last value of the annotation `agentcore.dev/drain-requested-at` that was taken up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_drain: Option<String>,
    /// Conditions: Ready always; Reconciling and Stalled only when True.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Most sessions that wait for their stop; beyond it the oldest is left to AgentCore's time-outs.
pub const PREVIOUS_MAX: usize = 10;

/// A session that was begun and has not answered yet.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NextSession {
    /// AgentCore's id of it.
    pub session_id: String,
    /// Version that it is born on.
    pub version: String,
    /// Name of the endpoint that it is born with.
    pub qualifier: String,
    /// ARN of the runtime.
    pub runtime_arn: String,
    /// When it was about to be invoked first (RFC 3339).
    pub started_at: String,
    /// When AgentCore ends it for its age (RFC 3339).
    pub expires_at: String,
    /// Failures in a row of this session.
    pub failures: u32,
    /// Sessions that were given up before it, in a row.
    pub given_up: u32,
    /// When it is asked again after a failure (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
}

/// A session that is still to be stopped.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PreviousSession {
    /// AgentCore's id of it.
    pub session_id: String,
    /// Version that it was born on.
    pub version: String,
    /// Name of the endpoint that it was born with, which its stop has to name.
    pub qualifier: String,
    /// ARN of the runtime.
    pub runtime_arn: String,
    /// When AgentCore ends it for its age (RFC 3339), stopped or not.
    pub expires_at: String,
    /// Stops in a row that failed.
    pub failures: u32,
    /// When its stop is tried again after a failure (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
}

impl AgentSessionStatus {
    /// ARN of the runtime and version of every session that may be running, the one that serves first.
    pub fn in_use(&self) -> impl Iterator<Item = (&str, &str)> {
        let serving = self.runtime_arn.as_deref().zip(self.version.as_deref());
        let next = self.next.iter();
        let next = next.map(|one| (one.runtime_arn.as_str(), one.version.as_str()));
        let previous = self.previous.iter();
        let previous = previous.map(|one| (one.runtime_arn.as_str(), one.version.as_str()));
        serving.into_iter().chain(next).chain(previous)
    }
}

/// Phases of a declared session.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(transform = crate::rules::undescribed)]
pub enum SessionPhase {
    /// None has answered yet.
    Starting,
    /// It answers, and runs the version that is live.
    Active,
    /// It serves until the next one has answered.
    Replacing,
    /// It does not answer.
    Failed,
    /// It is being stopped, for the object is deleted.
    Deleting,
}

impl SessionPhase {
    /// As it is written in status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Active => "ACTIVE",
            Self::Replacing => "REPLACING",
            Self::Failed => "FAILED",
            Self::Deleting => "DELETING",
        }
    }
}
