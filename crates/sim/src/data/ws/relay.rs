//! Carries the frames of an open WebSocket both ways, until one side or the platform ends it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::time::timeout;

use super::frames::{Broken, Sink, Source, close_frame};
use crate::data::agent::after;
use crate::data::session::{EndReason, InUse, Session};
use crate::state::settings::Settings;
use crate::state::world::App;

/// How long a side may take to answer a close frame, or to take one.
const GRACE: Duration = Duration::from_secs(2);
/// Close codes of the protocol.
const GOING_AWAY: u16 = 1001;
const PROTOCOL_ERROR: u16 = 1002;
const INTERNAL_ERROR: u16 = 1011;

/// An open WebSocket.
#[derive(Debug)]
pub struct Relay {
    /// The simulator.
    pub app: Arc<App>,
    /// The session that it belongs to.
    pub session: Arc<Session>,
    /// Keeps the session from being idle, where the settings say so.
    pub held: Option<InUse>,
    /// When it was opened.
    pub begun: Timestamp,
    /// The settings it was opened with.
    pub settings: Settings,
}

/// Why one direction has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A close frame has passed.
    Closed,
    /// Nothing more comes from where it came.
    SourceGone,
    /// Where it went takes nothing more.
    SinkGone,
    /// A frame was too long.
    TooLong,
    /// Something was no frame.
    NoFrame,
}

/// What is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Both sides have said what they had to.
    Nothing,
    /// Both sides are told.
    Tell(u16, &'static str),
}

impl Relay {
    /// Carries frames until the end.
    pub async fn run<C, A>(self, client: C, agent: A)
    where
        C: AsyncRead + AsyncWrite,
        A: AsyncRead + AsyncWrite,
    {
        let (from_client, to_client) = split(client);
        let (mut from_client, mut to_client) = (Source::new(from_client), Sink::new(to_client));
        let (from_agent, to_agent) = split(agent);
        let (mut from_agent, mut to_agent) = (Source::new(from_agent), Sink::new(to_agent));
        let limit = self.settings.ws_frame_limit_bytes;
        let over = after(self.begun, self.settings.ws_max_seconds);
        let last = {
            let up = pump(&mut from_client, &mut to_agent, limit);
            let down = pump(&mut from_agent, &mut to_client, limit);
            tokio::pin!(up, down);
            tokio::select! {
                biased;
                reason = self.session.asked_to_end() => session_over(reason),
                () = self.app.clock.sleep_until(over) => {
                    Last::Tell(self.settings.ws_max_close_code, "the connection has reached its longest life")
                }
                end = &mut up => match end {
                    // The agent has the word: a close frame of its own, or its answer to the caller's.
                    End::Closed | End::SinkGone => match timeout(GRACE, down).await {
                        Ok(end) => self.after_agent(end),
                        Err(_) => Last::Nothing,
                    },
                    End::SourceGone => Last::Nothing,
                    broken => self.broken(broken),
                },
                end = &mut down => {
                    if end == End::Closed {
                        // The caller's answer; how it ends makes no difference any more.
                        let _ = timeout(GRACE, up).await;
                    }
                    self.after_agent(end)
                }
            }
        };
        if let Last::Tell(code, reason) = last {
            tokio::join!(
                tell(
                    &mut from_client,
                    &mut to_client,
                    close_frame(code, reason, None)
                ),
                tell(
                    &mut from_agent,
                    &mut to_agent,
                    close_frame(code, reason, Some(rand::random()))
                ),
            );
        } else {
            tokio::join!(to_client.end(), to_agent.end());
        }
        tracing::debug!(session = self.session.key.id, ?last, "WebSocket ended");
        drop(self.held);
    }

    /// What follows from the end of what the agent sends.
    fn after_agent(&self, end: End) -> Last {
        match end {
            End::Closed | End::SinkGone => Last::Nothing,
            End::SourceGone => Last::Tell(INTERNAL_ERROR, "the agent has gone"),
            broken => self.broken(broken),
        }
    }

    fn broken(&self, end: End) -> Last {
        match end {
            End::TooLong => Last::Tell(
                self.settings.ws_oversize_close_code,
                "the frame is longer than allowed",
            ),
            _ => Last::Tell(PROTOCOL_ERROR, "not a WebSocket frame"),
        }
    }
}

fn session_over(reason: EndReason) -> Last {
    match reason {
        EndReason::Exited => Last::Tell(INTERNAL_ERROR, "the agent has gone"),
        _ => Last::Tell(GOING_AWAY, "the session has ended"),
    }
}

/// Passes frames on until something ends. Can be dropped at any time: see [`Sink::finish`].
async fn pump<R, W>(source: &mut Source<R>, sink: &mut Sink<W>, limit: usize) -> End
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let (frame, is_close) = match source.next(limit).await {
            Ok(frame) => frame,
            Err(Broken::Gone) => return End::SourceGone,
            Err(Broken::TooLong) => return End::TooLong,
            Err(Broken::NoFrame) => return End::NoFrame,
        };
        if sink.write(frame).await.is_err() {
            return End::SinkGone;
        }
        if is_close {
            return End::Closed;
        }
    }
}

/// Ends one side with a close frame.
async fn tell<R, W>(source: &mut Source<R>, sink: &mut Sink<W>, frame: Bytes)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let told = async {
        if sink.write(frame).await.is_ok() {
            sink.end().await;
            source.drain().await;
        }
    };
    // A side that does not listen is cut off.
    let _ = timeout(GRACE, told).await;
}
