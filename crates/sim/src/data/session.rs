//! One session: who it is, when it was last used, and how it ended.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore, watch};

use crate::state::lookup::Target;
use crate::wire::errors::ApiError;
use crate::wire::reply::iso8601;

/// What tells one session from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// ARN of the runtime.
    pub runtime_arn: String,
    /// Name of the endpoint that it was begun through.
    pub endpoint: String,
    /// The caller's id.
    pub id: String,
}

impl Key {
    /// The key of a session at `target`.
    pub fn of(target: &Target, id: &str) -> Self {
        Self {
            runtime_arn: target.runtime_arn.clone(),
            endpoint: target.endpoint.clone(),
            id: id.to_owned(),
        }
    }
}

/// How far a session is.
#[derive(Debug, Clone)]
pub enum Phase {
    /// The program does not answer yet.
    Starting,
    /// The program answers.
    Ready,
    /// It ended before it answered; what the callers who waited are told.
    Failed(ApiError),
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// StopRuntimeSession.
    Stopped,
    /// Nobody used it for the idle time-out.
    Idle,
    /// It reached its longest life.
    Lifetime,
    /// Its program ended by itself.
    Exited,
    /// Its program did not answer in time.
    InitTimeout,
    /// Its runtime or endpoint was deleted.
    Deleted,
    /// The simulator ends.
    Shutdown,
}

impl EndReason {
    fn name(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED_BY_CALLER",
            Self::Idle => "IDLE",
            Self::Lifetime => "MAX_LIFETIME",
            Self::Exited => "EXITED",
            Self::InitTimeout => "INIT_TIMEOUT",
            Self::Deleted => "DELETED",
            Self::Shutdown => "SHUTDOWN",
        }
    }
}

/// A session of an agent.
#[derive(Debug)]
pub struct Session {
    /// What tells it from others.
    pub key: Key,
    /// Order of birth.
    pub seq: u64,
    /// Whose quota it counts for: account and region.
    pub place: (String, String),
    /// Where it was born: runtime, endpoint, version and its configuration.
    pub born: Target,
    /// Loopback port of its program.
    pub port: u16,
    /// Where its program's output goes.
    pub log: PathBuf,
    /// When it began.
    pub started_at: Timestamp,
    /// How far it is.
    pub phase: watch::Sender<Phase>,
    /// Set once: asks the keeper to end it.
    end_asked: watch::Sender<Option<EndReason>>,
    /// Whose turn it is, where invocations go one by one.
    pub turn: Arc<Semaphore>,
    /// An invocation has ended, so that idleness may be counted anew.
    pub released: Notify,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    pid: Option<u32>,
    folder: Option<PathBuf>,
    /// Last begin or end of an invocation.
    last_used: Timestamp,
    /// As above, or the last ping that said HealthyBusy.
    last_active: Timestamp,
    in_flight: usize,
    invocations: u64,
    ended: Option<(Timestamp, EndReason)>,
    exited_at: Option<Timestamp>,
}

impl Session {
    /// A session about to be started.
    pub fn new(
        key: Key,
        seq: u64,
        place: (String, String),
        born: Target,
        port: u16,
        log: PathBuf,
        now: Timestamp,
    ) -> Self {
        Self {
            key,
            seq,
            place,
            born,
            port,
            log,
            started_at: now,
            phase: watch::Sender::new(Phase::Starting),
            end_asked: watch::Sender::new(None),
            turn: Arc::new(Semaphore::new(1)),
            released: Notify::new(),
            inner: Mutex::new(Inner {
                pid: None,
                folder: None,
                last_used: now,
                last_active: now,
                in_flight: 0,
                invocations: 0,
                ended: None,
                exited_at: None,
            }),
        }
    }

    /// Its program runs under this process id, in this folder.
    pub fn set_process(&self, pid: u32, folder: &Path) {
        let mut inner = self.inner.lock();
        inner.pid = Some(pid);
        inner.folder = Some(folder.to_owned());
    }

    /// The working folder of its program.
    pub fn folder(&self) -> Option<PathBuf> {
        self.inner.lock().folder.clone()
    }

    /// An invocation begins. Only under the registry's lock, so that it cannot cross with an end.
    pub fn begin_use(&self, now: Timestamp) {
        let mut inner = self.inner.lock();
        inner.in_flight += 1;
        inner.invocations += 1;
        inner.last_used = now;
        inner.last_active = now;
    }

