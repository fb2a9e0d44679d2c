//! The server behind a shared ledger: the ways to it, and what is said to it on the side until it was heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use redis::FromRedisValue;
use tokio::sync::mpsc;

use super::line::Line;
use super::scripts::{self, Call, Scripts};
use crate::sessions::ledger::{LedgerUnavailable, Left};

/// How long what a replica has in flight counts without a sign of life.
pub const LEASE: Duration = Duration::from_secs(15);
/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(4);
/// Pause before a sign of life, or the end of a request, that was not heard is said again.
pub const AGAIN: Duration = Duration::from_secs(1);
/// Ends of requests that are said at once.
const ENDS: usize = 256;

/// The server, and who speaks to it.
#[derive(Clone)]
pub struct Server {
    /// For what a request waits for.
    pub requests: Line,
    /// For lists and looks, one script at a time: a request never stands behind them.
    pub lists: Line,
    pub scripts: Arc<Scripts>,
    /// This process: another start is another replica.
    pub replica: Arc<str>,
    pub counts: Arc<Counts>,
}

/// What was met.
#[derive(Default)]
pub struct Counts {
    /// Values that nobody can read.
    pub unreadable: AtomicU64,
    /// Conversations that were forgotten to make room.
    pub forgotten: AtomicU64,
}

/// The end of a request.
pub struct End {
    pub ticket: u64,
    pub left: Left,
    pub at: Timestamp,
}

/// Takes a request back that may have entered all the same where nobody heard so: after an error, and where whoever asked went away.
pub struct EndsUnlessEntered<'a> {
    pub ends: &'a mpsc::UnboundedSender<End>,
    pub end: Option<End>,
}

impl Drop for EndsUnlessEntered<'_> {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            // The channel is closed only where the process ends.
            let _ = self.ends.send(end);
        }
    }
}

impl Server {
    /// Runs a script that a request waits for.
    pub async fn run<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, LedgerUnavailable> {
        Ok(self.taken(self.requests.run(call).await?))
    }

    /// Runs a script of a list or a look.
    pub async fn query<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, LedgerUnavailable> {
        Ok(self.taken(self.lists.run(call).await?))
    }

    fn taken<T>(&self, said: (u64, u64, T)) -> T {
        let (odd, forgotten, said) = said;
        self.unreadable(odd);
        self.counts
            .forgotten
            .fetch_add(forgotten, Ordering::Relaxed);
        said
    }

    /// Counts values that nobody can read. What they are is not said: they may hold anything.
    pub fn unreadable(&self, count: u64) {
        if count > 0 {
            self.counts.unreadable.fetch_add(count, Ordering::Relaxed);
            tracing::warn!(
                count,
                "cannot read values of the session ledger, treating them as absent"
            );
        }
    }

    async fn end(&self, end: &End) -> Result<(), LedgerUnavailable> {
        let End { ticket, left, at } = end;
        let mut call = self.scripts.leave.prepare_invoke();
        call.arg(&*self.replica)
            .arg(ticket)
            .arg(at.as_millisecond())
            .arg(u8::from(left.reached))
            .arg(
                left.busy
                    .map(u8::from)
                    .map_or(String::new(), |busy| busy.to_string()),
            );
        self.run::<i64>(Call(call)).await.map(drop)
    }
}

/// What says that a replica lives.
pub fn heartbeat(replica: &str) -> redis::Cmd {
    let mut command = redis::cmd("SET");
    command
        .arg(scripts::replica_key(replica))
        .arg(1)
        .arg("PX")
        .arg(LEASE.as_millis());
    command
}

/// Says that this replica lives.
pub async fn beat(server: Server) {
    loop {
        let pause = match server.requests.beat().await {
            Ok(()) => BEAT,
            Err(_) => AGAIN,
        };
        tokio::time::sleep(pause).await;
    }
}

/// Says which requests are over, until it was heard: a count that stays up would keep a session from its end. One that is not heard does not
/// hold up those after it.
pub async fn say_ends(server: Server, mut heard: mpsc::UnboundedReceiver<End>) {
    let mut ends = Vec::new();
    while !ends.is_empty() || heard.recv_many(&mut ends, ENDS).await > 0 {
        let mut left = Vec::new();
        for some in ends.chunks(ENDS) {
            let said = join_all(some.iter().map(|end| server.end(end))).await;
            left.extend(said.iter().map(Result::is_err));
        }
        let mut left = left.into_iter();
        ends.retain(|_| left.next().unwrap_or_default());
        if !ends.is_empty() {
            tokio::time::sleep(AGAIN).await;
            while let Ok(end) = heard.try_recv() {
                ends.push(end);
            }
        }
    }
}
