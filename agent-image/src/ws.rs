//! `/ws`: one text message in is one request; its answer goes out frame by frame, `done` last.
//!
//! A socket's requests are answered one after the other, sockets side by side. The upgrade is made here
//! and not by the web framework's extractor: that one hides what was wrong with a message, and it
//! hides the connection below, which [`Socket`] needs for an orderly end.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::Serialize;
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::agent::Agent;
use crate::outcome::{Outcome, RunningTurn};
use crate::socket::{End, Socket};

/// The open WebSockets: told together to stop, and waited for.
pub struct Sockets {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Sockets {
    /// None yet.
    pub fn new() -> Self {
        Self {
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Closes every socket with 1001: an idle one at once, any other when its running turn ends.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Resolves when no socket is left. To be awaited when no request can open another one.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The frame after the last one of an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done<'a> {
    r#type: &'static str,
    session_id: &'a str,
    /// Absent where the request was no turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    turn: Option<u64>,
}

/// GET /ws.
pub async fn answer(State(agent): State<Agent>, mut request: Request) -> Response {
    let response = match create_response_with_body(&request, Body::empty) {
        Ok(response) => response,
        Err(error) => return no_handshake(&error.to_string()),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let session = agent.session_of(request.headers());
    let sockets = agent.sockets();
    let stop = sockets.stop.clone();
    // Counted from before the answer: a stop in between waits for this socket as for any other.
    sockets.tasks.spawn({
        let agent = agent.clone();
        async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let mut socket = Socket::new(upgraded).await;
                    let Err(end) = converse(&mut socket, &agent, &session, &stop).await;
                    tracing::debug!(session, ?end, "socket");
                    socket.end(end).await;
                }
                Err(error) => tracing::debug!(session, %error, "no upgrade"),
            }
        }
    });
    response
}

fn no_handshake(details: &str) -> Response {
    (
        StatusCode::UPGRADE_REQUIRED,
        [
            (header::CONNECTION, "upgrade"),
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
        ],
        Json(json!({ "error": "Invalid request", "details": details })),
    )
        .into_response()
}

/// Answers request after request until there is a reason to end.
async fn converse(
    socket: &mut Socket,
    agent: &Agent,
    session: &str,
    stop: &CancellationToken,
) -> Result<Infallible, End> {
    loop {
        let request = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(End::STOPPING),
            request = socket.next_request() => request?,
        };
        let turn = match Outcome::of(agent, session, request.as_bytes()) {
            Outcome::Document(_, document) => {
                socket.send(&document).await?;
                None
            }
            Outcome::Turn(turn) => Some(carry_out(socket, turn).await?),
        };
        let done = Done {
            r#type: "done",
            session_id: session,
            turn,
        };
        socket.send(&done).await?;
    }
}

/// Sends a turn's pieces as they are made and returns its number. Whatever ends the socket meanwhile
/// drops the pieces, and with them the turn.
async fn carry_out(socket: &mut Socket, turn: RunningTurn) -> Result<u64, End> {
    let RunningTurn { id, mut pieces } = turn;
    loop {
        tokio::select! {
            piece = pieces.next() => match piece {
                Some(Ok(piece)) => socket.send(&id.answer(&piece)).await?,
                Some(Err(failed)) => socket.send(&failed).await?,
                None => return Ok(id.number()),
            },
            ended = socket.listen() => {
                let Err(end) = ended;
                return Err(end);
            }
        }
    }
}
