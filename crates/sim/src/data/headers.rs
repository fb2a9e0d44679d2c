//! Which headers reach the agent, and which of the agent's reach the caller.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::access::SESSION_HEADER;
use crate::request::{Call, Identity};
use crate::state::runtime::Config;
use crate::state::settings::Settings;
use crate::wire::errors::ApiError;

const USER_ID: &str = "x-amzn-bedrock-agentcore-runtime-user-id";
const REQUEST_ID: &str = "x-amzn-bedrock-agentcore-runtime-request-id";
const CUSTOM_PREFIX: &str = "x-amzn-bedrock-agentcore-runtime-custom-";
/// Longest value of a header from the allowlist, in bytes.
const ALLOWED_MAX: usize = 4096;

/// Headers of the operation's model with the longest value of each, in bytes.
const MODELLED: &[(&str, usize)] = &[
    ("content-type", 256),
    ("accept", 256),
    ("mcp-session-id", 1024),
    ("mcp-protocol-version", 1024),
    ("mcp-method", 1024),
    ("mcp-name", 1024),
    (USER_ID, 1024),
    ("x-amzn-trace-id", 128),
    ("traceparent", 128),
    ("tracestate", 512),
    ("baggage", 8192),
];

const MCP: &[&str] = &[
    "mcp-session-id",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
];
/// Of A2A 1.0; the last one is what 0.3 called the second.
const A2A: &[&str] = &["a2a-version", "a2a-extensions", "x-a2a-extensions"];
const TRACE: &[&str] = &["x-amzn-trace-id", "traceparent", "tracestate", "baggage"];
/// The agent's headers that a caller gets, beside the content type.
const ANSWERED: &[&str] = &[
    "mcp-session-id",
    "mcp-protocol-version",
    "x-amzn-trace-id",
    "traceparent",
    "tracestate",
    "baggage",
];

/// The agent's headers that no caller gets beyond that: they belong to the agent's connection, or are set above.
const CONNECTION_OWN: &[&str] = &[
    "connection",
    "content-length",
    "content-type",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Names that no allowlist lets through: they belong to the connection or to the platform.
pub const RESTRICTED: &[&str] = &[
    "accept",
    "accept-ch",
    "accept-ch-lifetime",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "access-control-request-headers",
    "access-control-request-method",
    "cache-control",
    "cf-connecting-ip",
    "cf-ray",
    "clear-site-data",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-type",
    "cookie",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "downlink",
    "dpr",
    "ect",
    "etag",
    "expect-ct",
    "expires",
    "feature-policy",
    "forwarded",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "last-modified",
    "link",
    "location",
    "origin",
    "permissions-policy",
    "pragma",
    "proxy-authorization",
    "proxy-connection",
    "public-key-pins",
    "public-key-pins-report-only",
    "range",
    "referer",
    "referrer-policy",
    "retry-after",
    "rtt",
    "save-data",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "server",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "viewport-width",
    "width",
    "www-authenticate",
    "x-cache",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-content-type-options",
    "x-csrf-token",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-frame-options",
    "x-original-host",
    "x-original-url",
    "x-originating-ip",
    "x-real-ip",
    "x-requested-with",
    "x-rewrite-url",
    "x-served-by",
    "x-source-ip",
    "x-xss-protection",
];

/// Checks the headers of the model against their limits.
///
/// # Errors
/// `ValidationException` for the first that is too long.
pub fn check(headers: &HeaderMap) -> Result<(), ApiError> {
    for (name, limit) in MODELLED {
        if headers.get(*name).is_some_and(|value| value.len() > *limit) {
            return Err(ApiError::field(
                name,
                format!("Member must have length less than or equal to {limit}"),
            ));
        }
    }
    Ok(())
}

/// The headers that the agent gets.
///
/// # Errors
/// `ValidationException` for one of the allowlist that is too long.
pub fn for_agent(
    call: &Call,
    config: &Config,
    settings: &Settings,
    session: &HeaderValue,
) -> Result<HeaderMap, ApiError> {
    let allowlist: Vec<String> = config
        .header_allowlist()
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    let mut out = HeaderMap::new();
    for (name, value) in &call.headers {
        let listed = allowlist.iter().any(|allowed| allowed == name.as_str());
        let listed = listed || is_a2a(name, config, settings);
        if !passes(name, listed, call, settings) {
            continue;
        }
        let modelled = MODELLED.iter().any(|(known, _)| known == &name.as_str());
        if !modelled && value.len() > ALLOWED_MAX {
            return Err(ApiError::field(
                name.as_str(),
                format!("a forwarded header must have at most {ALLOWED_MAX} bytes"),
            ));
        }
        out.append(name, value.clone());
    }
    out.insert(SESSION_HEADER, session.clone());
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        out.insert(REQUEST_ID, id);
    }
    Ok(out)
}

/// Whether a header is A2A's own, and the agent speaks that.
fn is_a2a(name: &HeaderName, config: &Config, settings: &Settings) -> bool {
    settings.forward_a2a_headers && config.protocol() == "A2A" && A2A.contains(&name.as_str())
}

fn passes(name: &HeaderName, listed: bool, call: &Call, settings: &Settings) -> bool {
    let bearer = matches!(call.identity, Identity::Bearer(_));
    let text = name.as_str();
    if *name == CONTENT_TYPE || *name == ACCEPT || MCP.contains(&text) {
        true
    } else if text == USER_ID {
        settings.forward_user_id && !bearer
    } else if TRACE.contains(&text) {
        settings.forward_trace_headers || listed
    } else if text.starts_with(CUSTOM_PREFIX) {
        listed || !settings.custom_prefix_needs_allowlist
    } else if *name == AUTHORIZATION {
        // A signature is of no use to an agent and none of its business.
        listed && bearer
    } else {
        listed
            && !text.starts_with("x-amz-")
            && !text.starts_with("x-amzn-")
            && !RESTRICTED.contains(&text)
    }
}

/// The headers that the caller gets of the agent's.
pub fn for_caller(agent: &HeaderMap, session: HeaderValue, settings: &Settings) -> HeaderMap {
    let mut out = HeaderMap::new();
    // The model requires a content type.
    let kind = agent.get(CONTENT_TYPE).cloned();
    out.insert(
        CONTENT_TYPE,
        kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    for (name, value) in agent {
        let text = name.as_str();
        let listed = settings
            .response_header_allowlist
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(text));
        if ANSWERED.contains(&text) || listed && !CONNECTION_OWN.contains(&text) {
            out.append(name, value.clone());
        }
    }
    out.insert(SESSION_HEADER, session);
    out
}
