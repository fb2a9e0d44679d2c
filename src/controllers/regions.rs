//! AWS by region: a client set and an inventory each, started when the first object needs it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;

use crate::aws::{Aws, Control, DataPlane, Inventory, Wake};

/// How long the first object of a region waits for the first list before it goes on without.
const FIRST_LIST: Duration = Duration::from_secs(10);

/// AWS in one region.
pub struct Region {
    /// The calls.
    pub control: Control,
    /// What the lists say.
    pub inventory: Arc<Inventory>,
}

/// All regions in use.
pub struct Regions {
    aws: Aws,
    cells: Mutex<HashMap<String, Arc<OnceCell<Arc<Region>>>>>,
    wakes: mpsc::UnboundedSender<Wake>,
    woken: Mutex<Option<mpsc::UnboundedReceiver<Wake>>>,
    stop: CancellationToken,
}

impl Regions {
    /// Nothing is called yet.
    pub fn new(aws: Aws) -> Self {
        let (wakes, woken) = mpsc::unbounded_channel();
        Self {
            aws,
            cells: Mutex::default(),
            wakes,
            woken: Mutex::new(Some(woken)),
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
            .clone();
        // Boxed: whoever only waits for it stays small.
        let begin = async {
            let control = self.aws.control(name);
            let inventory = Inventory::new(control.clone(), self.wakes.clone());
            // The first list is made here, so that the poller does not make a second one.
            if !matches!(
                tokio::time::timeout(FIRST_LIST, inventory.fresh()).await,
                Ok(Ok(()))
            ) {
                tracing::warn!(region = name, "no first list yet; going on without");
            }
            tokio::spawn(inventory.clone().run(self.stop.clone()));
            Arc::new(Region { control, inventory })
        };
        cell.get_or_init(|| Box::pin(begin)).await.clone()
    }

    /// The region, if anybody has needed it yet.
    pub fn running(&self, name: &str) -> Option<Arc<Region>> {
        self.cells.lock().get(name)?.get().cloned()
    }

    /// The data plane of a region, which needs no inventory.
    pub fn data_plane(&self, name: &str) -> Result<DataPlane, agentcore_invoke::SetupError> {
        self.aws.data_plane(name)
    }

    /// Answers a question about where images or code come from; these have regions of their own.
    pub async fn source(
        &self,
        read: agentcore_plan::image::Read,
        facts: &mut agentcore_plan::image::Facts,
    ) {
        self.aws.source(read, facts).await;
    }

    /// Stops watching for an object in transition, in whatever region it was.
    pub fn settle(&self, key: &str) {
        for region in self.cells.lock().values().filter_map(|cell| cell.get()) {
            region.inventory.settle(key);
        }
    }

    /// The stream of wakes of all regions; there is one reader.
    pub fn woken(&self) -> Option<mpsc::UnboundedReceiver<Wake>> {
        self.woken.lock().take()
    }
}

impl Drop for Regions {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
