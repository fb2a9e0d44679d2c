//! What a pass knows: the object, its neighbours in the cluster, and the reads that the planner asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agentcore_api::reasons::{NAMESPACE_LIMIT_REACHED, SERVICE_UNAVAILABLE};
use agentcore_api::{AgentEndpoint, AgentRuntime};
use agentcore_plan::aws::ListedVersion;
use agentcore_plan::config::EnvValue;
use agentcore_plan::fault::{Class, Fault};
use agentcore_plan::grant::Granted;
use agentcore_plan::image::{self, Wanted};
use agentcore_plan::runtime::{Facts, Listed, Outcome, Read, View, names, region};
use agentcore_plan::step::{Answer, Due};
use jiff::Timestamp;
use kube::{Api, Client, ResourceExt};

use crate::config;
use crate::endpoint;
use crate::grants::older;
use crate::permits::Permit;
use crate::regions::Region;
use crate::shard::Shard;
use agentcore_aws::fair::Tenant;
use agentcore_aws::{Control, Operation, Priority, Streaks};
use agentcore_cluster::config::Reading;

/// One pass over one AgentRuntime.
pub struct RuntimePass<'a> {
    pub(super) shard: &'a Shard,
    pub(super) region: Arc<Region>,
    /// The region's calls, in the queues of the object's namespace.
    pub(super) control: Control,
    tenant: Tenant,
    pub(super) object: Arc<AgentRuntime>,
    pub(super) outcome: Option<Outcome>,
    referrers: Vec<String>,
    owned_endpoint_names: Vec<String>,
    older_in_namespace: usize,
    granted: Arc<Granted>,
    pub(super) config: Reading,
    used_versions: BTreeSet<String>,
    /// A revision could not be written.
    pub(super) history_due: bool,
    /// Faults in a row of the object's calls.
    streaks: Streaks,
    due: Due,
    facts: Facts,
}

impl<'a> RuntimePass<'a> {
    /// Gathers what costs no call of AWS. A region's first list and Secrets that cannot be read are waited for aside.
    pub async fn gather(
        mut object: Arc<AgentRuntime>,
        shard: &'a Shard,
        mut permit: Permit<'a>,
    ) -> (Self, Permit<'a>) {
        let context = &shard.context;
        if let Some(status) = context.runtimes.newer_status(&*object) {
            Arc::make_mut(&mut object).status = Some(status);
        }
        let region = region(&object, &context.policy);
        let region = permit.aside(context.regions.get(&region)).await;
        let due = context.runtimes.take_due(&*object, Timestamp::now());
        // After what is due was taken: what changes from here on is due again.
        let reading = permit.aside(Box::pin(config::read(context, &object))).await;
        let granted = context.grants.of(&object.namespace().unwrap_or_default());
        let counted = older_in_namespace(&object, &granted, shard).await;
        let (older, granted) = match counted {
            Some(older) => (older, granted),
            // Nobody can say what the limit still allows: nothing is made meanwhile.
            None => (0, Arc::new(Granted::unknown())),
        };
        let streaks = context.runtimes.streaks(&*object);
        let endpoints = referring(&object, shard);
        let tenant = context.tenant(&object.namespace().unwrap_or_default());
        let mut pass = Self {
            referrers: endpoints
                .iter()
                .map(|endpoint| endpoint.name_any())
                .collect(),
            owned_endpoint_names: endpoints
                .iter()
                .map(|endpoint| endpoint::aws_name(endpoint))
                .collect(),
            older_in_namespace: older,
            granted,
            config: reading,
            used_versions: used_versions(&object, &endpoints, shard),
            history_due: false,
            shard,
            control: region.control(tenant.clone()).noting(streaks.clone()),
            tenant,
            region,
            object,
            outcome: None,
            streaks,
            due,
            facts: Facts::default(),
        };
        pass.look_up();
        (pass, permit)
    }

