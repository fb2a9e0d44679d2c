//! WebSockets to agents: the handshake. The frames are carried by `relay`.

mod frames;
mod relay;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::access::SESSION_HEADER;
use super::{access, agent, headers};
use crate::authenticate::{BEARER_PROTOCOL, protocols};
use crate::request::Call;
use crate::state::world::App;
use crate::wire::errors::ApiError;
use relay::Relay;

/// Headers of this prefix may come in the query, as browsers can send none and presigned URLs carry none.
const IN_QUERY: &str = "x-amzn-bedrock-agentcore-runtime-";
/// Where agents take WebSockets.
const PATH: &str = "/ws";

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADED: HeaderValue = HeaderValue::from_static("Upgrade");

/// Answers `InvokeAgentRuntimeWithWebSocketStream`: 101 once the agent has taken the WebSocket.
///
/// # Errors
/// What the service refuses; `RuntimeClientError` for an agent that does not start, breaks off, or takes no WebSockets.
pub async fn handle(app: &Arc<App>, mut call: Call) -> Result<Response, ApiError> {
    let begun = app.now();
    headers_of_query(&mut call);
    headers::check(&call.headers)?;
    let (upgrade, key) = handshake(&mut call)?;
    let id = access::session_id(&call)?.unwrap_or_else(access::new_id);
    let id_header = agent::id_header(&id)?;
    let target = access::invoked(app, &call)?;
    let settings = app.settings();
    let in_use = agent::enter(app, &call, target, &id, &settings)?;
    let session = in_use.shared();
    session.ready().await?;

    let by_browser = protocols(&call.headers).any(|name| name == BEARER_PROTOCOL);
    let mut inside = headers::for_agent(&call, &session.born.config, &settings, &id_header)?;
    let own_key = generate_key();
    inside.extend(upgrade_headers());
    inside.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    inside.extend(header(SEC_WEBSOCKET_KEY, &own_key));
    // The token is among the subprotocols of a browser; they are for the platform alone.
    if !by_browser {
        let offered = call.headers.get_all(SEC_WEBSOCKET_PROTOCOL);
        inside.extend(offered.iter().map(|v| (SEC_WEBSOCKET_PROTOCOL, v.clone())));
    }
    let url = format!("http://127.0.0.1:{}{PATH}", session.port);
    let request = app.data.http().get(url).headers(inside);
    let answer = agent::send(app, &session, request, begun, &settings).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let answer = agent::judge(answer, &settings)?;
        if !(answer.status().is_client_error() || answer.status().is_server_error()) {
            return Err(no_web_socket());
        }
        let outside = headers::for_caller(answer.headers(), id_header, &settings);
        return Ok(agent::pass_on(
            app, answer, outside, begun, &settings, in_use,
        ));
    }
    let accepted = answer.headers().get(SEC_WEBSOCKET_ACCEPT);
    if accepted
        .is_none_or(|value| value.as_bytes() != derive_accept_key(own_key.as_bytes()).as_bytes())
    {
        return Err(no_web_socket());
    }

    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let outside = response.headers_mut();
    outside.extend(upgrade_headers());
    outside.extend(header(
        SEC_WEBSOCKET_ACCEPT,
        &derive_accept_key(key.as_bytes()),
    ));
    if by_browser {
        outside.insert(
            SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(BEARER_PROTOCOL),
        );
    } else if let Some(chosen) = answer.headers().get(SEC_WEBSOCKET_PROTOCOL) {
        outside.insert(SEC_WEBSOCKET_PROTOCOL, chosen.clone());
    }
    outside.insert(SESSION_HEADER, id_header);
    let agent = answer.upgrade().await.map_err(|_| no_web_socket())?;
    let relay = Relay {
        app: Arc::clone(app),
        session,
        held: settings.web_socket_keeps_alive.then_some(in_use),
        begun,
        settings,
    };
    app.data.sockets.spawn(async move {
        // Fails when the caller goes before it has the answer, and when a fault takes the answer's place.
        if let Ok(client) = upgrade.await {
            relay.run(TokioIo::new(client), agent).await;
        }
    });
    Ok(response)
}

/// Moves the session id, the user id and custom headers from the query to the headers; those that are there win.
fn headers_of_query(call: &mut Call) {
    for (name, value) in &call.query {
        let name = name.to_ascii_lowercase();
        if !name.starts_with(IN_QUERY) {
            continue;
        }
        let (Ok(name), Ok(value)) = (
            name.parse::<HeaderName>(),
            HeaderValue::from_bytes(value.as_bytes()),
        ) else {
            continue;
        };
        call.headers.entry(name).or_insert(value);
    }
}

/// The connection and the key of a WebSocket handshake.
fn handshake(call: &mut Call) -> Result<(OnUpgrade, String), ApiError> {
    let is = |name: HeaderName, wanted: &str| {
        let values = call.headers.get_all(name);
        values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    let asked = is(UPGRADE, "websocket") && is(CONNECTION, "upgrade");
    let version = is(SEC_WEBSOCKET_VERSION, "13");
    let key = call
        .headers
        .get(SEC_WEBSOCKET_KEY)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    match (call.upgrade.take(), key) {
        (Some(upgrade), Some(key)) if asked && version => Ok((upgrade, key)),
        _ => Err(ApiError::validation(
            "the request is not a WebSocket handshake of version 13",
        )),
    }
}

fn upgrade_headers() -> HeaderMap {
    HeaderMap::from_iter([(UPGRADE, WEBSOCKET), (CONNECTION, UPGRADED)])
}

fn header(name: HeaderName, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name, HeaderValue::from_str(value).ok()?))
}

fn no_web_socket() -> ApiError {
    ApiError::new("RuntimeClientError", "Runtime did not take the WebSocket.")
}
