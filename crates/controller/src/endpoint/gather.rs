//! What a pass knows: the object, its runtime, its neighbours, and the reads that the planner asks for.

use std::sync::Arc;

use agentcore_api::values::default_endpoint_name;
use agentcore_api::{AgentEndpoint, AgentRuntime};
use agentcore_plan::endpoint::{Facts, Outcome, Read, View};
use agentcore_plan::grant::Granted;
use agentcore_plan::runtime::region as region_of;
use agentcore_plan::step::Due;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::grants::older;
use crate::permits::Permit;
use crate::regions::Region;
use crate::shard::Shard;
use agentcore_aws::{Control, Priority, Streaks};

/// One pass over one AgentEndpoint.
pub struct EndpointPass<'a> {
    pub(super) shard: &'a Shard,
    /// The calls of its region, in the queues of the object's namespace.
    pub(super) control: Control,
    pub(super) object: Arc<AgentEndpoint>,
    pub(super) outcome: Option<Outcome>,
    runtime: Option<Arc<AgentRuntime>>,
    name_taken_by: Option<String>,
    granted: Arc<Granted>,
    older_in_namespace: usize,
    /// Faults in a row of the object's calls.
    streaks: Streaks,
    due: Due,
    facts: Facts,
    /// It is not let go of meanwhile.
    _region: Arc<Region>,
}

impl<'a> EndpointPass<'a> {
    /// Gathers what costs no call. A region's first list is waited for aside.
    pub async fn gather(
        mut object: Arc<AgentEndpoint>,
        shard: &'a Shard,
        mut permit: Permit<'a>,
    ) -> (Self, Permit<'a>) {
        let context = &shard.context;
        if let Some(status) = context.endpoints.newer_status(&*object) {
            Arc::make_mut(&mut object).status = Some(status);
        }
        let region = permit.aside(region(&object, shard)).await;
        let due = context.endpoints.take_due(&*object, Timestamp::now());
        // After what is due was taken: what is granted from here on is due again.
        let granted = context.grants.of(&object.namespace().unwrap_or_default());
        let tenant = context.tenant(&object.namespace().unwrap_or_default());
        let streaks = context.endpoints.streaks(&*object);
        let pass = Self {
            older_in_namespace: older_in_namespace(&object, &granted, shard),
            granted,
            name_taken_by: name_taken_by(&object, shard),
            runtime: runtime(&object, shard),
            control: region.control(tenant).noting(streaks.clone()),
            streaks,
            shard,
            _region: region,
            object,
            outcome: None,
            due,
            facts: Facts::default(),
        };
        (pass, permit)
    }

    /// The planner's input.
    pub fn view(&self) -> View<'_> {
        View {
            object: &self.object,
            policy: &self.shard.context.policy,
            granted: &self.granted,
            older_in_namespace: self.older_in_namespace,
            runtime: self.runtime.as_deref(),
            name_taken_by: self.name_taken_by.as_deref(),
            faults: self.streaks.faults(),
            due: self.due,
            facts: self.facts.clone(),
            outcome: self.outcome.clone(),
        }
    }

    /// Does a read and keeps the answer.
    pub async fn fetch(&mut self, read: Read) {
        let (control, priority, facts) = (&self.control, Priority::Urgent, &mut self.facts);
        match read {
            Read::Endpoint { runtime_id, name } => {
                facts.endpoint = Some(control.get_endpoint(priority, &runtime_id, &name).await);
            }
            Read::Tags { arn } => {
                let answer = control.tags(priority, &arn).await;
                facts.tags.insert(arn, answer);
            }
            Read::Endpoints { runtime_id } => {
                facts.endpoints = Some(control.list_endpoints(priority, &runtime_id).await);
            }
            Read::Runtime { runtime_id } => {
                facts.runtime = Some(
                    control
                        .get_runtime(priority, &runtime_id)
                        .await
                        .map(|found| found.map(|_| ())),
                );
            }
        }
    }
}

/// AWS where the endpoint is, or where its runtime will be.
pub async fn region(object: &AgentEndpoint, shard: &Shard) -> Arc<Region> {
    let context = &shard.context;
    let known = object.status.as_ref();
    let known = known.and_then(|status| status.region.clone());
    let wished = || Some(region_of(&*runtime(object, shard)?, &context.policy));
    let name = known.or_else(wished);
    let name = name.as_deref().unwrap_or(&context.policy.region);
    context.regions.get(name).await
}

/// The runtime that it refers to.
fn runtime(object: &AgentEndpoint, shard: &Shard) -> Option<Arc<AgentRuntime>> {
    let namespace = object.namespace().unwrap_or_default();
    let name = &object.spec.runtime_ref.name;
    shard.runtimes.get(&ObjectRef::new(name).within(&namespace))
}

/// Name of an endpoint in AgentCore.
pub fn aws_name(object: &AgentEndpoint) -> String {
    object
        .spec
        .endpoint_name
        .clone()
        .unwrap_or_else(|| default_endpoint_name(&object.name_any()))
}

/// An older AgentEndpoint of the same runtime and the same name in AgentCore.
fn name_taken_by(object: &AgentEndpoint, shard: &Shard) -> Option<String> {
    let age = |object: &AgentEndpoint| (object.creation_timestamp(), object.name_any());
    let (mine, name) = (age(object), aws_name(object));
    let takes = |other: &&Arc<AgentEndpoint>| {
        other.namespace() == object.namespace()
            && other.uid() != object.uid()
            && other.spec.runtime_ref == object.spec.runtime_ref
            && aws_name(other) == name
            && age(other) < mine
    };
    shard
        .endpoints
        .state()
        .iter()
        .find(takes)
        .map(|other| other.name_any())
}

/// How many AgentEndpoints of the namespace are older; only counted when there is a limit.
fn older_in_namespace(object: &AgentEndpoint, granted: &Granted, shard: &Shard) -> usize {
    if granted.limits.endpoints.is_none() {
        return 0;
    }
    older(object, &shard.endpoints.state())
}
