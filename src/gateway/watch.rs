//! What can end a stream from outside: its time is up, its caller lost the right to it, or the gateway stops.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::StatusCode;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::gateway::identity::{Access, Denied, Gate, Token};
use crate::gateway::problem::Problem;
use crate::gateway::sessions::Inside;
use crate::gateway::sessions::cuts::Cut;

/// Reason of a stream's end at the deadline of its session.
pub const SESSION_DRAINED: &str = "SessionDrained";
/// How long AgentCore keeps a stream or a WebSocket open (its documentation).
const STREAM_MAX: Duration = Duration::from_hours(1);
/// How often the API server may fail to answer in a row before a stream is ended.
const UNANSWERED: u32 = 3;
/// How long it gets between those.
const UNANSWERED_PAUSE: Duration = Duration::from_secs(10);

/// Ends a stream in time. It costs next to nothing until it is polled: most answers are over before.
pub enum Watchdog {
    /// Not polled yet.
    Asleep(Arc<Right>, CancellationToken, Option<Cut>),
    /// Watching.
    Awake(BoxFuture<'static, Problem>),
}

/// Whose stream it is, and how often that is asked.
pub struct Right {
    /// Whom to ask.
    pub gate: Arc<Gate>,
    /// Who asked for the stream.
    pub token: Token,
    /// What it is.
    pub access: Access,
    /// How often an open stream is authorised again.
    pub every: Duration,
}

impl Watchdog {
    /// Of a stream that begins now. `over` is cancelled when a gateway that stops has waited long enough.
    pub fn new(right: Arc<Right>, over: CancellationToken) -> Self {
        Self::Asleep(right, over, None)
    }

    /// Of a stream in a session, which may have to end with it.
    #[must_use]
    pub fn within(self, inside: Option<&Inside>) -> Self {
        match self {
            Self::Asleep(right, over, _) => Self::Asleep(right, over, inside.map(Inside::cut)),
            awake @ Self::Awake(_) => awake,
        }
    }

    /// Ready when the stream has to end.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Problem> {
        if let Self::Asleep(right, over, cut) = self {
            *self = Self::Awake(Box::pin(watch(right.clone(), over.clone(), cut.take())));
        }
        match self {
            Self::Asleep(..) => Poll::Pending,
            Self::Awake(watching) => watching.as_mut().poll(context),
        }
    }
}

/// Waits until a stream has to end.
async fn watch(right: Arc<Right>, over: CancellationToken, cut: Option<Cut>) -> Problem {
    let drained = async {
        match &cut {
            Some(cut) => cut.cancelled().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = tokio::time::sleep(STREAM_MAX) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "StreamTooLong",
            format!("a stream may last {} minutes", STREAM_MAX.as_secs() / 60),
        ),
        denied = right.lost() => Problem::from(denied),
        () = drained => Problem::unavailable(
            SESSION_DRAINED,
            "the session runs an old version, and its time is over; the next turn begins a new one",
        ),
        () = over.cancelled() => Problem::unavailable("GatewayStopping", "the gateway stops"),
    }
}

impl Future for Watchdog {
    type Output = Problem;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Problem> {
        Self::poll(&mut self, context)
    }
}

impl Right {
    /// Waits until the caller has lost the right. An API server that is away for a moment takes nobody's right; one that stays away does.
    async fn lost(&self) -> Denied {
        let mut unanswered = 0;
        loop {
            let pause = if unanswered == 0 {
                self.every
            } else {
                UNANSWERED_PAUSE.min(self.every)
            };
            // Streams that began together do not ask together.
            tokio::time::sleep(pause.mul_f64(0.8 + 0.4 * rand::random::<f64>())).await;
            match self.gate.still(&self.token, &self.access).await {
                Ok(()) => unanswered = 0,
                Err(Denied::Unavailable(_)) if unanswered < UNANSWERED => unanswered += 1,
                Err(denied) => return denied,
            }
        }
    }
}
