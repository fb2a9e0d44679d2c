//! What the process knows while it lives, and which path is answered by whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use uuid::Uuid;

use crate::invocations;
use crate::ping::{self, Health};
use crate::ws::{self, Sockets};

/// AgentCore's limit on a payload, in bytes. WebSocket messages are held to it as well.
pub const MAX_PAYLOAD: usize = 100_000_000;

/// The header by which AgentCore names the session.
pub const SESSION_HEADER: &str = "x-amzn-bedrock-agentcore-runtime-session-id";

/// One agent process. Cheap to clone; all clones are the same agent.
#[derive(Clone)]
pub struct Agent {
    shared: Arc<Shared>,
}

struct Shared {
    health: Health,
    turns: AtomicU64,
    sockets: Sockets,
    /// Names the session when no header does: AgentCore runs one session in one process.
    own_session: String,
}

impl Agent {
    /// A healthy agent that has had no turn yet.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                health: Health::new(),
                turns: AtomicU64::new(0),
                sockets: Sockets::new(),
                own_session: Uuid::new_v4().to_string(),
            }),
        }
    }

    /// What `/ping` reports.
    pub fn health(&self) -> &Health {
        &self.shared.health
    }

    /// The open WebSockets.
    pub fn sockets(&self) -> &Sockets {
        &self.shared.sockets
    }

    /// Begins a turn and returns its number; the first turn of a process is 1.
    pub fn begin_turn(&self) -> u64 {
        self.shared.turns.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many turns have begun.
    pub fn turns(&self) -> u64 {
        self.shared.turns.load(Ordering::Relaxed)
    }

    /// The session that a request belongs to: the platform's header, else an id made at start.
    pub fn session_of(&self, headers: &HeaderMap) -> String {
        headers
            .get(SESSION_HEADER)
            .and_then(|value| value.to_str().ok())
            .filter(|value| !value.is_empty())
            .unwrap_or(&self.shared.own_session)
            .to_owned()
    }
}

/// The agent's HTTP surface. A further protocol is one more route here and one more module.
pub fn router(agent: Agent) -> Router {
    Router::new()
        .route("/ping", get(ping::answer))
        .route("/invocations", post(invocations::answer))
        .route("/ws", get(ws::answer))
        .layer(DefaultBodyLimit::max(MAX_PAYLOAD))
        .with_state(agent)
}
