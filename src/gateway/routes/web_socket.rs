//! GET ws: the caller's WebSocket and the agent's, joined. Messages pass as they are, closes with their code and reason.

use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::{Metered, Opened, Upgrade, WebSocket};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::{name_session, refuse};
use crate::gateway::answer::purse::Messages;
use crate::gateway::context::{Admitted, Gateway};
use crate::gateway::headers;
use crate::gateway::problem::Problem;
use crate::gateway::sessions::owner;
use crate::gateway::trace;
use crate::gateway::turn::Turn;
use crate::gateway::watch::{SESSION_DRAINED, Watchdog};

/// Largest message of a caller, in bytes: beyond AgentCore's limit on a frame (64 KiB at most), so that it is AgentCore who refuses.
const MESSAGE_MAX: usize = 1 << 20;
/// What a socket reads at once, held for as long as it is open.
const READ_BUFFER: usize = 4 << 10;
/// A caller that is there answers a ping. One that has said nothing for two pings is gone.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Longest reason of a close, in bytes (RFC 6455, section 5.5): a longer one is a violation of the protocol.
const REASON_MAX: usize = 123;
/// How long a closing handshake may take.
const CLOSING: Duration = Duration::from_secs(2);

type CallerSocket = WebSocketStream<Metered<TokioIo<hyper::upgrade::Upgraded>>>;

/// Opens the agent's socket, then the caller's: until then everything that goes wrong is an HTTP answer.
pub async fn open(
    gateway: &Arc<Gateway>,
    admitted: Admitted,
    mut request: Request<Incoming>,
    mut turn: Turn,
) -> Response<Body> {
    let prepared = async {
        let key = upgrade_key(request.headers())?;
        let (auth, stream) = gateway.may(&admitted, request.headers())?;
        let owner = owner(&admitted.who, &admitted.agent);
        let named = headers::session(request.headers())?;
        let inside = gateway
            .sessions
            .enter(owner, &admitted.agent, named)
            .await?;
        Ok((key, auth, stream, inside))
    };
    let (accept, auth, stream, inside) = match prepared.await {
        Ok(prepared) => prepared,
        Err(problem) => return refuse(turn, None, problem),
    };
    turn.session(gateway.sessions.deriver().shown(inside.upstream.as_str()));
    let mut outgoing = headers::upstream(request.headers(), &admitted.agent.allowlist);
    // Session ids are ASCII.
    if let Ok(id) = HeaderValue::from_str(inside.upstream.as_str()) {
        outgoing.insert(headers::SESSION, id);
    }
    trace::client(&mut outgoing);
    let upgrade = Upgrade {
        target: &admitted.agent.target,
        headers: outgoing,
        auth,
        first_byte: gateway.upstream_timeout,
    };
    inside.sent();
    let opened = match gateway.client.web_socket(upgrade).await {
        Ok(opened) => opened,
        Err(failed) => {
            turn.attempts(failed.attempts);
            inside.failed(&failed);
            return refuse(turn, Some(&inside), failed.into());
        }
    };
    turn.attempts(opened.attempts);
    let Opened {
        socket: mut agent,
        request_id,
        ..
    } = opened;
    turn.answered(StatusCode::SWITCHING_PROTOCOLS, request_id);
    turn.opened();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let to = response.headers_mut();
    to.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    to.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    to.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    name_session(to, &inside);
    let upgraded = hyper::upgrade::on(&mut request);
    let active = gateway.metrics.stream(turn.route());
    let watchdog = admitted.watchdog().within(Some(&inside));
    let stop = gateway.stop.clone();
    // What one side has sent of a message waits here for its end.
    let purse = gateway.purse(&admitted);
    let reading = Reading {
        caller: purse.messages(),
        agent: purse.messages(),
    };
    agent.get_mut().set(reading.agent.meter());
    gateway.sockets.spawn(async move {
        let _held = (inside, stream, active);
        match upgraded.await {
            Ok(upgraded) => {
                let config = WebSocketConfig::default()
                    .read_buffer_size(READ_BUFFER)
                    .write_buffer_size(READ_BUFFER)
                    .max_message_size(Some(MESSAGE_MAX))
                    .max_frame_size(Some(MESSAGE_MAX));
                let mut io = Metered::new(TokioIo::new(upgraded));
                io.set(reading.caller.meter());
                let caller = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
                join(caller, agent, turn, watchdog, stop, &reading).await;
            }
            Err(error) => turn.cut("CallerGone", format!("the upgrade failed: {error}")),
        }
    });
    response
}

/// The answer to the caller's key, for a well-formed handshake (RFC 6455, section 4.2.1).
fn upgrade_key(request: &HeaderMap) -> Result<HeaderValue, Problem> {
    let has = |name: header::HeaderName, token: &str| {
        let values = request.get_all(name).iter();
        let mut tokens = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        tokens.any(|found| found.trim().eq_ignore_ascii_case(token))
    };
    let key = request
        .get(header::SEC_WEBSOCKET_KEY)
        .filter(|key| key.len() == 24);
    let good = has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket")
        && has(header::SEC_WEBSOCKET_VERSION, "13");
    let accept = key
        .filter(|_| good)
        .and_then(|key| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok());
    accept.ok_or_else(Problem::upgrade_required)
}

