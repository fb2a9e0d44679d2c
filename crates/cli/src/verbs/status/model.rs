//! Agents as `status` tells of them: a tree of plain values, the same for people and for `-o json`.

use agentcore_api::Kind;
use std::collections::HashMap;

use agentcore_api::runtime::VersionCause;
use agentcore_api::sessions::{Coverage, SessionsStatus};
use agentcore_api::{AgentEndpointStatus, AgentRuntimeStatus, AgentSessionStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde::{Deserialize, Serialize};

use crate::objects::{Reference, text};
use crate::verdict::Verdict;

/// What the cluster has.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// AgentRuntimes.
    pub runtimes: Vec<DynamicObject>,
    /// AgentEndpoints.
    pub endpoints: Vec<DynamicObject>,
    /// AgentSessions.
    pub sessions: Vec<DynamicObject>,
}

/// Everything of a look, runtimes first.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Forest {
    /// AgentRuntimes with what belongs to them; and endpoints and sessions whose runtime or endpoint is not there.
    pub items: Vec<Node>,
}

/// An object and what belongs to it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Kind.
    pub kind: Kind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// When it was made (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// How it is.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Version that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_version: Option<String>,
    /// Version that it goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_version: Option<String>,
    /// Image or code that is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// ARN in AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// What is known of sessions; absent: nobody reports any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionsStatus>,
    /// When the operator tries again by itself what failed (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// When a declared session last answered (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_answer_time: Option<String>,
    /// Versions, newest first, as far as the status tells of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Version>,
    /// What belongs to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

/// A version of a runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Number.
    #[serde(rename = "version")]
    pub number: String,
    /// Whether DEFAULT serves it.
    pub live: bool,
    /// Whether it was READY once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_ready: Option<bool>,
    /// `Spec`, `Image`, `Config` or `Drift`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Why there is this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was asked for (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

impl Node {
    fn new(kind: Kind, object: &DynamicObject) -> Self {
        let created = object.metadata.creation_timestamp.as_ref();
        Self {
            kind,
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            created_at: created.map(|time| time.0.to_string()),
            verdict: Verdict::of(object),
            live_version: None,
            target_version: None,
            artifact: None,
            arn: None,
            sessions: None,
            retry_at: None,
            conditions: Vec::new(),
            last_answer_time: None,
            versions: Vec::new(),
            children: Vec::new(),
        }
    }

    fn runtime(object: &DynamicObject) -> Self {
        let mut node = Self::new(Kind::AgentRuntime, object);
        let Some(status) = status::<AgentRuntimeStatus>(object, &mut node.verdict) else {
            return node;
        };
        node.versions = versions(&status);
        node.retry_at = status.retry_at.or(status.retry.and_then(|retry| retry.at));
        node.conditions = status.conditions;
        node.live_version = status
            .default_endpoint
            .and_then(|default| default.live_version);
        node.target_version = status.latest_version;
        node.arn = status.arn;
        node.sessions = status.sessions.filter(known);
        let image = status
            .image
            .map(|image| image.digest.unwrap_or(image.given));
        let code = || {
            let code = status.code.as_ref()?;
            let fixed = code.version_id.as_ref().or(code.etag.as_ref());
            Some(fixed.map_or_else(
                || code.given.clone(),
                |fixed| format!("{}@{fixed}", code.given),
            ))
        };
        node.artifact = image.or_else(code);
        node
    }

    fn endpoint(object: &DynamicObject) -> Self {
        let mut node = Self::new(Kind::AgentEndpoint, object);
        let Some(status) = status::<AgentEndpointStatus>(object, &mut node.verdict) else {
            return node;
        };
        node.live_version = status.live_version;
        node.target_version = status.target_version;
        node.retry_at = status.retry_at.or(status.retry.and_then(|retry| retry.at));
        node.conditions = status.conditions;
        node.arn = status.arn;
        node.sessions = status.sessions.filter(known);
        node
    }

    fn session(object: &DynamicObject) -> Self {
        let mut node = Self::new(Kind::AgentSession, object);
        let Some(status) = status::<AgentSessionStatus>(object, &mut node.verdict) else {
            return node;
        };
        node.target_version = status.next.as_ref().map(|next| next.version.clone());
        node.live_version = status.version;
        node.last_answer_time = status.last_answer_time;
        node.retry_at = status.retry_at;
        node.conditions = status.conditions;
        node
    }

    /// How it is named on a command line.
    pub fn reference(&self) -> Reference {
        Reference {
            kind: self.kind,
            name: self.name.clone(),
        }
    }

    /// It and everything below it.
    pub fn all(&self) -> Vec<&Self> {
        let below = self.children.iter().flat_map(Self::all);
        std::iter::once(self).chain(below).collect()
    }
}

