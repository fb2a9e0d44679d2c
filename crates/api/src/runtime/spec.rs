//! The spec of an AgentRuntime.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AgentRuntimeStatus, AllowedPort, Artifact, Authorizer, CapacityProvider, EnvFrom, EnvVar,
    Filesystem, Hooks, Network, RequestHeaders, Resources, UnknownSettings,
};
use crate::DeletionPolicy;
use crate::limits::{
    DURATION_PATTERN, NAME_MAX, NAME_PATTERN, PATH_PATTERN, PLATFORM_VERSION_PATTERN, PORT_MAX,
    PORT_MIN, REGION_PATTERN, REVISION_HISTORY_LIMIT_MAX, ROLE_ARN_MAX, ROLE_ARN_PATTERN,
    RUNTIME_ID_PATTERN,
};
use crate::rules;
use crate::sessions::Sessions;

/// An AgentCore runtime: an agent's program, how it is run and who may call it.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "agentcore.dev",
    version = "v1alpha1",
    kind = "AgentRuntime",
    namespaced
)]
#[kube(doc = "An AgentCore runtime: an agent's program, how it is run and who may call it.")]
#[kube(
    status = "AgentRuntimeStatus",
    derive = "PartialEq",
    shortname = "art",
    category = "agentcore"
)]
#[kube(
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Live","type":"string","jsonPath":".status.defaultEndpoint.liveVersion","description":"Version that DEFAULT serves"}"#,
    printcolumn = r#"{"name":"Target","type":"string","jsonPath":".status.latestVersion","description":"Newest version"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Image","type":"string","jsonPath":".status.image.tag","description":"Tag of the image that is used"}"#,
    printcolumn = r#"{"name":"Sessions","type":"integer","jsonPath":".status.sessions.tracked","description":"Sessions that are known"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Digest","type":"string","jsonPath":".status.image.digest","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::fixed("runtimeName"),
    validation = rules::fixed("region"),
    validation = (
        "has(self.network) != has(self.capacityProvider)",
        "spec must have exactly one of network and capacityProvider"
    ),
    validation = (
        "!has(self.hooks) || !has(self.hooks.build) || !has(self.capacityProvider)",
        "spec.hooks is for microVMs: it does not go with spec.capacityProvider"
    ),
    validation = (
        "!has(self.hooks) || !has(self.hooks.build) || !has(self.platformVersion) || self.platformVersion != 'V1'",
        "spec.hooks needs platform version V2"
    ),
    validation = rules::life_of_micro_vm(),
    validation = rules::micro_vm(
        "filesystems",
        "self.filesystems.exists(one, has(one.capacityProviderVolume))",
        "spec.filesystems may have a capacityProviderVolume only with spec.capacityProvider"
    ),
    validation = rules::micro_vm(
        "filesystems",
        "has(self.network) && self.network.mode == 'PUBLIC' && self.filesystems.exists(one, has(one.efsAccessPoint) || has(one.s3FilesAccessPoint))",
        "spec.filesystems may have an efsAccessPoint or s3FilesAccessPoint only with spec.network.mode VPC"
    ),
    validation = rules::instances(
        "filesystems",
        "self.filesystems.exists(one, has(one.sessionStorage) || has(one.efsAccessPoint) || has(one.s3FilesAccessPoint))",
        "spec.filesystems may have sessionStorage, efsAccessPoint and s3FilesAccessPoint on microVMs only, and spec.capacityProvider is given"
    ),
    validation = rules::instances(
        "allowedPorts",
        "true",
        "spec.allowedPorts is for microVMs only, and spec.capacityProvider is given"
    ),
    validation = rules::instances(
        "protocol",
        "has(self.protocol.port) || has(self.protocol.path)",
        "spec.protocol.port and spec.protocol.path are for microVMs only, and spec.capacityProvider is given"
    ),
    validation = (
        "!has(self.requestHeaders) || has(self.authorizer) || !self.requestHeaders.allowlist.exists(name, name.lowerAscii() == 'authorization')",
        "spec.requestHeaders.allowlist may have Authorization only with spec.authorizer.customJWT"
    )
)]
pub struct AgentRuntimeSpec {
    /// Name in AgentCore: a letter, then up to 47 letters, digits and underscores (AgentCore API). Fixed at creation, set
    /// or unset. Absent: `c<cluster and namespace>_<name>_<hash>`, of at most 48 characters; names of that form cannot be chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NAME_MAX), regex(pattern = NAME_PATTERN))]
    #[x_kube(validation = rules::not_reserved("spec.runtimeName"))]
    pub runtime_name: Option<String>,
    /// Description, 1 to 4096 characters (AgentCore API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub description: Option<String>,
    /// What runs.
    pub artifact: Artifact,
    /// The IAM role that the agent runs with.
    pub execution_role: ExecutionRole,
    /// Where it runs; required unless `capacityProvider` is given, and refused with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// How AgentCore talks to the agent; absent: what is there is kept, and a new runtime has AgentCore's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// How long sessions live; absent: what is there is kept, and a new runtime has AgentCore's defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// Environment variables, at most 50 (AgentCore API), those of `envFrom` counted; a map by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Option<Vec<EnvVar>>,
    /// Secrets and ConfigMaps whose keys become environment variables, at most 50. A later one wins over an earlier one, and
    /// `env` over all of them; keys that are no variable's name are skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    pub env_from: Option<Vec<EnvFrom>>,
    /// Who may call; absent: IAM SigV4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<Authorizer>,
    /// Request headers that reach the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_headers: Option<RequestHeaders>,
    /// Resource policy document (JSON), 1 to 20480 characters (AgentCore API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20480))]
    pub resource_policy: Option<String>,
    /// File systems that sessions mount, at most 5 (AgentCore API). On a capacity provider its volumes; on microVMs the others, EFS and S3
    /// Files in a VPC only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5))]
    pub filesystems: Option<Vec<Filesystem>>,
    /// Metadata service of the microVM; absent: what is there is kept. AgentCore takes it on Update only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_service: Option<MetadataService>,
    /// Platform version, 1 to 128 characters without white space (AgentCore API); absent: what is there is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = PLATFORM_VERSION_PATTERN))]
    pub platform_version: Option<String>,
    /// Further ports that may be reached, 1 to 5 items (AgentCore API); on microVMs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 5))]
    pub allowed_ports: Option<Vec<AllowedPort>>,
    /// Capacity provider, instead of `network`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider: Option<CapacityProvider>,
    /// What is done before a version has sessions, on microVMs of platform version V2; absent: what is there is kept, `{}`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// What a session gets at least, at most one item (AgentCore API); absent: what is there is kept, `[]`: AgentCore's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1))]
    pub resources: Option<Vec<Resources>>,
    /// What is done about settings that the runtime has in AgentCore and this release does not know (condition `UnknownSettings`): `Keep` sends no
    /// update, which would take them away, and `Overwrite` does; absent: `Keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_settings: Option<UnknownSettings>,
    /// Tags in AWS, at most 45: AWS allows 50, and five are the operator's ownership tags. Keys have 1 to 128 characters and
    /// do not begin with `aws:` or `agentcore.dev/`, values have at most 256.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::common::entries"
    )]
    #[schemars(schema_with = "rules::spec_tags")]
    pub tags: Option<BTreeMap<String, String>>,
    /// AWS region, such as `us-east-1`. Fixed at creation, set or unset. Absent: the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = REGION_PATTERN))]
    pub region: Option<String>,
    /// What deletion of this object does in AWS; absent: `Delete`, with `adopt` `Retain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Takes over a runtime that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,
    /// Sessions that still run another version after a roll; absent: drained, for callers of DEFAULT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Sessions>,
    /// How many versions are kept in AgentCore besides the newest, 0 to 100; absent: 10. Versions that an endpoint uses or
    /// pins, and those with known sessions, are kept beyond it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = REVISION_HISTORY_LIMIT_MAX))]
    pub revision_history_limit: Option<u32>,
    /// Stops every mutation but deletion; absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// An IAM role.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct ExecutionRole {
    /// ARN of the role, 1 to 2048 characters (AgentCore API). The operator's settings say which roles a namespace may use.
    #[schemars(length(min = 1, max = ROLE_ARN_MAX), regex(pattern = ROLE_ARN_PATTERN))]
    pub arn: String,
}

