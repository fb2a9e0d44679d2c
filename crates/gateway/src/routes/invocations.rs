//! Turns that pass through byte for byte: `invocations`, `mcp` and `a2a`.

use std::sync::Arc;

use agentcore_api::runtime::ServerProtocol;
use agentcore_api::sessions::Unnamed;
use agentcore_invoke::{Answer, Auth, Failed, Invoke, Payload};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::{card, name_session, refuse};
use crate::a2a;
use crate::agents::Agent;
use crate::answer::Relay;
use crate::answer::voice::{self, Voice};
use crate::context::{Admitted, Gateway, resend};
use crate::headers;
use crate::payload::{Progress, Room, leave, streamed};
use crate::problem::Problem;
use crate::sessions::id::{self, McpSession};
use crate::sessions::ledger::Owner;
use crate::sessions::{Inside, owner};
use crate::trace;
use crate::turn::Turn;

/// POST mcp: the same, for agents that are MCP servers.
pub async fn mcp(
    gateway: &Arc<Gateway>,
    admitted: Admitted,
    request: Request<Incoming>,
    turn: Turn,
) -> Response<Body> {
    speaking(ServerProtocol::Mcp, "MCP", gateway, admitted, request, turn).await
}

/// POST a2a: the same, for agents that speak A2A.
pub async fn a2a(
    gateway: &Arc<Gateway>,
    admitted: Admitted,
    request: Request<Incoming>,
    turn: Turn,
) -> Response<Body> {
    speaking(ServerProtocol::A2a, "A2A", gateway, admitted, request, turn).await
}

async fn speaking(
    protocol: ServerProtocol,
    name: &str,
    gateway: &Arc<Gateway>,
    admitted: Admitted,
    request: Request<Incoming>,
    turn: Turn,
) -> Response<Body> {
    if admitted.agent.protocol == protocol {
        invoke(gateway, admitted, request, turn).await
    } else {
        leave(request.version(), request.into_body());
        refuse(turn, None, wrong_protocol(name))
    }
}

/// The agent does not speak what the path is for.
pub fn wrong_protocol(wished: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "WrongProtocol",
        format!("the agent does not speak {wished} (spec.protocol.serverProtocol)"),
    )
}

/// Where a request runs.
struct Seat {
    /// Its session.
    inside: Inside,
    /// The MCP session within that one, if it goes on with one.
    mcp: Option<String>,
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
        // Who is to be told of an answer that breaks off stands in the request: it is kept also where nothing is signed.
        let kept = Voice::is_json_rpc(&admitted.agent.protocol);
        let (payload, room) = match &auth {
            Auth::Bearer(_) if !kept => {
                let payload = streamed(&head.headers, body, &progress)?;
                (payload, Room::default())
            }
            _ => {
                let whole = gateway
                    .reader
                    .whole(&head, body, admitted.holder.clone())
                    .await?;
                turn.prompt(whole.length);
                admitted.renew(gateway, &mut turn)?;
                (whole.payload, whole.room)
            }
        };
        let asked = if kept {
            voice::Request::read(&payload).await
        } else {
            voice::Request::default()
        };
        let card = match asked.method.as_deref() {
            Some(method)
                if a2a::answers_with_card(method)
                    && admitted.agent.protocol == ServerProtocol::A2a =>
            {
                Some(card::address(gateway, &admitted, &head.headers, &head.uri)?)
            }
            _ => None,
        };
        let seat = seat(gateway, &admitted, &head.headers).await?;
        Ok((auth, stream, progress, payload, room, (asked, card), seat))
    };
    let (auth, stream, progress, payload, room, (asked, card), seat) = match prepared.await {
        Ok(prepared) => prepared,
        Err(problem) => return refuse(turn, None, problem),
    };
    let upstream = seat.inside.upstream.as_str();
    turn.session(gateway.sessions.deriver().shown(upstream));
    let streamed = matches!(payload, Payload::Stream { .. });
    let call = Invoke {
        target: &admitted.agent.target,
        headers: outgoing(&head.headers, &admitted, &seat),
        payload,
        auth,
        first_byte: gateway.upstream_timeout,
        resend: resend(&head.headers),
    };
    seat.inside.sent();
    let answered = gateway.client.invoke(call).await;
    // Sent, or given up.
    drop(room);
    if streamed {
        turn.prompt(progress.bytes());
    }
    match answered {
        Ok(answer) => {
            turn.attempts(answer.attempts);
            let whole = !headers::is_event_stream(&answer.headers);
            if let Some(url) = card.filter(|_| answer.status.is_success() && whole) {
                return card::pass_on(gateway, answer, &admitted, &url, Some(&seat.inside), turn)
                    .await;
            }
            let voice = Voice::of(&admitted.agent.protocol, asked);
            let inside = Some(seat.inside);
            relay(gateway, answer, &admitted, inside, voice, turn, stream).await
        }
        Err(failed) => fail(turn, Some(&seat.inside), &failed, progress.cut()),
    }
}

