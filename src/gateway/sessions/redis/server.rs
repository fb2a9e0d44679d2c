//! The server behind a shared ledger: what is said to it on the side, until it was heard.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use redis::FromRedisValue;
use redis::aio::ConnectionManager;
use tokio::sync::mpsc;

use super::scripts::{self, Call, Scripts};
use crate::gateway::sessions::ledger::{LedgerUnavailable, Left};

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
    pub connection: ConnectionManager,
    pub scripts: Arc<Scripts>,
    /// This process: another start is another replica.
    pub replica: Arc<str>,
}

/// The end of a request.
pub struct End {
    pub id: String,
    /// None: the conversation's own, or the one before.
    pub generation: Option<u32>,
    pub ticket: u64,
    pub left: Left,
    pub at: Timestamp,
}

impl Server {
    /// Runs a script.
    pub async fn run<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, LedgerUnavailable> {
        let mut connection = self.connection.clone();
        call.0
            .invoke_async(&mut connection)
            .await
            .map_err(|error| unavailable(&error))
    }

    async fn live(&self) -> Result<(), LedgerUnavailable> {
        let mut connection = self.connection.clone();
        redis::cmd("SET")
            .arg(scripts::replica_key(&self.replica))
            .arg(1)
            .arg("PX")
            .arg(LEASE.as_millis())
            .exec_async(&mut connection)
            .await
            .map_err(|error| unavailable(&error))
    }

    async fn end(&self, end: &End) -> Result<(), LedgerUnavailable> {
        let End {
            id,
            generation,
            ticket,
            left,
            at,
        } = end;
        let mut call = self.scripts.leave.prepare_invoke();
        call.arg(id)
            .arg(
                generation
                    .map(|generation| generation.to_string())
                    .unwrap_or_default(),
            )
            .arg(at.as_millisecond())
            .arg(&*self.replica)
            .arg(ticket)
            .arg(u8::from(left.reached))
            .arg(
                left.busy
                    .map(u8::from)
                    .map_or(String::new(), |busy| busy.to_string()),
            );
        self.run::<i64>(Call(call)).await.map(drop)
    }
}

/// What a caller may know of an error: its kind, and no address.
fn unavailable(error: &redis::RedisError) -> LedgerUnavailable {
    // Its text may quote values.
    tracing::debug!(
        kind = error.category(),
        code = error.code(),
        "the session ledger did not answer"
    );
    let code = error.code().map(|code| format!(" ({code})"));
    LedgerUnavailable(format!("{}{}", error.category(), code.unwrap_or_default()))
}

/// Says that this replica lives.
pub async fn beat(server: Server) {
    loop {
        let pause = match server.live().await {
            Ok(()) => BEAT,
            Err(_) => AGAIN,
        };
        tokio::time::sleep(pause).await;
    }
}

/// Says which requests are over, until it was heard: a count that stays up would keep a session from its end.
pub async fn say_ends(server: Server, mut heard: mpsc::UnboundedReceiver<End>) {
    let mut ends = Vec::new();
    while heard.recv_many(&mut ends, ENDS).await > 0 {
        while !ends.is_empty() {
            let said = join_all(ends.iter().map(|end| server.end(end))).await;
            let mut said = said.into_iter();
            ends.retain(|_| said.next().is_none_or(|said| said.is_err()));
            if !ends.is_empty() {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}
