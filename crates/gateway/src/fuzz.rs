//! Fuzz targets: what the gateway takes in: paths, headers and chat requests.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use regex::Regex;
use serde_json::Value;
use serde_json::value::RawValue;
use testfuzz::{fuzz, prop_assert, prop_assert_eq};

use super::chat::request::Chat;
use super::headers;
use super::path::{Action, Route};

/// A path is a route exactly if Kubernetes would take its names, and says what the route says.
#[test]
fn routes() {
    static SERVED: LazyLock<Regex> = LazyLock::new(|| {
        let label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
        let actions = "invocations|ws|chat|mcp|agent-card|ping|sessions|sessions/(?<id>[^/]*)";
        Regex::new(&format!(
            r"\A/v1/namespaces/(?<namespace>{label})/(?<kind>agentruntimes|agentendpoints)/(?<name>{label}(\.{label})*)/(?<action>{actions})\z"
        ))
        .expect("a pattern")
    });
    fuzz("routes", |input| {
        let path = String::from_utf8_lossy(input);
        let served = SERVED.captures(&path);
        let served =
            served.filter(|parts| parts["namespace"].len() <= 63 && parts["name"].len() <= 253);
        let route = Route::parse(&path);
        prop_assert_eq!(route.is_some(), served.is_some(), "{:?}", route);
        let Some((route, served)) = route.zip(served) else {
            return Ok(false);
        };
        let names = [route.namespace, route.kind.plural(), route.name];
        prop_assert_eq!(
            names,
            ["namespace", "kind", "name"].map(|part| &served[part])
        );
        match (route.action, served.name("id")) {
            (Action::Session(id), given) => prop_assert_eq!(given.map(|id| id.as_str()), Some(id)),
            (action, _) => prop_assert_eq!(action.as_str(), &served["action"]),
        }
        Ok(true)
    });
}

/// Lines of a head, all of whose names the agent's owner lists: what passes is the caller's own and unchanged, and says nothing in
/// the gateway's, AWS's or another connection's name. What comes back likewise.
#[test]
fn request_headers() {
    fuzz("headers", |input| {
        let mut given = HeaderMap::new();
        for line in input.split(|byte| *byte == b'\n') {
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
            let (name, value) = (&line[..colon], line[colon..].get(1..).unwrap_or_default());
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name),
                HeaderValue::from_bytes(value.trim_ascii()),
            ) {
                given.append(name, value);
            }
        }
        let all: Vec<HeaderName> = given.keys().cloned().collect();
        let (listed, usual) = (
            headers::upstream(&given, &all),
            headers::upstream(&given, &[]),
        );
        let back = headers::downstream(&given);
        for (to, more) in [(&listed, FOREIGN_UP), (&usual, FOREIGN_UP), (&back, &[])] {
            for name in to.keys() {
                let values =
                    |map: &HeaderMap| map.get_all(name).iter().cloned().collect::<Vec<_>>();
                prop_assert_eq!(values(to), values(&given));
                let text = name.as_str();
                let own = text == "x-amzn-trace-id"
                    || text.starts_with("x-amzn-bedrock-agentcore-runtime-custom-");
                let own = own || text == "x-amzn-requestid" && more.is_empty();
                prop_assert!(
                    own || !FOREIGN
                        .iter()
                        .chain(more)
                        .any(|name| is_or_begins(text, name)),
                    "{text}"
                );
                prop_assert!(
                    !named_by_connection(&given, name),
                    "{text} is of this connection alone"
                );
            }
        }
        prop_assert!(usual.keys().all(|name| listed.contains_key(name)));
        let _ = (
            headers::is_event_stream(&given),
            headers::wants_events(&given),
        );
        let token = headers::agent_authorization(&given);
        prop_assert!(token.is_none_or(|token| token.is_sensitive()));
        Ok(!listed.is_empty() && listed.len() < given.len())
    });
}

/// Names that end in a hyphen are the beginning of names.
fn is_or_begins(name: &str, with: &str) -> bool {
    name == with || with.ends_with('-') && name.starts_with(with)
}

/// What is of one connection, or speaks for AWS or the gateway: it goes on neither way.
const FOREIGN: &[&str] = &[
    "connection",
    "keep-alive",
    "mcp-session-id",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-agentcore-",
    "x-amz-",
    "x-amzn-",
];
/// What else speaks for somebody else on the way to the agent.
const FOREIGN_UP: &[&str] = &[
    "authorization",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "sec-websocket-",
    "x-forwarded-",
];

/// RFC 9110, section 7.6.1.
fn named_by_connection(headers: &HeaderMap, name: &HeaderName) -> bool {
    let values = headers
        .get_all("connection")
        .iter()
        .map(HeaderValue::as_bytes);
    let mut options = values.flat_map(|value| value.split(|byte| *byte == b','));
    options.any(|option| {
        option
            .trim_ascii()
            .eq_ignore_ascii_case(name.as_str().as_bytes())
    })
}

/// A chat request: the agent gets every member but the two that are the gateway's, as it was written; a refusal repeats nothing.
#[test]
fn chat_requests() {
    type Members<'a> = BTreeMap<String, &'a RawValue>;
    fn members(bytes: &[u8]) -> Members<'_> {
        serde_json::from_slice(bytes).expect("an object")
    }
    fuzz("chat-requests", |input| {
        let chat = match Chat::parse(input) {
            Ok(chat) => chat,
            Err(problem) => {
                prop_assert!(!problem.detail.contains("hunter2"), "{}", problem.detail);
                return Ok(serde_json::from_slice::<Members<'_>>(input).is_ok());
            }
        };
        let (mut given, forwarded) = (members(input), members(&chat.forwarded));
        let text = |value: &RawValue| serde_json::from_str::<Value>(value.get());
        let [session, transport] = ["sessionId", "transport"].map(|name| given.remove(name));
        let written = |members: &Members<'_>| -> Vec<_> {
            members
                .iter()
                .map(|(name, value)| (name.clone(), value.get().to_owned()))
                .collect()
        };
        prop_assert_eq!(written(&forwarded), written(&given));
        let id = session
            .and_then(|value| text(value).ok())
            .filter(|id| !id.is_null());
        prop_assert_eq!(chat.session_id.map(Value::from), id);
        prop_assert_eq!(
            chat.web_socket,
            transport.is_some_and(|value| text(value).is_ok_and(|it| it == "ws"))
        );
        let prompt = text(given["prompt"]).expect("a prompt");
        prop_assert_eq!(
            prompt.as_str().map(str::len),
            usize::try_from(chat.prompt_bytes).ok()
        );
        Ok(true)
    });
}
