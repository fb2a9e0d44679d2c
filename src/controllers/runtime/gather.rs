//! What a pass knows: the object, its neighbours in the cluster, and the reads that the planner asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agentcore_api::reasons::{NAMESPACE_LIMIT_REACHED, SERVICE_UNAVAILABLE};
use agentcore_api::values::default_runtime_name;
use agentcore_api::{AgentEndpoint, AgentRuntime};
use agentcore_plan::aws::ListedVersion;
use agentcore_plan::config::{EnvValue, scrub};
use agentcore_plan::fault::{Class, Fault};
use agentcore_plan::policy::Policy;
use agentcore_plan::runtime::{Facts, Listed, Outcome, Read, View, region};
use agentcore_plan::step::Due;
use jiff::Timestamp;
use kube::ResourceExt;

use crate::aws::Lane;
use crate::cluster::config::Reading;
use crate::controllers::config;
use crate::controllers::endpoint;
use crate::controllers::regions::Region;
use crate::controllers::shard::Shard;
use crate::controllers::turns::Turn;

/// One pass over one AgentRuntime.
pub struct RuntimePass<'a> {
    pub(super) shard: &'a Shard,
    pub(super) region: Arc<Region>,
    pub(super) object: Arc<AgentRuntime>,
    pub(super) outcome: Option<Outcome>,
    pub(super) lane: Lane,
    referrers: Vec<String>,
    owned_endpoint_names: Vec<String>,
    older_in_namespace: usize,
    pub(super) config: Reading,
    used_versions: BTreeSet<String>,
    /// A revision could not be written.
    pub(super) history_due: bool,
    faults: u32,
    due: Due,
    facts: Facts,
}

impl<'a> RuntimePass<'a> {
    /// Gathers what costs no call of AWS. A region's first list and Secrets that cannot be read are waited for aside.
    pub async fn gather(
        mut object: Arc<AgentRuntime>,
        shard: &'a Shard,
        mut turn: Turn<'a>,
    ) -> (Self, Turn<'a>) {
        let context = &shard.context;
        if let Some(status) = context.runtimes.newer_status(&*object) {
            Arc::make_mut(&mut object).status = Some(status);
        }
        let region = region(&object, &context.policy);
        let region = turn.aside(context.regions.get(&region)).await;
        let due = context.runtimes.take_due(&*object, Timestamp::now());
        // After what is due was taken: what changes from here on is due again.
        let reading = turn.aside(Box::pin(config::read(context, &object))).await;
        let faults = context.runtimes.with(&*object, |memory| memory.faults);
        let endpoints = referring(&object, shard);
        let mut pass = Self {
            referrers: endpoints
                .iter()
                .map(|endpoint| endpoint.name_any())
                .collect(),
            owned_endpoint_names: endpoints
                .iter()
                .map(|endpoint| endpoint::aws_name(endpoint))
                .collect(),
            older_in_namespace: older_in_namespace(&object, shard),
            config: reading,
            used_versions: used_versions(&object, &endpoints, shard),
            history_due: false,
            lane: if due.sweep.is_some() {
                Lane::Sweep
            } else {
                Lane::Urgent
            },
            shard,
            region,
            object,
            outcome: None,
            faults,
            due,
            facts: Facts::default(),
        };
        pass.facts.listed = pass.listed();
        (pass, turn)
    }

    /// The planner's input.
    pub fn view(&self) -> View<'_> {
        View {
            object: &self.object,
            policy: &self.shard.context.policy,
            granted: &self.shard.context.granted,
            older_in_namespace: self.older_in_namespace,
            referrers: &self.referrers,
            owned_endpoint_names: &self.owned_endpoint_names,
            config: &self.config.input,
            used_versions: &self.used_versions,
            faults: self.faults,
            due: self.due,
            facts: self.facts.clone(),
            outcome: self.outcome.clone(),
        }
    }

    /// Does a read and keeps the answer.
    pub async fn fetch(&mut self, read: Read) {
        if read == Read::List {
            self.facts.list_fault = self.region.inventory.fresh().await.err();
            self.facts.listed = self.listed();
            return;
        }
        if let Read::Source(read) = read {
            let regions = &self.shard.context.regions;
            return regions.source(read, &mut self.facts.source).await;
        }
        let (control, facts) = (&self.region.control, &mut self.facts);
        match read {
            Read::List | Read::Source(_) => {}
            Read::Runtime { id } => {
                let mut answer = control.get_runtime(self.lane, &id).await;
                if let Ok(Some(runtime)) = &mut answer
                    && let Some(text) = runtime.failure_reason.take()
                {
                    let there = hidden_values(&self.object, &runtime.config.env);
                    let clean = scrub(&self.config.input.scrub(&text), there);
                    runtime.failure_reason = Some(clean);
                }
                facts.runtime = Some(answer);
            }
            Read::Tags { arn } => facts.tags = Some(control.tags(self.lane, &arn).await),
            Read::DefaultEndpoint { id } => {
                facts.default_endpoint =
                    Some(control.get_endpoint(self.lane, &id, "DEFAULT").await);
            }
            Read::Endpoints { id } => {
                // Beside a deletion the endpoints are asked for when old versions go, and those can wait.
                let lane = if self.object.metadata.deletion_timestamp.is_some() {
                    self.lane
                } else {
                    Lane::Sweep
                };
                facts.endpoints = Some(control.list_endpoints(lane, &id).await);
            }
            Read::Versions { id } => {
                // Which versions are in use is not known before all who may use one can be read: nothing goes meanwhile.
                let namespace = self.object.namespace().unwrap_or_default();
                facts.versions = Some(if self.shard.users_are_known(&namespace) {
                    control.list_versions(Lane::Sweep, &id).await
                } else {
                    Err(unknown_users())
                });
            }
            Read::ResourcePolicy { arn } => {
                facts.resource_policy = Some(control.resource_policy(self.lane, &arn).await);
            }
        }
    }

    /// A fault as it may be told to people.
    pub(super) fn scrubbed<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        answer.map_err(|fault| Fault {
            message: self.config.input.scrub(&fault.message),
            ..fault
        })
    }

    /// All versions, where this pass has listed them.
    pub(super) fn versions(&self) -> Option<&[ListedVersion]> {
        let answer = self.facts.versions.as_ref()?;
        answer.as_ref().ok()?.as_deref()
    }

    /// The inventory's entry, from a list that was begun after our last mutation.
    fn listed(&self) -> Listed {
        let context = &self.shard.context;
        let not_before = context
            .runtimes
            .with(&*self.object, |memory| memory.mutated_at);
        match self
            .object
            .status
            .as_ref()
            .and_then(|status| status.id.as_deref())
        {
            Some(id) => self.region.inventory.lookup_id(id, not_before),
            None => self
                .region
                .inventory
                .lookup_name(&aws_name(&self.object, &context.policy), not_before),
        }
    }
}

