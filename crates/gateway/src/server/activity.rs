//! What a connection has to do: requests under way, and since when there are none.

use std::sync::Arc;
use std::time::Duration;

use hyper::Version;
use parking_lot::Mutex;
use tokio::time::Instant;

/// What a connection has to do.
#[derive(Debug, Default)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    /// When the last request ended; absent before the first.
    since: Option<Instant>,
    /// How many requests there were.
    begun: u64,
    /// Whether bytes may come that are of no request: the peer speaks HTTP/2, or the connection was upgraded.
    beyond: bool,
    /// Whether it is no connection of requests any more, and never idle.
    upgraded: bool,
}

pub(super) enum Idle {
    /// Not one request yet.
    Unused,
    /// Something is under way.
    Busy,
    /// Nothing has been under way for this long.
    For(Duration),
}

impl Activity {
    pub(super) fn idle(&self) -> Idle {
        let state = self.0.lock();
        match state.since {
            _ if state.under_way > 0 || state.upgraded => Idle::Busy,
            None => Idle::Unused,
            Some(since) => Idle::For(since.elapsed()),
        }
    }

    pub(super) fn begin(self: &Arc<Self>, version: Version) -> UnderWay {
        let mut state = self.0.lock();
        state.under_way += 1;
        state.begun += 1;
        state.beyond = version == Version::HTTP_2;
        UnderWay(self.clone())
    }

    /// From here on bytes may come that are of no request.
    pub(super) fn upgraded(&self) {
        let mut state = self.0.lock();
        state.beyond = true;
        state.upgraded = true;
    }

    /// While the next byte would be of a header: how many requests came before it.
    pub(super) fn before_header(&self) -> Option<u64> {
        let state = self.0.lock();
        (state.under_way == 0 && !state.beyond).then_some(state.begun)
    }
}

/// A request, until its answer's body has ended.
pub(super) struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.under_way -= 1;
        state.since = Some(Instant::now());
    }
}
