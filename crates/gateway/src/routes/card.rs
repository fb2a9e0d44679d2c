//! GET agent-card, and the answers of an A2A agent that are cards: each leads to the gateway.

use std::sync::Arc;

use agentcore_api::runtime::ServerProtocol;
use agentcore_invoke::Answer;
use axum::body::Body;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use super::invocations::{fail, relay, wrong_protocol};
use super::{name_session, refuse};
use crate::a2a::rewritten;
use crate::answer::purse::{Purse, on_account};
use crate::answer::voice::Voice;
use crate::context::{Admitted, Gateway};
use crate::headers;
use crate::payload::Unread;
use crate::problem::Problem;
use crate::request_log::RequestLog;
use crate::sessions::SessionGuard;
use crate::trace;

/// Longest card, in bytes: they have some kilobytes.
const CARD_MAX: usize = 1 << 20;

/// GET agent-card.
pub async fn show(
    gateway: &Arc<Gateway>,
    admitted: Admitted,
    request: &Request<Unread>,
    mut log: RequestLog,
) -> Response<Body> {
    if admitted.agent.protocol != ServerProtocol::A2a {
        return refuse(log, None, wrong_protocol("A2A"));
    }
    let prepared = gateway.may(&admitted, request.headers()).and_then(|may| {
        Ok((
            may,
            address(gateway, &admitted, request.headers(), request.uri())?,
        ))
    });
    let ((auth, stream), url) = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => return refuse(log, None, problem),
    };
    let mut outgoing = headers::upstream(request.headers(), &admitted.agent.allowlist);
    trace::client(&mut outgoing);
    let (target, limit) = (&admitted.agent.target, gateway.upstream_timeout);
    let answered = gateway.client.agent_card(target, outgoing, auth, limit);
    match answered.await {
        Ok(answer) if answer.status.is_success() => {
            log.attempts(answer.attempts);
            pass_on(gateway, answer, &admitted, &url, None, log).await
        }
        Ok(answer) => {
            log.attempts(answer.attempts);
            relay(gateway, answer, &admitted, None, Voice::Plain, log, stream).await
        }
        Err(failed) => fail(log, None, &failed, None),
    }
}

/// The agent's address for A2A, by the name that the caller has for the gateway.
pub fn address(
    gateway: &Gateway,
    admitted: &Admitted,
    request: &HeaderMap,
    uri: &Uri,
) -> Result<String, Problem> {
    let base = match &gateway.external_url {
        Some(url) => url.clone(),
        None => own_name(gateway.tls, request, uri)?,
    };
    let agent = &admitted.agent;
    let (namespace, kind, name) = (&agent.namespace, agent.kind.plural(), &agent.name);
    Ok(format!(
        "{base}/v1/namespaces/{namespace}/{kind}/{name}/a2a"
    ))
}

/// What a request calls the gateway. `Forwarded` and `X-Forwarded-*` have no say: which proxies there are the gateway does not know, and anybody
/// could send them.
fn own_name(tls: bool, request: &HeaderMap, uri: &Uri) -> Result<String, Problem> {
    let scheme = if tls { "https" } else { "http" };
    let host = match uri.authority() {
        Some(host) => Some(host.clone()),
        None => request
            .get(header::HOST)
            .and_then(|host| Authority::try_from(host.as_bytes()).ok()),
    };
    let Some(host) = host.filter(|host| !host.as_str().contains('@')) else {
        let detail = "the agent card needs the gateway's host name: the request has no valid Host";
        return Err(Problem::bad_request("NoHost", detail));
    };
    Ok(format!("{scheme}://{host}"))
}

/// Passes an answer on that is a card, or a JSON-RPC answer with a card in it.
pub async fn pass_on(
    gateway: &Gateway,
    answer: Answer,
    admitted: &Admitted,
    url: &str,
    guard: Option<&SessionGuard>,
    mut log: RequestLog,
) -> Response<Body> {
    log.answered(answer.status, answer.request_id);
    let purse = gateway.purse(admitted);
    let card = tokio::select! {
        card = read(answer.body, &purse, url, guard.is_some()) => card,
        problem = admitted.watchdog().within(guard) => Err(problem),
    };
    let card = match card {
        Ok(card) => card,
        Err(problem) => return refuse(log, guard, problem),
    };
    log.chunk(card.len());
    log.end();
    let mut to = headers::downstream(&answer.headers);
    to.remove(header::CONTENT_LENGTH);
    if let Some(guard) = guard {
        name_session(&mut to, guard);
    }
    let mut response = Response::new(Body::from(card));
    *response.status_mut() = answer.status;
    *response.headers_mut() = to;
    response
}

/// Reads a card, or a JSON-RPC answer where it is one, and makes it lead to `url`.
async fn read(mut body: Incoming, purse: &Purse, url: &str, rpc: bool) -> Result<Bytes, Problem> {
    let mut whole = purse.gather(CARD_MAX);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::interrupted(&error))?;
        let bytes = frame.data_ref().map_or(&b""[..], |bytes| bytes);
        if whole.bytes().len() + bytes.len() > CARD_MAX {
            return Err(invalid(format!(
                "the agent's card is longer than {CARD_MAX} bytes"
            )));
        }
        whole.push(bytes)?;
    }
    let not_json = |_| invalid("the agent's card is not JSON");
    let mut answer: Value = serde_json::from_slice(whole.bytes()).map_err(not_json)?;
    let card = if rpc {
        answer.get_mut("result")
    } else {
        Some(&mut answer)
    };
    // An error has no result.
    let Some(card) = card else {
        return Ok(whole.freeze());
    };
    match card.take() {
        Value::Object(members) => {
            let members = rewritten(members, url).map_err(|error| invalid(error.to_string()))?;
            *card = Value::Object(members);
        }
        _ if rpc => return Ok(whole.freeze()),
        _ => return Err(invalid("the agent card is not a JSON object")),
    }
    let text = answer.to_string().into_bytes();
    let held = purse.take(text.len())?;
    Ok(on_account(text, held))
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "InvalidAgentCard", detail)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_request_names_the_gateway_by_its_host_alone() {
        let named = |tls, host: &'static str, uri: &'static str| {
            let mut headers = HeaderMap::new();
            if !host.is_empty() {
                headers.insert(header::HOST, HeaderValue::from_static(host));
            }
            for forwarded in ["forwarded", "x-forwarded-host", "x-forwarded-proto"] {
                headers.insert(forwarded, HeaderValue::from_static("evil.example"));
            }
            own_name(tls, &headers, &Uri::from_static(uri)).ok()
        };
        assert_eq!(named(true, "a:8443", "/x").unwrap(), "https://a:8443");
        assert_eq!(named(false, "[::1]:80", "/x").unwrap(), "http://[::1]:80");
        // As HTTP/2 has it.
        assert_eq!(named(true, "", "https://b/x").unwrap(), "https://b");
        for bad in ["", "user@a", "a b", "a/b"] {
            assert_eq!(named(true, bad, "/x"), None, "{bad}");
        }
    }
}
