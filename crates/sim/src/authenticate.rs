//! Finds out who asks: a signature in headers or query, or a bearer token.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use hyper::upgrade::OnUpgrade;

use crate::body::Received;
use crate::operation::{Operation, Route, Service};
use crate::request::{Call, Identity, parse_pairs};
use crate::sigv4::canonical::PathRules;
use crate::sigv4::verify::{Claim, Refusal, Signed};
use crate::state::settings::SignatureClock;
use crate::state::world::App;
use crate::wire::errors::ApiError;

/// The subprotocol that a browser offers beside one that carries its token, and that is selected.
pub const BEARER_PROTOCOL: &str = "base64UrlBearerAuthorization";
/// Longest validity of a presigned URL for a WebSocket, in seconds.
const WEB_SOCKET_EXPIRES: i64 = 300;

/// The call in a request, once it is known who makes it.
///
/// # Errors
/// What the service answers to a request that is not signed, or not well.
pub async fn authenticate(
    app: &Arc<App>,
    route: Route,
    parts: &Parts,
    body: Received,
) -> Result<Call, ApiError> {
    let service = route.operation.service();
    let host = parts.uri.authority().map(ToString::to_string);
    let host = host
        .or_else(|| text(&parts.headers, "host").map(str::to_owned))
        .unwrap_or_default();
    let raw_query = parts.uri.query().unwrap_or_default();
    let web_socket = route.operation == Operation::InvokeAgentRuntimeWithWebSocketStream;
    let body_hash = body.sha256.clone();
    let finish = |identity, account, region, route| Call {
        route,
        identity,
        account,
        region,
        query: parse_pairs(raw_query, false),
        headers: parts.headers.clone(),
        body: body.bytes,
        spooled: body.spooled,
        host: host.clone(),
        upgrade: parts.extensions.get::<OnUpgrade>().cloned(),
    };
    let bearer = match text(&parts.headers, "authorization") {
        Some(value) => value.strip_prefix("Bearer ").map(str::to_owned),
        None if web_socket => bearer_of_protocols(&parts.headers)?,
        None => None,
    };
    if let (Some(token), Service::Data) = (bearer, service) {
        let (account, region) = place_of(route.param(0))
            .unwrap_or_else(|| (app.config.account.clone(), app.config.region.clone()));
        let mut call = finish(Identity::Bearer(token.clone()), account, region, route);
        // From here on it makes no difference how the token came.
        if let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) {
            call.headers.insert(AUTHORIZATION, value);
        }
        return Ok(call);
    }
    if route.operation == Operation::AssumeRoleWithWebIdentity {
        let (account, region) = (app.config.account.clone(), app.config.region.clone());
        return Ok(finish(Identity::Unsigned, account, region, route));
    }
    let refuse = |refusal: Refusal| refusal.into_error(service.protocol());
    let claim = Claim::read(&parts.headers, raw_query).map_err(refuse)?;
    if web_socket && claim.expires.is_some_and(|at| at > WEB_SOCKET_EXPIRES) {
        let text = format!("X-Amz-Expires must be between 1 and {WEB_SOCKET_EXPIRES}");
        return Err(refuse(Refusal::Incomplete(text)));
    }
    let signed = Signed {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: raw_query,
        headers: &parts.headers,
        host: &host,
        body_hash: &body_hash,
        unsigned_payload: service == Service::S3,
        rules: if service == Service::S3 {
            PathRules::AS_IT_IS
        } else {
            PathRules::STANDARD
        },
    };
    let clock = match app.world.lock().settings.signature_clock {
        SignatureClock::Real => jiff::Timestamp::now(),
        SignatureClock::Sim => app.now(),
    };
    let caller = claim
        .verify(
            signed,
            service.signing_name(),
            &app.credentials.lock(),
            clock,
            app.now(),
        )
        .map_err(refuse)?;
    let account = caller.account.clone();
    Ok(finish(
        Identity::Signed(caller),
        account,
        claim.region,
        route,
    ))
}

/// The token in the subprotocols that a browser offers, which cannot send an `Authorization` header.
fn bearer_of_protocols(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let offered: Vec<&str> = protocols(headers).collect();
    let Some(encoded) = offered
        .iter()
        .find_map(|name| name.strip_prefix(BEARER_PROTOCOL)?.strip_prefix('.'))
    else {
        return Ok(None);
    };
    let refused = |text: &str| ApiError::new("UnauthorizedException", text);
    if !offered.contains(&BEARER_PROTOCOL) {
        let text = format!("the subprotocol {BEARER_PROTOCOL} must be offered too");
        return Err(refused(&text));
    }
    let token = URL_SAFE_NO_PAD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| refused("the token in the subprotocol is not base64url"))?;
    Ok(Some(token))
}

/// The subprotocols that a WebSocket handshake offers.
pub fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

/// Account and region in an ARN.
fn place_of(arn: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, _, region, account, _] => Some(((*account).to_owned(), (*region).to_owned())),
        _ => None,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
