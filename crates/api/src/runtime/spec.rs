//! The spec of an AgentRuntime.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AgentRuntimeStatus, AllowedPort, Artifact, Authorizer, CapacityProvider, Filesystem, Network,
    RequestHeaders,
};
use crate::DeletionPolicy;

/// An AgentCore runtime.
#[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "agentcore.dev",
    version = "v1alpha1",
    kind = "AgentRuntime",
    namespaced
)]
#[kube(
    status = "AgentRuntimeStatus",
    derive = "PartialEq",
    shortname = "art",
    category = "agentcore"
)]
#[serde(rename_all = "camelCase")]
pub struct AgentRuntimeSpec {
    /// Name in AgentCore. Fixed at creation; absent: derived from cluster, namespace and name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_name: Option<String>,
    /// Description, 1 to 4096 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What runs.
    pub artifact: Artifact,
    /// The IAM role that the agent runs with.
    pub execution_role: ExecutionRole,
    /// Where it runs; required unless `capacityProvider` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// How AgentCore talks to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// How long sessions live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// Environment variables, at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<EnvVar>>,
    /// Who may call; absent: IAM SigV4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<Authorizer>,
    /// Request headers that reach the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_headers: Option<RequestHeaders>,
    /// Resource policy document (JSON).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_policy: Option<String>,
    /// File systems, at most 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystems: Option<Vec<Filesystem>>,
    /// Metadata service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_service: Option<MetadataService>,
    /// Platform version; absent: what is there is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_version: Option<String>,
    /// Further ports that may be reached, 1 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_ports: Option<Vec<AllowedPort>>,
    /// Capacity provider, instead of `network`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider: Option<CapacityProvider>,
    /// Tags in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// AWS region; fixed at creation; absent: the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What deletion does in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Takes over a runtime that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,
    /// Stops every mutation but deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// An IAM role.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct ExecutionRole {
    /// ARN of the role.
    pub arn: String,
}

/// Protocol between AgentCore and the agent.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Protocol {
    /// Protocol; absent: HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_protocol: Option<ServerProtocol>,
    /// Port, 8000 to 12000 but 8443; absent: the protocol's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Path of invocations; absent: the protocol's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Server protocols of AgentCore.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "UPPERCASE")]
pub enum ServerProtocol {
    /// JSON and SSE over HTTP.
    Http,
    /// Model Context Protocol.
    Mcp,
    /// Agent to agent.
    A2a,
    /// Agent to user interface.
    Agui,
}

/// How long sessions live. Durations such as `15m`, whole seconds.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// Idle time after which a session ends, 60s to 336h; absent: 900s, or `maxLifetime` if that is shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_runtime_session_timeout: Option<String>,
    /// Age at which a session ends, 60s to 336h; absent: 28800s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<String>,
}

/// An environment variable.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Name, 1 to 100 characters.
    pub name: String,
    /// Value, 0 to 5000 characters.
    pub value: String,
}

/// Metadata service of the microVM.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct MetadataService {
    /// Whether version 2 (session tokens) is required.
    #[serde(rename = "requireMMDSV2")]
    pub require_mmdsv2: bool,
}

/// Takes over a runtime that exists in AgentCore.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Adopt {
    /// Id of the runtime.
    pub runtime_id: String,
    /// Whether its configuration may be changed to this spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<bool>,
    /// Whether it may be taken from another owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_over: Option<bool>,
}
