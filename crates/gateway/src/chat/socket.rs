//! One upstream WebSocket and its turns, one after the other. A turn is one text frame in, and frames out until `[DONE]`, `{"type":"done"}`
//! or the close.

use std::time::Duration;

use agentcore_invoke::agent_message::{AgentMessage, Reader};
use agentcore_invoke::{WebSocket, say};
use axum::http::StatusCode;
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::{Piece, agent_failed, not_understood};
use crate::answer::purse::{Messages, Purse};
use crate::problem::Problem;

/// How long a closing handshake may take.
const CLOSING: Duration = Duration::from_secs(2);

/// A turn that wants to be had.
pub struct Ask {
    /// What the agent gets: UTF-8.
    pub frame: Bytes,
    /// Told once the frame is about to be sent. Dropped instead: it was not, and will not be.
    pub begun: oneshot::Sender<()>,
    /// What the agent says, or why that broke off.
    pub pieces: mpsc::Sender<Result<Piece, Problem>>,
    /// Whose memory they take.
    pub purse: Purse,
}

/// How long things may take.
pub struct Limits {
    /// Between two turns.
    pub idle: Duration,
    /// Until a turn's first frame.
    pub first_frame: Duration,
}

/// Serves turns until the socket is closed, by either side.
pub async fn run(
    mut socket: WebSocket,
    mut asks: mpsc::Receiver<Ask>,
    limits: Limits,
    messages: &Messages,
    closed: &CancellationToken,
    stop: &CancellationToken,
) {
    // A ping is no use of the socket.
    let mut idle_at = Instant::now() + limits.idle;
    let code = loop {
        tokio::select! {
            biased;
            () = closed.cancelled() => break Some(CloseCode::Normal),
            () = stop.cancelled() => break Some(CloseCode::Away),
            // The agent closes, or says something that nobody asked for.
            message = socket.next() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => break None,
                Some(Ok(_)) => messages.passed(),
            },
            ask = asks.recv() => match ask {
                None => break Some(CloseCode::Normal),
                Some(ask) => match turn(&mut socket, ask, &limits, messages, closed).await {
                    Ended::Over(code) => break code,
                    Ended::Usable => idle_at = Instant::now() + limits.idle,
                },
            },
            () = sleep_until(idle_at) => break Some(CloseCode::Normal),
        }
    };
    // Turns that came too late learn that theirs did not begin.
    drop(asks);
    if let Some(code) = code {
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::default(),
        };
        // Whether the agent answers the close is its own affair.
        let _ = timeout(CLOSING, async {
            socket.close(Some(frame)).await?;
            while let Some(message) = socket.next().await {
                message?;
            }
            Ok::<_, tokio_tungstenite::tungstenite::Error>(())
        })
        .await;
    }
}

/// How a turn left the socket.
enum Ended {
    /// Good for another.
    Usable,
    /// To be closed with this code, or closed already.
    Over(Option<CloseCode>),
}

async fn turn(
    socket: &mut WebSocket,
    ask: Ask,
    limits: &Limits,
    messages: &Messages,
    closed: &CancellationToken,
) -> Ended {
    let Ask {
        frame,
        begun,
        pieces,
        purse,
    } = ask;
    let Ok(frame) = Utf8Bytes::try_from(frame) else {
        return Ended::Usable;
    };
    if begun.send(()).is_err() {
        // The caller went away before its turn came.
        return Ended::Usable;
    }
    if let Err(error) = say(socket, frame).await {
        let _ = pieces.send(Err(broke_off(&error))).await;
        return Ended::Over(None);
    }
    let mut reader = Reader::default();
    let mut patience = Some(Instant::now() + limits.first_frame);
    loop {
        let message = tokio::select! {
            // What is left of the answer would be taken for the next turn's.
            () = pieces.closed() => return Ended::Over(Some(CloseCode::Normal)),
            () = closed.cancelled() => {
                let problem = Problem::broke_off("the session was stopped");
                let _ = pieces.send(Err(problem)).await;
                return Ended::Over(Some(CloseCode::Normal));
            }
            () = first_frame(patience) => {
                let detail = "timed out waiting for the agent's first frame";
                let problem = Problem::new(StatusCode::GATEWAY_TIMEOUT, "UpstreamTimeout", detail);
                let _ = pieces.send(Err(problem)).await;
                return Ended::Over(Some(CloseCode::Normal));
            }
            message = socket.next() => message,
        };
        let (said, over) = match message {
            Some(Ok(Message::Text(data))) => (reader.frame(&data), None),
            Some(Ok(Message::Binary(data))) => {
                (reader.frame(&String::from_utf8_lossy(&data)), None)
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            Some(Ok(Message::Close(frame))) => match frame {
                Some(frame) if frame.code != CloseCode::Normal => {
                    let detail = format!("the agent closed its WebSocket with {}", frame.code);
                    let _ = pieces.send(Err(Problem::broke_off(detail))).await;
                    return Ended::Over(None);
                }
                _ => (vec![AgentMessage::Done], Some(Ended::Over(None))),
            },
            Some(Err(error)) => {
                let full = messages.full().map(Problem::from);
                let problem = full.unwrap_or_else(|| broke_off(&error));
                let _ = pieces.send(Err(problem)).await;
                return Ended::Over(None);
            }
            None => {
                let problem = Problem::broke_off("the agent's WebSocket ended without a close");
                let _ = pieces.send(Err(problem)).await;
                return Ended::Over(None);
            }
        };
        patience = None;
        // From here on it counts as what was said in it.
        messages.passed();
        for said in said {
            match said {
                AgentMessage::Text(text) => {
                    let piece = Piece::new(text, &purse);
                    let full = piece.is_err();
                    let _ = pieces.send(piece).await;
                    if full {
                        return Ended::Over(Some(CloseCode::Normal));
                    }
                }
                AgentMessage::Failed(error) => {
                    let _ = pieces.send(Err(agent_failed(error))).await;
                    // Whether more follows is not known.
                    return Ended::Over(Some(CloseCode::Normal));
                }
                AgentMessage::Nothing | AgentMessage::Unknown => {}
                AgentMessage::Done => {
                    if reader.is_lost() {
                        let _ = pieces.send(Err(not_understood())).await;
                    }
                    return over.unwrap_or(Ended::Usable);
                }
            }
        }
    }
}

async fn first_frame(by: Option<Instant>) {
    match by {
        Some(by) => sleep_until(by).await,
        None => std::future::pending().await,
    }
}

fn broke_off(error: &tokio_tungstenite::tungstenite::Error) -> Problem {
    Problem::broke_off(format!("the agent's WebSocket broke off: {error}"))
}
