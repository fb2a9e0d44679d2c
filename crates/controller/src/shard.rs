//! One watched namespace (or all of them): two watches, two controllers, and what wakes them.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use agentcore_api::names::FINALIZER;
use agentcore_api::{AgentEndpoint, AgentRuntime, AgentSession, Kind};
use futures::StreamExt;
use futures::future::{join_all, select_all};
use kube::runtime::Controller;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, ResourceExt};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::context::Context;
use super::left_alone::{self, Tell};
use super::{config, dispatch, endpoint, grants, regions, runtime, session, sweep};
use agentcore_cluster::readable::Head;
use agentcore_cluster::revisions::Revisions;
use agentcore_cluster::room::{BYTES, Room};
use agentcore_cluster::store::{Cache, LeftAlone, Watch};

/// Longest wait for the first list before the log says so.
const FIRST_LIST: Duration = Duration::from_secs(30);

/// What the passes of one watched namespace share.
pub struct Shard {
    /// What all shards share.
    pub context: Arc<Context>,
    /// AgentRuntimes of the namespace.
    pub runtimes: Cache<AgentRuntime>,
    /// AgentEndpoints of the namespace.
    pub endpoints: Cache<AgentEndpoint>,
    /// AgentSessions of the namespace.
    pub sessions: session::Declared,
    /// History of the AgentRuntimes.
    pub revisions: Revisions,
    filled: [watch::Receiver<bool>; 2],
    wake_runtime: mpsc::UnboundedSender<ObjectRef<AgentRuntime>>,
    wake_endpoint: mpsc::UnboundedSender<ObjectRef<AgentEndpoint>>,
}

