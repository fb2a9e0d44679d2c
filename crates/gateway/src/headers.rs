//! Which headers go on to AgentCore, and which come back to the caller. What is not named here is dropped.

use agentcore_invoke::SessionId;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::sessions::id::{InvalidId, named};

/// Names a session, in both directions.
pub const SESSION: HeaderName =
    HeaderName::from_static("x-amzn-bedrock-agentcore-runtime-session-id");
/// The session id that AgentCore knows.
pub const UPSTREAM_SESSION: HeaderName = HeaderName::from_static("x-agentcore-upstream-session-id");
/// `true` when a new upstream session began.
pub const SESSION_STARTED: HeaderName = HeaderName::from_static("x-agentcore-session-started");
/// The caller's token for an agent with a JWT authorizer.
pub const AGENT_AUTHORIZATION: HeaderName = HeaderName::from_static("x-agentcore-authorization");
/// Names a session of an MCP server.
pub const MCP_SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// By which a caller says that a request may be sent again.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// About the content, and the request's place in a trace.
static PASSED: [HeaderName; 8] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::ACCEPT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
    HeaderName::from_static("x-amzn-trace-id"),
];

/// Headers of one connection, never of a message (RFC 9110, section 7.6.1), and those that no list may let through: they would
/// speak for the gateway, for another session, or for another user.
static NEVER: [HeaderName; 19] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
    header::FORWARDED,
    SESSION,
    MCP_SESSION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("x-amzn-bedrock-agentcore-runtime-user-id"),
];

/// Prefixes of the headers of MCP and A2A, the former ones of A2A's extensions included.
const PROTOCOLS: [&str; 3] = ["mcp-", "a2a-", "x-a2a-"];

/// The one prefix of AWS's own names that an allowlist may hold.
const CUSTOM_PREFIX: &str = "x-amzn-bedrock-agentcore-runtime-custom-";

/// The conversation that a request names by its header.
pub fn session(request: &HeaderMap) -> Result<Option<SessionId>, InvalidId> {
    let given = request.get(SESSION);
    given.map_or(Ok(None), |value| named(value.as_bytes()))
}

/// The caller's headers that go on. Session ids are set by whoever sends the request.
pub fn upstream(from: &HeaderMap, allowlist: &[HeaderName]) -> HeaderMap {
    let mut to = HeaderMap::with_capacity(8);
    for (name, value) in from {
        if NEVER.contains(name) {
            continue;
        }
        let spoken = PROTOCOLS.iter().any(|own| name.as_str().starts_with(own));
        let passed =
            PASSED.contains(name) || spoken || allowlist.contains(name) && may_be_listed(name);
        if passed && !is_of_connection(from, name) {
            to.append(name.clone(), value.clone());
        }
    }
    to
}

/// Whether the sender's Connection header gives a name to this connection alone (RFC 9110, section 7.6.1).
fn is_of_connection(from: &HeaderMap, name: &HeaderName) -> bool {
    let values = from.get_all(header::CONNECTION).iter();
    let mut options = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.any(|option| {
        option
            .trim_ascii()
            .eq_ignore_ascii_case(name.as_str().as_bytes())
    })
}

/// Whether an allowlist may let a name through.
fn may_be_listed(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with(CUSTOM_PREFIX)
        || ![
            "x-amz-",
            "x-amzn-",
            "x-forwarded-",
            "x-agentcore-",
            "sec-websocket-",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// The agent's headers that come back.
pub fn downstream(from: &HeaderMap) -> HeaderMap {
    let mut to = HeaderMap::with_capacity(from.len() + 3);
    for (name, value) in from {
        // The length stays, so that a body that breaks off is seen to be short.
        let kept = name == header::CONTENT_LENGTH || !NEVER.contains(name);
        let aws = name.as_str().starts_with("x-amz") || name.as_str().starts_with("x-agentcore-");
        let told = name == "x-amzn-trace-id" || name == "x-amzn-requestid";
        if kept && (!aws || told) && !is_of_connection(from, name) {
            to.append(name.clone(), value.clone());
        }
    }
    to
}

/// Tells a proxy such as nginx to pass a stream on as it comes.
pub fn unbuffered(to: &mut HeaderMap) {
    let name = HeaderName::from_static("x-accel-buffering");
    to.insert(name, HeaderValue::from_static("no"));
}

/// Whether an answer is a stream of events.
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|media| media.eq_ignore_ascii_case("text/event-stream"))
}

