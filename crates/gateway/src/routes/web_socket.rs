//! GET ws: the caller's WebSocket and the agent's, joined. Frames pass as they come, pings and closes with their code and reason included.

mod frames;
mod parting;

use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::{Metered, Opened, Upgrade};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, OpCode};
use tokio_util::sync::CancellationToken;

use super::{name_session, refuse};
use crate::answer::purse::Messages;
use crate::context::{Admitted, Gateway};
use crate::headers;
use crate::payload::Unread;
use crate::problem::Problem;
use crate::request_log::RequestLog;
use crate::sessions::owner;
use crate::trace;
use crate::watch::{SESSION_DRAINED, Watchdog};
use frames::{Broken, Peer, Sink, Source};
use parting::{Parting, agent_gone, caller_gone, is, is_close, over_share};

/// A caller that is there answers a ping. One that has said nothing for two pings is gone.
const PING_EVERY: Duration = Duration::from_secs(30);
/// What tells the gateway's own pings, and the answers to them, from those of caller and agent.
const PING: &[u8] = b"agentcore-gateway";
/// How long a closing handshake may take.
const CLOSING: Duration = Duration::from_secs(2);

/// Subprotocols by which browsers show a token, to a Kubernetes API server and to AgentCore: they are for the gateway, and for nobody behind it.
const TOKENS: [&str; 2] = [
    "base64url.bearer.authorization.k8s.io.",
    "base64UrlBearerAuthorization",
];

type Io = Metered<TokioIo<Upgraded>>;

/// Opens the agent's socket, then the caller's: until then everything that goes wrong is an HTTP answer.
pub async fn open(
    gateway: &Arc<Gateway>,
    admitted: Admitted,
    mut request: Request<Unread>,
    mut log: RequestLog,
) -> Response<Body> {
    let prepared = async {
        let key = upgrade_key(request.headers())?;
        let (auth, stream) = gateway.may(&admitted, request.headers())?;
        let owner = owner(&admitted.who, &admitted.agent);
        let named = headers::session(request.headers())?;
        let guard = gateway
            .sessions
            .enter(owner, &admitted.agent, named)
            .await?;
        Ok((key, auth, stream, guard))
    };
    let (accept, auth, stream, guard) = match prepared.await {
        Ok(prepared) => prepared,
        Err(problem) => return refuse(log, None, problem),
    };
    log.session(gateway.sessions.deriver().shown(guard.upstream.as_str()));
    let mut outgoing = headers::upstream(request.headers(), &admitted.agent.allowlist);
    // Session ids are ASCII.
    if let Ok(id) = HeaderValue::from_str(guard.upstream.as_str()) {
        outgoing.insert(headers::SESSION, id);
    }
    if let Some(offered) = subprotocols(request.headers()) {
        outgoing.insert(header::SEC_WEBSOCKET_PROTOCOL, offered);
    }
    trace::client(&mut outgoing);
    let upgrade = Upgrade {
        target: &admitted.agent.target,
        headers: outgoing,
        auth,
        first_byte: gateway.upstream_timeout,
    };
    guard.sent();
    let opened = match gateway.client.web_socket(upgrade).await {
        Ok(opened) => opened,
        Err(failed) => {
            log.attempts(failed.attempts);
            guard.failed(&failed);
            return refuse(log, Some(&guard), failed.into());
        }
    };
    log.attempts(opened.attempts);
    let Opened {
        socket,
        headers: answered,
        request_id,
        ..
    } = opened;
    // Nothing was read from it yet.
    let mut agent = socket.into_inner();
    log.answered(StatusCode::SWITCHING_PROTOCOLS, request_id);
    log.opened();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let to = response.headers_mut();
    to.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    to.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    to.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(chosen) = answered.get(header::SEC_WEBSOCKET_PROTOCOL) {
        to.insert(header::SEC_WEBSOCKET_PROTOCOL, chosen.clone());
    }
    name_session(to, &guard);
    let upgraded = hyper::upgrade::on(&mut request);
    let active = gateway.metrics.stream(log.route());
    let watchdog = admitted.watchdog().within(Some(&guard));
    let stop = gateway.stop.clone();
    // What one side has sent of a frame waits here for its end.
    let purse = gateway.purse(&admitted);
    let reading = Reading {
        caller: purse.messages(),
        agent: purse.messages(),
    };
    agent.set(reading.agent.meter());
    gateway.sockets.spawn(async move {
        let _held = (guard, stream, active);
        match upgraded.await {
            Ok(upgraded) => {
                let mut caller = Metered::new(TokioIo::new(upgraded));
                caller.set(reading.caller.meter());
                let (caller, agent) = (
                    Side::new(caller, Peer::Client),
                    Side::new(agent, Peer::Server),
                );
                join(caller, agent, log, watchdog, stop, &reading).await;
            }
            Err(error) => log.cut("CallerGone", format!("the upgrade failed: {error}")),
        }
    });
    response
}

/// The subprotocols that a caller offers to the agent.
fn subprotocols(request: &HeaderMap) -> Option<HeaderValue> {
    let values = request.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let offered: Vec<&str> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty() && !TOKENS.iter().any(|token| name.starts_with(token)))
        .collect();
    let offered = (!offered.is_empty()).then(|| offered.join(", "))?;
    HeaderValue::from_str(&offered).ok()
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

