//! Objects, their history, and a driver that does what the planner says: the same loop as the controllers, with crashes.

pub mod config;
mod endpoint;
pub mod registry;
mod runtime;
mod time;

use std::collections::{BTreeMap, BTreeSet};

use agentcore_api::endpoint::AgentEndpointSpec;
use agentcore_api::runtime::{
    AgentRuntimeSpec, Artifact, Container, ExecutionRole, Network, NetworkMode,
};
use agentcore_api::{AgentEndpoint, AgentRuntime, LocalReference};
use agentcore_plan::aws::ListedRuntime;
use agentcore_plan::fault::Fault;
use agentcore_plan::grant::Granted;
use agentcore_plan::policy::Policy;
use agentcore_plan::runtime as rt;
use agentcore_plan::step::{Event, Rest};
use jiff::{SignedDuration, Timestamp};

use super::{ACCOUNT, Aws, Switches};

/// UID of the world's cluster.
pub const CLUSTER_UID: &str = "cluster-uid-1";

/// Where a pass ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Before the status that goes ahead of an action.
    BeforeStatus,
    /// After that status, before the call.
    BeforeCall,
    /// After the call, before its answer is written down.
    AfterCall,
}

/// How a pass is disturbed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disturb {
    pub crash: Option<Crash>,
    pub stale: bool,
    /// The replica leads no more: its calls are not made, and end no pass.
    pub fenced: bool,
}

impl Disturb {
    /// Whether the pass ends here.
    fn ends(self, at: Crash) -> bool {
        self.crash == Some(at) || self.fenced && at == Crash::BeforeCall
    }
}

/// What a process knows of an object by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    pub faults: u32,
    pub next: Option<Timestamp>,
    pub polling: bool,
    pub mutated: Option<Timestamp>,
}

/// One object and the copies that a lagging cache may still show.
#[derive(Clone, Debug)]
pub struct Stored<K> {
    pub now: K,
    pub before: Option<K>,
    pub faults: u32,
    pub next: Option<Timestamp>,
    pub polling: bool,
    pub dirty: bool,
    /// Beginning of the earliest list that may be shown: the last mutation's answer.
    pub mutated: Option<Timestamp>,
}

impl<K: Clone> Stored<K> {
    pub fn new(object: K) -> Self {
        Self {
            now: object,
            before: None,
            faults: 0,
            next: None,
            polling: false,
            dirty: true,
            mutated: None,
        }
    }

    /// Another process goes on with what it knows; what this one knew is answered.
    pub fn know(&mut self, known: Known) -> Known {
        let before = Known {
            faults: self.faults,
            next: self.next,
            polling: self.polling,
            mutated: self.mutated,
        };
        let Known {
            faults,
            next,
            polling,
            mutated,
        } = known;
        (self.faults, self.next) = (faults, next);
        (self.polling, self.mutated) = (polling, mutated);
        before
    }

    pub(super) fn write(&mut self, change: impl FnOnce(&mut K)) {
        self.before = Some(self.now.clone());
        change(&mut self.now);
    }

    fn seen(&self, stale: bool) -> K {
        if stale {
            self.before.clone().unwrap_or_else(|| self.now.clone())
        } else {
            self.now.clone()
        }
    }
}

#[derive(Clone, Debug)]
pub struct World {
    pub aws: Aws,
    pub policy: Policy,
    pub runtime: Option<Stored<AgentRuntime>>,
    pub endpoint: Option<Stored<AgentEndpoint>>,
    pub inventory: Option<(Timestamp, Vec<ListedRuntime>)>,
    pub events: Vec<Event>,
    pub lagging: bool,
    pub uid: u32,
    pub trace: Vec<String>,
    /// The value in the Secret that the spec may refer to.
    pub secret: Secret,
    /// Versions with known sessions.
    pub sessions: BTreeSet<String>,
    /// Every byte of the operator's key.
    pub hash_key: u8,
    pub revisions: BTreeMap<String, rt::Revision>,
    pub registry: registry::Registry,
    /// What the namespace may use.
    pub granted: Granted,
    /// Namespace and name of other AgentRuntimes of the cluster.
    pub living: BTreeSet<(String, String)>,
}

/// A Secret as the operator finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    Missing,
    Forbidden,
    Unavailable,
    Value(u8),
}

