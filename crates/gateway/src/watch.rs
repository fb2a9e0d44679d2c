//! What can end a stream from outside: its time is up, its caller lost the right to it, or the gateway stops.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::StatusCode;
use futures::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::identity::review::ALLOWED_FOR;
use crate::identity::{Access, Denied, Gate, Token};
use crate::problem::Problem;
use crate::sessions::SessionGuard;
use crate::sessions::stream_cancel::StreamCancel;

/// Reason of a stream's end at the deadline of its session.
pub const SESSION_DRAINED: &str = "SessionDrained";
/// How long AgentCore keeps a stream or a WebSocket open (its documentation).
const STREAM_MAX: Duration = Duration::from_hours(1);
/// How often the API server may fail to answer in a row before a stream is ended.
const UNANSWERED: u32 = 3;
/// How long it gets between those.
const UNANSWERED_PAUSE: Duration = Duration::from_secs(10);
/// What passes between a right's end and the answer that says so, at most: the API server itself believes a token for 10 s, a review takes
/// up to 5 s, and streams share an answer for 1 s.
const ANSWERED_LATE: Duration = Duration::from_secs(16);

/// Ends a stream in time. It costs next to nothing until it is polled: most answers are over before.
pub enum Watchdog {
    /// Not polled yet.
    Asleep(Arc<Right>, CancellationToken, Option<StreamCancel>),
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
    /// How long an open stream may outlive its right.
    pub every: Duration,
}

impl Watchdog {
    /// Of a stream that begins now. `over` is cancelled when a gateway that stops has waited long enough.
    pub fn new(right: Arc<Right>, over: CancellationToken) -> Self {
        Self::Asleep(right, over, None)
    }

    /// Of a stream in a session, which may have to end with it.
    #[must_use]
    pub fn within(self, guard: Option<&SessionGuard>) -> Self {
        match self {
            Self::Asleep(right, over, _) => {
                Self::Asleep(right, over, guard.map(SessionGuard::stream_cancel))
            }
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
async fn watch(right: Arc<Right>, over: CancellationToken, cut: Option<StreamCancel>) -> Problem {
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
        // The right that let the stream in was asked about some time before.
        let mut late = ANSWERED_LATE + ALLOWED_FOR;
        let mut asked = Instant::now();
        loop {
            let pause = if unanswered == 0 {
                pause(self.every, late, rand::random())
            } else {
                UNANSWERED_PAUSE.min(self.every)
            };
            tokio::time::sleep_until(asked + pause).await;
            asked = Instant::now();
            late = ANSWERED_LATE;
            match self.gate.still(&self.token, &self.access).await {
                Ok(()) => unanswered = 0,
                Err(Denied::Unavailable(_)) if unanswered < UNANSWERED => unanswered += 1,
                Err(denied) => return denied,
            }
        }
    }
}

/// From one question to the next, so that the answer to it, which is up to `late` behind the truth, comes within `every`. Streams that began
/// together do not ask together: `jitter`, between 0 and 1, makes it shorter and never longer.
fn pause(every: Duration, late: Duration, jitter: f64) -> Duration {
    let longest = every.saturating_sub(late).max(every / 5);
    longest
        .min(every.mul_f64(0.8))
        .mul_f64(1.0 - 0.2 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_leaves_time_for_the_answer_and_chance_only_makes_it_shorter() {
        let seconds = Duration::from_secs;
        for (every, late, longest) in [
            (seconds(300), seconds(36), seconds(240)),
            (seconds(60), seconds(36), seconds(24)),
            (seconds(60), seconds(16), seconds(44)),
            (seconds(6), seconds(16), Duration::from_millis(1_200)),
        ] {
            assert_eq!(pause(every, late, 0.0), longest);
            for jitter in [0.1, 0.5, 1.0, 7.0] {
                let pause = pause(every, late, jitter);
                assert!(
                    pause < longest && pause >= longest.mul_f64(0.79),
                    "{pause:?}"
                );
            }
        }
    }
}
