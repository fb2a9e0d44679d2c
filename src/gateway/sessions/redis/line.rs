//! A way to the server. One that does not answer in time is given up with all that waits on it, and nobody else waits for it until the server
//! answers on a new one: what was asked while it stood still does not queue up behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, FromRedisValue, RedisError};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::scripts::Call;
use super::server::AGAIN;
use crate::gateway::sessions::ledger::LedgerUnavailable;

/// Until an answer, and until a connection. A caller waits that long for its 503 while the server is away.
const ANSWER: Duration = Duration::from_secs(2);

/// A connection, or the one after it.
#[derive(Clone)]
pub struct Line(Arc<Inner>);

struct Inner {
    client: Client,
    connection: Mutex<ConnectionManager>,
    /// The last answer did not come in time, and none has come since.
    stands: AtomicBool,
    broke: Notify,
    /// Commands that are under way at once.
    turns: Semaphore,
}

impl Line {
    /// A line on which at most `most` commands are under way at once. Nothing is sent yet.
    pub fn new(client: Client, most: usize) -> Result<Self, RedisError> {
        Ok(Self(Arc::new(Inner {
            connection: Mutex::new(connect(&client)?),
            client,
            stands: AtomicBool::new(false),
            broke: Notify::new(),
            turns: Semaphore::new(most),
        })))
    }

    /// Runs a script.
    pub async fn run<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, LedgerUnavailable> {
        let _turn = self.turn().await?;
        let mut connection = self.connection();
        let said = call.0.invoke_async(&mut connection).await;
        said.map_err(|error| self.failed(&error))
    }

    /// Sends a command.
    pub async fn query<T: FromRedisValue>(
        &self,
        command: &redis::Cmd,
    ) -> Result<T, LedgerUnavailable> {
        let _turn = self.turn().await?;
        let mut connection = self.connection();
        let said = command.query_async(&mut connection).await;
        said.map_err(|error| self.failed(&error))
    }

    /// The connection of now.
    pub fn connection(&self) -> ConnectionManager {
        self.0.connection.lock().clone()
    }

    /// Whether it is worth asking.
    ///
    /// # Errors
    /// The server stands still: nothing that is asked now is sent.
    pub fn goes(&self) -> Result<(), LedgerUnavailable> {
        if self.0.stands.load(Ordering::Relaxed) {
            return Err(LedgerUnavailable("no answer in time".to_owned()));
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
        tracing::debug!(error = said, "the session ledger did not answer");
        if error.is_timeout() && !self.0.stands.swap(true, Ordering::Relaxed) {
            self.0.broke.notify_one();
        }
        LedgerUnavailable(said)
    }

    /// Makes a new connection each time that an answer did not come, for ever.
    pub async fn mend(self) {
        loop {
            self.0.broke.notified().await;
            while !self.renewed().await {
                tokio::time::sleep(AGAIN).await;
            }
            self.0.stands.store(false, Ordering::Relaxed);
        }
    }

    async fn renewed(&self) -> bool {
        let Ok(mut connection) = connect(&self.0.client) else {
            return false;
        };
        let answers = redis::cmd("PING").exec_async(&mut connection).await.is_ok();
        if answers {
            *self.0.connection.lock() = connection;
        }
        answers
    }
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
