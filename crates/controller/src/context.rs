//! What every pass needs: clients, settings, states.

use std::sync::Arc;
use std::time::Duration;

use agentcore_api::{AgentEndpointStatus, AgentRuntimeStatus, AgentSessionStatus};
use agentcore_plan::policy::Policy;
use agentcore_plan::step::Event;
use anyhow::Context as _;
use kube::Client;
use kube::runtime::events::{Event as KubeEvent, EventType, Recorder, Reporter};
use kube::{Resource, ResourceExt};

use super::object_states::ObjectStates;
use super::pass::full_jitter;
use super::permits::Permits;
use super::regions::Regions;
use super::retained::Retained;
use super::stale_sessions::Reports;
use super::weights::Weights;
use crate::args::ControllerArgs;
use crate::metrics::Metrics;
use agentcore_aws::Aws;
use agentcore_aws::fair::Tenant;
use agentcore_cluster::client;
use agentcore_cluster::config::Configs;
use agentcore_cluster::errors::told;
use agentcore_cluster::grants::Grants;

/// Shared by all controllers of the process.
pub struct Context {
    /// Kubernetes.
    pub kube: Client,
    /// Namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
    /// The operator's settings.
    pub policy: Policy,
    /// What namespaces may use.
    pub grants: Grants,
    /// AWS by region.
    pub regions: Regions,
    /// Secrets and ConfigMaps that specs refer to.
    pub configs: Configs,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Memory of AgentRuntimes.
    pub runtimes: ObjectStates<AgentRuntimeStatus>,
    /// Memory of AgentEndpoints.
    pub endpoints: ObjectStates<AgentEndpointStatus>,
    /// Memory of AgentSessions.
    pub sessions: ObjectStates<AgentSessionStatus>,
    /// How many passes work at a time.
    pub permits: Permits,
    /// Runtimes that outlived their objects.
    pub retained: Retained,
    /// How much of large objects passes hold at a time.
    pub weights: Weights,
    /// What gateways report of sessions.
    pub reports: Reports,
    reporter: Reporter,
}

impl Context {
    /// Learns who we are, in Kubernetes and in AWS. AWS not answering is waited for: credentials may come later.
    pub async fn new(
        args: &ControllerArgs,
        kube: Client,
        aws: Aws,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Arc<Self>> {
        let uid = client::cluster_uid(&kube).await?;
        let cluster_id = args.cluster_id.clone().unwrap_or_else(|| {
            tracing::warn!(cluster_id = %uid, "no --cluster-id: using the UID of kube-system; a rebuilt cluster will not recognize its runtimes");
            uid.clone()
        });
        let identity = who_are_we(&aws).await;
        let region = aws.region().to_owned();
        // What would fail here is found out at the start, not with the first AgentSession.
        aws.data_plane(&region)
            .context("cannot make a client of AgentCore's data plane")?;
        tracing::info!(account = %identity.account, arn = %identity.arn, %region, %cluster_id, "connected");
        let policy = Policy {
            cluster_id,
            cluster_uid: uid,
            former_cluster_uids: args.former_cluster_uids.clone(),
            account: identity.account,
            partition: identity.partition,
            region,
            default_tags: args.default_tag_map(),
            required_tag_keys: args.required_tag_keys.clone(),
            execution_role_patterns: args.default_grant.allow_execution_roles.clone(),
            max_runtimes_per_namespace: args.max_runtimes_per_namespace,
            no_default_grant: args.default_grant.no_default_grant,
        };
        let reporter = Reporter {
            controller: "agentcore-operator".into(),
            instance: None,
        };
        let own_namespace = args.lease_namespace.clone();
        let own_namespace = own_namespace.unwrap_or_else(client::own_namespace);
        Ok(Arc::new(Self {
            configs: Configs::new(kube.clone(), &own_namespace),
            retained: Retained::new(kube.clone(), &own_namespace),
            reporter,
            kube,
            namespaces: args.watch.namespaces.clone(),
            grants: Grants::new(policy.clone()),
            policy,
            regions: Regions::new(aws),
            metrics,
            runtimes: ObjectStates::default(),
            endpoints: ObjectStates::default(),
            sessions: ObjectStates::default(),
            permits: Permits::default(),
            weights: Weights::default(),
            reports: Reports::new(
                args.lease_namespace
                    .clone()
                    .unwrap_or_else(client::own_namespace),
            ),
        }))
    }

    /// A namespace as it takes part in what all share: with the share that it was granted.
    pub fn tenant(&self, namespace: &str) -> Tenant {
        Tenant::new(namespace, self.grants.of(namespace).share)
    }

    /// Publishes events about an object. A namespace that is going away takes none: that blocks nothing.
    pub async fn publish<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        action: &str,
        events: Vec<Event>,
    ) {
        let reference = object.object_ref(&());
        // A recorder that lives on would count a second Event of the same reason as the first one, with the first one's note.
        let recorder = Recorder::new(self.kube.clone(), self.reporter.clone());
        for Event {
            warning,
            reason,
            note,
        } in events
        {
            tracing::info!(reason, %note, warning, "event");
            let event = KubeEvent {
                type_: if warning {
                    EventType::Warning
                } else {
                    EventType::Normal
                },
                reason: reason.to_owned(),
                note: Some(truncate(&note)),
                action: action.to_owned(),
                secondary: None,
            };
            if let Err(error) = recorder.publish(&event, &reference).await {
                tracing::warn!(reason, error = %told(&error), name = %object.name_any(), "cannot publish the Event");
            }
        }
    }
}

/// Asks STS until it answers.
async fn who_are_we(aws: &Aws) -> agentcore_aws::Identity {
    let mut wait = Duration::from_secs(1);
    loop {
        match aws.identity().await {
            Ok(identity) => return identity,
            Err(fault) => {
                tracing::error!(code = %fault.code, message = %fault.message, "GetCallerIdentity failed, retrying");
                tokio::time::sleep(full_jitter(wait)).await;
                wait = (wait * 2).min(Duration::from_secs(15));
            }
        }
    }
}

/// Events take notes of at most 1024 bytes.
fn truncate(note: &str) -> String {
    const MOST: usize = 1000;
    if note.len() <= MOST {
        return note.to_owned();
    }
    let end = (0..=MOST)
        .rev()
        .find(|end| note.is_char_boundary(*end))
        .unwrap_or_default();
    format!("{}…", &note[..end])
}
