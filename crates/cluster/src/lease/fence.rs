//! The fence around everything that changes AWS: it is open while this replica certainly leads, and shut in time for the next one.
//!
//! What that means is [`Lead`]'s to say; here calls are held to it.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use agentcore_plan::lease::Lead;
use tokio::sync::watch;

use super::{TERMS, clock};

/// Whether this replica may change AWS, and for how long. Clones are one fence.
#[derive(Clone, Debug)]
pub struct Fence(watch::Sender<Lead>);

impl Fence {
    /// A fence that never shuts, for a single replica without election.
    pub fn open() -> Self {
        Self(watch::Sender::new(Lead::Alone))
    }

    /// The fence of a replica that does not lead yet.
    pub fn standby() -> Self {
        Self(watch::Sender::new(Lead::Standby))
    }

    /// From now on the replica leads so far. Where it leads no more, calls under way are dropped.
    pub(super) fn set(&self, lead: Lead) {
        self.0
            .send_if_modified(|state| std::mem::replace(state, lead) != lead);
    }

    /// How long this replica may go on if nothing is renewed.
    pub fn left(&self) -> Duration {
        self.0.borrow().left(clock::now())
    }

    /// For how long the fence has been shut of a replica that once led. Its process should have ended.
    pub fn overdue(&self) -> Duration {
        self.0.borrow().overdue(clock::now())
    }

    /// Makes a call and waits for its end. It is made once [`Lead::may_begin`] says so, and dropped when [`Lead::may_go_on`] does not.
    ///
    /// Behind a fence that is shut this never returns: the process ends, and what would be reported of the call until then is wrong.
    pub async fn guard<C: Future>(&self, call: impl FnOnce() -> C) -> C::Output {
        let mut state = self.0.subscribe();
        loop {
            let lead = *state.borrow_and_update();
            if lead.may_begin(clock::now(), &TERMS) {
                break;
            }
            // The sender lives as long as `self`.
            let _ = state.changed().await;
        }
        {
            let mut call = pin!(call());
            loop {
                let lead = *state.borrow_and_update();
                let left = lead.left(clock::now());
                if left.is_zero() {
                    break;
                }
                tokio::select! {
                    biased;
                    _ = state.changed() => {}
                    () = over(left) => {}
                    // Timers stand still while the machine sleeps; the fence does not.
                    answer = poll_fn(|context| if lead.may_go_on(clock::now()) { call.as_mut().poll(context) } else { Poll::Pending }) => return answer,
                }
            }
        }
        tracing::warn!("dropped a call to AWS: this replica is no longer the leader");
        pending().await
    }
}

async fn over(left: Duration) {
    if left == Duration::MAX {
        return pending().await;
    }
    tokio::time::sleep(left).await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::FutureExt as _;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const LONG: Duration = Duration::from_mins(10);
    const MARGIN: Duration = TERMS.margin;

    /// Leads for this time from now on.
    fn leads(fence: &Fence, time: Duration) {
        fence.set(Lead::Until(clock::now().after(time)));
    }

    fn shut(fence: &Fence) {
        fence.set(Lead::Over(clock::now()));
    }

    /// A call that never ends, and cancels `dropped` when it is dropped.
    async fn endless(dropped: CancellationToken) {
        let _dropped = dropped.drop_guard();
        pending::<()>().await;
    }

    #[tokio::test]
    async fn without_election_everything_passes() {
        let fence = Fence::open();
        assert_eq!(fence.guard(|| async { 7 }).await, 7);
        assert_eq!(fence.overdue(), Duration::ZERO);
    }

    #[tokio::test]
    async fn nothing_begins_before_this_replica_leads_or_with_too_little_left() {
        let fence = Fence::standby();
        let began = Cell::new(false);
        let mut call = pin!(fence.guard(|| async { began.set(true) }));
        assert!(call.as_mut().now_or_never().is_none());
        leads(&fence, MARGIN.saturating_sub(Duration::from_millis(1)));
        assert!(call.as_mut().now_or_never().is_none());
        assert!(!began.get());
        leads(&fence, LONG);
        call.await;
        assert!(began.get());
    }

    #[tokio::test]
    async fn a_call_under_way_is_dropped_when_the_fence_shuts() {
        let fence = Fence::standby();
        leads(&fence, LONG);
        let dropped = CancellationToken::new();
        let mut call = pin!(fence.guard(|| endless(dropped.clone())));
        assert!(call.as_mut().now_or_never().is_none());
        assert!(!dropped.is_cancelled());
        shut(&fence);
        assert!(call.as_mut().now_or_never().is_none());
        assert!(dropped.is_cancelled());
    }

    #[tokio::test]
    async fn a_call_ends_at_the_deadline() {
        let fence = Fence::standby();
        let began = clock::now();
        leads(&fence, MARGIN + Duration::from_secs(1));
        let dropped = CancellationToken::new();
        let call = fence.guard(|| endless(dropped.clone()));
        tokio::select! {
            biased;
            () = call => unreachable!("the call never ends"),
            () = dropped.cancelled() => {}
        }
        assert!(clock::now().since(began) >= MARGIN);
        assert!(fence.left().is_zero());
    }
}
