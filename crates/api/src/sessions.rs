//! Sessions of a runtime or an endpoint: what becomes of those that still run an old version, and what is known of them.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::DURATION_PATTERN;
use crate::rules;

/// What becomes of sessions that run another version than the one that serves.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.drain) || !has(self.onUpdate) || self.onUpdate == 'Drain'",
    "spec.sessions.drain may be given only with onUpdate Drain"
))]
pub struct Sessions {
    /// `Drain`, `Stop` or `Leave`; absent: `Drain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_update: Option<OnUpdate>,
    /// How sessions are drained; absent: its defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// In which session of an MCP server requests run that name none: `PerCaller` or `PerRequest`; absent: `PerCaller`. Agents of other
    /// protocols begin a session with each such request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unnamed: Option<Unnamed>,
}

/// The session of requests to an MCP server that name none.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[schemars(transform = crate::rules::undescribed)]
pub enum Unnamed {
    /// One for each caller and agent.
    #[default]
    PerCaller,
    /// A new one for each request.
    PerRequest,
}

/// What is done with stale sessions.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[schemars(transform = crate::rules::undescribed)]
pub enum OnUpdate {
    /// Each is stopped once it is idle, or when its deadline has come.
    #[default]
    Drain,
    /// Each is stopped as soon as what is in flight has ended.
    Stop,
    /// AgentCore's own time-outs end them.
    Leave,
}

/// How stale sessions are drained.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// Idle time after which a stale session is stopped, 0s to 336h; absent: 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 20), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = rules::duration_range("spec.sessions.drain.idleAfter", "0s", "336h"))]
    pub idle_after: Option<String>,
    /// Time after the roll at which a stale session is stopped whatever it does, 0s to 336h; absent: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 20), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = rules::duration_range("spec.sessions.drain.deadline", "0s", "336h"))]
    pub deadline: Option<String>,
    /// Whether a session whose agent says `HealthyBusy` is left alone until the deadline; absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub respect_busy: Option<bool>,
    /// Most sessions stopped a minute, 1 to 60000; absent: 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60_000))]
    pub max_per_minute: Option<u32>,
}

/// What is known of sessions. AgentCore lists none: `coverage` says how far this sees.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct SessionsStatus {
    /// Sessions that are known.
    pub tracked: u32,
    /// Of these, sessions that run the version that serves.
    pub current: u32,
    /// Of these, sessions that run another version.
    pub stale: u32,
    /// Of the stale ones, those that wait for their end.
    pub draining: u32,
    /// Stale sessions stopped since the last roll.
    pub stopped: u32,
    /// Of the stale ones, those whose stop AgentCore refused; it is tried again.
    pub failed: u32,
    /// Since when the oldest stale session is stale (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_stale_since: Option<String>,
    /// Sessions that are known, by the version that they were born on; the last ones known where nobody reports.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_version: BTreeMap<String, u32>,
    /// How far this sees.
    pub coverage: Coverage,
}

/// Where what is known of sessions comes from.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[schemars(transform = crate::rules::undescribed)]
pub enum Coverage {
    /// Nobody reports sessions.
    #[default]
    None,
    /// Sessions that began through the gateway, and declared ones. Those of callers that go to AWS themselves are not seen.
    Gateway,
}
