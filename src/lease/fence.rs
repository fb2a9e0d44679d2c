//! The fence around everything that changes AWS: it is open while this replica certainly leads, and shut in time for the next one.
//!
//! The holder of a lease is the last to learn that it lost it, so it does not wait to be told: what it may do ends
//! [`RENEW_DEADLINE`](super::RENEW_DEADLINE) after its last renewal began, 5 s before anybody else may take the lease.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

use super::clock::Moment;

/// Nothing begins with less than this left: what was begun must have been sent, and mostly answered, before the fence shuts.
pub const MARGIN: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug)]
enum State {
    /// No election: there is one replica only.
    Open,
    /// Not led yet.
    Standby,
    /// Leads until then, unless it is renewed.
    Until(Moment),
    /// Leads no more, since then, and never will.
    Shut(Moment),
}

impl State {
    fn left(self) -> Duration {
        match self {
            Self::Open => Duration::MAX,
            Self::Until(end) => end.since(Moment::now()),
            Self::Standby | Self::Shut(_) => Duration::ZERO,
        }
    }
}

/// Whether this replica may change AWS, and for how long. Clones are one fence.
#[derive(Clone, Debug)]
pub struct Fence(watch::Sender<State>);

impl Fence {
    /// A fence that never shuts, for a single replica without election.
    pub fn open() -> Self {
        Self(watch::Sender::new(State::Open))
    }

    /// The fence of a replica that does not lead yet.
    pub fn standby() -> Self {
        Self(watch::Sender::new(State::Standby))
    }

    /// Leads for `time` from `began`. A fence that was shut stays so.
    pub(super) fn extend(&self, began: Moment, time: Duration) {
        self.0.send_if_modified(|state| {
            let over = matches!(state, State::Shut(_)) || state.left().is_zero() && state.was_led();
            if !over {
                *state = State::Until(began.after(time));
            }
            !over
        });
    }

    /// Shuts for good. Calls under way are dropped.
    pub fn shut(&self) {
        self.0.send_if_modified(|state| {
            let shut = matches!(state, State::Shut(_));
            if !shut {
                *state = State::Shut(Moment::now());
            }
            !shut
        });
    }

    /// How long this replica may go on if nothing is renewed.
    pub fn left(&self) -> Duration {
        self.0.borrow().left()
    }

    /// For how long the fence has been shut of a replica that once led. Its process should have ended.
    pub fn overdue(&self) -> Duration {
        match *self.0.borrow() {
            State::Until(end) | State::Shut(end) => Moment::now().since(end),
            State::Open | State::Standby => Duration::ZERO,
        }
    }

    /// Makes a call and waits for its end. It is made once there are [`MARGIN`] left, and dropped when nothing is left.
    ///
    /// Behind a fence that is shut this never returns: the process ends, and what would be reported of the call until then is wrong.
    pub async fn guard<C: Future>(&self, call: impl FnOnce() -> C) -> C::Output {
        let mut state = self.0.subscribe();
        loop {
            let now = *state.borrow_and_update();
            if now.left() >= MARGIN {
                break;
            }
            // The sender lives as long as `self`.
            let _ = state.changed().await;
        }
        {
            let mut call = pin!(call());
            loop {
                let now = *state.borrow_and_update();
                let left = now.left();
                if left.is_zero() {
                    break;
                }
                tokio::select! {
                    biased;
                    _ = state.changed() => {}
                    () = over(left) => {}
                    // Timers stand still while the machine sleeps; the fence does not.
                    answer = poll_fn(|context| if now.left().is_zero() { Poll::Pending } else { call.as_mut().poll(context) }) => return answer,
                }
            }
        }
        tracing::warn!("a call to AWS was dropped: this replica leads no more");
        pending().await
    }
}

impl State {
    fn was_led(self) -> bool {
        matches!(self, Self::Until(_))
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
        let now = Moment::now();
        fence.extend(now, MARGIN.saturating_sub(Duration::from_millis(1)));
        assert!(call.as_mut().now_or_never().is_none());
        assert!(!began.get());
        fence.extend(now, LONG);
        call.await;
        assert!(began.get());
    }

    #[tokio::test]
    async fn a_call_under_way_is_dropped_when_the_fence_shuts() {
        let fence = Fence::standby();
        fence.extend(Moment::now(), LONG);
        let dropped = CancellationToken::new();
        let mut call = pin!(fence.guard(|| endless(dropped.clone())));
        assert!(call.as_mut().now_or_never().is_none());
        assert!(!dropped.is_cancelled());
        fence.shut();
        assert!(call.as_mut().now_or_never().is_none());
        assert!(dropped.is_cancelled());
    }

    #[tokio::test]
    async fn a_call_ends_at_the_deadline() {
        let fence = Fence::standby();
        let began = Moment::now();
        fence.extend(began, MARGIN + Duration::from_secs(1));
        let dropped = CancellationToken::new();
        let call = fence.guard(|| endless(dropped.clone()));
        tokio::select! {
            biased;
            () = call => unreachable!("the call never ends"),
            () = dropped.cancelled() => {}
        }
        assert!(Moment::now().since(began) >= MARGIN);
        assert!(fence.left().is_zero());
    }

    #[test]
    fn a_fence_that_ran_out_or_was_shut_stays_shut() {
        let fence = Fence::standby();
        fence.extend(Moment::now(), Duration::ZERO);
        fence.extend(Moment::now(), LONG);
        assert!(fence.left().is_zero());
        let fence = Fence::standby();
        fence.extend(Moment::now(), LONG);
        assert!(!fence.left().is_zero());
        fence.shut();
        fence.extend(Moment::now(), LONG);
        assert!(fence.left().is_zero());
    }
}