    /// The planner's input.
    pub fn view(&self) -> View<'_> {
        View {
            object: &self.object,
            policy: &self.shard.context.policy,
            granted: &self.granted,
            older_in_namespace: self.older_in_namespace,
            referrers: &self.referrers,
            owned_endpoint_names: &self.owned_endpoint_names,
            config: &self.config.input,
            used_versions: &self.used_versions,
            faults: self.streaks.faults(),
            due: self.due,
            facts: self.facts.clone(),
            outcome: self.outcome.clone(),
        }
    }

    /// Does a read and keeps the answer.
    pub async fn fetch(&mut self, read: Read) {
        if read == Read::List {
            self.facts.list_fault = self.region.inventory.fresh().await.err();
            let good = self.facts.list_fault.is_none();
            self.streaks.answered(Operation::ListAgentRuntimes, good);
            self.look_up();
            return;
        }
        if let Read::Source(read) = read {
            return self.ask(read).await;
        }
        let (control, facts) = (&self.control, &mut self.facts);
        match read {
            Read::List | Read::Source(_) => {}
            Read::Runtime { id } => {
                let mut answer = control.get_runtime(Priority::Urgent, &id).await;
                if let Ok(Some(runtime)) = &mut answer
                    && let Some(text) = runtime.failure_reason.take()
                {
                    let there = hidden_values(&self.object, &runtime.config.env);
                    runtime.failure_reason = Some(self.config.input.scrub(&text, there));
                }
                facts.runtime = Some(answer);
            }
            Read::Tags { arn } => {
                // A read has the priority of what it is for: old versions can wait.
                let priority = if facts.versions.is_some() {
                    Priority::Sweep
                } else {
                    Priority::Urgent
                };
                let answer = control.tags(priority, &arn).await;
                facts.tags.insert(arn, answer);
            }
            Read::Owner { namespace, name } => {
                facts.owner = Some(lives(&self.shard.context.kube, &namespace, &name).await);
            }
            Read::DefaultEndpoint { id } => {
                facts.default_endpoint =
                    Some(control.get_endpoint(Priority::Urgent, &id, "DEFAULT").await);
            }
            Read::Endpoints { id } => {
                // Beside a deletion the endpoints are asked for when old versions go, and those can wait.
                let priority = if self.object.metadata.deletion_timestamp.is_some() {
                    Priority::Urgent
                } else {
                    Priority::Sweep
                };
                facts.endpoints = Some(control.list_endpoints(priority, &id).await);
            }
            Read::Versions { id } => {
                // Which versions are in use is not known before all who may use one can be read: nothing goes meanwhile.
                let namespace = self.object.namespace().unwrap_or_default();
                facts.versions = Some(if self.shard.users_are_known(&namespace) {
                    control.list_versions(Priority::Sweep, &id).await
                } else {
                    Err(unknown_users())
                });
            }
            Read::ResourcePolicy { arn } => {
                facts.resource_policy = Some(control.resource_policy(Priority::Urgent, &arn).await);
            }
        }
    }

    /// Asks where the artifact comes from.
    async fn ask(&mut self, read: image::Read) {
        let operation = match &read {
            image::Read::Look { wanted, .. } if *wanted == Wanted::All => Operation::DescribeImages,
            image::Read::Look { .. } => Operation::BatchGetImage,
            image::Read::Inspect { .. } => Operation::GetDownloadUrlForLayer,
            image::Read::Object { .. } => Operation::HeadObject,
        };
        let regions = &self.shard.context.regions;
        let good = regions
            .source(&self.tenant, read, &mut self.facts.source)
            .await;
        self.streaks.answered(operation, good);
    }

    /// A fault as it may be told to people.
    pub(super) fn scrubbed<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        answer.map_err(|fault| Fault {
            message: self.config.input.scrub(&fault.message, []),
            ..fault
        })
    }

    /// All versions, where this pass has listed them.
    pub(super) fn versions(&self) -> Option<&[ListedVersion]> {
        let answer = self.facts.versions.as_ref()?;
        answer.as_ref().ok()?.as_deref()
    }

    /// The inventory's entries, from a list that was begun after our last mutation.
    fn look_up(&mut self) {
        let context = &self.shard.context;
        let not_before = context
            .runtimes
            .with(&*self.object, |memory| memory.mutated_at);
        let inventory = &self.region.inventory;
        let status = self.object.status.as_ref();
        if let Some(id) = status.and_then(|status| status.id.as_deref()) {
            self.facts.listed = inventory.lookup_id(id, not_before);
            return;
        }
        let mut names = names(&self.object, &context.policy).into_iter();
        if let Some(name) = names.next() {
            self.facts.listed = inventory.lookup_name(&name, not_before);
        }
        let former = names.filter_map(|name| match inventory.lookup_name(&name, not_before) {
            Listed::Present { entry, .. } => Some(entry),
            Listed::Absent { .. } | Listed::Unknown => None,
        });
        self.facts.listed_under_former_names = former.collect();
    }
}

/// Whether an AgentRuntime lives. The API server is asked, as its namespace may not be watched; where it does not tell, that is a fault.
async fn lives(client: &Client, namespace: &str, name: &str) -> Answer<()> {
    let api = Api::<AgentRuntime>::namespaced(client.clone(), namespace);
    match api.get_metadata_opt(name).await {
        Ok(found) => Ok(found.map(|_| ())),
        Err(error) => Err(Fault {
            class: Class::Transient,
            reason: SERVICE_UNAVAILABLE,
            code: "OwnerUnknown".to_owned(),
            message: format!(
                "cannot check whether the current owner {namespace}/{name} exists: {}",
                cause(&error)
            ),
            request_id: None,
        }),
    }
}

/// Why the API server did not tell, without its text.
fn cause(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("the API server answered {}", status.code),
        _ => "the API server did not answer".to_owned(),
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

/// How many AgentRuntimes of the namespace are older, and how many runtimes outlived their objects; only counted when there is a limit
/// that may hold this object back. `None`: nobody knows yet.
async fn older_in_namespace(
    object: &AgentRuntime,
    granted: &Granted,
    shard: &Shard,
) -> Option<usize> {
    let exists = object.status.as_ref().is_some_and(|it| it.id.is_some());
    if granted.limits.runtimes.is_none() || exists || object.metadata.deletion_timestamp.is_some() {
        return Some(0);
    }
    let namespace = object.namespace().unwrap_or_default();
    let retained = shard.context.retained.count(&namespace, shard).await?;
    Some(older(object, &shard.runtimes.state()) + retained)
}
