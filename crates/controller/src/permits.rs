//! How many passes work at a time. One that waits for AWS does not count: objects by the hundred may wait for AWS's rate limits, and an
//! edited one goes past them.
//!
//! Passes of a namespace wait in a queue of their own ([`agentcore_aws::fair`]), those that come back from AWS before those that have not begun. A
//! namespace never has all turns: what its passes wait for holds nobody else's up.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use agentcore_aws::fair::{Fair, Place, Rank, Tenant};

/// Passes that work at a time. Each holds its object several times over.
const AT_ONCE: usize = 32;
/// Passes of one namespace among them. Each has one request to the API server under way at most, and there is room for more requests than these
/// (`cluster::client`): one namespace's slow requests leave some to the others.
const OF_A_NAMESPACE: usize = 8;

/// The turns of all passes.
#[derive(Debug, Default)]
pub struct Permits(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: Fair<oneshot::Sender<()>>,
    /// How many work.
    working: usize,
    /// The same by namespace, without those of which none does.
    of: HashMap<Arc<str>, usize>,
}

impl State {
    /// Gives turns to those who are next, as long as there are any.
    fn serve(&mut self) {
        while self.working < AT_ONCE {
            let of = &self.of;
            let may = |name: &str| of.get(name).is_none_or(|working| *working < OF_A_NAMESPACE);
            let Some((namespace, next)) = self.waiting.pop(may) else {
                return;
            };
            self.working += 1;
            *self.of.entry(namespace).or_default() += 1;
            // Who gives up takes its place with it, under this lock: whoever waits still listens.
            let _ = next.send(());
        }
    }

    fn ended(&mut self, namespace: &Arc<str>) {
        self.working -= 1;
        if let Some(working) = self.of.get_mut(namespace) {
            *working -= 1;
            if *working == 0 {
                self.of.remove(namespace);
            }
        }
        self.serve();
    }
}

impl Permits {
    /// Waits until a pass of this namespace may begin.
    pub async fn begin(&self, tenant: Tenant) -> Permit<'_> {
        let mut permit = Permit {
            permits: self,
            tenant,
            works: false,
        };
        permit.work(Rank::Next).await;
        permit
    }

    /// How many wait for a turn.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.0.lock().waiting.len()
    }
}

/// A pass that has begun, until it is dropped.
#[derive(Debug)]
pub struct Permit<'a> {
    permits: &'a Permits,
    tenant: Tenant,
    /// Whether it counts.
    works: bool,
}

impl Permit<'_> {
    /// Waits for something without counting as working; goes on when it is there and it is this namespace's turn.
    pub async fn aside<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        self.rest();
        let found = waiting.await;
        self.work(Rank::First).await;
        found
    }

    async fn work(&mut self, rank: Rank) {
        let (next, given) = oneshot::channel();
        let place = {
            let mut state = self.permits.0.lock();
            let place = state.waiting.push(&self.tenant, rank, next);
            state.serve();
            place
        };
        let mut waiting = Waiting {
            permits: self.permits,
            namespace: self.tenant.namespace(),
            place,
            given,
            taken: false,
        };
        waiting.taken = (&mut waiting.given).await.is_ok();
        self.works = waiting.taken;
    }

    fn rest(&mut self) {
        if std::mem::take(&mut self.works) {
            self.permits.0.lock().ended(self.tenant.namespace());
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.rest();
    }
}

/// A place in the queue, and then a turn.
struct Waiting<'a> {
    permits: &'a Permits,
    namespace: &'a Arc<str>,
    place: Place,
    given: oneshot::Receiver<()>,
    taken: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut state = self.permits.0.lock();
        let left = state.waiting.remove(self.namespace, self.place).is_some();
        if !left && self.given.try_recv().is_ok() {
            state.ended(self.namespace);
        }
    }
}

#[cfg(test)]
#[path = "permits_tests.rs"]
mod tests;