/// Protocol between AgentCore and the agent.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Protocol {
    /// `HTTP`, `MCP`, `A2A` or `AGUI`; absent: what is there is kept, and a new runtime has AgentCore's default, `HTTP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_protocol: Option<ServerProtocol>,
    /// Port, 8000 to 12000 (AgentCore API), but not 8443; absent: what is there is kept,
    /// and a new protocol has AgentCore's default: 8080 with HTTP and AGUI, 8000 with MCP, 9000 with A2A.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = PORT_MIN, max = PORT_MAX))]
    #[x_kube(validation = rules::not_8443("spec.protocol.port"))]
    pub port: Option<i32>,
    /// Path of invocations, 1 to 2048 characters (AgentCore API); absent: what is there is kept, and a new protocol
    /// has AgentCore's default, with HTTP `/invocations`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = PATH_PATTERN))]
    pub path: Option<String>,
}

/// Server protocols of AgentCore.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(transform = crate::rules::known_names)]
pub enum ServerProtocol {
    /// JSON and SSE over HTTP.
    Http,
    /// Model Context Protocol.
    Mcp,
    /// Agent to agent.
    A2a,
    /// Agent to user interface.
    Agui,
    /// A value that this release does not know: it is passed on as it is.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// How long sessions live. Durations are whole hours, minutes and seconds, such as `90s`, `15m` or `1h30m`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::idle_within_life()
)]
pub struct Lifecycle {
    /// Idle time after which a session ends, 60s to 336h (AgentCore API), not more than `maxLifetime`; absent: what is there is kept where
    /// it is not longer than `maxLifetime`, and a new runtime has AgentCore's default: 900s, or `maxLifetime` if that is shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 20), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = rules::duration_range("spec.lifecycle.idleRuntimeSessionTimeout", "60s", "336h"))]
    pub idle_runtime_session_timeout: Option<String>,
    /// Age at which a session ends, 60s to 336h on a capacity provider and to 8h on microVMs (AgentCore API); absent: what is there is
    /// kept where it is not shorter than `idleRuntimeSessionTimeout`, and a new runtime has AgentCore's default: 28800s (8 hours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 20), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = rules::duration_range("spec.lifecycle.maxLifetime", "60s", "336h"))]
    pub max_lifetime: Option<String>,
}

/// Metadata service of the microVM.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct MetadataService {
    /// Whether version 2 (session tokens) is required. AgentCore takes no false for runtimes made after 2026-02-15, and invokes none with false.
    #[serde(rename = "requireMMDSV2")]
    pub require_mmdsv2: bool,
}

/// Takes over a runtime that exists in AgentCore.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Adopt {
    /// Id of the runtime: its name, a hyphen and 10 characters (AgentCore API).
    #[schemars(length(max = 111), regex(pattern = RUNTIME_ID_PATTERN))]
    pub runtime_id: String,
    /// Whether its configuration may be changed to this spec; absent: false, differences are reported only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<bool>,
    /// Whether it may be taken from another owner, whose tags it carries; absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_over: Option<bool>,
}
