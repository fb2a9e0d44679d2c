//! An endpoint of a runtime.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::runtime::{Status, merge};
use super::settings::Settings;
use crate::wire::reply::iso8601;

/// The endpoint that every runtime has and that follows its newest good version.
pub const DEFAULT_ENDPOINT: &str = "DEFAULT";

/// An endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Order of creation within the partition; lists go by it.
    pub seq: u64,
    /// Its name.
    pub name: String,
    /// `name-` and ten characters.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// ARN of its runtime.
    pub runtime_arn: String,
    /// The version that sessions begin on; none before it was first READY.
    pub live: Option<u32>,
    /// The version that it goes to; none once it is there.
    pub target: Option<u32>,
    /// Its status.
    pub status: Status,
    /// Why the status is a failure.
    pub failure_reason: Option<String>,
    /// Given description.
    pub description: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub last_updated_at: Timestamp,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its resource policy.
    pub policy: Option<String>,
}

impl Endpoint {
    /// Whether a version is in use by this endpoint.
    pub fn uses(&self, version: u32) -> bool {
        self.live == Some(version) || self.target == Some(version)
    }

    /// The entry of a list.
    pub fn summary(&self) -> Map<String, Value> {
        let mut out = Map::new();
        let mut set = |name: &str, value: Value| {
            out.insert(name.to_owned(), value);
        };
        set("name", json!(self.name));
        set("id", json!(self.id));
        set("agentRuntimeEndpointArn", json!(self.arn));
        set("agentRuntimeArn", json!(self.runtime_arn));
        set("status", json!(self.status.wire()));
        set("createdAt", json!(iso8601(self.created_at)));
        set("lastUpdatedAt", json!(iso8601(self.last_updated_at)));
        if let Some(live) = self.live {
            set("liveVersion", json!(live.to_string()));
        }
        if let Some(target) = self.target {
            set("targetVersion", json!(target.to_string()));
        }
        if let Some(description) = &self.description {
            set("description", json!(description));
        }
        out
    }

    /// What GetAgentRuntimeEndpoint answers.
    pub fn wire(&self, settings: &Settings) -> Map<String, Value> {
        let mut out = self.summary();
        if let Some(reason) = &self.failure_reason {
            out.insert("failureReason".to_owned(), json!(reason));
        }
        merge(&mut out, &settings.unknown_endpoint_members);
        out
    }
}
