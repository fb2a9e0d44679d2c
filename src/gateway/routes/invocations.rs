//! Turns that pass through byte for byte: `invocations`, `mcp`, and an A2A agent's card.

use std::sync::Arc;

use agentcore_api::runtime::ServerProtocol;
use agentcore_invoke::{Answer, Auth, Failed, Invoke, Payload};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::{name_session, refuse};
use crate::gateway::answer::Relay;
use crate::gateway::context::{Admitted, Gateway, resend};
use crate::gateway::headers;
use crate::gateway::payload::{Progress, Room, leave, streamed};
use crate::gateway::problem::Problem;
use crate::gateway::sessions::{Inside, owner};
use crate::gateway::trace;
use crate::gateway::turn::Turn;

/// POST mcp: the same, for agents that are MCP servers.
pub async fn mcp(
    gateway: &Arc<Gateway>,
    admitted: Admitted,
    request: Request<Incoming>,
    turn: Turn,
) -> Response<Body> {
    if admitted.agent.protocol == ServerProtocol::Mcp {
        invoke(gateway, admitted, request, turn).await
    } else {
        leave(request.version(), request.into_body());
        refuse(turn, None, wrong_protocol("MCP"))
    }
}

/// GET agent-card.
pub async fn card(
    gateway: &Arc<Gateway>,
    admitted: Admitted,
    request: &Request<Incoming>,
    mut turn: Turn,
) -> Response<Body> {
    if admitted.agent.protocol != ServerProtocol::A2a {
        return refuse(turn, None, wrong_protocol("A2A"));
    }
    let (auth, stream) = match gateway.may(&admitted, request.headers()) {
        Ok(may) => may,
        Err(problem) => return refuse(turn, None, problem),
    };
    let mut outgoing = headers::upstream(request.headers(), &admitted.agent.allowlist);
    trace::client(&mut outgoing);
    let answered = gateway
        .client
        .agent_card(
            &admitted.agent.target,
            outgoing,
            auth,
            gateway.upstream_timeout,
        )
        .await;
    match answered {
        Ok(answer) => {
            turn.attempts(answer.attempts);
            relay(gateway, answer, &admitted, None, turn, stream).await
        }
        Err(failed) => fail(turn, None, &failed, None),
    }
}

fn wrong_protocol(wished: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "WrongProtocol",
        format!("the agent does not speak {wished} (spec.protocol.serverProtocol)"),
    )
}

/// How a request finds its session.
enum Seat {
    /// By the caller's id, which stands for one of AgentCore's.
    Session(Inside),
    /// By an MCP session id that AgentCore or the agent made, or by none yet: AgentCore takes either that or a session id, never both.
    Mcp(Option<String>),
}

impl Seat {
    fn inside(&self) -> Option<&Inside> {
        match self {
            Self::Session(inside) => Some(inside),
            Self::Mcp(_) => None,
        }
    }
}

/// POST invocations.
pub async fn invoke(
    gateway: &Arc<Gateway>,
    mut admitted: Admitted,
    request: Request<Incoming>,
    mut turn: Turn,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let prepared = async {
        let (auth, stream) = match gateway.may(&admitted, &head.headers) {
            Ok(may) => may,
            Err(problem) => {
                leave(head.version, body);
                return Err(problem);
            }
        };
        let progress = Progress::default();
        let (payload, room) = match &auth {
            Auth::SigV4 => {
                let whole = gateway
                    .reader
                    .whole(&head, body, admitted.holder.clone())
                    .await?;
                turn.prompt(whole.length);
                admitted.renew(gateway, &mut turn)?;
                (whole.payload, whole.room)
            }
            Auth::Bearer(_) => {
                let payload = streamed(&head.headers, body, &progress)?;
                (payload, Room::default())
            }
        };
        let seat = seat(gateway, &admitted, &head.headers).await?;
        Ok((auth, stream, progress, payload, room, seat))
    };
    let (auth, stream, progress, payload, room, seat) = match prepared.await {
        Ok(prepared) => prepared,
        Err(problem) => return refuse(turn, None, problem),
    };
    if let Seat::Session(inside) = &seat {
        turn.session(gateway.sessions.deriver().shown(inside.upstream.as_str()));
    }
    let streamed = matches!(payload, Payload::Stream { .. });
    let call = Invoke {
        target: &admitted.agent.target,
        headers: outgoing(&head.headers, &admitted, &seat),
        payload,
        auth,
        first_byte: gateway.upstream_timeout,
        resend: resend(&head.headers),
    };
    if let Some(inside) = seat.inside() {
        inside.sent();
    }
    let answered = gateway.client.invoke(call).await;
    // Sent, or given up.
    drop(room);
    if streamed {
        turn.prompt(progress.bytes());
    }
    match answered {
        Ok(answer) => {
            turn.attempts(answer.attempts);
            relay(gateway, answer, &admitted, Some(seat), turn, stream).await
        }
        Err(failed) => fail(turn, seat.inside(), &failed, progress.cut()),
    }
}

