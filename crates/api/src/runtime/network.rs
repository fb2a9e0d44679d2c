//! Where a runtime runs and which ports and headers reach it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OperatingSystem;
use crate::limits::{
    CAPACITY_PROVIDER_PATTERN, HEADER_PATTERN, PORT_MAX, PORT_MIN, SECURITY_GROUP_PATTERN,
    SUBNET_PATTERN,
};
use crate::rules;

/// Network of the sessions.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = ("has(self.vpc) == (self.mode == 'VPC')", "spec.network.vpc is required with mode VPC and refused with PUBLIC"))]
pub struct Network {
    /// `PUBLIC` (internet access) or `VPC` (interfaces in your VPC).
    pub mode: NetworkMode,
    /// Subnets and security groups; required with `VPC`, refused with `PUBLIC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc: Option<Vpc>,
}

/// Network modes of AgentCore.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(transform = crate::rules::known_names)]
pub enum NetworkMode {
    /// Internet access.
    Public,
    /// Interfaces in your VPC.
    Vpc,
    /// A value that this release does not know: it is passed on as it is.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// Subnets and security groups.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Vpc {
    /// 1 to 16 subnets (AgentCore API). AWS recommends at least two availability zones.
    #[schemars(length(min = 1, max = 16), inner(regex(pattern = SUBNET_PATTERN), length(max = 24)))]
    pub subnets: Vec<String>,
    /// 1 to 16 security groups (AgentCore API).
    #[schemars(length(min = 1, max = 16), inner(regex(pattern = SECURITY_GROUP_PATTERN), length(max = 20)))]
    pub security_groups: Vec<String>,
}

/// A capacity provider.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CapacityProvider {
    /// ARN of the capacity provider.
    #[schemars(length(max = 2048), regex(pattern = CAPACITY_PROVIDER_PATTERN))]
    pub arn: String,
    /// Operating system of the agents; absent: what is there is kept, and a new runtime has AgentCore's default, `STANDARD` privileges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operating_system: Option<OperatingSystem>,
}

/// Request headers that reach the agent.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
pub struct RequestHeaders {
    /// 1 to 20 header names of 1 to 256 characters (AgentCore API), different whatever their case. Those that AWS
    /// restricts (`Cookie`, `User-Agent` and the like) never get there; headers that begin with `x-amz` are AWS's own, but for `X-Amzn-Bedrock-AgentCore-Runtime-Custom-*`. `Authorization` needs
    /// `authorizer.customJWT`.
    #[schemars(length(min = 1, max = 20), inner(regex(pattern = HEADER_PATTERN), length(max = 256)))]
    #[x_kube(
        validation = rules::not_restricted("spec.requestHeaders.allowlist"),
        validation = (
            "self.all(name, self.exists_one(other, other.lowerAscii() == name.lowerAscii()))",
            "names in spec.requestHeaders.allowlist must differ, whatever their case"
        ),
        validation = (
            "self.all(name, !name.lowerAscii().startsWith('x-amz') || name.lowerAscii().startsWith('x-amzn-bedrock-agentcore-runtime-custom-'))",
            "names in spec.requestHeaders.allowlist must not begin with x-amz, but for X-Amzn-Bedrock-AgentCore-Runtime-Custom-*"
        )
    )]
    pub allowlist: Vec<String>,
}

/// Exactly one of `port` and `portRange`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("an item of spec.allowedPorts", &["port", "portRange"]))]
pub struct AllowedPort {
    /// One port, 8000 to 12000 (AgentCore API), but not 8443.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = PORT_MIN, max = PORT_MAX))]
    #[x_kube(validation = rules::not_8443("a port of spec.allowedPorts"))]
    pub port: Option<i32>,
    /// Several ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_range: Option<PortRange>,
}

/// Ports from `from` to `to`, both included.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[x_kube(validation = ("self.from <= self.to", "in a portRange of spec.allowedPorts, from must not be above to"))]
pub struct PortRange {
    /// First port, 8000 to 12000 (AgentCore API).
    #[schemars(range(min = PORT_MIN, max = PORT_MAX))]
    pub from: i32,
    /// Last port, 8000 to 12000 (AgentCore API).
    #[schemars(range(min = PORT_MIN, max = PORT_MAX))]
    pub to: i32,
}
