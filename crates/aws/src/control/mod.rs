//! The control plane of one account and region, call by call.

mod again;
mod caller;
mod mutations;
mod reads;

pub(super) use caller::{Caller, Site};
pub use mutations::DesiredEndpoint;

use std::time::Duration;

use super::operation::Operation;
use super::rate_limiter::Priority;
use super::streaks::Streaks;
use crate::fair::Tenant;

/// AgentCore's control plane in one region. Cheap to clone: clones share connections and rates.
///
/// Each method waits for a token with the priority that it is given, in the queue of the namespace that the calls are [`Control::of`] (everybody's if
/// of none), and then makes its call (a list: one for each page of 100), up to 6 times within some
/// 8 s where AWS throttles it, or cannot answer a read. A dropped future makes no further call; one that was on its way may still have its effect.
#[derive(Clone, Debug)]
pub struct Control {
    caller: Caller,
}

impl Control {
    pub(super) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// The same region, for an object whose faults in a row are counted.
    #[must_use]
    pub fn noting(self, streaks: Streaks) -> Self {
        Self::new(self.caller.noting(streaks))
    }

    /// The same region, called on behalf of a namespace.
    #[must_use]
    pub fn of(&self, tenant: Tenant) -> Self {
        Self::new(self.caller.of(tenant))
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.caller.region
    }

    /// Waits for the operation's turn without calling it.
    pub async fn turn(&self, operation: Operation, priority: Priority) {
        let (limiter, tenant) = (&self.caller.limiter, self.caller.tenant());
        limiter.token(operation, priority, tenant).await;
    }

    /// Shortest time between calls that together use a quarter of the operation's rate.
    pub fn quarter(&self, operation: Operation) -> Duration {
        self.caller.limiter.quarter(operation)
    }
}