/// The session that a request belongs to.
async fn seat(
    gateway: &Gateway,
    admitted: &Admitted,
    request: &HeaderMap,
) -> Result<Seat, Problem> {
    let owner = owner(&admitted.who, &admitted.agent);
    let given = request.get(headers::SESSION);
    if admitted.agent.session.is_some() {
        let inside = gateway.sessions.enter(owner, &admitted.agent, None).await;
        return inside.map(Seat::Session).map_err(Problem::from);
    }
    if let Some(sealed) = request.get(headers::MCP_SESSION) {
        let mcp_session = sealed
            .to_str()
            .ok()
            .and_then(|sealed| gateway.sessions.deriver().unseal(&owner, sealed));
        // By the protocol, a client begins anew after a 404.
        return mcp_session
            .map(|id| Seat::Mcp(Some(id.to_owned())))
            .ok_or_else(|| Problem::not_found("there is no such MCP session"));
    }
    if admitted.agent.protocol == ServerProtocol::Mcp && given.is_none() {
        return Ok(Seat::Mcp(None));
    }
    let given = given.and_then(|value| value.to_str().ok());
    let inside = gateway.sessions.enter(owner, &admitted.agent, given).await;
    inside.map(Seat::Session).map_err(Problem::from)
}

/// The headers that go on.
fn outgoing(request: &HeaderMap, admitted: &Admitted, seat: &Seat) -> HeaderMap {
    let mut to = headers::upstream(request, &admitted.agent.allowlist);
    let (name, id) = match seat {
        Seat::Session(inside) => (headers::SESSION, Some(inside.upstream.as_str())),
        Seat::Mcp(id) => (headers::MCP_SESSION, id.as_deref()),
    };
    // Both kinds of ids are ASCII.
    if let Some(value) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
        to.insert(name, value);
    }
    trace::client(&mut to);
    to
}

/// Passes the agent's answer on.
async fn relay(
    gateway: &Gateway,
    answer: Answer,
    admitted: &Admitted,
    seat: Option<Seat>,
    mut turn: Turn,
    stream: impl Send + 'static,
) -> Response<Body> {
    let Answer {
        status,
        headers: given,
        body,
        request_id,
        attempts: _,
    } = answer;
    turn.answered(status, request_id);
    let events = headers::is_event_stream(&given);
    let mut to = headers::downstream(&given);
    if events {
        // An event may be added.
        to.remove(axum::http::header::CONTENT_LENGTH);
    }
    if let Some(mcp_session) = given
        .get(headers::MCP_SESSION)
        .and_then(|id| id.to_str().ok())
    {
        let owner = owner(&admitted.who, &admitted.agent);
        let sealed = gateway.sessions.deriver().seal(&owner, mcp_session);
        if let Ok(value) = HeaderValue::from_str(&sealed) {
            to.insert(headers::MCP_SESSION, value);
        }
    }
    let route = turn.route();
    if let Some(inside) = seat.as_ref().and_then(Seat::inside) {
        name_session(&mut to, inside);
    }
    let inside = seat.as_ref().and_then(Seat::inside);
    let watchdog = admitted.watchdog().within(inside);
    let busy = inside.map(|inside| inside.busy.clone()).unwrap_or_default();
    let body = busy.watch(body, &to);
    let held = (seat, stream, gateway.metrics.stream(route));
    let body = Relay::body(body, events, turn, watchdog, held).await;
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = to;
    response
}

/// There was no answer.
fn fail(
    mut turn: Turn,
    inside: Option<&Inside>,
    failed: &Failed,
    cut: Option<Problem>,
) -> Response<Body> {
    turn.attempts(failed.attempts);
    if let Some(inside) = inside {
        inside.failed(failed);
    }
    refuse(
        turn,
        inside,
        cut.unwrap_or_else(|| Problem::from(&failed.error)),
    )
}
