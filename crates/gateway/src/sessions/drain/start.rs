//! The drain of a gateway from its start: which replica it is, whether it is the one that drains, and what it reports.

use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::Client;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Drain;
use crate::agents::Agents;
use crate::args::{GatewayArgs, Ledger};
use crate::chat::pool::Pool;
use crate::sessions::Sessions;
use crate::sessions::metrics::SessionMetrics;
use crate::sessions::report::Reporter;
use crate::stops::Stops;
use agentcore_cluster::client::own_namespace;
use agentcore_cluster::errors::told;
use agentcore_cluster::lease::{Lease, default_identity};

/// Name of the Lease of the replica that drains, where several share a ledger.
pub const LEASE_NAME: &str = "agentcore-gateway-drain";
/// Name of the one report of all replicas that share a ledger.
const SHARED: &str = "shared";
/// Pause before the Lease is tried again where it cannot be used.
const LEASE_PAUSE: Duration = Duration::from_secs(15);

/// What a drain works with.
pub struct DrainDeps {
    /// Kubernetes.
    pub kube: kube::Client,
    /// Which sessions there are.
    pub sessions: Sessions,
    /// What serves.
    pub agents: Arc<Agents>,
    /// The way to AgentCore.
    pub client: Client,
    /// Sockets that end with their session.
    pub pool: Pool,
    /// The pace of stops.
    pub stops: Arc<Stops>,
    /// What is counted.
    pub metrics: SessionMetrics,
    /// When cancelled, this replica drains no more.
    pub stop: CancellationToken,
}

/// Drains and reports for ever.
pub async fn run(args: &GatewayArgs, deps: DrainDeps) {
    let namespace = args.lease_namespace.clone().unwrap_or_else(own_namespace);
    let identity = args.lease_identity.clone().unwrap_or_else(default_identity);
    let shared = args.ledger != Ledger::Memory;
    let (lead, leads) = watch::channel(!shared);
    let seen = Arc::new(Mutex::new(None));
    let (name, pod) = if shared {
        (SHARED, None)
    } else {
        (identity.as_str(), pod())
    };
    let reporter = Reporter::new(
        deps.kube.clone(),
        &namespace,
        name,
        pod,
        &args.watch.namespaces,
        seen.clone(),
    );
    let drain = Drain {
        sessions: deps.sessions,
        agents: deps.agents.clone(),
        client: deps.client,
        pool: deps.pool,
        metrics: deps.metrics,
        stops: deps.stops,
        leads,
        stop: deps.stop.clone(),
        seen,
    };
    deps.agents.filled().await;
    tokio::join!(
        drain.run(),
        reporter.run(),
        compete(shared, &deps.kube, &namespace, &identity, lead, &deps.stop)
    );
}

/// Tells whether this replica leads. Without a shared ledger it always does; with one, until it stops.
async fn compete(
    shared: bool,
    kube: &kube::Client,
    namespace: &str,
    identity: &str,
    lead: watch::Sender<bool>,
    stop: &CancellationToken,
) {
    if !shared {
        return std::future::pending().await;
    }
    while !stop.is_cancelled() {
        match Lease::compete_for(LEASE_NAME, kube.clone(), namespace, identity).await {
            Ok(lease) => {
                let mut held = lease.held();
                while let Some(Ok(())) = stop.run_until_cancelled(held.changed()).await {
                    let leads = *held.borrow_and_update();
                    tracing::info!(leads, "session draining changed hands");
                    lead.send_replace(leads);
                }
                lead.send_replace(false);
                if stop.is_cancelled() {
                    // Open streams may keep this replica for long: another one drains meanwhile.
                    drop(held);
                    lease.release().await;
                }
            }
            Err(error) => {
                let error = told(error.as_ref());
                tracing::warn!(error, "cannot compete for the drain lease, retrying");
            }
        }
        stop.run_until_cancelled(tokio::time::sleep(LEASE_PAUSE))
            .await;
    }
    std::future::pending::<()>().await;
}

/// The pod that this is, where its manifest says so.
fn pod() -> Option<(String, String)> {
    let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    variable("POD_NAME").zip(variable("POD_UID"))
}
