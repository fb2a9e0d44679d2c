//! What AWS has, in our words: the normal form that wish and reality are compared in.

use std::collections::BTreeMap;

use agentcore_api::runtime::{
    AllowedPort, Artifact, Authorizer, Filesystem, Hooks, Network, OperatingSystem, Resources,
    ServerProtocol,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::config::EnvValue;

/// AgentCore's status of a runtime or an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ServiceStatus {
    Creating,
    CreateFailed,
    Updating,
    UpdateFailed,
    Ready,
    Deleting,
    DeleteFailed,
    /// A status that this version of the operator does not know: treated as a transition.
    Unknown,
}

impl ServiceStatus {
    /// AgentCore's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::CreateFailed => "CREATE_FAILED",
            Self::Updating => "UPDATING",
            Self::UpdateFailed => "UPDATE_FAILED",
            Self::Ready => "READY",
            Self::Deleting => "DELETING",
            Self::DeleteFailed => "DELETE_FAILED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Reads AgentCore's spelling.
    pub fn parse(text: &str) -> Self {
        match text {
            "CREATING" => Self::Creating,
            "CREATE_FAILED" => Self::CreateFailed,
            "UPDATING" => Self::Updating,
            "UPDATE_FAILED" => Self::UpdateFailed,
            "READY" => Self::Ready,
            "DELETING" => Self::Deleting,
            "DELETE_FAILED" => Self::DeleteFailed,
            _ => Self::Unknown,
        }
    }

    /// Whether AgentCore is still working on it.
    pub const fn in_transition(self) -> bool {
        matches!(
            self,
            Self::Creating | Self::Updating | Self::Deleting | Self::Unknown
        )
    }
}

/// Configuration of a runtime in normal form: empty and absent the same, order without meaning sorted.
///
/// Made from a spec (the wish) and from a Get (reality). Of what AgentCore has defaults for, `None` in a wish means "keep what is there", and
/// in reality that AgentCore shows nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuntimeConfig {
    /// What runs.
    pub artifact: Artifact,
    /// Execution role.
    pub role_arn: String,
    /// Network; absent with a capacity provider. Subnets and security groups sorted.
    pub network: Option<Network>,
    /// ARN of the capacity provider.
    pub capacity_provider_arn: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Inbound authorizer, its lists sorted.
    pub authorizer: Option<Authorizer>,
    /// Allowed request headers, sorted; empty when absent.
    pub request_headers: Vec<String>,
    /// Protocol.
    pub protocol: ProtocolConfig,
    /// How long sessions live.
    #[serde(flatten)]
    pub lifecycle: LifecycleConfig,
    /// Environment variables.
    pub env: BTreeMap<String, EnvValue>,
    /// File systems, sorted.
    pub filesystems: Vec<Filesystem>,
    /// Whether version 2 of the metadata service is required; in a wish `None` means "keep what is there".
    #[serde(serialize_with = "crate::hash::metadata_service")]
    pub require_mmdsv2: Option<bool>,
    /// Platform version; in a wish `None` means "keep what is there".
    pub platform_version: Option<String>,
    /// In a wish always `None`: "keep what is there".
    pub require_service_s3_endpoint: Option<bool>,
    /// Allowed ports, sorted; empty when absent.
    pub allowed_ports: Vec<AllowedPort>,
    /// Hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// What a session gets at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<Resources>>,
    /// Operating system on a capacity provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operating_system: Option<OperatingSystem>,
}

impl RuntimeConfig {
    /// The hooks of a request, which has no empty ones: an Update takes away what it leaves out.
    pub fn hooks_given(&self) -> Option<&Hooks> {
        self.hooks.as_ref().filter(|hooks| hooks.build.is_some())
    }

    /// The resources of a request, which has no empty list of them.
    pub fn resources_given(&self) -> Option<&[Resources]> {
        self.resources.as_deref().filter(|some| !some.is_empty())
    }
}

/// Protocol of a runtime, as far as it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtocolConfig {
    /// Protocol.
    pub server_protocol: Option<ServerProtocol>,
    /// Port.
    pub port: Option<i32>,
    /// Path.
    pub path: Option<String>,
}

/// Life of a runtime's sessions, as far as it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifecycleConfig {
    /// Idle time-out in seconds.
    pub idle_timeout_seconds: Option<i32>,
    /// Longest life in seconds.
    pub max_lifetime_seconds: Option<i32>,
}

/// A runtime as Get answers it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Runtime {
    pub arn: String,
    pub id: String,
    pub name: String,
    pub version: String,
    pub status: ServiceStatus,
    pub failure_reason: Option<String>,
    pub created_at: Timestamp,
    pub last_updated_at: Timestamp,
    pub workload_identity_arn: Option<String>,
    pub config: RuntimeConfig,
    /// What AgentCore has and this release does not know, each beginning with its place in AgentCore's answer: it is not in `config`, and an
    /// update takes it away.
    pub unknown: Vec<String>,
}

/// A runtime as List answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ListedRuntime {
    pub arn: String,
    pub id: String,
    pub name: String,
    pub version: String,
    pub status: ServiceStatus,
    pub last_updated_at: Timestamp,
}

/// An endpoint as Get and List answer it (List has no failure reason).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Endpoint {
    pub name: String,
    pub id: String,
    pub arn: String,
    pub runtime_arn: String,
    pub live_version: Option<String>,
    pub target_version: Option<String>,
    pub status: ServiceStatus,
    pub description: Option<String>,
    pub failure_reason: Option<String>,
    pub created_at: Timestamp,
    pub last_updated_at: Timestamp,
    /// What AgentCore has and this release does not know, as of a [`Runtime`]; List does not tell.
    pub unknown: Vec<String>,
}

/// One version of a runtime as its list of versions shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ListedVersion {
    pub version: String,
    pub status: ServiceStatus,
}

/// Answer to an accepted create or update of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RuntimeAccepted {
    pub arn: String,
    pub id: String,
    pub version: String,
    pub status: ServiceStatus,
    pub workload_identity_arn: Option<String>,
}

/// Answer to an accepted create or update of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct EndpointAccepted {
    pub arn: String,
    pub runtime_arn: String,
    pub live_version: Option<String>,
    pub target_version: Option<String>,
    pub status: ServiceStatus,
}

/// Tags of a resource.
pub type Tags = BTreeMap<String, String>;
