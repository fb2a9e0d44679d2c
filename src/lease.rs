//! Leader election with a Lease: one replica acts, the others stand by.
//!
//! The lease is valid for 12 s and renewed 4 s before it ends, so a standby leads at most about 12 s after the leader died, and at
//! once after a clean stop, which releases it. Losing the lease ends the process: what it remembers may be wrong from then on.

use anyhow::Context as _;
use kube::Client;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Name of the Lease object.
pub const LEASE_NAME: &str = "agentcore-operator-controller";
const DURATION_SECONDS: u64 = 12;
const GRACE_SECONDS: u64 = 4;

/// A held or awaited lease.
#[derive(Debug)]
pub struct Lease {
    held: watch::Receiver<bool>,
    task: JoinHandle<kube_lease_manager::Result<LeaseManager>>,
}

impl Lease {
    /// Begins to compete for the controller's lease.
    pub async fn compete(client: Client, namespace: &str, identity: &str) -> anyhow::Result<Self> {
        Self::compete_for(LEASE_NAME, client, namespace, identity).await
    }

    /// Begins to compete for the lease of this name.
    pub async fn compete_for(
        name: &str,
        client: Client,
        namespace: &str,
        identity: &str,
    ) -> anyhow::Result<Self> {
        let manager = LeaseManagerBuilder::new(client, name)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_duration(DURATION_SECONDS)
            .with_grace(GRACE_SECONDS)
            .build()
            .await
            .with_context(|| format!("cannot use the Lease {namespace}/{name}"))?;
        let (held, task) = manager.watch().await;
        Ok(Self { held, task })
    }

    /// Waits until this replica leads.
    pub async fn acquired(&mut self) -> anyhow::Result<()> {
        self.held
            .wait_for(|held| *held)
            .await
            .context("leader election ended")?;
        Ok(())
    }

    /// Waits until this replica leads no more.
    pub async fn lost(&mut self) {
        // An ended channel means that nobody renews the lease: the same as lost.
        let _ = self.held.wait_for(|held| !*held).await;
    }

    /// Whether this replica holds it, as that changes.
    pub fn held(&self) -> watch::Receiver<bool> {
        self.held.clone()
    }

    /// Gives the lease to whoever waits for it.
    pub async fn release(self) {
        drop(self.held);
        match self.task.await {
            Ok(Ok(_)) => tracing::info!("lease released"),
            Ok(Err(error)) => tracing::warn!(%error, "lease not released; it runs out by itself"),
            Err(error) => {
                tracing::warn!(%error, "lease task ended badly; the lease runs out by itself");
            }
        }
    }
}

/// Name of this replica: host name and a random part, so that two processes of one host differ.
pub fn default_identity() -> String {
    let host = std::env::var("HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "agentcore-operator".into());
    format!("{host}_{:08x}", rand::random::<u32>())
}
