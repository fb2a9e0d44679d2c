//! A way to the server. One that does not answer in time, or ends at a server that is a primary no more, is given up with all that waits on it,
//! and nobody else waits for it until a server takes a write on a new one: what was asked meanwhile does not queue up behind it. Of a cluster
//! only one server matters, since all keys are in one slot: the others say which one it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::scripts::{Call, SLOT};
use super::server::AGAIN;
use crate::sessions::ledger::LedgerUnavailable;

/// Until an answer, and until a connection. A caller waits that long for its 503 while the server is away.
const ANSWER: Duration = Duration::from_secs(2);
/// What a server answers to a write that is a replica: after a failover a connection stays where it was, and only a new one is led by the
/// address to the primary. MASTERDOWN is the same without the primary in sight.
const NO_PRIMARY: [&str; 2] = ["READONLY", "MASTERDOWN"];
/// What a server of a cluster answers that does not have the keys.
const MOVED: ErrorKind = ErrorKind::Server(ServerErrorKind::Moved);
/// Servers of a cluster that are asked for the one that has the keys: a slot may move on meanwhile.
const HOPS: usize = 4;

/// A connection, or the one after it.
#[derive(Clone)]
pub struct Line(Arc<Inner>);

struct Inner {
    client: Client,
    /// A write that may be sent at any time; a new connection has to take it.
    heartbeat: Cmd,
    connection: Mutex<ConnectionManager>,
    /// The last answer did not come in time, or was that of a replica; no other has come since.
    gone: AtomicBool,
    broke: Notify,
    /// Commands that are under way at once.
    turns: Semaphore,
}

impl Line {
    /// A line on which at most `most` commands are under way at once. Nothing is sent yet. `heartbeat` is a write that may be sent at any time.
    pub fn new(client: Client, most: usize, heartbeat: Cmd) -> Result<Self, RedisError> {
        Ok(Self(Arc::new(Inner {
            connection: Mutex::new(connect(&client)?),
            client,
            heartbeat,
            gone: AtomicBool::new(false),
            broke: Notify::new(),
            turns: Semaphore::new(most),
        })))
    }

    /// Runs a script.
    pub async fn run<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, LedgerUnavailable> {
        let _turn = self.turn().await?;
        let mut connection = self.connection();
        let Call(mut call) = call;
        // Scripts make their keys up themselves; a cluster wants to know where they are.
        call.key(SLOT);
        let said = call.invoke_async(&mut connection).await;
        said.map_err(|error| self.failed(&error))
    }

    /// Sends the heartbeat.
    pub async fn beat(&self) -> Result<(), LedgerUnavailable> {
        let _turn = self.turn().await?;
        let mut connection = self.connection();
        let said = self.0.heartbeat.exec_async(&mut connection).await;
        said.map_err(|error| self.failed(&error))
    }

    /// The connection of now.
    pub fn connection(&self) -> ConnectionManager {
        self.0.connection.lock().clone()
    }

    /// Whether it is worth asking.
    ///
    /// # Errors
    /// The server stands still, or is no primary: nothing that is asked now is sent.
    pub fn goes(&self) -> Result<(), LedgerUnavailable> {
        if self.0.gone.load(Ordering::Relaxed) {
            return Err(LedgerUnavailable("no primary answers".to_owned()));
        }
        Ok(())
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, LedgerUnavailable> {
        self.goes()?;
        // Whoever waits for a turn waits no longer than for an answer, and not at all for a server that stands still.
        let Ok(Ok(turn)) = timeout(ANSWER, self.0.turns.acquire()).await else {
            return Err(LedgerUnavailable("too much is under way".to_owned()));
        };
        self.goes()?;
        Ok(turn)
    }

    /// What a caller may know of an error: its kind, and no address.
    fn failed(&self, error: &RedisError) -> LedgerUnavailable {
        // Errors of scripts and of types may quote values.
        let code = error.code().map(|code| format!(" ({code})"));
        let said = format!("{}{}", error.category(), code.unwrap_or_default());
        tracing::debug!(error = said, "the session ledger did not respond");
        if is_gone(error) && !self.0.gone.swap(true, Ordering::Relaxed) {
            self.0.broke.notify_one();
        }
        LedgerUnavailable(said)
    }

    /// Makes a new connection, by a new look at the address, each time that the server is gone, for ever.
    pub async fn mend(self) {
        loop {
            self.0.broke.notified().await;
            while !self.renewed().await {
                tokio::time::sleep(AGAIN).await;
            }
            self.0.gone.store(false, Ordering::Relaxed);
        }
    }

    async fn renewed(&self) -> bool {
        let mut client = Some(self.0.client.clone());
        for _ in 0..HOPS {
            let Some(Ok(mut connection)) = client.as_ref().map(connect) else {
                return false;
            };
            match self.0.heartbeat.exec_async(&mut connection).await {
                Ok(()) => {
                    *self.0.connection.lock() = connection;
                    return true;
                }
                Err(error) => client = elsewhere(&self.0.client, &error),
            }
        }
        false
    }
}

/// The server that has the keys, where another one of a cluster says so: the same settings at another address.
fn elsewhere(client: &Client, error: &RedisError) -> Option<Client> {
    if error.kind() != MOVED {
        return None;
    }
    let (to, _) = error.redirect_node()?;
    let (name, number) = to.rsplit_once(':')?;
    let known = client.get_connection_info();
    let mut address = known.addr().clone();
    match &mut address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            *port = number.parse().ok()?;
            // A server that does not know its own name leaves it out: it is the one that was asked for.
            if !name.is_empty() {
                name.clone_into(host);
            }
        }
        _ => return None,
    }
    Client::open(known.clone().set_addr(address)).ok()
}

/// Whether the connection leads nowhere. Redis before 7 puts the code of an error in a script into its text.
fn is_gone(error: &RedisError) -> bool {
    let says = |word| {
        error.code() == Some(word) || error.detail().is_some_and(|detail| detail.contains(word))
    };
    error.is_timeout() || error.kind() == MOVED || NO_PRIMARY.into_iter().any(says)
}

fn connect(client: &Client) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(ANSWER))
        .set_connection_timeout(Some(ANSWER))
        // All requests wait for the same connection. A try more would only make them wait longer.
        .set_number_of_retries(1)
        .set_max_delay(AGAIN);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
