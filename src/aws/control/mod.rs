//! The control plane of one account and region, call by call.

mod caller;
mod mutations;
mod reads;

pub(super) use caller::Caller;
pub use mutations::EndpointWish;

use std::sync::Arc;
use std::time::Duration;

use super::operation::Operation;

/// AgentCore's control plane in one region. Cheap to clone: clones share connections and rates.
///
/// Each method waits for a token in the lane that it is given and then makes its call once (a list: once for each page of
/// 100). A dropped future makes no further call; one that was on its way may still have its effect.
#[derive(Clone, Debug)]
pub struct Control {
    caller: Arc<Caller>,
}

impl Control {
    pub(super) fn new(caller: Arc<Caller>) -> Self {
        Self { caller }
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.caller.region
    }

    /// Shortest time between calls that together use a quarter of the operation's rate.
    pub fn quarter(&self, operation: Operation) -> Duration {
        self.caller.lanes.quarter(operation)
    }
}
