//! What a pass knows: the object, and what it refers to. There is nothing to read: AgentCore tells nobody of its sessions.

use std::sync::Arc;

use agentcore_api::{AgentEndpoint, AgentRuntime, AgentSession};
use agentcore_plan::grant::Granted;
use agentcore_plan::session::{Outcome, View};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::grants::older;
use crate::shard::Shard;

/// One pass over one AgentSession.
pub struct SessionPass<'a> {
    pub(super) shard: &'a Shard,
    pub(super) object: Arc<AgentSession>,
    pub(super) outcome: Option<Outcome>,
    endpoint: Option<Arc<AgentEndpoint>>,
    runtime: Option<Arc<AgentRuntime>>,
    granted: Arc<Granted>,
    older_in_namespace: usize,
}

impl<'a> SessionPass<'a> {
    /// Gathers what costs no call.
    pub fn gather(mut object: Arc<AgentSession>, shard: &'a Shard) -> Self {
        let sessions = &shard.context.sessions;
        let namespace = object.namespace().unwrap_or_default();
        let reference = object.spec.endpoint_ref.as_ref();
        let endpoint = reference.and_then(|one| {
            shard
                .endpoints
                .get(&ObjectRef::new(&one.name).within(&namespace))
        });
        let runtime = match &endpoint {
            Some(endpoint) => Some(&endpoint.spec.runtime_ref),
            None => object.spec.runtime_ref.as_ref(),
        };
        let runtime = runtime.and_then(|one| {
            shard
                .runtimes
                .get(&ObjectRef::new(&one.name).within(&namespace))
        });
        if let Some(status) = sessions.newer_status(&*object) {
            Arc::make_mut(&mut object).status = Some(status);
        }
        sessions.take_due(&*object, Timestamp::now());
        let granted = shard.context.grants.of(&namespace);
        let older_in_namespace = match granted.limits.sessions {
            None => 0,
            Some(_) => older(&*object, &shard.sessions.store.state()),
        };
        Self {
            granted,
            older_in_namespace,
            shard,
            object,
            outcome: None,
            endpoint,
            runtime,
        }
    }

    /// The planner's input.
    pub fn view(&self) -> View<'_> {
        View {
            object: &self.object,
            policy: &self.shard.context.policy,
            granted: &self.granted,
            older_in_namespace: self.older_in_namespace,
            endpoint: self.endpoint.as_deref(),
            runtime: self.runtime.as_deref(),
            outcome: self.outcome.clone(),
        }
    }
}
