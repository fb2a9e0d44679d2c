//! A runtime with its versions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::image::Image;
use super::settings::Settings;
use crate::wire::reply::iso8601;

/// Seconds of idleness after which a session ends, where nothing is given.
pub const DEFAULT_IDLE_SECONDS: i64 = 900;
/// Seconds after which a session ends in any case, where nothing is given.
pub const DEFAULT_LIFETIME_SECONDS: i64 = 28_800;
/// Protocol where none is given.
pub const DEFAULT_PROTOCOL: &str = "HTTP";

/// Status of a runtime, a version or an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Being made.
    Creating,
    /// Could not be made.
    CreateFailed,
    /// Being changed.
    Updating,
    /// The last change failed.
    UpdateFailed,
    /// At rest and well.
    Ready,
    /// Being deleted.
    Deleting,
    /// The delete failed.
    DeleteFailed,
}

impl Status {
    /// As on the wire.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::CreateFailed => "CREATE_FAILED",
            Self::Updating => "UPDATING",
            Self::UpdateFailed => "UPDATE_FAILED",
            Self::Ready => "READY",
            Self::Deleting => "DELETING",
            Self::DeleteFailed => "DELETE_FAILED",
        }
    }

    /// Whether something is under way, so that no mutation is taken.
    pub fn in_transition(self) -> bool {
        matches!(self, Self::Creating | Self::Updating | Self::Deleting)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wire())
    }
}

/// The configuration of a version: the checked members of the request, but name, tags and token.
#[derive(Debug, Clone, PartialEq)]
pub struct Config(pub Map<String, Value>);

impl Config {
    /// A member as it is on the wire.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The image reference of a container artifact.
    pub fn container_uri(&self) -> Option<&str> {
        self.0
            .get("agentRuntimeArtifact")?
            .pointer("/containerConfiguration/containerUri")?
            .as_str()
    }

    /// Where a code artifact lies, as an image reference: `s3://bucket/prefix:versionId`.
    pub fn code_uri(&self) -> Option<String> {
        let s3 = self
            .0
            .get("agentRuntimeArtifact")?
            .pointer("/codeConfiguration/code/s3")?;
        let part = |name: &str| s3.get(name).and_then(Value::as_str);
        Some(format!(
            "s3://{}/{}:{}",
            part("bucket")?,
            part("prefix")?,
            part("versionId").unwrap_or("latest")
        ))
    }

    /// The execution role.
    pub fn role_arn(&self) -> &str {
        self.0
            .get("roleArn")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Whether it runs on instances of a capacity provider, and not on microVMs.
    pub fn on_capacity_provider(&self) -> bool {
        self.0.contains_key("capacityProviderConfiguration")
    }

    /// Subnets of a VPC configuration.
    pub fn subnets(&self) -> Vec<&str> {
        let list = self
            .0
            .get("networkConfiguration")
            .and_then(|n| n.pointer("/networkModeConfig/subnets"));
        strings(list)
    }

    /// Environment variables of the runtime.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let Some(Value::Object(map)) = self.0.get("environmentVariables") else {
            return BTreeMap::new();
        };
        map.iter()
            .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
            .collect()
    }

    /// Seconds of idleness after which a session ends.
    pub fn idle_seconds(&self) -> i64 {
        self.lifecycle("idleRuntimeSessionTimeout")
            .unwrap_or(DEFAULT_IDLE_SECONDS)
    }

    /// Seconds after which a session ends in any case.
    pub fn lifetime_seconds(&self) -> i64 {
        self.lifecycle("maxLifetime")
            .unwrap_or(DEFAULT_LIFETIME_SECONDS)
    }

    fn lifecycle(&self, name: &str) -> Option<i64> {
        self.0.get("lifecycleConfiguration")?.get(name)?.as_i64()
    }

    /// Header names that may reach the agent.
    pub fn header_allowlist(&self) -> Vec<&str> {
        strings(
            self.0
                .get("requestHeaderConfiguration")
                .and_then(|c| c.get("requestHeaderAllowlist")),
        )
    }

    /// `HTTP`, `MCP`, `A2A` or `AGUI`.
    pub fn protocol(&self) -> &str {
        let given = self
            .0
            .get("protocolConfiguration")
            .and_then(|p| p.get("serverProtocol"));
        given.and_then(Value::as_str).unwrap_or(DEFAULT_PROTOCOL)
    }

    /// The path that invocations go to, where one is given.
    pub fn path(&self) -> Option<&str> {
        self.0.get("protocolConfiguration")?.get("path")?.as_str()
    }

    /// The port that invocations go to, where another than the protocol's own is given.
    pub fn other_port(&self) -> Option<u64> {
        let own = match self.protocol() {
            "MCP" => 8000,
            "A2A" => 9000,
            _ => 8080,
        };
        let given = self.0.get("protocolConfiguration")?.get("port")?.as_u64();
        given.filter(|port| *port != own)
    }

    /// Whether version 2 of the metadata service is required; AgentCore invokes nothing else since 2026-06-30.
    pub fn requires_mmdsv2(&self) -> bool {
        self.0
            .get("metadataConfiguration")
            .and_then(|metadata| metadata.get("requireMMDSV2"))
            == Some(&json!(true))
    }

    /// Platform version.
    pub fn platform(&self) -> Option<&str> {
        self.0.get("platformVersion")?.as_str()
    }

    /// Whether it runs in a VPC.
    pub fn in_vpc(&self) -> bool {
        let mode = self
            .0
            .get("networkConfiguration")
            .and_then(|network| network.get("networkMode"));
        mode == Some(&json!("VPC"))
    }

    /// The path of the warm-up hook.
    pub fn warmup(&self) -> Option<&str> {
        self.0
            .get("hooksConfiguration")?
            .pointer("/build/warmup/action/httpPost/path")?
            .as_str()
    }

    /// Whether callers must come with a JWT, so that SigV4 is refused.
    pub fn has_jwt_authorizer(&self) -> bool {
        self.0.contains_key("authorizerConfiguration")
    }
}

