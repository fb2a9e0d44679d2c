//! Upstream WebSockets of chat turns: one a session, reused by its next turns, closed when it was idle for long or its session ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use agentcore_invoke::{Auth, Client, Failed, SessionId, Target, Upgrade};
use axum::http::HeaderMap;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use parking_lot::Mutex;
use prometheus::IntGauge;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Pieces;
use super::socket::{self, Ask};
use crate::answer::purse::Purse;
use crate::metrics::Gauged;
use crate::problem::Problem;
use crate::sessions::was_turned_away;
use crate::shares::{self, Full, Held, Holder, Shares};

/// How long an unused socket is kept (R4.5).
pub const IDLE: Duration = Duration::from_mins(5);
/// Pieces that wait for a slow caller before the agent is not read any further.
const PIECES: usize = 16;
/// Turns that wait for the one before.
const TURNS: usize = 16;
/// A socket that is found closed is opened again so often before a turn fails.
const OPENINGS: usize = 3;

/// How sockets are kept.
#[derive(Clone)]
pub struct Keeping {
    /// The way to AgentCore.
    pub client: Client,
    /// Until the answer to a handshake, and until a turn's first frame.
    pub first_byte: Duration,
    /// How long an unused socket is kept.
    pub idle: Duration,
    /// How many there may be.
    pub limit: Shares,
    /// How many there are.
    pub gauge: IntGauge,
    /// When cancelled, idle sockets close; busy ones after their turn.
    pub stop: CancellationToken,
    /// Where their tasks are counted.
    pub tasks: TaskTracker,
}

/// All sockets.
#[derive(Clone)]
pub struct Pool {
    keeping: Arc<Keeping>,
    places: Arc<shares::Pool>,
    slots: Arc<Mutex<HashMap<SessionId, Arc<Slot>>>>,
}

/// A session's place in the pool.
struct Slot {
    /// Whoever holds it opens the socket; the others wait for that.
    socket: tokio::sync::Mutex<Option<Opened>>,
    turns: AtomicU32,
    holder: Holder,
    /// Its holder's place among all sockets, until it is needed for another.
    place: Mutex<Option<Held>>,
    /// How many sockets there are: while one closes, the next may be open.
    open: AtomicU32,
    used: Mutex<Instant>,
    /// The session is over, or the place is needed.
    closed: CancellationToken,
    /// The session is over.
    stopped: AtomicBool,
}

/// A socket that is open, and what it was opened with.
struct Opened {
    turns: mpsc::Sender<Ask>,
    /// Hash of who asked, and of the headers: AgentCore and the agent saw those once, at the handshake.
    with: [u8; 32],
}

/// A turn, as the pool needs to know it.
pub struct Asking<'a> {
    /// Who is called.
    pub target: &'a Target,
    /// In which session.
    pub session: &'a SessionId,
    /// The session's name in logs.
    pub shown: &'a str,
    /// Headers of the handshake.
    pub headers: HeaderMap,
    /// Who asks.
    pub auth: Auth,
    /// On whose account.
    pub purse: &'a Purse,
}

impl Asking<'_> {
    /// What a socket has to be opened with to be good for this turn. A trace and a time belong to one turn alone.
    fn fingerprint(&self) -> [u8; 32] {
        const OF_A_TURN: [&str; 4] = ["traceparent", "tracestate", "baggage", "x-amzn-trace-id"];
        let mut hash = Sha256::new();
        let mut put = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        if let Auth::Bearer(value) = &self.auth {
            put(value.as_bytes());
        }
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| !OF_A_TURN.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        headers.sort_unstable();
        for (name, value) in headers {
            put(name.as_bytes());
            put(value);
        }
        hash.finalize().into()
    }
}

/// A turn that no socket took.
pub struct Missed {
    /// Why.
    pub problem: Problem,
    /// Whether nothing reached the session for certain, not even a handshake.
    pub turned_away: bool,
}

/// A slot in use by a turn.
struct Using {
    pool: Pool,
    session: SessionId,
    slot: Arc<Slot>,
}