/// Why two sockets part.
struct Parting {
    to_caller: Option<CloseFrame>,
    to_agent: Option<CloseFrame>,
    /// What the log says, unless it was an orderly close.
    failure: Option<(&'static str, String)>,
}

impl Parting {
    fn with(code: CloseCode, reason: &str, failure: Option<(&'static str, String)>) -> Self {
        let end = reason.floor_char_boundary(REASON_MAX);
        let frame = CloseFrame {
            code,
            reason: reason[..end].to_owned().into(),
        };
        Self {
            to_caller: Some(frame.clone()),
            to_agent: Some(frame),
            failure,
        }
    }
}

/// Messages that either side has begun.
struct Reading {
    caller: Messages,
    agent: Messages,
}

/// Passes messages on until either side closes, or neither may go on.
async fn join(
    mut caller: CallerSocket,
    mut agent: WebSocket,
    mut turn: Turn,
    mut watchdog: Watchdog,
    stop: CancellationToken,
    reading: &Reading,
) {
    let parting = {
        let (mut to_caller, from_caller) = (&mut caller).split();
        let (mut to_agent, from_agent) = (&mut agent).split();
        tokio::select! {
            parting = async { tokio::select! {
                parting = outward(from_caller, &mut to_agent, &reading.caller) => parting,
                parting = inward(from_agent, &mut to_caller, &mut turn, &reading.agent) => parting,
            } } => parting,
            problem = &mut watchdog => {
                let over = problem.status == StatusCode::GATEWAY_TIMEOUT || problem.reason == SESSION_DRAINED;
                let code = if over { CloseCode::Away } else { CloseCode::Policy };
                Parting::with(code, &problem.detail, Some((problem.reason, problem.detail.clone())))
            }
            () = stop.cancelled() => Parting::with(CloseCode::Away, "the gateway stops", None),
        }
    };
    match parting.failure {
        Some((reason, cause)) => turn.cut(reason, cause),
        None => turn.end(),
    }
    tokio::join!(
        close(&mut caller, parting.to_caller),
        close(&mut agent, parting.to_agent)
    );
}

/// From the caller to the agent.
async fn outward(
    mut from: impl Stream<Item = Result<Message, Error>> + Unpin,
    to: &mut (impl Sink<Message, Error = Error> + Unpin),
    reading: &Messages,
) -> Parting {
    loop {
        match from.next().await {
            // The library answers pings itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                return Parting {
                    to_caller: None,
                    to_agent: Some(frame.unwrap_or_else(normal)),
                    failure: None,
                };
            }
            Some(Ok(message)) => {
                if let Err(error) = to.send(message).await {
                    return agent_gone(&error.to_string());
                }
                reading.passed();
            }
            Some(Err(Error::Capacity(error))) => {
                let detail = error.to_string();
                return Parting::with(
                    CloseCode::Size,
                    &detail,
                    Some(("MessageTooLarge", detail.clone())),
                );
            }
            Some(Err(error)) => {
                return over_share(reading).unwrap_or_else(|| caller_gone(&error.to_string()));
            }
            None => return caller_gone("without a close"),
        }
    }
}

/// From the agent to the caller, and pings so that a caller that vanished is noticed.
async fn inward(
    mut from: impl Stream<Item = Result<Message, Error>> + Unpin,
    to: &mut (impl Sink<Message, Error = Error> + Unpin),
    turn: &mut Turn,
    reading: &Messages,
) -> Parting {
    let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    loop {
        let message = tokio::select! {
            message = from.next() => message,
            _ = pings.tick() => {
                // Unanswered ones fill the connection's buffers until TCP gives up; a write that hangs is a caller that is gone.
                match timeout(PING_EVERY, to.send(Message::Ping(Bytes::new()))).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => return caller_gone(&error.to_string()),
                    Err(_) => return caller_gone("it reads nothing any more"),
                }
            }
        };
        match message {
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                let frame = frame.unwrap_or_else(normal);
                // So it is told when the agent died; other codes are for caller and agent to understand.
                let died = frame.code == CloseCode::Error;
                return Parting {
                    failure: died.then(|| {
                        (
                            "UpstreamBrokeOff",
                            format!("the agent's WebSocket broke off: {frame}"),
                        )
                    }),
                    to_caller: Some(frame),
                    to_agent: None,
                };
            }
            Some(Ok(message)) => {
                turn.chunk(message.len());
                if let Err(error) = to.send(message).await {
                    return caller_gone(&error.to_string());
                }
                reading.passed();
            }
            Some(Err(error)) => {
                return over_share(reading).unwrap_or_else(|| agent_gone(&error.to_string()));
            }
            None => return agent_gone("without a close"),
        }
    }
}

/// There was no room for a message: both sides learn it.
fn over_share(reading: &Messages) -> Option<Parting> {
    let problem = Problem::from(reading.full()?);
    let failure = Some((problem.reason, problem.detail.clone()));
    Some(Parting::with(CloseCode::Again, &problem.detail, failure))
}

fn normal() -> CloseFrame {
    CloseFrame {
        code: CloseCode::Normal,
        reason: Utf8Bytes::default(),
    }
}

/// The caller learns that what it got is not whole.
fn agent_gone(error: &str) -> Parting {
    let detail = format!("the agent's WebSocket broke off: {error}");
    Parting {
        to_agent: None,
        ..Parting::with(
            CloseCode::Error,
            "the agent's WebSocket broke off",
            Some(("UpstreamBrokeOff", detail)),
        )
    }
}

fn caller_gone(error: &str) -> Parting {
    let detail = format!("the caller's WebSocket broke off: {error}");
    Parting {
        to_caller: None,
        ..Parting::with(
            CloseCode::Away,
            "the caller went away",
            Some(("CallerGone", detail)),
        )
    }
}

/// Closes one side, or answers its close.
async fn close(socket: &mut CallerSocket, frame: Option<CloseFrame>) {
    let _ = timeout(CLOSING, async {
        if frame.is_some() {
            socket.close(frame).await?;
        }
        while let Some(message) = socket.next().await {
            message?;
        }
        Ok::<_, Error>(())
    })
    .await;
}
