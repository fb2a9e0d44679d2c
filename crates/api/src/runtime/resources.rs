//! What sessions run on, and what is done before the first one: memory, privileges, hooks.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::{HOOK_PATH_PATTERN, MEMORY_MAX_MIB, PORT_MAX, PORT_MIN};
use crate::rules;

/// Hooks of a runtime; `{}`: none.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Hooks {
    /// What is done when a version is made, before it has sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildHooks>,
}

/// Hooks of a version that is being made.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct BuildHooks {
    /// One call that loads what all sessions need; AgentCore gives it 120 seconds, and its failure fails the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Hook>,
}

/// A hook.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// What is done.
    pub action: HookAction,
}

/// What a hook does; `httpPost` is the only kind.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HookAction {
    /// A POST to the agent.
    pub http_post: HttpPost,
}

/// A POST to the agent.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HttpPost {
    /// Path, 1 to 32 characters (AgentCore API).
    #[schemars(length(min = 1, max = 32), regex(pattern = HOOK_PATH_PATTERN))]
    pub path: String,
    /// Port, 8000 to 12000 (AgentCore API), but not 8443; absent: the agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = PORT_MIN, max = PORT_MAX))]
    #[x_kube(validation = rules::not_8443("spec.hooks.build.warmup.action.httpPost.port"))]
    pub port: Option<i32>,
}

/// What a session gets at least.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resources {
    /// Memory in MiB, 1 to 1048576. AgentCore says which sizes it takes.
    #[serde(rename = "minimumMemoryInMiB")]
    #[schemars(range(min = 1, max = MEMORY_MAX_MIB))]
    pub minimum_memory_in_mib: i32,
}

/// Operating system of the agents on a capacity provider; `linux` is the only kind.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OperatingSystem {
    /// Linux.
    pub linux: Linux,
}

/// Agents on Linux.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Linux {
    /// `STANDARD`, or `PRIVILEGED` for agents that build images, run containers or install packages.
    pub privilege_mode: PrivilegeMode,
}

/// Privileges of an agent on its instance.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(transform = crate::rules::known_names)]
pub enum PrivilegeMode {
    /// Without elevated privileges.
    Standard,
    /// With elevated privileges; a session then has the instance's agents to itself.
    Privileged,
    /// A value that this release does not know: it is passed on as it is.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// What is done about settings of AgentCore that this release does not know.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[schemars(transform = crate::rules::undescribed)]
pub enum UnknownSettings {
    /// Nothing that would take them away is sent.
    Keep,
    /// Updates are sent all the same.
    Overwrite,
}