impl Drop for Using {
    fn drop(&mut self) {
        *self.slot.used.lock() = Instant::now();
        self.slot.turns.fetch_sub(1, Ordering::Relaxed);
        self.pool.forget(&self.session, &self.slot);
    }
}

impl Pool {
    /// An empty pool.
    pub fn new(keeping: Keeping) -> Self {
        Self {
            places: shares::Pool::new("upstream WebSockets", keeping.limit),
            keeping: Arc::new(keeping),
            slots: Arc::default(),
        }
    }

    /// The places for sockets.
    pub fn places(&self) -> &Arc<shares::Pool> {
        &self.places
    }

    /// Sends one frame and gives back what the agent says to it. Turns of one session follow each other.
    pub async fn turn(&self, asking: Asking<'_>, frame: Bytes) -> Result<Pieces, Missed> {
        for opening in 0..OPENINGS {
            // After the first time, a handshake may have begun the session.
            let missed = |problem, unsent| Missed {
                problem,
                turned_away: unsent && opening == 0,
            };
            if self.keeping.stop.is_cancelled() {
                let detail = "the gateway stops; nothing was sent";
                let problem = Problem::unavailable("GatewayStopping", detail);
                return Err(missed(problem, true));
            }
            let using = self.slot(asking.session, asking.purse.holder());
            let using = using.map_err(|problem| missed(problem, true))?;
            let turns = self.socket(&using.slot, &asking).await;
            let turns = turns.map_err(|failed| {
                let unsent = was_turned_away(&failed);
                missed(failed.into(), unsent)
            })?;
            let (pieces, said) = mpsc::channel(PIECES);
            let (begun, taken) = oneshot::channel();
            let ask = Ask {
                frame: frame.clone(),
                begun,
                pieces,
                purse: asking.purse.clone(),
            };
            // A socket that closed before it took the turn has not sent anything: another one can.
            if turns.send(ask).await.is_err() || taken.await.is_err() {
                if using.slot.stopped.load(Ordering::Relaxed) {
                    let detail = "the session was stopped; nothing was sent";
                    let problem = Problem::unavailable("SessionStopped", detail);
                    return Err(missed(problem, false));
                }
                continue;
            }
            let said = stream::unfold((said, using), async |(mut said, using)| {
                said.recv().await.map(|piece| (piece, (said, using)))
            });
            return Ok(said.boxed());
        }
        Err(Missed {
            problem: Problem::broke_off("the agent closes its WebSocket before it is used"),
            turned_away: false,
        })
    }

    /// The session is over: its socket closes, in the middle of a turn too.
    pub fn close(&self, session: &SessionId) {
        if let Some(slot) = self.slots.lock().remove(session) {
            slot.stopped.store(true, Ordering::Relaxed);
            slot.closed.cancel();
            drop(slot.place.lock().take());
        }
    }

    /// The session's slot. Where its holder has no room for a new one, one that is idle gives its place: the holder's own if there is one.
    fn slot(&self, session: &SessionId, holder: &Holder) -> Result<Using, Problem> {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get(session) {
            return Ok(self.using(session, slot.clone()));
        }
        let place = match self.places.take(holder, 1) {
            Ok(place) => place,
            Err(full) => {
                let idle = idle_longest(&slots, holder, &full);
                let Some(slot) = idle.and_then(|session| slots.remove(&session)) else {
                    let problem = Problem::from(full);
                    return Err(match full {
                        Full::All { .. } => Problem {
                            reason: "WebSocketLimit",
                            ..problem
                        },
                        _ => problem,
                    });
                };
                slot.closed.cancel();
                drop(slot.place.lock().take());
                self.places.take(holder, 1).map_err(Problem::from)?
            }
        };
        let slot = Arc::new(Slot {
            socket: tokio::sync::Mutex::default(),
            turns: AtomicU32::new(0),
            holder: holder.clone(),
            place: Mutex::new(Some(place)),
            open: AtomicU32::new(0),
            used: Mutex::new(Instant::now()),
            closed: CancellationToken::new(),
            stopped: AtomicBool::new(false),
        });
        slots.insert(session.clone(), slot.clone());
        Ok(self.using(session, slot))
    }

