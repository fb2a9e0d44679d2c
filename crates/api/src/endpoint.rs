//! AgentEndpoint: a named endpoint of a runtime that pins a version or follows the latest.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{DeletionPolicy, LocalReference, Pending, Retry};
use crate::limits::{ENDPOINT_VERSION_PATTERN, NAME_MAX, NAME_PATTERN};
use crate::rules;
use crate::runtime::{Phase, UnknownSettings};
use crate::sessions::{Sessions, SessionsStatus};

/// An endpoint of an AgentCore runtime: a name that callers use, and the version behind it.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "agentcore.dev",
    version = "v1alpha1",
    kind = "AgentEndpoint",
    namespaced
)]
#[kube(
    doc = "An endpoint of an AgentCore runtime: a name that callers use, and the version behind it."
)]
#[kube(
    status = "AgentEndpointStatus",
    derive = "PartialEq",
    shortname = "aep",
    category = "agentcore"
)]
#[kube(
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Runtime","type":"string","jsonPath":".spec.runtimeRef.name"}"#,
    printcolumn = r#"{"name":"Live","type":"string","jsonPath":".status.liveVersion","description":"Version that it serves"}"#,
    printcolumn = r#"{"name":"Target","type":"string","jsonPath":".status.targetVersion","description":"Version that it moves to, or is on"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Sessions","type":"integer","jsonPath":".status.sessions.tracked","description":"Sessions that are known"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::fixed("endpointName"),
    validation = rules::fixed_reference("runtimeRef")
)]
pub struct AgentEndpointSpec {
    /// The AgentRuntime, in the same namespace. Fixed at creation.
    pub runtime_ref: LocalReference,
    /// Name in AgentCore: a letter, then up to 47 letters, digits and underscores (AgentCore API), but not `DEFAULT`, which
    /// AgentCore makes itself. Fixed at creation, set or unset. Absent: the object's name if AgentCore takes it as it is,
    /// else derived from it with a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NAME_MAX), regex(pattern = NAME_PATTERN))]
    #[x_kube(validation = ("self != 'DEFAULT'", "spec.endpointName must not be DEFAULT, which AgentCore makes itself"))]
    pub endpoint_name: Option<String>,
    /// `Latest`, or a version number of 1 to 5 digits as a string, such as `"7"` (AgentCore API).
    #[schemars(length(max = 6), regex(pattern = ENDPOINT_VERSION_PATTERN))]
    pub version: String,
    /// Description, 1 to 256 characters (AgentCore API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub description: Option<String>,
    /// Tags in AWS, at most 45: AWS allows 50, and five are the operator's ownership tags. Keys have 1 to 128 characters and
    /// do not begin with `aws:` or `agentcore.dev/`, values have at most 256.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::common::entries"
    )]
    #[schemars(schema_with = "rules::spec_tags")]
    pub tags: Option<BTreeMap<String, String>>,
    /// What deletion of this object does in AWS; absent: `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Sessions that still run another version after a roll; absent: drained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Sessions>,
    /// What is done about settings that the endpoint has in AgentCore and this release does not know (condition `UnknownSettings`): `Keep` sends no
    /// update, which would take them away, and `Overwrite` does; absent: `Keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_settings: Option<UnknownSettings>,
    /// Stops every mutation but deletion; absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// What was last seen of an endpoint, and what it means.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentEndpointStatus {
    /// Generation of the spec that this status speaks of; -1 before the first verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Phase in short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// AgentCore's own status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_status: Option<String>,
    /// AgentCore's own reason of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// ARN of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// Id of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the endpoint in AgentCore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Id of the runtime that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_id: Option<String>,
    /// ARN of the runtime that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_arn: Option<String>,
    /// Region that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Account that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Version that it serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_version: Option<String>,
    /// Version that it moves to, or is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_version: Option<String>,
    /// Address of `InvokeAgentRuntime` with this endpoint's qualifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation_url: Option<String>,
    /// Address of the WebSocket with this endpoint's qualifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_socket_url: Option<String>,
    /// What was last compared with the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedEndpoint>,
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
    /// Since when AgentCore answers 404 for it (RFC 3339).
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

/// What was last compared with the spec.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ObservedEndpoint {
    /// AgentCore's time of the last change, as it was given; absent: not read since the last mutation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_at: Option<String>,
    /// Keyed hash of the rendered request and tags.
    pub wish_hash: String,
}