pub(super) fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (name, value) in from {
        match (into.get_mut(name), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            _ => {
                into.insert(name.clone(), value.clone());
            }
        }
    }
}

fn strings(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array)
        .map(|items| items.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// An immutable version of a runtime.
#[derive(Debug, Clone)]
pub struct Version {
    /// From 1 upwards.
    pub number: u32,
    /// What was asked for.
    pub config: Arc<Config>,
    /// How its making went.
    pub status: Status,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its status last changed.
    pub last_updated_at: Timestamp,
    /// The image that its tag meant when it was made.
    pub image: Option<Arc<Image>>,
    /// How far its snapshot is.
    pub snapshot: Snapshot,
}

/// How far platform V2 is with the snapshot of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Snapshot {
    /// None is taken.
    None,
    /// Its agent is to be started.
    Wanted,
    /// Its agent runs.
    UnderWay,
    /// It was taken, or why not, in the service's words.
    Done(Result<(), String>),
}

/// A runtime.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// Order of creation within the partition; lists go by it.
    pub seq: u64,
    /// Given name.
    pub name: String,
    /// `name-` and ten characters.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// ARN of the workload identity that comes and goes with it.
    pub workload_identity_arn: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub last_updated_at: Timestamp,
    /// Its status.
    pub status: Status,
    /// Why the status is a failure.
    pub failure_reason: Option<String>,
    /// Whether it was made as before 2026-02-15, when MMDSv2 was a choice.
    pub mmdsv2_is_optional: bool,
    /// Versions by number; never empty.
    pub versions: BTreeMap<u32, Version>,
    /// The highest number given out so far: a pruned version's number does not come back.
    pub last_number: u32,
    /// Endpoints by name, DEFAULT included.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its resource policy.
    pub policy: Option<String>,
}

impl Runtime {
    /// The newest version.
    ///
    /// # Panics
    /// Never: a runtime has a version from its creation on.
    pub fn newest(&self) -> &Version {
        self.versions
            .last_key_value()
            .map(|(_, v)| v)
            .expect("a runtime has a version from its creation on")
    }

    /// The status of one of its versions as Get and List show it.
    pub fn status_of<'a>(&'a self, version: &'a Version) -> (Status, Option<&'a str>) {
        let shared = version.number == self.newest().number
            || matches!(self.status, Status::Deleting | Status::DeleteFailed);
        if shared {
            (self.status, self.failure_reason.as_deref())
        } else {
            (version.status, version.failure_reason.as_deref())
        }
    }

    /// What GetAgentRuntime answers for a version.
    pub fn wire(&self, version: &Version, settings: &Settings) -> Map<String, Value> {
        let (status, reason) = self.status_of(version);
        let newest = version.number == self.newest().number;
        let updated = if newest {
            self.last_updated_at
        } else {
            version.last_updated_at
        };
        let mut out = version.config.0.clone();
        let mut set = |name: &str, value: Value| {
            out.insert(name.to_owned(), value);
        };
        set("agentRuntimeArn", json!(self.arn));
        set("agentRuntimeName", json!(self.name));
        set("agentRuntimeId", json!(self.id));
        set("agentRuntimeVersion", json!(version.number.to_string()));
        set("createdAt", json!(iso8601(self.created_at)));
        set("lastUpdatedAt", json!(iso8601(updated)));
        set("status", json!(status.wire()));
        set(
            "workloadIdentityDetails",
            json!({ "workloadIdentityArn": self.workload_identity_arn }),
        );
        if let Some(reason) = reason {
            set("failureReason", json!(reason));
        }
        if settings.return_default_protocol
            && version.config.member("protocolConfiguration").is_none()
        {
            set("protocolConfiguration", json!({ "serverProtocol": "HTTP" }));
        }
        merge(&mut out, &settings.unknown_members);
        out
    }

    /// The entry of a list for a version.
    pub fn summary(&self, version: &Version) -> Value {
        let (status, _) = self.status_of(version);
        let newest = version.number == self.newest().number;
        let updated = if newest {
            self.last_updated_at
        } else {
            version.last_updated_at
        };
        json!({
            "agentRuntimeArn": self.arn,
            "agentRuntimeId": self.id,
            "agentRuntimeVersion": version.number.to_string(),
            "agentRuntimeName": self.name,
            // Required in the model, so it is there even when nothing was given.
            "description": version.config.member("description").and_then(Value::as_str).unwrap_or_default(),
            "lastUpdatedAt": iso8601(updated),
            "status": status.wire(),
        })
    }
}
