//! Where a runtime runs and which ports are open.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Network of the sessions.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// PUBLIC or VPC.
    pub mode: NetworkMode,
    /// Required with VPC, refused with PUBLIC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc: Option<Vpc>,
}

/// Network modes of AgentCore.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "UPPERCASE")]
pub enum NetworkMode {
    /// Internet access.
    Public,
    /// Interfaces in your VPC.
    Vpc,
}

/// Subnets and security groups.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Vpc {
    /// 1 to 16 subnets, better in two availability zones.
    pub subnets: Vec<String>,
    /// 1 to 16 security groups.
    pub security_groups: Vec<String>,
}

/// A capacity provider.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct CapacityProvider {
    /// ARN of the capacity provider.
    pub arn: String,
}

/// Request headers that reach the agent.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct RequestHeaders {
    /// 1 to 20 header names.
    pub allowlist: Vec<String>,
}

/// Exactly one of `port` and `portRange`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct AllowedPort {
    /// One port, 8000 to 12000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Several ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_range: Option<PortRange>,
}

/// Ports from `from` to `to`, both included.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    /// First port, 8000 to 12000.
    pub from: i32,
    /// Last port, 8000 to 12000.
    pub to: i32,
}
