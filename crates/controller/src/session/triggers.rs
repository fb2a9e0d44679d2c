//! The watch and the controller of AgentSessions in one watched namespace, and what wakes an object: a change of the AgentEndpoint
//! or the AgentRuntime that it runs behind.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;

use agentcore_api::session::AgentSessionStatus;
use agentcore_api::{AgentEndpoint, AgentRuntime, AgentSession};
use futures::StreamExt;
use kube::runtime::Controller;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{on_error, reconcile};
use crate::context::Context;
use crate::left_alone;
use crate::shard::{Shard, tell};
use agentcore_cluster::readable::Raw;
use agentcore_cluster::store::{Cache, Watch};

/// The AgentSessions of one watched namespace.
pub struct Declared {
    pub store: Cache<AgentSession>,
    wake: UnboundedSender<ObjectRef<AgentSession>>,
    filled: watch::Receiver<bool>,
}

type Reference = ObjectRef<AgentSession>;

impl Declared {
    /// Those of this watch, and the wakes for their controller.
    pub fn new(watch: &Watch<AgentSession>) -> (Self, UnboundedReceiver<Reference>) {
        let (wake, wakes) = mpsc::unbounded_channel();
        let store = watch.store.clone();
        let filled = watch.filled();
        let declared = Self {
            store,
            wake,
            filled,
        };
        (declared, wakes)
    }

    /// Marks those that meet a condition as woken.
    fn mark(
        &self,
        context: &Context,
        namespace: &str,
        concerns: impl Fn(&AgentSession) -> bool,
    ) -> Vec<Reference> {
        let objects = self.store.state().into_iter();
        let found = objects
            .filter(|one| one.namespace().as_deref() == Some(namespace) && concerns(one))
            .map(|one| ObjectRef::from_obj(&*one));
        let found: Vec<_> = found.collect();
        for reference in &found {
            context
                .sessions
                .mark(namespace, &reference.name, |memory| memory.woken = true);
        }
        found
    }

    fn of_endpoint(&self, context: &Context, namespace: &str, name: &str) -> Vec<Reference> {
        self.mark(context, namespace, |one| {
            one.spec
                .endpoint_ref
                .as_ref()
                .is_some_and(|reference| reference.name == name)
        })
    }

    fn of_runtime(&self, shard: &Shard, namespace: &str, name: &str) -> Vec<Reference> {
        self.mark(&shard.context, namespace, |one| {
            let direct = one.spec.runtime_ref.as_ref();
            let endpoint = one.spec.endpoint_ref.as_ref().and_then(|reference| {
                shard
                    .endpoints
                    .get(&ObjectRef::new(&reference.name).within(namespace))
            });
            let of_endpoint = endpoint.as_ref().map(|one| &one.spec.runtime_ref);
            direct
                .or(of_endpoint)
                .is_some_and(|runtime| runtime.name == name)
        })
    }

    /// Whether all are known. A cluster without this kind has runtimes and endpoints all the same.
    pub fn listed(&self) -> bool {
        *self.filled.borrow()
    }

    /// Versions that declared sessions of this runtime run, the next and the last ones included.
    pub fn versions_of(&self, runtime_arn: &str) -> BTreeSet<String> {
        let objects = self.store.state();
        let all = objects.iter().filter_map(|one| one.status.as_ref());
        all.flat_map(AgentSessionStatus::in_use)
            .filter(|(arn, _)| *arn == runtime_arn)
            .map(|(_, version)| version.to_owned())
            .collect()
    }

    /// Asks for a pass over each of a namespace.
    pub fn wake_all(&self, context: &Context, namespace: &str) {
        self.send(self.mark(context, namespace, |_| true));
    }

    /// An AgentEndpoint went away: asks for a pass over each that runs behind it.
    pub fn wake_of_endpoint(&self, context: &Context, namespace: &str, name: &str) {
        self.send(self.of_endpoint(context, namespace, name));
    }

    /// An AgentRuntime went away: asks for a pass over each that runs in it.
    pub fn wake_of_runtime(&self, shard: &Shard, namespace: &str, name: &str) {
        self.send(self.of_runtime(shard, namespace, name));
    }

    fn send(&self, references: Vec<Reference>) {
        for reference in references {
            // A closed channel means that the controller has ended: nothing is left to wake.
            let _ = self.wake.send(reference);
        }
    }
}

/// The watches that a session's controller listens to.
type Watches<'a> = (
    &'a Watch<AgentSession>,
    &'a Watch<AgentRuntime>,
    &'a Watch<AgentEndpoint>,
);

/// The controller, which ends with `stop`.
pub fn controller(
    shard: &Arc<Shard>,
    (sessions, runtimes, endpoints): Watches<'_>,
    wakes: UnboundedReceiver<Reference>,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + Send + 'static {
    let (by_runtime, by_endpoint) = (shard.clone(), shard.clone());
    Controller::for_shared_stream(sessions.subscribe(), sessions.store.store())
        .watches_shared_stream(runtimes.subscribe(), move |runtime: Arc<AgentRuntime>| {
            let namespace = runtime.namespace().unwrap_or_default();
            let declared = &by_runtime.sessions;
            declared.of_runtime(&by_runtime, &namespace, &runtime.name_any())
        })
        .watches_shared_stream(
            endpoints.subscribe(),
            move |endpoint: Arc<AgentEndpoint>| {
                let namespace = endpoint.namespace().unwrap_or_default();
                let declared = &by_endpoint.sessions;
                declared.of_endpoint(&by_endpoint.context, &namespace, &endpoint.name_any())
            },
        )
        .reconcile_on(UnboundedReceiverStream::new(wakes))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, on_error, shard.clone())
        .for_each(|_| ready(()))
}

/// Keeps the watch running.
pub fn drive(
    shard: &Arc<Shard>,
    watch: Watch<AgentSession>,
    api: Api<Raw<AgentSession>>,
) -> impl Future<Output = ()> + Send + 'static {
    let context = shard.context.clone();
    let said = left_alone::run::<AgentSession>;
    let (tell, left) = tell(move |object: &AgentSession| context.sessions.forget(object));
    let context = shard.context.clone();
    async move {
        tokio::join!(
            watch.drive(api, tell).for_each(|()| ready(())),
            said(context, left)
        );
    }
}
