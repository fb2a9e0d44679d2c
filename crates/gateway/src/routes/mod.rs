//! From a request to its answer: which handler, and what all of them share.

mod card;
mod invocations;
mod sessions;
mod web_socket;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tracing::Instrument as _;

use crate::chat;
use crate::context::{Admitted, Gateway};
use crate::headers;
use crate::path::{Action, Route};
use crate::payload::Unread;
use crate::problem::Problem;
use crate::request_log::RequestLog;
use crate::server::Connection;
use crate::sessions::SessionGuard;
use crate::trace;

/// Answers a request. It never fails: what goes wrong is an answer too.
pub async fn answer(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let version = request.version();
    let mut request = request.map(|body| Unread::new(version, body));
    let path = request.uri().path().to_owned();
    let Some(route) = Route::parse(&path) else {
        let log = RequestLog::begin(gateway.metrics.clone(), "unknown");
        return Ok(refuse(
            log,
            None,
            Problem::not_found("nothing is served at this path"),
        ));
    };
    let mut log = RequestLog::begin(gateway.metrics.clone(), route.action.as_str());
    log.asks(&route);
    let mut methods = route.action.methods().split(", ");
    if !methods.any(|method| request.method() == method) {
        let problem = Problem::method(route.action.methods());
        return Ok(refuse(log, None, problem));
    }
    let span = trace::server(&route, request.headers_mut());
    // It is large, as it holds every handler's state: made once where it stays, it is not moved again.
    Ok(Box::pin(routed(&gateway, &route, request, log))
        .instrument(span)
        .await)
}

async fn routed(
    gateway: &Arc<Gateway>,
    route: &Route<'_>,
    request: Request<Unread>,
    mut log: RequestLog,
) -> Response<Body> {
    let admitted = gateway.admit(route, request.headers(), &mut log).await;
    if let (Some(who), Some(connection)) = (log.who(), request.extensions().get::<Connection>()) {
        connection.known(&who.user);
    }
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(problem) => {
            return refuse(log, None, problem);
        }
    };
    match route.action {
        Action::Invocations => invocations::invoke(gateway, admitted, request, log).await,
        Action::Mcp if request.method() == Method::DELETE => {
            sessions::stop_mcp(gateway, &admitted, request.headers(), log).await
        }
        Action::Mcp => invocations::mcp(gateway, admitted, request, log).await,
        Action::A2a => invocations::a2a(gateway, admitted, request, log).await,
        Action::AgentCard => card::show(gateway, admitted, &request, log).await,
        Action::Ws => web_socket::open(gateway, admitted, request, log).await,
        Action::Chat => chat::chat(gateway, admitted, request, log).await,
        Action::Ping => ping(&admitted, log),
        Action::Sessions => sessions::list(gateway, &admitted, request.uri().query(), log).await,
        Action::Session(id) => sessions::stop(gateway, &admitted, request.headers(), id, log).await,
    }
}

/// Whether the agent can be called, from what the controller reports: asking the agent itself would begin a session, or keep one alive.
fn ping(admitted: &Admitted, log: RequestLog) -> Response<Body> {
    let agent = &admitted.agent;
    let (status, body) = match &agent.ready {
        Ok(()) => (
            StatusCode::OK,
            json!({"status": "Healthy", "version": agent.version}),
        ),
        Err(not_ready) => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({
                "status": "Unhealthy",
                "version": agent.version,
                "reason": not_ready.reason,
                "message": not_ready.message,
            }),
        ),
    };
    say(log, status, &body)
}

/// The gateway's own answer.
fn say(mut log: RequestLog, status: StatusCode, body: &Value) -> Response<Body> {
    let body = body.to_string();
    log.said(status, body.len());
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The answer to a request that failed; in a session it names the session, so that the caller can try again in it.
pub fn refuse(
    mut log: RequestLog,
    guard: Option<&SessionGuard>,
    problem: Problem,
) -> Response<Body> {
    log.refused(&problem);
    let mut response = problem.into_response();
    if let Some(guard) = guard {
        name_session(response.headers_mut(), guard);
    }
    response
}

/// Tells the caller its session's id, AgentCore's id, and whether that one is new.
pub fn name_session(headers: &mut HeaderMap, guard: &SessionGuard) {
    let mut put = |name, text: &str| {
        // Session ids are ASCII.
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    put(headers::SESSION, guard.conversation.as_str());
    put(headers::UPSTREAM_SESSION, guard.upstream.as_str());
    if guard.started {
        put(headers::SESSION_STARTED, "true");
    }
}
