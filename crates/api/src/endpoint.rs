//! AgentEndpoint: a named endpoint of a runtime that pins a version or follows the latest.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{DeletionPolicy, LocalReference, Pending, Retry};
use crate::runtime::Phase;

/// An endpoint of an AgentCore runtime.
#[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "agentcore.dev",
    version = "v1alpha1",
    kind = "AgentEndpoint",
    namespaced
)]
#[kube(
    status = "AgentEndpointStatus",
    derive = "PartialEq",
    shortname = "aep",
    category = "agentcore"
)]
#[serde(rename_all = "camelCase")]
pub struct AgentEndpointSpec {
    /// The AgentRuntime; immutable.
    pub runtime_ref: LocalReference,
    /// Name in AgentCore; immutable; absent: derived from the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_name: Option<String>,
    /// `Latest`, or a version number as a string.
    pub version: String,
    /// Description, 1 to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tags in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// What deletion does in AWS; absent: Delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Stops every mutation but deletion.
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
    /// Since when AgentCore answers 404 for it (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<String>,
    /// When AgentCore accepted the deletion (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_accepted_at: Option<String>,
    /// Last value of the annotation `agentcore.dev/requested-at` that was acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_request: Option<String>,
    /// Conditions: Ready always; Reconciling and Stalled only when True.
    #[serde(skip_serializing_if = "Vec::is_empty")]
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
