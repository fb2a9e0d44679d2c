//! Which agents there are and where they are: from one watch, never from a call for each request.

mod drive;
mod readiness;
mod serving;
mod session;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use agentcore_api::names::drain_request;
use agentcore_api::report::edition;
use agentcore_api::runtime::ServerProtocol;
use agentcore_api::values::ClusterNames;
use agentcore_api::{AgentEndpoint, AgentRuntime, reasons};
use agentcore_invoke::{SessionId, Target};
use axum::http::HeaderName;
use futures::future::{BoxFuture, select_all};
use kube::runtime::reflector::ObjectRef;
use kube::{Client, Resource};
use parking_lot::RwLock;
use tokio::sync::{Notify, watch};

pub use super::identity::Kind;
use super::sessions::policy::Policy;
use agentcore_cluster::kept::Kept;
use agentcore_cluster::room::Room;
use agentcore_cluster::store::{Cache, Watch};
use drive::drive;
pub use readiness::{NotReady, Unresolved};
use readiness::{not_seen, readiness};
use serving::{Owned, make};

/// Longest wait for the first list before the log says so.
const FIRST_LIST: Duration = Duration::from_secs(30);

/// What a request needs to know of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Kind of the object.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its UID.
    pub uid: String,
    /// Where calls go.
    pub target: Target,
    /// The session that all calls go to, where it is a declared one.
    pub session: Option<SessionId>,
    /// Version that serves.
    pub version: Option<String>,
    /// That version, told apart from itself before the last drain request: sessions of another edition are stale.
    pub edition: Option<Arc<str>>,
    /// How long AgentCore lets one of its sessions rest.
    pub idle_timeout: Duration,
    /// How long AgentCore lets one of its sessions live.
    pub max_lifetime: Duration,
    /// Protocol that the agent speaks.
    pub protocol: ServerProtocol,
    /// Whether AgentCore wants the caller's JSON web token instead of SigV4.
    pub jwt: bool,
    /// Request headers that reach the agent, besides those of AgentCore itself.
    pub allowlist: Vec<HeaderName>,
    /// What becomes of its stale sessions.
    pub sessions: Policy,
    /// Whether the newest wish is live. An agent that is not Ready may serve an older version.
    pub ready: Result<(), NotReady>,
}

impl Agent {
    /// The same after this drain request.
    fn drained(self, request: Option<&str>) -> Self {
        let version = self.version.as_deref();
        Self {
            edition: version.map(|version| edition(version, request).into()),
            ..self
        }
    }
}

/// All agents of the watched namespaces.
pub struct Agents {
    /// By namespace; the one of all namespaces is under `""`.
    shards: BTreeMap<String, Shard>,
    /// Told when anything changed.
    pub changed: Arc<Notify>,
}

/// One watch of each kind.
struct Shard {
    runtimes: Cache<AgentRuntime>,
    endpoints: Cache<AgentEndpoint>,
    declared: session::Declared,
    filled: [watch::Receiver<bool>; 2],
    made_runtimes: Arc<Made<AgentRuntime>>,
    made_endpoints: Arc<Made<AgentEndpoint>>,
    names: Arc<ClusterNames>,
}

impl Agents {
    /// The agents of these namespaces (none named: of all), and the future that keeps them up to date. It ends only when a watch
    /// does, which a watch never does by itself. `cluster`: what names of runtimes are derived from; what has another name is not called.
    pub fn watch(
        client: &Client,
        namespaces: &[String],
        cluster: ClusterNames,
    ) -> (Self, BoxFuture<'static, ()>) {
        let cluster = Arc::new(cluster);
        let mut names: Vec<_> = namespaces.iter().filter(|name| !name.is_empty()).collect();
        let all = String::new();
        if names.is_empty() {
            names.push(&all);
        }
        let changed = Arc::<Notify>::default();
        let room = Room::usual();
        let mut drives = Vec::new();
        let mut shards = BTreeMap::new();
        for name in names {
            shards.entry(name.clone()).or_insert_with(|| {
                let (runtimes, endpoints) = (Watch::new(&room), Watch::new(&room));
                let (declared, running) = session::Declared::watch(client, &room, name, &changed);
                drives.push(running);
                let shard = Shard::new(&runtimes, &endpoints, declared, cluster.clone());
                drives.push(drive(
                    runtimes,
                    client,
                    name,
                    &shard.made_runtimes,
                    &changed,
                ));
                drives.push(drive(
                    endpoints,
                    client,
                    name,
                    &shard.made_endpoints,
                    &changed,
                ));
                shard
            });
        }
        let running = Box::pin(async move {
            select_all(drives).await;
        });
        (Self { shards, changed }, running)
    }

    /// Waits until everything has been listed once: before that, what is not found may exist all the same.
    pub async fn filled(&self) {
        for mut filled in self.shards.values().flat_map(|shard| shard.filled.clone()) {
            while tokio::time::timeout(FIRST_LIST, filled.wait_for(|filled| *filled))
                .await
                .is_err()
            {
                tracing::warn!(
                    "no first list of AgentRuntimes and AgentEndpoints yet: are the CRDs and the RBAC in place?"
                );
            }
        }
    }

