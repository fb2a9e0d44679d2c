//! Turns that pass through byte for byte: `invocations`, `mcp` and `a2a`.

use std::sync::Arc;

use agentcore_api::runtime::ServerProtocol;
use agentcore_api::sessions::Unnamed;
use agentcore_invoke::{Answer, Auth, Failed, Invoke, Payload};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};

use super::{card, name_session, refuse};
use crate::a2a;
use crate::agents::Agent;
use crate::answer::Relay;
use crate::answer::voice::{self, Voice};
use crate::context::{Admitted, Gateway, resend};
use crate::headers;
use crate::payload::{Progress, Room, Unread, streamed};
use crate::problem::Problem;
use crate::request_log::RequestLog;
use crate::sessions::id::{self, McpSession};
use crate::sessions::ledger::Owner;
use crate::sessions::{SessionGuard, owner};
use crate::trace;

/// POST mcp: the same, for agents that are MCP servers.
pub async fn mcp(
    gateway: &Arc<Gateway>,
    admitted: Admitted,
    request: Request<Unread>,
    log: RequestLog,
) -> Response<Body> {
    speaking(ServerProtocol::Mcp, "MCP", gateway, admitted, request, log).await
}

/// POST a2a: the same, for agents that speak A2A.
pub async fn a2a(
    gateway: &Arc<Gateway>,
    admitted: Admitted,
    request: Request<Unread>,
    log: RequestLog,
) -> Response<Body> {
    speaking(ServerProtocol::A2a, "A2A", gateway, admitted, request, log).await
}

async fn speaking(
    protocol: ServerProtocol,
    name: &str,
    gateway: &Arc<Gateway>,
    admitted: Admitted,
    request: Request<Unread>,
    log: RequestLog,
) -> Response<Body> {
    if admitted.agent.protocol == protocol {
        invoke(gateway, admitted, request, log).await
    } else {
        refuse(log, None, wrong_protocol(name))
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
struct SessionRef {
    /// Its session.
    guard: SessionGuard,
    /// The MCP session within that one, if it goes on with one.
    mcp: Option<String>,
}

/// POST invocations.
pub async fn invoke(
    gateway: &Arc<Gateway>,
    mut admitted: Admitted,
    request: Request<Unread>,
    mut log: RequestLog,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let prepared = async {
        let (auth, stream) = gateway.may(&admitted, &head.headers)?;
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
                log.prompt(whole.length);
                admitted.renew(gateway, &mut log)?;
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
        let session = session(gateway, &admitted, &head.headers).await?;
        Ok((
            auth,
            stream,
            progress,
            payload,
            room,
            (asked, card),
            session,
        ))
    };
    let (auth, stream, progress, payload, room, (asked, card), session) = match prepared.await {
        Ok(prepared) => prepared,
        Err(problem) => return refuse(log, None, problem),
    };
    let upstream = session.guard.upstream.as_str();
    log.session(gateway.sessions.deriver().shown(upstream));
    let streamed = matches!(payload, Payload::Stream { .. });
    let call = Invoke {
        target: &admitted.agent.target,
        headers: outgoing(&head.headers, &admitted, &session),
        payload,
        auth,
        first_byte: gateway.upstream_timeout,
        resend: resend(&head.headers),
    };
    session.guard.sent();
    let answered = gateway.client.invoke(call).await;
    // Sent, or given up.
    drop(room);
    if streamed {
        log.prompt(progress.bytes());
    }
    match answered {
        Ok(answer) => {
            log.attempts(answer.attempts);
            let whole = !headers::is_event_stream(&answer.headers);
            if let Some(url) = card.filter(|_| answer.status.is_success() && whole) {
                return card::pass_on(gateway, answer, &admitted, &url, Some(&session.guard), log)
                    .await;
            }
            let voice = Voice::of(&admitted.agent.protocol, asked);
            let guard = Some(session.guard);
            relay(gateway, answer, &admitted, guard, voice, log, stream).await
        }
        Err(failed) => fail(log, Some(&session.guard), &failed, progress.cut()),
    }
}

/// The session that a request belongs to.
async fn session(
    gateway: &Gateway,
    admitted: &Admitted,
    request: &HeaderMap,
) -> Result<SessionRef, Problem> {
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
    let guard = gateway.sessions.enter(owner, agent, named).await?;
    let mcp = match mcp.filter(|_| !own) {
        // The microVM that it lived in has ended since, or makes room for a new version.
        Some(mcp)
            if (&mcp.conversation, mcp.generation) != (&guard.conversation, guard.generation()) =>
        {
            return Err(no_mcp_session());
        }
        mcp => mcp.map(|mcp| mcp.id),
    };
    Ok(SessionRef { guard, mcp })
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
    Problem::not_found("MCP session not found")
}

/// Whether requests that name no session have one of their caller's.
fn per_caller(agent: &Agent) -> bool {
    agent.protocol == ServerProtocol::Mcp && agent.sessions.unnamed == Unnamed::PerCaller
}

/// The headers that go on. AgentCore takes an MCP session's id or a session's, never both.
fn outgoing(request: &HeaderMap, admitted: &Admitted, session: &SessionRef) -> HeaderMap {
    let mut to = headers::upstream(request, &admitted.agent.allowlist);
    let (name, id) = match &session.mcp {
        Some(id) => (headers::MCP_SESSION, id.as_str()),
        None => (headers::SESSION, session.guard.upstream.as_str()),
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
    guard: Option<SessionGuard>,
    voice: Voice,
    mut log: RequestLog,
    stream: impl Send + 'static,
) -> Response<Body> {
    let Answer {
        status,
        headers: given,
        body,
        request_id,
        attempts: _,
    } = answer;
    log.answered(status, request_id);
    let events = headers::is_event_stream(&given);
    let mut to = headers::downstream(&given);
    if events {
        // An event may be added.
        to.remove(axum::http::header::CONTENT_LENGTH);
        headers::unbuffered(&mut to);
    }
    let made = given.get(headers::MCP_SESSION);
    if let (Some(guard), Some(made)) = (&guard, made.and_then(|id| id.to_str().ok())) {
        let session = McpSession {
            id: made.to_owned(),
            conversation: guard.conversation.clone(),
            generation: guard.generation(),
        };
        let sealed = gateway.sessions.deriver().seal(&guard.owner, &session);
        if let Ok(value) = HeaderValue::from_str(&sealed) {
            to.insert(headers::MCP_SESSION, value);
        }
    }
    let route = log.route();
    if let Some(guard) = &guard {
        name_session(&mut to, guard);
    }
    let watchdog = admitted.watchdog().within(guard.as_ref());
    let busy = guard.as_ref().map(|guard| guard.work_signal.clone());
    let busy = busy.unwrap_or_default();
    let body = busy.watch(body, &to);
    let events = events.then_some(voice);
    let held = (guard, stream, gateway.metrics.stream(route));
    let body = Relay::body(body, events, log, watchdog, held).await;
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = to;
    response
}

/// There was no answer.
pub fn fail(
    mut log: RequestLog,
    guard: Option<&SessionGuard>,
    failed: &Failed,
    cut: Option<Problem>,
) -> Response<Body> {
    log.attempts(failed.attempts);
    if let Some(guard) = guard {
        guard.failed(failed);
    }
    refuse(
        log,
        guard,
        cut.unwrap_or_else(|| Problem::from(&failed.error)),
    )
}