    fn using(&self, session: &SessionId, slot: Arc<Slot>) -> Using {
        slot.turns.fetch_add(1, Ordering::Relaxed);
        Using {
            pool: self.clone(),
            session: session.clone(),
            slot,
        }
    }

    /// The session's socket, opened if there is none.
    async fn socket(
        &self,
        slot: &Arc<Slot>,
        asking: &Asking<'_>,
    ) -> Result<mpsc::Sender<Ask>, Failed> {
        let mut socket = slot.socket.lock().await;
        let with = asking.fingerprint();
        if let Some(opened) = socket
            .as_ref()
            .filter(|opened| opened.with == with && !opened.turns.is_closed())
        {
            return Ok(opened.turns.clone());
        }
        // A socket that somebody else opened closes when nobody holds it.
        *socket = None;
        let upgrade = Upgrade {
            target: asking.target,
            headers: asking.headers.clone(),
            auth: asking.auth.clone(),
            first_byte: self.keeping.first_byte,
        };
        let mut opened = self.keeping.client.web_socket(upgrade).await?;
        let messages = asking.purse.messages();
        opened.socket.get_mut().set(messages.meter());
        let (turns, asks) = mpsc::channel(TURNS);
        *socket = Some(Opened {
            turns: turns.clone(),
            with,
        });
        slot.open.fetch_add(1, Ordering::Relaxed);
        let (pool, slot, session) = (self.clone(), slot.clone(), asking.session.clone());
        let shown = asking.shown.to_owned();
        tracing::info!(
            session = shown,
            aws_request_id = opened.request_id,
            "upstream web socket opened"
        );
        self.keeping.tasks.spawn(async move {
            let keeping = &pool.keeping;
            let _counted = Gauged::new(keeping.gauge.clone());
            let limits = socket::Limits {
                idle: keeping.idle,
                first_frame: keeping.first_byte,
            };
            let (closed, stop) = (&slot.closed, &keeping.stop);
            socket::run(opened.socket, asks, limits, &messages, closed, stop).await;
            tracing::info!(session = shown, "upstream web socket closed");
            slot.open.fetch_sub(1, Ordering::Relaxed);
            pool.forget(&session, &slot);
        });
        Ok(turns)
    }

    /// Takes a slot out that has neither a socket nor a turn that may open one.
    fn forget(&self, session: &SessionId, slot: &Arc<Slot>) {
        let mut slots = self.slots.lock();
        let here = slots
            .get(session)
            .is_some_and(|found| Arc::ptr_eq(found, slot));
        let used = slot.open.load(Ordering::Relaxed) > 0 || slot.turns.load(Ordering::Relaxed) > 0;
        if here && !used {
            slots.remove(session);
        }
    }
}

/// The session of the socket that was idle for longest, among those whose place would help: the holder's own first, and those of others
/// only where it is not the holder itself who has too many.
fn idle_longest(
    slots: &HashMap<SessionId, Arc<Slot>>,
    holder: &Holder,
    full: &Full,
) -> Option<SessionId> {
    let longest = |helps: &dyn Fn(&Holder) -> bool| {
        slots
            .iter()
            .filter(|(_, slot)| slot.turns.load(Ordering::Relaxed) == 0 && helps(&slot.holder))
            .min_by_key(|(_, slot)| *slot.used.lock())
            .map(|(session, _)| session.clone())
    };
    match full {
        Full::Caller { .. } => longest(&|of| of.caller == holder.caller),
        Full::Namespace { .. } => {
            longest(&|of| of == holder).or_else(|| longest(&|of| of.namespace == holder.namespace))
        }
        Full::All { .. } => {
            longest(&|of| of.caller == holder.caller).or_else(|| longest(&|_| true))
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
