//! What a gateway replica reports of sessions: JSON under the key `report` of a ConfigMap with the label
//! [`SESSION_REPORT`](crate::names::SESSION_REPORT). Counts and times, never an id of a session.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What stands between the version and the drain request in the name of an edition; in no version's name.
const DRAINED: char = '~';
/// Most characters of a drain request that tell one from another.
const REQUEST_MAX: usize = 64;

/// The name under which sessions are told apart: the version that they were born on, and the drain request that they came after, if
/// any. Sessions of another edition than the one that is live are stale.
///
/// ```
/// # use agentcore_api::report::{edition, version_of};
/// assert_eq!(edition("7", None), "7");
/// let drained = edition("7", Some("2026-11-21T12:00:00Z"));
/// assert_ne!(drained, "7");
/// assert_eq!(version_of(&drained), "7");
/// ```
pub fn edition(version: &str, drain_request: Option<&str>) -> String {
    // A person may write anything; ledgers keep names in lists and keys of their own.
    let plain = |c: &char| c.is_ascii_alphanumeric() || ":.-+".contains(*c);
    let request = drain_request.unwrap_or_default().chars().filter(plain);
    let request: String = request.take(REQUEST_MAX).collect();
    if request.is_empty() {
        version.to_owned()
    } else {
        format!("{version}{DRAINED}{request}")
    }
}

/// The version in the name of an edition.
pub fn version_of(edition: &str) -> &str {
    edition
        .split_once(DRAINED)
        .map_or(edition, |(version, _)| version)
}

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
    /// Sessions by the [`edition`] that they were born on; an empty name where it is not known.
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