/// The content type without its parameters.
pub fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// Whether a caller asks for a stream of events.
pub fn wants_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|media| media.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// The caller's token for the agent, never shown in logs.
pub fn agent_authorization(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut value = headers.get(AGENT_AUTHORIZATION)?.clone();
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_speaks_for_somebody_else_stays_behind() {
        let given = map(&[
            ("content-type", "application/json"),
            ("accept", "*/*"),
            ("traceparent", "00-1-2-01"),
            ("mcp-protocol-version", "2025-11-25"),
            ("a2a-version", "1.0"),
            ("x-a2a-extensions", "https://example.com/ext"),
            ("authorization", "Bearer secret"),
            ("cookie", "a=b"),
            ("x-amz-date", "20260101T000000Z"),
            ("x-amzn-bedrock-agentcore-runtime-user-id", "root"),
            ("x-amzn-bedrock-agentcore-runtime-session-id", "another"),
            ("x-amzn-oidc-data", "forged"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("mcp-session-id", "another"),
            ("x-tenant", "shop"),
            ("transfer-encoding", "chunked"),
        ]);
        let passed = [
            "a2a-version",
            "accept",
            "content-type",
            "mcp-protocol-version",
            "traceparent",
            "x-a2a-extensions",
        ];
        assert_eq!(names(&upstream(&given, &[])), passed);
    }

    #[test]
    fn what_the_connection_header_names_goes_no_further() {
        let given = map(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("accept", "*/*"),
        ]);
        let listed = [HeaderName::from_static("x-hop")];
        assert_eq!(names(&upstream(&given, &listed)), ["accept"]);
        assert_eq!(names(&downstream(&given)), ["accept"]);
    }

    #[test]
    fn an_allowlist_adds_only_what_is_the_callers_own() {
        let custom = "x-amzn-bedrock-agentcore-runtime-custom-color";
        let given = map(&[
            ("x-tenant", "shop"),
            ("authorization", "Bearer secret"),
            ("x-amz-security-token", "forged"),
            ("x-amzn-bedrock-agentcore-runtime-user-id", "root"),
            (custom, "blue"),
        ]);
        let listed: Vec<HeaderName> = given.keys().cloned().collect();
        assert_eq!(names(&upstream(&given, &listed)), [custom, "x-tenant"]);
    }

    #[test]
    fn the_platforms_own_answers_are_not_the_callers_business() {
        let given = map(&[
            ("content-type", "text/plain"),
            ("content-length", "3"),
            ("x-amzn-requestid", "1"),
            ("x-amzn-trace-id", "Root=1"),
            (
                "x-amzn-bedrock-agentcore-runtime-session-endpoint-url",
                "https://elsewhere",
            ),
            ("x-amzn-bedrock-agentcore-runtime-session-id", "upstream"),
            ("x-agentcore-session-started", "true"),
            ("set-cookie", "a=b"),
            ("connection", "close"),
            ("x-agent", "1"),
        ]);
        let passed = [
            "content-length",
            "content-type",
            "x-agent",
            "x-amzn-requestid",
            "x-amzn-trace-id",
        ];
        assert_eq!(names(&downstream(&given)), passed);
    }

    proptest! {
        /// Whatever a caller sends and an owner lists, nothing that speaks for somebody else gets through.
        #[test]
        fn no_header_of_the_platform_passes(
            names in prop::collection::vec("(x-amz-|x-amzn-|x-forwarded-|x-agentcore-|)[a-z0-9-]{1,12}", 0..12),
            value in "[ -~]{0,40}",
        ) {
            let mut given = HeaderMap::new();
            for name in names.iter().map(String::as_str).chain(NEVER.iter().map(HeaderName::as_str)) {
                if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
                    given.append(name, value);
                }
            }
            let listed: Vec<HeaderName> = given.keys().cloned().collect();
            for name in upstream(&given, &listed).keys() {
                prop_assert!(!NEVER.contains(name), "{}", name);
                let own = ["x-amz-", "x-forwarded-", "x-agentcore-"];
                prop_assert!(!own.iter().any(|prefix| name.as_str().starts_with(prefix)), "{}", name);
                let platform = name.as_str().starts_with("x-amzn-") && name != "x-amzn-trace-id";
                prop_assert!(!platform, "{}", name);
            }
        }

        #[test]
        fn media_types_are_read_from_anything(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(header::CONTENT_TYPE, value.clone());
                headers.insert(header::ACCEPT, value);
            }
            let _ = (is_event_stream(&headers), wants_events(&headers));
        }
    }
}
