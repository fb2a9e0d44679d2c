//! Settings that are a choice between named answers to a question about AgentCore.

use serde::{Deserialize, Serialize};

/// What a repeated client token means once the runtime it made is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenReplay {
    /// The old answer again, without effect.
    Replay,
    /// A new runtime.
    New,
}

/// What an update does with members that the request leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Omitted {
    /// They go back to absent or to their default.
    Reset,
    /// They keep their values.
    Keep,
}

/// Whether an update of a runtime in CREATE_FAILED is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FromCreateFailed {
    /// It makes the next version.
    Accept,
    /// ConflictException.
    Conflict,
}

/// When an image tag is turned into a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagResolution {
    /// Once, when the version is made.
    Version,
    /// Anew for every session.
    Session,
}

/// Which clock a signature's age is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureClock {
    /// Real time, so that clients go on working after a jump.
    Real,
    /// The simulator's time: a jump makes clients' clocks wrong.
    Sim,
}

/// What an agent's own error status becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerStatus {
    /// 424 RuntimeClientError.
    #[serde(rename = "424")]
    RuntimeClientError,
    /// The agent's answer as it is.
    #[serde(rename = "passthrough")]
    Passthrough,
}

/// Where the `Mcp-Session-Id` of an MCP server's sessions comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum McpSessionSource {
    /// The platform: it is the id of the session.
    Platform,
    /// The agent: its id leads to the session that answered with it.
    Agent,
}

/// Which id decides when a caller gives a session id and another `Mcp-Session-Id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum McpIdsDiffer {
    /// The session id.
    Runtime,
    /// The `Mcp-Session-Id`.
    Mcp,
}

/// What an invocation does while another one of its session is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Concurrency {
    /// It waits for its turn.
    Serial,
    /// It goes to the agent at once.
    Parallel,
    /// RetryableConflictException.
    Refuse,
}