pub fn runtime_object(uid: u32) -> AgentRuntime {
    let spec = AgentRuntimeSpec {
        runtime_name: Some("support".into()),
        description: Some("one".into()),
        artifact: Artifact {
            container: Some(Container {
                image: "public.ecr.aws/a/support:1".into(),
                follow: None,
            }),
            code: None,
        },
        execution_role: ExecutionRole {
            arn: format!("arn:aws:iam::{ACCOUNT}:role/agentcore/team-a/support"),
        },
        network: Some(Network {
            mode: NetworkMode::Public,
            vpc: None,
        }),
        protocol: None,
        lifecycle: None,
        env: None,
        env_from: None,
        authorizer: None,
        request_headers: None,
        resource_policy: None,
        filesystems: None,
        metadata_service: None,
        platform_version: None,
        allowed_ports: None,
        capacity_provider: None,
        hooks: None,
        resources: None,
        unknown_settings: None,
        tags: None,
        region: None,
        deletion_policy: None,
        adopt: None,
        sessions: None,
        revision_history_limit: None,
        suspend: None,
    };
    let mut object = AgentRuntime::new("support", spec);
    object.metadata.namespace = Some("team-a".into());
    object.metadata.uid = Some(format!("uid-{uid}"));
    object.metadata.generation = Some(1);
    object
}

pub fn endpoint_object(uid: u32) -> AgentEndpoint {
    let spec = AgentEndpointSpec {
        runtime_ref: LocalReference {
            name: "support".into(),
        },
        endpoint_name: Some("live".into()),
        version: "Latest".into(),
        description: Some("one".into()),
        tags: None,
        deletion_policy: None,
        sessions: None,
        unknown_settings: None,
        suspend: None,
    };
    let mut object = AgentEndpoint::new("live", spec);
    object.metadata.namespace = Some("team-a".into());
    object.metadata.uid = Some(format!("euid-{uid}"));
    object.metadata.generation = Some(1);
    object
}

impl World {
    pub fn new(switches: Switches) -> Self {
        Self {
            aws: Aws::new(switches),
            policy: Policy {
                cluster_id: "c1".into(),
                cluster_uid: CLUSTER_UID.into(),
                account: ACCOUNT.into(),
                partition: "aws".into(),
                region: "us-east-1".into(),
                ..Policy::default()
            },
            runtime: None,
            endpoint: None,
            inventory: None,
            events: Vec::new(),
            lagging: false,
            uid: 0,
            trace: Vec::new(),
            secret: Secret::Value(0),
            sessions: BTreeSet::new(),
            hash_key: 7,
            revisions: BTreeMap::new(),
            registry: registry::Registry::default(),
            granted: Granted::everything(),
            living: BTreeSet::new(),
        }
    }

    /// From now on the namespace has what the built-in grant gives.
    pub fn grant_the_built_in(&mut self) {
        let labels = BTreeMap::new();
        self.granted = Granted::of("team-a", &labels, [], &self.policy);
    }

    pub fn with_runtime(change: impl FnOnce(&mut AgentRuntime)) -> Self {
        let mut world = Self::new(Switches::default());
        let mut object = runtime_object(0);
        change(&mut object);
        world.runtime = Some(Stored::new(object));
        world
    }

    pub fn status(&self) -> agentcore_api::AgentRuntimeStatus {
        self.runtime
            .as_ref()
            .and_then(|stored| stored.now.status.clone())
            .unwrap_or_default()
    }

    pub fn endpoint_status(&self) -> agentcore_api::AgentEndpointStatus {
        self.endpoint
            .as_ref()
            .and_then(|stored| stored.now.status.clone())
            .unwrap_or_default()
    }

    /// Edits the runtime's spec, as a person does.
    pub fn edit(&mut self, change: impl FnOnce(&mut AgentRuntimeSpec)) {
        if let Some(stored) = &mut self.runtime {
            stored.dirty = true;
            stored.write(|object| {
                change(&mut object.spec);
                object.metadata.generation = object.metadata.generation.map(|it| it + 1);
            });
        }
    }

    pub fn edit_endpoint(&mut self, change: impl FnOnce(&mut AgentEndpointSpec)) {
        if let Some(stored) = &mut self.endpoint {
            stored.dirty = true;
            stored.write(|object| {
                change(&mut object.spec);
                object.metadata.generation = object.metadata.generation.map(|it| it + 1);
            });
        }
    }

