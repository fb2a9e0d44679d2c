//! Declared sessions as agents: calls of an AgentSession go to the one session of AgentCore's that serves under its name.

use std::sync::Arc;

use agentcore_api::{AgentSession, reasons};
use agentcore_invoke::SessionIdError;
use futures::future::BoxFuture;
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::{Notify, watch};

use super::{
    Agent, Kind, Made, NotReady, Owned, Shard, Unresolved, drive, found, make, not_seen, readiness,
};
use agentcore_cluster::room::Room;
use agentcore_cluster::store::{Cache, Watch};

/// The AgentSessions of one watch.
pub(super) struct Declared {
    store: Cache<AgentSession>,
    filled: watch::Receiver<bool>,
    made: Arc<Made<AgentSession>>,
}

impl Declared {
    /// Those of these namespaces, and the future that keeps them up to date. The gateway does not wait for their first list: a cluster
    /// without this kind has agents all the same.
    pub(super) fn watch(
        client: &Client,
        room: &Arc<Room>,
        namespace: &str,
        changed: &Arc<Notify>,
    ) -> (Self, BoxFuture<'static, ()>) {
        let watch = Watch::new(room);
        let declared = Self {
            store: watch.store.clone(),
            filled: watch.filled(),
            made: Arc::default(),
        };
        let running = drive(watch, client, namespace, &declared.made, changed);
        (declared, running)
    }
}

impl Shard {
    /// Whether the declared sessions have been listed once.
    #[cfg(test)]
    pub(super) fn declared_are_listed(&self) -> bool {
        *self.declared.filled.borrow()
    }

    /// The agent behind a declared session.
    pub(super) fn session(&self, namespace: &str, name: &str) -> Result<Arc<Agent>, Unresolved> {
        let Declared {
            store,
            filled,
            made,
        } = &self.declared;
        let reference = ObjectRef::new(name).within(namespace);
        let Some(object) = found(store, &reference)? else {
            // Before the first list, what is not found may exist all the same.
            return Err(if *filled.borrow() {
                Unresolved::NotFound
            } else {
                not_seen().into()
            });
        };
        let missing = |reason: &str, kind: Kind, name: &str| NotReady {
            reason: reason.to_owned(),
            message: format!("{kind} {name} is not there"),
        };
        let endpoint = object.spec.endpoint_ref.as_ref().map(|one| {
            let reference = ObjectRef::new(&one.name).within(namespace);
            let missing = || missing(reasons::ENDPOINT_NOT_FOUND, Kind::AgentEndpoint, &one.name);
            found(&self.endpoints, &reference)?.ok_or_else(missing)
        });
        let endpoint = endpoint.transpose()?;
        let of_endpoint = endpoint.as_ref().and_then(|one| one.status.as_ref());
        if let Some(Err(not_ready)) = of_endpoint.map(|status| readiness(&status.conditions))
            && not_ready.reason == reasons::NOT_OWNED
        {
            return Err(not_ready.into());
        }
        let runtime_name = match &endpoint {
            Some(endpoint) => endpoint.spec.runtime_ref.name.as_str(),
            None => object
                .spec
                .runtime_ref
                .as_ref()
                .map_or("", |one| one.name.as_str()),
        };
        let reference_of_runtime = ObjectRef::new(runtime_name).within(namespace);
        let runtime = found(&self.runtimes, &reference_of_runtime)?
            .ok_or_else(|| missing(reasons::RUNTIME_NOT_FOUND, Kind::AgentRuntime, runtime_name))?;
        made.agent(reference, &object, &runtime, || {
            of_session(&object, &Owned::new(&runtime, &self.names))
        })
    }
}

fn of_session(object: &AgentSession, owned: &Owned<'_>) -> Result<Agent, NotReady> {
    let status = object.status.clone().unwrap_or_default();
    let conditions = &status.conditions;
    let Some(id) = status.session_id else {
        return Err(readiness(conditions).err().unwrap_or_else(not_seen));
    };
    let session = id.parse().map_err(|error: SessionIdError| NotReady {
        reason: "InvalidSession".to_owned(),
        message: format!("the session in status cannot be used: {error}"),
    })?;
    let place = status.runtime_arn.map(|arn| (arn, status.qualifier));
    let agent = make(
        Kind::AgentSession,
        object,
        owned,
        place,
        status.version,
        conditions,
        None,
    )?;
    Ok(Agent {
        session: Some(session),
        ..agent
    })
}