    /// An invocation ends.
    pub fn end_use(&self, now: Timestamp) {
        let mut inner = self.inner.lock();
        inner.in_flight = inner.in_flight.saturating_sub(1);
        inner.last_used = now;
        inner.last_active = now;
        drop(inner);
        self.released.notify_one();
    }

    /// A ping said that it works in the background.
    pub fn busy(&self, now: Timestamp) {
        self.inner.lock().last_active = now;
    }

    /// When it is to end if nothing happens, and why. `requests_keep`: it is not idle while an invocation is under way.
    pub fn due(&self, requests_keep: bool) -> (Timestamp, EndReason) {
        let inner = self.inner.lock();
        let life_ends = after(self.started_at, self.born.config.lifetime_seconds());
        let idle_ends = after(inner.last_active, self.born.config.idle_seconds());
        let kept = requests_keep && inner.in_flight > 0;
        if !kept && idle_ends < life_ends {
            (idle_ends, EndReason::Idle)
        } else {
            (life_ends, EndReason::Lifetime)
        }
    }

    /// Asks the keeper to end it. The first reason stays.
    pub fn ask_end(&self, reason: EndReason) {
        self.end_asked.send_if_modified(|asked| {
            let first = asked.is_none();
            asked.get_or_insert(reason);
            first
        });
    }

    /// Waits until somebody asks for its end, and returns why. What has ended is asked, too.
    pub async fn asked_to_end(&self) -> EndReason {
        let mut asked = self.end_asked.subscribe();
        match asked.wait_for(Option::is_some).await {
            Ok(reason) => reason.unwrap_or(EndReason::Stopped),
            // The sender is a part of `self`.
            Err(_) => EndReason::Shutdown,
        }
    }

    /// It has ended, though its program may need a moment to go. The first reason stays.
    pub fn set_ended(&self, now: Timestamp, reason: EndReason) {
        self.inner.lock().ended.get_or_insert((now, reason));
        self.ask_end(reason);
    }

    /// Its program is gone.
    pub fn set_exited(&self, now: Timestamp) {
        self.inner.lock().exited_at = Some(now);
    }

    /// Waits until its program answers.
    ///
    /// # Errors
    /// What went wrong with its start.
    pub async fn ready(&self) -> Result<(), ApiError> {
        let mut phase = self.phase.subscribe();
        let settled = phase
            .wait_for(|phase| !matches!(phase, Phase::Starting))
            .await;
        match settled.map(|phase| phase.clone()) {
            Ok(Phase::Failed(error)) => Err(error),
            Ok(Phase::Starting | Phase::Ready) => Ok(()),
            // The sender is a part of `self`.
            Err(_) => Err(ApiError::new(
                "InternalServerException",
                "the session is gone",
            )),
        }
    }

    /// Its entry in `GET /_sim/state`.
    pub fn state(&self) -> Value {
        let inner = self.inner.lock();
        let mut entry = json!({
            "id": self.key.id,
            "runtimeArn": self.key.runtime_arn,
            "endpoint": self.key.endpoint,
            "version": self.born.version.to_string(),
            "pid": inner.pid,
            "state": if inner.ended.is_some() { "STOPPED" } else { "RUNNING" },
            "startedAt": iso8601(self.started_at),
            "lastUsedAt": iso8601(inner.last_used),
            "invocations": inner.invocations,
            "inFlight": inner.in_flight,
            "port": self.port,
            "log": self.log,
        });
        if let Some((at, reason)) = inner.ended {
            entry["endedAt"] = json!(iso8601(at));
            entry["endReason"] = json!(reason.name());
        }
        if let Some(at) = inner.exited_at {
            entry["exitedAt"] = json!(iso8601(at));
        }
        entry
    }
}

/// An invocation under way: keeps its session from being idle, from its begin to the last byte of its answer.
#[derive(Debug)]
pub struct InUse {
    session: Arc<Session>,
    app: Arc<crate::state::world::App>,
}

impl InUse {
    /// Marks the begin. Only under the registry's lock.
    pub fn begin(app: &Arc<crate::state::world::App>, session: Arc<Session>) -> Self {
        session.begin_use(app.now());
        Self {
            session,
            app: Arc::clone(app),
        }
    }

    /// The session in use.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The session in use, for whoever stays with it longer.
    pub fn shared(&self) -> Arc<Session> {
        Arc::clone(&self.session)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.session.end_use(self.app.now());
    }
}

fn after(from: Timestamp, seconds: i64) -> Timestamp {
    from.saturating_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}