    pub fn annotate(&mut self, key: &str, value: &str) {
        if let Some(stored) = &mut self.runtime {
            stored.dirty = true;
            stored.write(|object| {
                object
                    .metadata
                    .annotations
                    .get_or_insert_default()
                    .insert(key.into(), value.into());
            });
        }
    }

    pub fn annotate_endpoint(&mut self, key: &str, value: &str) {
        if let Some(stored) = &mut self.endpoint {
            stored.dirty = true;
            stored.write(|object| {
                object
                    .metadata
                    .annotations
                    .get_or_insert_default()
                    .insert(key.into(), value.into());
            });
        }
    }

    pub fn delete_runtime(&mut self) {
        let now = self.aws.now;
        if let Some(stored) = &mut self.runtime {
            stored.dirty = true;
            if stored
                .now
                .metadata
                .finalizers
                .as_deref()
                .unwrap_or_default()
                .is_empty()
            {
                self.runtime = None;
            } else if stored.now.metadata.deletion_timestamp.is_none() {
                stored.write(|object| object.metadata.deletion_timestamp = Some(k8s(now)));
            }
        }
    }

    pub fn delete_endpoint(&mut self) {
        let now = self.aws.now;
        if let Some(stored) = &mut self.endpoint {
            stored.dirty = true;
            if stored
                .now
                .metadata
                .finalizers
                .as_deref()
                .unwrap_or_default()
                .is_empty()
            {
                self.endpoint = None;
            } else if stored.now.metadata.deletion_timestamp.is_none() {
                stored.write(|object| object.metadata.deletion_timestamp = Some(k8s(now)));
            }
        }
    }

    /// The inventory's poller lists once.
    pub fn poll_list(&mut self) {
        let (as_of, lagging) = (self.aws.now, self.lagging);
        if let Ok(list) = self.aws.list(lagging) {
            if self
                .inventory
                .as_ref()
                .is_none_or(|(_, before)| *before != list)
                && let Some(stored) = &mut self.runtime
            {
                stored.dirty = true;
            }
            self.inventory = Some((as_of, list));
        }
    }

    fn listed(&self, object: &AgentRuntime, mutated: Option<Timestamp>) -> rt::Facts {
        match &self.inventory {
            Some((as_of, list)) if mutated.is_none_or(|at| *as_of > at) => {
                look_up(object, &self.policy, list, *as_of)
            }
            _ => rt::Facts::default(),
        }
    }
}

fn due_at<K>(stored: &Stored<K>, now: Timestamp) -> Option<Timestamp> {
    if stored.dirty {
        Some(now + SignedDuration::from_secs(1))
    } else {
        stored.next
    }
}

fn schedule<K>(stored: &mut Stored<K>, rest: Rest, now: Timestamp) {
    stored.polling = matches!(rest, Rest::Transition { .. });
    stored.faults = if matches!(rest, Rest::Backoff(_)) {
        stored.faults + 1
    } else {
        0
    };
    stored.next = match rest {
        Rest::Settled | Rest::Forget => None,
        Rest::Transition { .. } => Some(now + SignedDuration::from_secs(3)),
        Rest::After(wait) | Rest::Backoff(wait) => {
            Some(now + SignedDuration::try_from(wait).expect("short"))
        }
    };
}

fn conflict() -> Fault {
    super::fault(
        agentcore_plan::fault::Class::Conflict,
        "the object has changed",
    )
}

fn k8s(at: Timestamp) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::Time {
    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at)
}

/// The entries of a list that are about this object.
fn look_up(
    object: &AgentRuntime,
    policy: &Policy,
    list: &[ListedRuntime],
    as_of: Timestamp,
) -> rt::Facts {
    let id = object.status.as_ref().and_then(|status| status.id.clone());
    let by_name = |name: &String| list.iter().find(|entry| entry.name == *name);
    let names = rt::names(object, policy);
    let found = match &id {
        Some(id) => list.iter().find(|entry| entry.id == *id),
        None => by_name(&names[0]),
    };
    let listed = match found {
        Some(entry) => rt::Listed::Present {
            entry: entry.clone(),
            as_of,
        },
        None => rt::Listed::Absent { as_of },
    };
    let former = names[1..].iter().filter(|_| id.is_none());
    rt::Facts {
        listed,
        listed_under_former_names: former.filter_map(by_name).cloned().collect(),
        ..rt::Facts::default()
    }
}