/// Name of an object among those that the inventory watches.
pub fn key(object: &AgentRuntime) -> String {
    format!(
        "{}/{}",
        object.namespace().unwrap_or_default(),
        object.name_any()
    )
}

/// Names of the objects that the limit of the namespace holds back.
pub fn over_the_limit(shard: &Shard, namespace: &str) -> Vec<String> {
    let waits = |object: &Arc<AgentRuntime>| {
        let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
        object.namespace().as_deref() == Some(namespace)
            && conditions.any(|condition| condition.reason == NAMESPACE_LIMIT_REACHED)
    };
    let objects = shard.runtimes.state().into_iter().filter(waits);
    objects.map(|object| object.name_any()).collect()
}

/// Name of a runtime in AgentCore.
pub fn aws_name(object: &AgentRuntime, policy: &Policy) -> String {
    object.spec.runtime_name.clone().unwrap_or_else(|| {
        default_runtime_name(
            &policy.cluster_id,
            &object.namespace().unwrap_or_default(),
            &object.name_any(),
        )
    })
}

/// The AgentEndpoints that refer to the object, those being deleted included.
fn referring(object: &AgentRuntime, shard: &Shard) -> Vec<Arc<AgentEndpoint>> {
    let (namespace, name) = (object.namespace(), object.name_any());
    let mut endpoints = shard.endpoints.state();
    endpoints.retain(|endpoint| {
        endpoint.namespace() == namespace && endpoint.spec.runtime_ref.name == name
    });
    endpoints.sort_by_key(|endpoint| endpoint.name_any());
    endpoints
}

fn unknown_users() -> Fault {
    Fault {
        class: Class::Transient,
        reason: SERVICE_UNAVAILABLE,
        code: "Unlisted".to_owned(),
        message: "not every AgentSession and AgentEndpoint of the namespace can be read".to_owned(),
        request_id: None,
    }
}

/// Values in AWS that the manifest does not show: those of today's Secrets, and of yesterday's.
fn hidden_values<'a>(
    object: &'a AgentRuntime,
    there: &'a BTreeMap<String, EnvValue>,
) -> impl Iterator<Item = &'a EnvValue> {
    let shown = |name: &str, value: &EnvValue| {
        let mut variables = object.spec.env.iter().flatten();
        variables.any(|one| one.name == name && one.value.as_deref() == Some(value.reveal()))
    };
    there
        .iter()
        .filter(move |(name, value)| !shown(name, value))
        .map(|(_, value)| value)
}

/// Versions that have known sessions, and those that AgentEndpoints name or serve.
fn used_versions(
    object: &AgentRuntime,
    endpoints: &[Arc<AgentEndpoint>],
    shard: &Shard,
) -> BTreeSet<String> {
    let own = object.status.as_ref();
    let mut sessions: Vec<_> = own
        .and_then(|status| status.sessions.as_ref())
        .into_iter()
        .collect();
    let arn = own.and_then(|status| status.arn.as_deref());
    let mut used = arn.map_or_else(BTreeSet::new, |arn| shard.sessions.versions_of(arn));
    for endpoint in endpoints {
        used.insert(endpoint.spec.version.clone());
        if let Some(status) = &endpoint.status {
            let versions = [&status.live_version, &status.target_version];
            used.extend(versions.into_iter().flatten().cloned());
            sessions.extend(&status.sessions);
        }
    }
    let counted = sessions.iter().flat_map(|sessions| &sessions.by_version);
    used.extend(
        counted
            .filter(|(_, count)| **count > 0)
            .map(|(version, _)| version.clone()),
    );
    used
}

/// How many AgentRuntimes of the namespace are older; only counted when there is a limit.
fn older_in_namespace(object: &AgentRuntime, shard: &Shard) -> usize {
    if shard.context.policy.max_runtimes_per_namespace.is_none() {
        return 0;
    }
    let age = |object: &AgentRuntime| (object.creation_timestamp(), object.name_any());
    let mine = age(object);
    let counts = |other: &Arc<AgentRuntime>| {
        other.namespace() == object.namespace()
            && other.uid() != object.uid()
            && other.metadata.deletion_timestamp.is_none()
            && age(other) < mine
    };
    shard
        .runtimes
        .state()
        .iter()
        .filter(|other| counts(other))
        .count()
}