    /// The agent of this name.
    ///
    /// # Errors
    /// [`Unresolved`]: nothing of this name, or nothing that serves yet.
    pub fn resolve(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<Agent>, Unresolved> {
        let shard = self.shard(namespace).ok_or(Unresolved::NotFound)?;
        match kind {
            Kind::AgentRuntime => shard.runtime(namespace, name),
            Kind::AgentEndpoint => shard.endpoint(namespace, name),
            Kind::AgentSession => shard.session(namespace, name),
        }
    }

    /// Whether there is an object of this name, whatever serves behind it.
    pub fn has(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.resolve(kind, namespace, name) != Err(Unresolved::NotFound)
    }

    fn shard(&self, namespace: &str) -> Option<&Shard> {
        self.shards.get("").or_else(|| self.shards.get(namespace))
    }
}

/// The object of a name, if there is one and it is kept.
fn found<K: Kept>(cache: &Cache<K>, reference: &ObjectRef<K>) -> Result<Option<Arc<K>>, NotReady> {
    if let Some(object) = cache.get(reference) {
        return Ok(Some(object));
    }
    let namespace = reference.namespace.as_deref().unwrap_or_default();
    match cache.held().out(namespace, &reference.name) {
        None => Ok(None),
        Some(why) => Err(NotReady {
            reason: why.reason().to_owned(),
            message: why.to_string(),
        }),
    }
}

impl Shard {
    fn new(
        runtimes: &Watch<AgentRuntime>,
        endpoints: &Watch<AgentEndpoint>,
        declared: session::Declared,
        names: Arc<ClusterNames>,
    ) -> Self {
        Self {
            names,
            runtimes: runtimes.store.clone(),
            endpoints: endpoints.store.clone(),
            declared,
            filled: [runtimes.filled(), endpoints.filled()],
            made_runtimes: Arc::default(),
            made_endpoints: Arc::default(),
        }
    }

    fn runtime(&self, namespace: &str, name: &str) -> Result<Arc<Agent>, Unresolved> {
        let reference = ObjectRef::new(name).within(namespace);
        let object = found(&self.runtimes, &reference)?.ok_or(Unresolved::NotFound)?;
        self.made_runtimes.agent(reference, &object, &object, || {
            of_runtime(&object, &self.names)
        })
    }

    fn endpoint(&self, namespace: &str, name: &str) -> Result<Arc<Agent>, Unresolved> {
        let reference = ObjectRef::new(name).within(namespace);
        let object = found(&self.endpoints, &reference)?.ok_or(Unresolved::NotFound)?;
        let runtime_name = &object.spec.runtime_ref.name;
        let runtime = found(
            &self.runtimes,
            &ObjectRef::new(runtime_name).within(namespace),
        )?
        .ok_or_else(|| NotReady {
            reason: reasons::RUNTIME_NOT_FOUND.to_owned(),
            message: format!("AgentRuntime {runtime_name} is not there"),
        })?;
        self.made_endpoints.agent(reference, &object, &runtime, || {
            of_endpoint(&object, &runtime, &self.names)
        })
    }
}

/// Agents as they were made from objects, until one of those changes.
struct Made<K: Resource<DynamicType = ()>>(RwLock<HashMap<ObjectRef<K>, Entry<K>>>);

/// The weak references tell whether the cache still has the objects that the agent was made from: as long as they exist, no other
/// object has the same address.
struct Entry<K> {
    object: Weak<K>,
    runtime: Weak<AgentRuntime>,
    agent: Result<Arc<Agent>, NotReady>,
}

impl<K: Resource<DynamicType = ()>> Default for Made<K> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Resource<DynamicType = ()>> Made<K> {
    fn agent(
        &self,
        reference: ObjectRef<K>,
        object: &Arc<K>,
        runtime: &Arc<AgentRuntime>,
        build: impl FnOnce() -> Result<Agent, NotReady>,
    ) -> Result<Arc<Agent>, Unresolved> {
        if let Some(entry) = self.0.read().get(&reference)
            && std::ptr::eq(entry.object.as_ptr(), Arc::as_ptr(object))
            && std::ptr::eq(entry.runtime.as_ptr(), Arc::as_ptr(runtime))
        {
            return entry.agent.clone().map_err(Into::into);
        }
        let entry = Entry {
            object: Arc::downgrade(object),
            runtime: Arc::downgrade(runtime),
            agent: build().map(Arc::new),
        };
        let agent = entry.agent.clone();
        let mut made = self.0.write();
        // What went away while the watch was interrupted is not told; it goes when the map would grow.
        if made.len() == made.capacity() {
            made.retain(|_, entry| entry.object.strong_count() > 0);
        }
        made.insert(reference, entry);
        agent.map_err(Into::into)
    }

    fn forget(&self, object: &K) {
        self.0.write().remove(&ObjectRef::from_obj(object));
    }
}

fn of_runtime(object: &AgentRuntime, names: &ClusterNames) -> Result<Agent, NotReady> {
    let status = object.status.clone().unwrap_or_default();
    let drained = drain_request(object, status.last_handled_drain.as_deref());
    let place = status.arn.map(|arn| (arn, None));
    let version = status.default_endpoint.and_then(|there| there.live_version);
    let owned = Owned::new(object, names);
    make(
        Kind::AgentRuntime,
        object,
        &owned,
        place,
        version,
        &status.conditions,
        object.spec.sessions.as_ref(),
    )
    .map(|agent| agent.drained(drained))
}

fn of_endpoint(
    object: &AgentEndpoint,
    runtime: &AgentRuntime,
    names: &ClusterNames,
) -> Result<Agent, NotReady> {
    let status = object.status.clone().unwrap_or_default();
    // Both are written when the endpoint is made; the ARN of the endpoint says that it was.
    let place = status.arn.and(status.runtime_arn).zip(status.name);
    let place = place.map(|(arn, name)| (arn, Some(name)));
    let drained = drain_request(object, status.last_handled_drain.as_deref());
    let owned = Owned::new(runtime, names);
    make(
        Kind::AgentEndpoint,
        object,
        &owned,
        place,
        status.live_version,
        &status.conditions,
        object.spec.sessions.as_ref(),
    )
    .map(|agent| agent.drained(drained))
}

#[cfg(test)]
#[path = "agents_tests.rs"]
mod tests;