/// One of the two connections.
struct Side {
    from: Source<ReadHalf<Io>>,
    to: Sink<WriteHalf<Io>>,
}

impl Side {
    fn new(io: Io, peer: Peer) -> Self {
        let (from, to) = tokio::io::split(io);
        Self {
            from: Source::new(from, peer),
            to: Sink::new(to, peer),
        }
    }

    /// Tells the peer the end, waits for its word unless it had that already, and ends the connection.
    async fn close(mut self, last: Option<Frame>, heard: bool) {
        let _ = timeout(CLOSING, async {
            if let Some(last) = last {
                self.to.write(last).await.map_err(drop)?;
                while !heard && !is_close(&self.from.next().await.map_err(drop)?) {}
                self.to.end().await;
                self.from.drain().await;
            }
            Ok::<(), ()>(())
        })
        .await;
    }
}

/// Frames that either side has begun.
struct Reading {
    caller: Messages,
    agent: Messages,
}

/// Passes frames on until either side closes, or neither may go on.
async fn join(
    mut caller: Side,
    mut agent: Side,
    mut log: RequestLog,
    mut watchdog: Watchdog,
    stop: CancellationToken,
    reading: &Reading,
) {
    let parting = {
        tokio::select! {
            parting = outward(&mut caller.from, &mut agent.to, &reading.caller) => parting,
            parting = inward(&mut agent.from, &mut caller.to, &mut log, &reading.agent) => parting,
            problem = &mut watchdog => {
                let over = problem.status == StatusCode::GATEWAY_TIMEOUT || problem.reason == SESSION_DRAINED;
                let code = if over { CloseCode::Away } else { CloseCode::Policy };
                Parting::with(code, &problem.detail, Some((problem.reason, problem.detail.clone())))
            }
            () = stop.cancelled() => Parting::with(CloseCode::Away, "the gateway stops", None),
        }
    };
    match parting.failure {
        Some((reason, cause)) => log.cut(reason, cause),
        None => log.end(),
    }
    let heard = parting.heard;
    tokio::join!(
        caller.close(parting.to_caller, heard == Some(Peer::Client)),
        agent.close(parting.to_agent, heard == Some(Peer::Server))
    );
}

/// From the caller to the agent.
async fn outward(
    from: &mut Source<impl AsyncRead + Unpin>,
    to: &mut Sink<impl AsyncWrite + Unpin>,
    reading: &Messages,
) -> Parting {
    loop {
        match from.next().await {
            Ok(frame) if is_close(&frame) => return Parting::closed(Peer::Client, frame),
            Ok(frame) if is(&frame, Control::Pong) && frame.payload() == PING => reading.passed(),
            Ok(frame) => {
                if let Err(error) = to.write(frame).await {
                    return agent_gone(&error.to_string());
                }
                reading.passed();
            }
            Err(broken @ Broken::TooLong) => {
                let detail = broken.to_string();
                let failure = Some(("MessageTooLarge", detail.clone()));
                return Parting::with(CloseCode::Size, &detail, failure);
            }
            Err(Broken::Violation(what)) => {
                let failure = Some(("CallerGone", format!("no WebSocket's frame: {what}")));
                return Parting::with(CloseCode::Protocol, what, failure);
            }
            Err(Broken::Gone(error)) => {
                return over_share(reading).unwrap_or_else(|| caller_gone(&error));
            }
        }
    }
}

/// From the agent to the caller, and pings so that a caller that vanished is noticed.
async fn inward(
    from: &mut Source<impl AsyncRead + Unpin>,
    to: &mut Sink<impl AsyncWrite + Unpin>,
    log: &mut RequestLog,
    reading: &Messages,
) -> Parting {
    let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    loop {
        let frame = tokio::select! {
            frame = from.next() => frame,
            _ = pings.tick() => {
                // Unanswered ones fill the connection's buffers until TCP gives up; a write that hangs is a caller that is gone.
                match timeout(PING_EVERY, to.write(Frame::ping(PING))).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => return caller_gone(&error.to_string()),
                    Err(_) => return caller_gone("it reads nothing any more"),
                }
            }
        };
        match frame {
            Ok(frame) if is_close(&frame) => return Parting::closed(Peer::Server, frame),
            Ok(frame) => {
                if let OpCode::Data(_) = frame.header().opcode {
                    log.chunk(frame.payload().len());
                }
                if let Err(error) = to.write(frame).await {
                    return caller_gone(&error.to_string());
                }
                reading.passed();
            }
            Err(broken) => {
                return over_share(reading).unwrap_or_else(|| agent_gone(&broken.to_string()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_among_the_subprotocols_stays_behind() {
        let offered = |values: &[&'static str]| {
            let values = values.iter().map(|value| HeaderValue::from_static(value));
            let headers = values.map(|value| (header::SEC_WEBSOCKET_PROTOCOL, value));
            subprotocols(&headers.collect()).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(offered(&["a, b", "c"]).as_deref(), Some("a, b, c"));
        let k8s = "base64url.bearer.authorization.k8s.io.c2VjcmV0, json";
        assert_eq!(offered(&[k8s]).as_deref(), Some("json"));
        let aws = "base64UrlBearerAuthorization.c2VjcmV0, base64UrlBearerAuthorization";
        assert_eq!(offered(&[aws]), None);
        assert_eq!(offered(&[]), None);
    }
}