/// The status as this program knows it. A newer operator may write one that it does not: the rest is shown all the same.
fn status<'a, T: Deserialize<'a>>(object: &'a DynamicObject, verdict: &mut Verdict) -> Option<T> {
    let status = object.data.get("status")?;
    match T::deserialize(status) {
        Ok(status) => Some(status),
        Err(error) => {
            verdict.message = format!(
                "this plugin does not know its status ({error}): is it older than the operator?"
            );
            None
        }
    }
}

fn known(sessions: &SessionsStatus) -> bool {
    sessions.coverage != Coverage::None || sessions.tracked > 0
}

fn versions(status: &AgentRuntimeStatus) -> Vec<Version> {
    let live = status
        .default_endpoint
        .as_ref()
        .and_then(|one| one.live_version.as_deref());
    let newest_ready = status.ready_version.as_deref().and_then(number);
    let of_cause = |one: &VersionCause| Version {
        number: one.version.clone(),
        live: live == Some(one.version.as_str()),
        // Older ones may have failed: that is in the history, not in the status.
        was_ready: (status.ready_version.as_deref() == Some(&one.version)
            || status.previous_version.as_deref() == Some(&one.version))
        .then_some(true)
        .or_else(|| (number(&one.version) > newest_ready).then_some(false)),
        cause: Some(one.cause.r#type.as_str().to_owned()),
        message: Some(one.cause.message.clone()),
        time: Some(one.time.clone()),
    };
    let mut versions: Vec<_> = status.causes.iter().map(of_cause).collect();
    if let Some(live) = live
        && !versions.iter().any(|one| one.live)
    {
        versions.push(Version {
            number: live.to_owned(),
            live: true,
            was_ready: Some(true),
            cause: None,
            message: None,
            time: None,
        });
    }
    versions
}

fn number(version: &str) -> Option<u32> {
    version.parse().ok()
}

impl World {
    /// The tree: sessions below what they run behind, endpoints below their runtime, each level by name.
    pub fn forest(&self) -> Forest {
        let key =
            |object: &DynamicObject| (object.namespace().unwrap_or_default(), object.name_any());
        let mut runtimes: Vec<Node> = self.runtimes.iter().map(Node::runtime).collect();
        let mut endpoints: Vec<Node> = self.endpoints.iter().map(Node::endpoint).collect();
        let runtime_at = index(&runtimes);
        let endpoint_at = index(&endpoints);
        let mut loose = Vec::new();
        for object in &self.sessions {
            let (namespace, _) = key(object);
            let of = |pointer: &str| Some((namespace.clone(), text(object, pointer)?.to_owned()));
            let node = Node::session(object);
            if let Some(&at) = of("/spec/endpointRef/name").and_then(|key| endpoint_at.get(&key)) {
                endpoints[at].children.push(node);
            } else if let Some(&at) =
                of("/spec/runtimeRef/name").and_then(|key| runtime_at.get(&key))
            {
                runtimes[at].children.push(node);
            } else {
                loose.push(node);
            }
        }
        for (object, node) in self.endpoints.iter().zip(endpoints) {
            let of = text(object, "/spec/runtimeRef/name")
                .map(|name| (node.namespace.clone(), name.to_owned()));
            match of.and_then(|key| runtime_at.get(&key)) {
                Some(&at) => runtimes[at].children.push(node),
                None => loose.push(node),
            }
        }
        let mut items = runtimes;
        items.extend(loose);
        items.sort_by(|a, b| place(a).cmp(&place(b)));
        for item in &mut items {
            item.children.sort_by(|a, b| place(a).cmp(&place(b)));
            for child in &mut item.children {
                child.children.sort_by(|a, b| place(a).cmp(&place(b)));
            }
        }
        Forest { items }
    }
}

fn place(node: &Node) -> (&str, Kind, &str) {
    (&node.namespace, node.kind, &node.name)
}

fn index(nodes: &[Node]) -> HashMap<(String, String), usize> {
    nodes
        .iter()
        .enumerate()
        .map(|(at, node)| ((node.namespace.clone(), node.name.clone()), at))
        .collect()
}

impl Forest {
    /// Only these objects, each with what belongs to it. The first name that is not there is answered.
    pub fn only(self, wanted: &[Reference]) -> Result<Self, Reference> {
        if wanted.is_empty() {
            return Ok(self);
        }
        let mut items = Vec::new();
        for reference in wanted {
            let found = self.items.iter().find_map(|item| take(item, reference));
            items.push(found.ok_or_else(|| reference.clone())?);
        }
        Ok(Self { items })
    }

    /// Every object that there is.
    pub fn references(&self) -> Vec<Reference> {
        let all = self.items.iter().flat_map(Node::all);
        all.map(Node::reference).collect()
    }
}

fn take(node: &Node, reference: &Reference) -> Option<Node> {
    if node.kind == reference.kind && node.name == reference.name {
        return Some(node.clone());
    }
    node.children
        .iter()
        .find_map(|child| take(child, reference))
}
