//! What a gateway replica reports of sessions: JSON under the key `report` of a ConfigMap with the label
//! [`SESSION_REPORT`](crate::names::SESSION_REPORT). Counts and times, never an id of a session.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How long a report counts, in seconds.
pub const FRESH_SECONDS: i64 = 60;

/// A replica's report.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it was made (RFC 3339).
    pub at: String,
    /// Namespaces that the replica looks at; empty: all.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Objects with sessions.
    pub entries: Vec<Entry>,
}

/// Sessions of one object.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// `AgentRuntime` (its DEFAULT endpoint) or `AgentEndpoint`.
    pub kind: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Sessions by the version that they were born on; an empty name where it is not known.
    pub versions: BTreeMap<String, u32>,
    /// Stale ones that wait for their end.
    pub draining: u32,
    /// Stale ones stopped since the last roll.
    pub stopped: u32,
    /// Stale ones whose stop AgentCore refused.
    pub failed: u32,
    /// Since when the oldest stale one is stale (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_stale_since: Option<String>,
}

impl Entry {
    /// Which object it is about.
    pub fn key(&self) -> (&str, &str, &str) {
        (&self.kind, &self.namespace, &self.name)
    }
}