impl Shard {
    /// Waits until both kinds of what is in AgentCore have been listed once: before that, what is not in a cache may exist all the same.
    pub async fn filled(&self) {
        for mut filled in self.filled.clone() {
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

    /// Whether every object of a namespace that may use a version can be read.
    pub fn users_are_known(&self, namespace: &str) -> bool {
        self.sessions.listed()
            && !self.sessions.store.held().any_out(namespace)
            && !self.endpoints.held().any_out(namespace)
    }

    /// Asks for a pass over an AgentRuntime.
    pub fn wake_runtime(&self, namespace: &str, name: &str) {
        self.context
            .runtimes
            .mark(namespace, name, |memory| memory.woken = true);
        // A closed channel means that the controller has ended: nothing is left to wake.
        let _ = self
            .wake_runtime
            .send(ObjectRef::new(name).within(namespace));
    }

    /// Asks for a pass over an AgentRuntime that may be this shard's, with a read of the runtime itself when `poll`.
    pub fn wake_by_key(&self, namespace: &str, name: &str, poll: bool) {
        if self
            .runtimes
            .get(&ObjectRef::new(name).within(namespace))
            .is_none()
        {
            return;
        }
        if poll {
            self.context.runtimes.mark(namespace, name, |memory| {
                memory.poll_at = Some(jiff::Timestamp::now());
            });
        }
        self.wake_runtime(namespace, name);
    }

    /// Asks for a pass over an AgentEndpoint.
    pub fn wake_endpoint(&self, namespace: &str, name: &str) {
        self.context
            .endpoints
            .mark(namespace, name, |memory| memory.woken = true);
        let _ = self
            .wake_endpoint
            .send(ObjectRef::new(name).within(namespace));
    }

    /// Asks for a pass over an object that is reported on, if it is this shard's.
    pub fn wake_reported(&self, kind: &str, namespace: &str, name: &str) {
        let (runtime, endpoint) = (ObjectRef::new(name), ObjectRef::new(name));
        if kind == Kind::AgentRuntime.as_str()
            && self.runtimes.get(&runtime.within(namespace)).is_some()
        {
            self.wake_runtime(namespace, name);
        }
        if kind == Kind::AgentEndpoint.as_str()
            && self.endpoints.get(&endpoint.within(namespace)).is_some()
        {
            self.wake_endpoint(namespace, name);
        }
    }

    /// The AgentEndpoints that refer to a runtime, marked as woken.
    fn mark_referrers(&self, namespace: &str, runtime: &str) -> Vec<ObjectRef<AgentEndpoint>> {
        let refers = |endpoint: &Arc<AgentEndpoint>| {
            endpoint.namespace().as_deref() == Some(namespace)
                && endpoint.spec.runtime_ref.name == runtime
        };
        let endpoints = self.endpoints.state().into_iter().filter(refers);
        let references: Vec<_> = endpoints
            .map(|endpoint| ObjectRef::from_obj(&*endpoint))
            .collect();
        for reference in &references {
            self.context
                .endpoints
                .mark(namespace, &reference.name, |memory| memory.woken = true);
        }
        references
    }

    /// Asks for a pass over each AgentEndpoint that refers to a runtime.
    pub fn wake_referrers(&self, namespace: &str, runtime: &str) {
        for reference in self.mark_referrers(namespace, runtime) {
            let _ = self.wake_endpoint.send(reference);
        }
    }

    /// The API of a kind in an object's namespace, for writes of which only the metadata is read.
    pub fn api<K>(&self, object: &K) -> Api<Head<K>>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(
            self.context.kube.clone(),
            &object.namespace().unwrap_or_default(),
        )
    }
}

/// Runs every shard until `stop`; ends with an error if one ends before.
pub async fn run_all(context: Arc<Context>, stop: CancellationToken) -> anyhow::Result<()> {
    let names: BTreeSet<_> = context
        .namespaces
        .iter()
        .filter(|name| !name.is_empty())
        .cloned()
        .collect();
    let namespaces: Vec<_> = if names.is_empty() {
        vec![None]
    } else {
        names.into_iter().map(Some).collect()
    };
    let room = {
        let context = context.clone();
        Room::new(move |namespace| context.grants.of(namespace).limits.bytes.unwrap_or(BYTES))
    };
    let (shards, controllers): (Vec<_>, Vec<_>) = namespaces
        .iter()
        .map(|namespace| build(&context, &room, namespace.as_deref(), &stop))
        .unzip();
    let woken = context.regions.triggered();
    let helpers = async {
        tokio::join!(
            async {
                if let Some(woken) = woken {
                    // A task of its own: its looks at all objects hold no pass up.
                    let task = tokio::spawn(dispatch::run(shards.clone(), woken));
                    if let Err(error) = AbortOnDropHandle::new(task).await {
                        std::panic::resume_unwind(error.into_panic());
                    }
                }
            },
            sweep::run(&shards),
            regions::keep(&shards),
            async {
                if let Some(changes) = context.configs.changes() {
                    config::dispatch(&shards, changes).await;
                }
            },
            context.reports.run(&shards),
            context.grants.run(&context.kube),
            context.retained.run(&shards),
            async {
                if let Some(changes) = context.grants.changes() {
                    grants::dispatch(&shards, changes).await;
                }
            },
        );
    };
    tokio::select! {
        _ = join_all(controllers) => {}
        () = helpers => {}
    }
    if stop.is_cancelled() {
        Ok(())
    } else {
        Err(anyhow::anyhow!("the controllers ended by themselves"))
    }
}

type Running = futures::future::BoxFuture<'static, ()>;

/// Builds the watches and controllers of one namespace.
fn build(
    context: &Arc<Context>,
    room: &Arc<Room>,
    namespace: Option<&str>,
    stop: &CancellationToken,
) -> (Arc<Shard>, Running) {
    let runtimes = Watch::<AgentRuntime>::new(room);
    let endpoints = Watch::<AgentEndpoint>::new(room);
    let sessions = Watch::<AgentSession>::new(room);
    let (declared, session_wakes) = session::Declared::new(&sessions);
    let (wake_runtime, runtime_wakes) = mpsc::unbounded_channel();
    let (wake_endpoint, endpoint_wakes) = mpsc::unbounded_channel();
    let shard = Arc::new(Shard {
        context: context.clone(),
        runtimes: runtimes.store.clone(),
        endpoints: endpoints.store.clone(),
        sessions: declared,
        revisions: Revisions::default(),
        filled: [runtimes.filled(), endpoints.filled()],
        wake_runtime,
        wake_endpoint,
    });
    context
        .metrics
        .observe_objects(runtimes.store.clone(), endpoints.store.clone());
    context.metrics.observe_sessions(sessions.store.clone());
    let session_controller = session::controller(
        &shard,
        (&sessions, &runtimes, &endpoints),
        session_wakes,
        stop,
    );

    let (of_runtime, of_endpoint) = (shard.clone(), context.clone());
    let endpoint_controller =
        Controller::for_shared_stream(endpoints.subscribe(), endpoints.store.store())
            .watches_shared_stream(runtimes.subscribe(), move |runtime: Arc<AgentRuntime>| {
                of_runtime.mark_referrers(
                    &runtime.namespace().unwrap_or_default(),
                    &runtime.name_any(),
                )
            })
            .reconcile_on(UnboundedReceiverStream::new(endpoint_wakes))
            .graceful_shutdown_on(stop.clone().cancelled_owned())
            .run(endpoint::reconcile, endpoint::on_error, shard.clone())
            .for_each(|_| ready(()));
    let runtime_controller =
        Controller::for_shared_stream(runtimes.subscribe(), runtimes.store.store())
            .watches_shared_stream(
                endpoints.subscribe(),
                move |endpoint: Arc<AgentEndpoint>| {
                    let (namespace, name) = (
                        endpoint.namespace().unwrap_or_default(),
                        &endpoint.spec.runtime_ref.name,
                    );
                    of_endpoint
                        .runtimes
                        .mark(&namespace, name, |memory| memory.woken = true);
                    Some(ObjectRef::new(name).within(&namespace))
                },
            )
            .reconcile_on(UnboundedReceiverStream::new(runtime_wakes))
            .graceful_shutdown_on(stop.clone().cancelled_owned())
            .run(runtime::reconcile, runtime::on_error, shard.clone())
            .for_each(|_| ready(()));

    let (runtimes_of, endpoints_of) = (shard.clone(), shard.clone());
    let history_of = shard.clone();
    let history = api(&context.kube, namespace);
    let (tell_runtimes, left_runtimes) =
        tell(move |object: &AgentRuntime| gone_runtime(&runtimes_of, object));
    let (tell_endpoints, left_endpoints) =
        tell(move |object: &AgentEndpoint| gone_endpoint(&endpoints_of, object));
    let watches = select_all([
        runtimes
            .drive(api(&context.kube, namespace), tell_runtimes)
            .for_each(|()| ready(()))
            .boxed_future(),
        endpoints
            .drive(api(&context.kube, namespace), tell_endpoints)
            .for_each(|()| ready(()))
            .boxed_future(),
        left_alone::run::<AgentRuntime>(context.clone(), left_runtimes).boxed_future(),
        left_alone::run::<AgentEndpoint>(context.clone(), left_endpoints).boxed_future(),
        session::drive_watch(&shard, sessions, api(&context.kube, namespace)).boxed_future(),
        async move { history_of.revisions.watch(history).await }.boxed_future(),
    ]);
    let running = async move {
        tokio::select! {
            ((), (), ()) = async { tokio::join!(runtime_controller, endpoint_controller, session_controller) } => {}
            _ = watches => {}
        }
    };
    (shard, Box::pin(running))
}

/// What a watch tells, and where objects come out that are left alone.
pub fn tell<K, G: Fn(&K)>(gone: G) -> (Tell<G>, mpsc::UnboundedReceiver<LeftAlone>) {
    let (left_alone, left) = mpsc::unbounded_channel();
    (Tell { gone, left_alone }, left)
}

/// An AgentRuntime went away: nothing is remembered of it, and those that waited for it look again.
fn gone_runtime(shard: &Shard, object: &AgentRuntime) {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    shard.context.regions.settle(&runtime::key(object));
    shard.context.runtimes.forget(object);
    config::released(shard, &namespace);
    shard.wake_referrers(&namespace, &name);
    shard.sessions.wake_of_runtime(shard, &namespace, &name);
    for other in runtime::over_the_limit(shard, &namespace) {
        shard.wake_runtime(&namespace, &other);
    }
}

/// An AgentEndpoint went away: its runtime may have waited for that, and another endpoint for its name.
fn gone_endpoint(shard: &Shard, object: &AgentEndpoint) {
    let namespace = object.namespace().unwrap_or_default();
    shard.context.endpoints.forget(object);
    let sessions = &shard.sessions;
    sessions.wake_of_endpoint(&shard.context, &namespace, &object.name_any());
    shard.wake_runtime(&namespace, &object.spec.runtime_ref.name);
    shard.wake_referrers(&namespace, &object.spec.runtime_ref.name);
}

/// Boxes a future where a combinator wants one type.
trait BoxedFuture: Future<Output = ()> + Send + Sized + 'static {
    fn boxed_future(self) -> Running {
        Box::pin(self)
    }
}
impl<F: Future<Output = ()> + Send + 'static> BoxedFuture for F {}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Whether the object is being deleted and holds our finalizer no more: it may be gone at any moment.
pub fn released<K: kube::Resource>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
        && !object.finalizers().iter().any(|name| name == FINALIZER)
}
