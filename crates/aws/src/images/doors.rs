//! Who looks at a place: one of each namespace at a time, and whatever one finds serves everybody.
//!
//! Each looks in its own namespace's turn for AWS's rate. Were there one look at a time for all, a namespace with thousands of questions would
//! hold the others' up at every place that it names too.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard, watch};

use crate::fair::Tenant;

/// The doors of one place, one for each namespace.
#[derive(Debug)]
pub(super) struct Doors {
    turns: Mutex<HashMap<Arc<str>, Arc<TurnMutex<()>>>>,
    news: watch::Sender<()>,
}

impl Default for Doors {
    fn default() -> Self {
        Self {
            turns: Mutex::default(),
            news: watch::Sender::new(()),
        }
    }
}

impl Doors {
    /// Makes a look, unless `known` has the answer: now, once it is this namespace's turn, or while the look is under way because somebody
    /// else's was faster.
    pub async fn look<T>(
        &self,
        tenant: &Tenant,
        known: impl Fn() -> Option<T>,
        look: impl Future<Output = T>,
    ) -> T {
        let mut news = self.news.subscribe();
        let heard = async {
            loop {
                if let Some(answer) = known() {
                    return answer;
                }
                // Fails only when the sender is gone, and this has it.
                let _ = news.changed().await;
            }
        };
        let own = async {
            let _turn = self.enter(tenant).await;
            match known() {
                Some(answer) => answer,
                None => look.await,
            }
        };
        tokio::select! {
            biased;
            answer = heard => answer,
            answer = own => answer,
        }
    }

    /// Something was found: those who wait see whether it is what they ask for.
    pub fn tell(&self) {
        self.news.send_replace(());
    }

    async fn enter(&self, tenant: &Tenant) -> Turn<'_> {
        let namespace = tenant.namespace().clone();
        let turn = self
            .turns
            .lock()
            .entry(namespace.clone())
            .or_default()
            .clone();
        // Made before it is waited for: a waiter that is dropped clears up too.
        let mut entered = Turn {
            doors: self,
            namespace,
            held: None,
        };
        entered.held = Some(turn.lock_owned().await);
        entered
    }
}

/// A namespace's turn, while it waits for it or has it.
struct Turn<'a> {
    doors: &'a Doors,
    namespace: Arc<str>,
    held: Option<OwnedMutexGuard<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        drop(self.held.take());
        let mut turns = self.doors.turns.lock();
        let unused = |turn: &Arc<TurnMutex<()>>| Arc::strong_count(turn) == 1;
        if turns.get(&self.namespace).is_some_and(unused) {
            turns.remove(&self.namespace);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::task::Poll;

    use futures::poll;

    use super::*;

    fn team(name: &str) -> Tenant {
        Tenant::new(name, 10)
    }

    #[tokio::test]
    async fn one_of_a_namespace_looks_at_a_time_and_other_namespaces_do_not_wait_for_it() {
        let (doors, a, b) = (Doors::default(), team("a"), team("b"));
        let mut first = Box::pin(doors.look(&a, || None, pending::<u8>()));
        assert!(poll!(&mut first).is_pending());
        let mut second = Box::pin(doors.look(&a, || None, ready(2)));
        assert!(poll!(&mut second).is_pending());
        assert_eq!(doors.look(&b, || None, ready(3)).await, 3);
        drop(first);
        assert_eq!(second.await, 2);
        assert!(doors.turns.lock().is_empty(), "the scan was abandoned");
    }

    #[tokio::test]
    async fn what_one_finds_answers_those_who_wait_or_look() {
        let (doors, a, found) = (Doors::default(), team("a"), Mutex::new(None));
        let known = || *found.lock();
        let mut looks = Box::pin(doors.look(&a, known, pending::<u8>()));
        let mut waits = Box::pin(doors.look(&a, known, pending::<u8>()));
        assert!(poll!(&mut looks).is_pending() && poll!(&mut waits).is_pending());
        *found.lock() = Some(7);
        doors.tell();
        assert_eq!(
            (poll!(&mut looks), poll!(&mut waits)),
            (Poll::Ready(7), Poll::Ready(7))
        );
        drop((looks, waits));
        assert!(doors.turns.lock().is_empty(), "the scan was abandoned");
    }
}
