//! Leader election with a Lease: one replica acts, the others stand by.
//!
//! A holder renews every 2 s and stops 10 s after the last renewal that succeeded began; the others take the lease 15 s after the last
//! change of it that they saw. Each judges by its own clock (`clock`) alone, so that it does not matter what the others' clocks say.
//! What is decided, and when, is `agentcore_plan::lease`; here it is done.
//! What the holder does in between is held to that by the [`Fence`]. A standby leads at most 17 s after the leader died, and at once
//! after a clean stop, which releases the lease. Losing it ends the process: what it remembers may be wrong from then on.

mod clock;
mod elector;
mod fence;
mod lock;

use agentcore_plan::lease::{Request, Terms};
use anyhow::Context as _;
use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use agentcore_plan::lease::Moment;
pub use clock::now;
pub use fence::Fence;

use elector::Elector;
use lock::Lock;

/// Name of the Lease object.
pub const LEASE_NAME: &str = "agentcore-operator-controller";
const TERMS: Terms = Terms::OPERATOR;

/// A held or awaited lease.
#[derive(Debug)]
pub struct Lease {
    held: watch::Receiver<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Lease {
    /// Begins to compete for the controller's lease; `fence` is open while it is held.
    pub async fn compete(
        client: Client,
        namespace: &str,
        identity: &str,
        fence: Fence,
    ) -> anyhow::Result<Self> {
        let lock = Lock::new(LEASE_NAME, client, namespace, identity);
        Self::begin(lock, LEASE_NAME, namespace, fence).await
    }

    /// Begins to compete for the lease of this name.
    pub async fn compete_for(
        name: &str,
        client: Client,
        namespace: &str,
        identity: &str,
    ) -> anyhow::Result<Self> {
        let lock = Lock::new(name, client, namespace, identity);
        Self::begin(lock, name, namespace, Fence::standby()).await
    }

    async fn begin(lock: Lock, name: &str, namespace: &str, fence: Fence) -> anyhow::Result<Self> {
        // Missing rights are an error now, and not a replica that waits for ever.
        lock.ask(Request::Read, TERMS.request)
            .await
            .with_context(|| format!("cannot use the Lease {namespace}/{name}"))?;
        let (holds, held) = watch::channel(false);
        let stop = CancellationToken::new();
        let elector = Elector::new(lock, fence, holds, stop.clone());
        let task = tokio::spawn(elector.run());
        Ok(Self { held, stop, task })
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

    /// Whether this replica holds it, as that changes. The channel ends when the lease is lost.
    pub fn held(&self) -> watch::Receiver<bool> {
        self.held.clone()
    }

    /// Gives the lease to whoever waits for it. What it allowed must have ended.
    pub async fn release(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the lease task failed, the lease will expire");
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
