//! Which sessions there are: begins one for a new id, finds it again, takes it away.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::process::{Running, free_port};
use super::session::{EndReason, InUse, Key, Session};
use super::stop::StopTokens;
use super::watchdog::Watchdog;
use super::{keeper, snapshot};
use crate::state::lookup::Target;
use crate::state::world::App;
use crate::wire::errors::ApiError;

/// How many sessions that have ended are still shown.
const REMEMBERED: usize = 1000;
/// How long open WebSockets may take to end when the simulator stops.
const LEAVE: Duration = Duration::from_secs(5);

/// The sessions of the simulator.
#[derive(Debug, Default)]
pub struct DataPlane {
    inner: Mutex<Inner>,
    /// One task for each session, until its process is gone.
    keepers: TaskTracker,
    /// One task for each open WebSocket.
    pub(super) sockets: TaskTracker,
    folder: OnceLock<TempDir>,
    /// `agentcore-sim`, when this is that program.
    program: Option<PathBuf>,
    watchdog: OnceLock<Watchdog>,
    http: OnceLock<reqwest::Client>,
    /// Client tokens of StopRuntimeSession.
    pub(super) stop_tokens: Mutex<StopTokens>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Those that can be invoked.
    live: HashMap<Key, Arc<Session>>,
    /// The last ones that ended, oldest first.
    ended: VecDeque<Arc<Session>>,
    /// Ids by which agents know their sessions, beside the sessions' own.
    aliases: HashMap<Key, String>,
    /// Agents that are started for a snapshot.
    snapshots: Vec<Arc<Session>>,
    seq: u64,
    closed: bool,
}

impl Inner {
    /// Everything that has a program.
    fn all(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.live.values().chain(&self.snapshots)
    }
}

impl DataPlane {
    /// Without sessions; `program` as [`Config`](crate::Config) has it.
    pub fn new(program: Option<PathBuf>) -> Self {
        Self {
            program,
            ..Self::default()
        }
    }

    /// The entries of `sessions[]` in `GET /_sim/state`, by birth.
    pub fn state(&self) -> Vec<Value> {
        let inner = self.inner.lock();
        let mut all: Vec<_> = inner.ended.iter().chain(inner.live.values()).collect();
        all.sort_by_key(|session| session.seq);
        all.into_iter().map(|session| session.state()).collect()
    }

    /// Ends every session and waits for their processes. None begins after this.
    pub async fn stop(&self) {
        {
            let mut inner = self.inner.lock();
            inner.closed = true;
            inner
                .all()
                .for_each(|session| session.ask_end(EndReason::Shutdown));
        }
        self.keepers.close();
        self.keepers.wait().await;
        // Each gives its two sides a moment to take leave; one whose answer a fault delays is not waited for.
        self.sockets.close();
        let _ = timeout(LEAVE, self.sockets.wait()).await;
    }

    /// The session of this key, begun on `target`'s version if there is none, and in use from now on. It may still be
    /// starting: see `Session::ready`.
    ///
    /// # Errors
    /// `ServiceQuotaExceededException` when there are too many, `ThrottlingException` when too many begin, `RuntimeClientError` when the version has no program,
    /// `InternalServerException` when this machine lacks something.
    pub fn enter(
        &self,
        app: &Arc<App>,
        key: Key,
        place: (&str, &str),
        target: Target,
    ) -> Result<InUse, ApiError> {
        let (limit, per_minute) = {
            let settings = &app.world.lock().settings;
            (settings.max_sessions, settings.new_sessions_per_minute)
        };
        let mut inner = self.inner.lock();
        if let Some(session) = inner.live.get(&key) {
            return Ok(InUse::begin(app, Arc::clone(session)));
        }
        if inner.closed {
            return Err(stopping());
        }
        let place = (place.0.to_owned(), place.1.to_owned());
        if inner
            .live
            .values()
            .filter(|session| session.place == place)
            .count()
            >= limit
        {
            return Err(ApiError::new(
                "ServiceQuotaExceededException",
                "maxVms limit exceeded",
            ));
        }
        let bucket = format!("new session/{}/{}", key.runtime_arn, key.endpoint);
        let now = app.now();
        if !app.throttle.take_of_minute(&bucket, per_minute, now) {
            app.calls.lock().throttled += 1;
            return Err(ApiError::new("ThrottlingException", "Rate exceeded"));
        }
        let (session, started) = self.born(app, &mut inner, key.clone(), place, target, now)?;
        inner.live.insert(key, Arc::clone(&session));
        self.keepers
            .spawn(keeper::keep(Arc::clone(app), Arc::clone(&session), started));
        Ok(InUse::begin(app, session))
    }

