//! The end of streams whose session's deadline has come: each replica ends those that go through it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::ledger::Group;

/// Open streams by the group of their session.
#[derive(Default)]
pub struct StreamCancels(Mutex<HashMap<Group, Arc<CancellationToken>>>);

impl StreamCancels {
    fn token(&self, group: &Group) -> Arc<CancellationToken> {
        let mut tokens = self.0.lock();
        if let Some(token) = tokens.get(group) {
            return token.clone();
        }
        // Where the map would grow, what no stream holds any more goes.
        if tokens.len() == tokens.capacity() {
            tokens.retain(|_, token| Arc::strong_count(token) > 1);
        }
        let token = Arc::<CancellationToken>::default();
        tokens.insert(group.clone(), token.clone());
        token
    }

    /// Ends the streams of a group that are open now.
    pub fn cut(&self, group: &Group) {
        if let Some(token) = self.0.lock().remove(group) {
            token.cancel();
        }
    }
}

/// What ends one stream. It costs next to nothing until it is waited for.
pub struct StreamCancel {
    streams: Arc<StreamCancels>,
    group: Group,
}

impl StreamCancel {
    /// Of a stream in a session of this group.
    pub(super) fn new(streams: Arc<StreamCancels>, group: Group) -> Self {
        Self { streams, group }
    }

    /// Waits until the stream has to end.
    pub async fn cancelled(&self) {
        self.streams.token(&self.group).cancelled().await;
    }
}