/// The session that a request belongs to.
async fn seat(
    gateway: &Gateway,
    admitted: &Admitted,
    request: &HeaderMap,
) -> Result<Seat, Problem> {
    let agent = &admitted.agent;
    let owner = owner(&admitted.who, agent);
    let mcp = mcp_session(gateway, &owner, request)?;
    // AgentCore's own name of a session leads wherever the conversation goes on: a server without sessions knows nothing of it.
    let own = mcp.as_ref().is_some_and(|mcp| {
        let (deriver, made) = (gateway.sessions.deriver(), &mcp.conversation);
        mcp.id == made.as_str() || mcp.id == deriver.upstream(&owner, made, mcp.generation).as_str()
    });
    let named = match (&mcp, headers::session(request)?) {
        (Some(mcp), Some(named)) if agent.session.is_none() && named != mcp.conversation => {
            return Err(no_mcp_session());
        }
        (Some(mcp), _) => Some(mcp.conversation.clone()),
        (None, None) if per_caller(agent) => Some(id::unnamed()),
        (None, named) => named,
    };
    let inside = gateway.sessions.enter(owner, agent, named).await?;
    let mcp = match mcp.filter(|_| !own) {
        // The microVM that it lived in has ended since, or makes room for a new version.
        Some(mcp)
            if (&mcp.conversation, mcp.generation)
                != (&inside.conversation, inside.generation()) =>
        {
            return Err(no_mcp_session());
        }
        mcp => mcp.map(|mcp| mcp.id),
    };
    Ok(Seat { inside, mcp })
}

/// The MCP session that a request names.
pub fn mcp_session(
    gateway: &Gateway,
    owner: &Owner,
    request: &HeaderMap,
) -> Result<Option<McpSession>, Problem> {
    let Some(sealed) = request.get(headers::MCP_SESSION) else {
        return Ok(None);
    };
    let sealed = sealed.to_str().ok();
    let session = sealed.and_then(|sealed| gateway.sessions.deriver().unseal(owner, sealed));
    session.map(Some).ok_or_else(no_mcp_session)
}

/// By the protocol, a client begins anew after a 404.
fn no_mcp_session() -> Problem {
    Problem::not_found("there is no such MCP session")
}

/// Whether requests that name no session have one of their caller's.
fn per_caller(agent: &Agent) -> bool {
    agent.protocol == ServerProtocol::Mcp && agent.sessions.unnamed == Unnamed::PerCaller
}

/// The headers that go on. AgentCore takes an MCP session's id or a session's, never both.
fn outgoing(request: &HeaderMap, admitted: &Admitted, seat: &Seat) -> HeaderMap {
    let mut to = headers::upstream(request, &admitted.agent.allowlist);
    let (name, id) = match &seat.mcp {
        Some(id) => (headers::MCP_SESSION, id.as_str()),
        None => (headers::SESSION, seat.inside.upstream.as_str()),
    };
    // Both kinds of ids are ASCII.
    if let Ok(value) = HeaderValue::from_str(id) {
        to.insert(name, value);
    }
    trace::client(&mut to);
    to
}

/// Passes the agent's answer on.
pub async fn relay(
    gateway: &Gateway,
    answer: Answer,
    admitted: &Admitted,
    inside: Option<Inside>,
    voice: Voice,
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
        headers::unbuffered(&mut to);
    }
    let made = given.get(headers::MCP_SESSION);
    if let (Some(inside), Some(made)) = (&inside, made.and_then(|id| id.to_str().ok())) {
        let session = McpSession {
            id: made.to_owned(),
            conversation: inside.conversation.clone(),
            generation: inside.generation(),
        };
        let sealed = gateway.sessions.deriver().seal(&inside.owner, &session);
        if let Ok(value) = HeaderValue::from_str(&sealed) {
            to.insert(headers::MCP_SESSION, value);
        }
    }
    let route = turn.route();
    if let Some(inside) = &inside {
        name_session(&mut to, inside);
    }
    let watchdog = admitted.watchdog().within(inside.as_ref());
    let busy = inside.as_ref().map(|inside| inside.busy.clone());
    let busy = busy.unwrap_or_default();
    let body = busy.watch(body, &to);
    let events = events.then_some(voice);
    let held = (inside, stream, gateway.metrics.stream(route));
    let body = Relay::body(body, events, turn, watchdog, held).await;
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = to;
    response
}

/// There was no answer.
pub fn fail(
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