    /// Starts the agent of a version of platform V2, so that its snapshot may be taken. It is no session: nobody can invoke it, and no quota
    /// counts it.
    ///
    /// # Errors
    /// As [`DataPlane::enter`].
    pub fn snapshot(
        &self,
        app: &Arc<App>,
        place: (String, String),
        target: Target,
    ) -> Result<(), ApiError> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(stopping());
        }
        let id = format!("snapshot-{}-{}", target.version, uuid::Uuid::new_v4());
        let key = Key::of(&target, &id);
        let (session, started) = self.born(app, &mut inner, key, place, target, app.now())?;
        inner.snapshots.push(Arc::clone(&session));
        self.keepers
            .spawn(snapshot::take(Arc::clone(app), session, started));
        Ok(())
    }

    /// The agent of a snapshot is gone.
    pub fn snapshot_ends(&self, session: &Arc<Session>) {
        let mut inner = self.inner.lock();
        inner.snapshots.retain(|other| !Arc::ptr_eq(other, session));
    }

    /// A session of this key with its program started.
    fn born(
        &self,
        app: &Arc<App>,
        inner: &mut Inner,
        key: Key,
        place: (String, String),
        target: Target,
        now: Timestamp,
    ) -> Result<(Arc<Session>, Running), ApiError> {
        inner.seq += 1;
        let taken: Vec<u16> = inner.all().map(|session| session.port).collect();
        let port = free_port(&taken).map_err(|error| broken("no free port", &error))?;
        let log = self
            .folder()
            .map_err(|error| broken("no folder", &error))?
            .join(format!("{}.log", inner.seq));
        let session = Arc::new(Session::new(key, inner.seq, place, target, port, log, now));
        let started = self
            .watchdog()
            .and_then(|watchdog| keeper::start(app, &session, watchdog));
        let started = started.map_err(|error| {
            ApiError::new(
                "RuntimeClientError",
                format!("the agent did not start: {error}"),
            )
        })?;
        Ok((session, started))
    }

    /// The session of this key, if it is there.
    pub fn find(&self, key: &Key) -> Option<Arc<Session>> {
        self.inner.lock().live.get(key).cloned()
    }

    /// The id of the session that its agent knows as `alias`.
    pub fn known_as(&self, alias: &Key) -> Option<String> {
        self.inner.lock().aliases.get(alias).cloned()
    }

    /// `alias` leads to the session `key` too, for as long as that lives.
    pub fn remember(&self, alias: Key, key: &Key) {
        let mut inner = self.inner.lock();
        if inner.live.contains_key(key) {
            inner.aliases.insert(alias, key.id.clone());
        }
    }

    /// Ends a session: nobody finds it from now on, and its keeper ends the process.
    pub fn end(&self, session: &Arc<Session>, now: Timestamp, reason: EndReason) {
        let mut inner = self.inner.lock();
        Self::end_locked(&mut inner, session, now, reason);
    }

    /// Ends a session if its time has come and nobody has used it meanwhile. Returns why, if so.
    pub fn end_if_due(
        &self,
        session: &Arc<Session>,
        now: Timestamp,
        requests_keep: bool,
    ) -> Option<EndReason> {
        let mut inner = self.inner.lock();
        let (due, reason) = session.due(requests_keep);
        if due > now {
            return None;
        }
        Self::end_locked(&mut inner, session, now, reason);
        Some(reason)
    }

    fn end_locked(inner: &mut Inner, session: &Arc<Session>, now: Timestamp, reason: EndReason) {
        session.set_ended(now, reason);
        // Another session may have the key by now.
        if inner
            .live
            .get(&session.key)
            .is_some_and(|found| Arc::ptr_eq(found, session))
        {
            inner.live.remove(&session.key);
            inner.aliases.retain(|alias, id| {
                let key = Key {
                    id: id.clone(),
                    ..alias.clone()
                };
                key != session.key
            });
            if inner.ended.len() == REMEMBERED {
                inner.ended.pop_front();
            }
            inner.ended.push_back(Arc::clone(session));
        }
    }

    /// The client for talking to agents. It keeps no connections: an agent may die between two calls, and a call that
    /// goes into a dead connection would look like the agent's failure.
    ///
    /// # Panics
    /// Never: there is nothing that could be missing.
    pub fn http(&self) -> &reqwest::Client {
        self.http.get_or_init(|| {
            reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .pool_max_idle_per_host(0)
                .build()
                .expect("a client without TLS and proxies loads nothing")
        })
    }

    /// Kills the processes of all sessions should the simulator die.
    pub fn watchdog(&self) -> io::Result<&Watchdog> {
        if self.watchdog.get().is_none() {
            // Called under the registry's lock, so that no second one is started beside it.
            let started = Watchdog::start(self.program.clone(), &self.folder()?)?;
            return Ok(self.watchdog.get_or_init(|| started));
        }
        self.watchdog
            .get()
            .ok_or_else(|| io::Error::other("no watchdog"))
    }

    fn folder(&self) -> io::Result<PathBuf> {
        if let Some(folder) = self.folder.get() {
            return Ok(folder.path().to_owned());
        }
        let made = tempfile::Builder::new()
            .prefix("agentcore-sim-")
            .tempdir()?;
        Ok(self.folder.get_or_init(|| made).path().to_owned())
    }
}

fn stopping() -> ApiError {
    ApiError::new("InternalServerException", "the simulator is stopping")
}

fn broken(what: &str, error: &io::Error) -> ApiError {
    ApiError::new("InternalServerException", format!("{what}: {error}"))
}
