//! AWS by region: a client set and an inventory each, started when the first object needs it and let go when no object names the region
//! any more.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use agentcore_plan::runtime::region as region_of;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::shard::Shard;
use agentcore_aws::fair::Tenant;
use agentcore_aws::{Aws, Control, DataPlane, Inventory, Trigger};

/// How long the first object of a region waits for the first list before it goes on without.
const FIRST_LIST: Duration = Duration::from_secs(10);
/// How long a region stays that no object names.
const LINGER: Duration = Duration::from_secs(30);
/// How long the clients of a region stay that nobody calls.
const CLIENTS: Duration = Duration::from_mins(10);
/// How often it is looked which regions objects name.
const LOOK: Duration = Duration::from_secs(10);

/// AWS in one region.
pub struct Region {
    control: Control,
    /// What the lists say.
    pub inventory: Arc<Inventory>,
    stop: CancellationToken,
    poller: Mutex<Option<JoinHandle<()>>>,
}

impl Region {
    /// The calls, on behalf of a namespace.
    pub fn control(&self, tenant: Tenant) -> Control {
        self.control.of(tenant)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A region in use.
#[derive(Default)]
struct Cell {
    region: Arc<OnceCell<Arc<Region>>>,
    /// Since when no object names it.
    unnamed: Option<Instant>,
}

/// All regions in use.
pub struct Regions {
    aws: Aws,
    cells: Mutex<HashMap<String, Cell>>,
    triggers: mpsc::UnboundedSender<Trigger>,
    triggered: Mutex<Option<mpsc::UnboundedReceiver<Trigger>>>,
    stop: CancellationToken,
}

impl Regions {
    /// Nothing is called yet.
    pub fn new(aws: Aws) -> Self {
        let (triggers, triggered) = mpsc::unbounded_channel();
        Self {
            aws,
            cells: Mutex::default(),
            triggers,
            triggered: Mutex::new(Some(triggered)),
            stop: CancellationToken::new(),
        }
    }

    /// The region, its inventory running and, unless AWS is slow, filled.
    pub async fn get(&self, name: &str) -> Arc<Region> {
        let cell = self
            .cells
            .lock()
            .entry(name.to_owned())
            .or_default()
            .region
            .clone();
        // Boxed: whoever only waits for it stays small.
        let begin = async {
            let control = self.aws.control(name);
            let inventory = Inventory::new(control.clone(), self.triggers.clone());
            // The first list is made here, so that the poller does not make a second one.
            if !matches!(
                tokio::time::timeout(FIRST_LIST, inventory.fresh()).await,
                Ok(Ok(()))
            ) {
                tracing::warn!(
                    region = name,
                    "no list of runtimes yet, continuing without one"
                );
            }
            let stop = self.stop.child_token();
            let poller = tokio::spawn(inventory.clone().run(stop.clone()));
            Arc::new(Region {
                control,
                inventory,
                stop,
                poller: Mutex::new(Some(poller)),
            })
        };
        cell.get_or_init(|| Box::pin(begin)).await.clone()
    }

    /// The region, if anybody has needed it yet.
    pub fn running(&self, name: &str) -> Option<Arc<Region>> {
        self.cells.lock().get(name)?.region.get().cloned()
    }

    /// The data plane of a region, which needs no inventory, on behalf of a namespace.
    pub fn data_plane(
        &self,
        name: &str,
        tenant: Tenant,
    ) -> Result<DataPlane, agentcore_invoke::SetupError> {
        Ok(self.aws.data_plane(name)?.of(tenant))
    }

    /// Answers a question about where images or code come from; these have regions of their own. False: the answer is that it cannot be
    /// found out.
    pub async fn source(
        &self,
        tenant: &Tenant,
        read: agentcore_plan::image::Read,
        facts: &mut agentcore_plan::image::Facts,
    ) -> bool {
        self.aws.source(tenant, read, facts).await
    }

    /// Stops watching for an object in transition, in whatever region it was.
    pub fn settle(&self, key: &str) {
        let cells = self.cells.lock();
        for region in cells.values().filter_map(|cell| cell.region.get()) {
            region.inventory.settle(key);
        }
    }

    /// The stream of triggers of all regions; there is one reader.
    pub fn triggered(&self) -> Option<mpsc::UnboundedReceiver<Trigger>> {
        self.triggered.lock().take()
    }

    /// Lets the regions go that no object has named for [`LINGER`] and no pass is at: their pollers have ended when this returns.
    pub async fn release(&self, named: &BTreeSet<String>, now: Instant) {
        let mut unused = Vec::new();
        self.cells.lock().retain(|name, cell| {
            if named.contains(name) {
                cell.unnamed = None;
                return true;
            }
            let since = *cell.unnamed.get_or_insert(now);
            // Whoever is about to take a region has its cell, and a pass has the region.
            let taken = Arc::strong_count(&cell.region) > 1;
            let held = |region: &Arc<Region>| Arc::strong_count(region) > 1;
            if now.duration_since(since) < LINGER || taken || cell.region.get().is_some_and(held) {
                return true;
            }
            tracing::info!(
                region = name,
                "no object uses this region any more, stopped polling it"
            );
            unused.extend(cell.region.get().cloned());
            false
        });
        for region in unused {
            region.stop.cancel();
            let poller = region.poller.lock().take();
            if let Some(poller) = poller {
                // It ends at once, and a poller that panicked has ended too.
                let _ = poller.await;
            }
        }
        self.aws.release(CLIENTS);
    }
}

/// Lets go of what no object uses, for ever.
pub async fn keep(shards: &[Arc<Shard>]) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(context) = shards.first().map(|shard| &shard.context) else {
            return;
        };
        let mut named = BTreeSet::new();
        for shard in shards {
            shard.filled().await;
            let runtimes = shard.runtimes.state();
            named.extend(
                runtimes
                    .iter()
                    .map(|runtime| region_of(runtime, &context.policy)),
            );
            let endpoints = shard.endpoints.state();
            named.extend(endpoints.iter().map(|endpoint| {
                let known = endpoint.status.as_ref();
                let known = known.and_then(|status| status.region.clone());
                known.unwrap_or_else(|| context.policy.region.clone())
            }));
        }
        context.regions.release(&named, Instant::now()).await;
    }
}

impl Drop for Regions {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
#[path = "regions_tests.rs"]
mod tests;
