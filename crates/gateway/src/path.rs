//! From a request's path to what it means. Nothing is decoded: a name with an escape in it is no name.

use std::fmt;

use crate::agents::Kind;

/// Longest Kubernetes namespace (RFC 1123 label).
const NAMESPACE_MAX: usize = 63;
/// Longest Kubernetes object name (RFC 1123 subdomain).
const NAME_MAX: usize = 253;

/// The file of a card below `.well-known`.
const CARD: &str = "agent-card.json";

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    /// Kind of the object.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What is asked of it.
    pub action: Action<'a>,
}

/// What can be asked of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// A turn, passed through byte for byte.
    Invocations,
    /// A WebSocket, passed through frame by frame.
    Ws,
    /// A turn as prompt and response.
    Chat,
    /// A JSON-RPC message to an MCP server, or the end of a session of it.
    Mcp,
    /// A JSON-RPC message to an A2A agent.
    A2a,
    /// The card of an A2A agent.
    AgentCard,
    /// Whether the agent can be called.
    Ping,
    /// The caller's sessions.
    Sessions,
    /// One of the caller's sessions.
    Session(&'a str),
}

impl Action<'_> {
    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invocations => "invocations",
            Self::Ws => "ws",
            Self::Chat => "chat",
            Self::Mcp => "mcp",
            Self::A2a => "a2a",
            Self::AgentCard => "agent-card",
            Self::Ping => "ping",
            Self::Sessions | Self::Session(_) => "sessions",
        }
    }

    /// The methods that it takes, as `Allow` has them.
    pub const fn methods(self) -> &'static str {
        match self {
            Self::Invocations | Self::Chat | Self::A2a => "POST",
            // GET would be a stream that AgentCore does not carry: MCP has 405 for that.
            Self::Mcp => "POST, DELETE",
            Self::Ws | Self::AgentCard | Self::Ping | Self::Sessions => "GET",
            Self::Session(_) => "DELETE",
        }
    }
}

impl<'a> Route<'a> {
    /// Reads a path as it stands in the request line; `None` for everything that the gateway does not serve.
    pub fn parse(path: &'a str) -> Option<Self> {
        let mut parts = path.strip_prefix("/v1/namespaces/")?.split('/');
        let namespace = parts.next().filter(|text| is_label(text))?;
        let kind = Kind::from_plural(parts.next()?)?;
        let name = parts.next().filter(|text| is_subdomain(text))?;
        let action = match (parts.next()?, parts.next()) {
            // Where AgentCore has a card, and where A2A's SDKs look for it below the address of an agent.
            ("invocations" | "a2a", Some(".well-known")) if parts.next() == Some(CARD) => {
                Action::AgentCard
            }
            ("a2a", None) => Action::A2a,
            ("invocations", None) => Action::Invocations,
            ("ws", None) => Action::Ws,
            ("chat", None) => Action::Chat,
            ("mcp", None) => Action::Mcp,
            ("agent-card", None) => Action::AgentCard,
            ("ping", None) => Action::Ping,
            ("sessions", None) => Action::Sessions,
            ("sessions", Some(id)) => Action::Session(id),
            _ => return None,
        };
        parts.next().is_none().then_some(Self {
            kind,
            namespace,
            name,
            action,
        })
    }
}

impl fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
            action: _,
        } = self;
        write!(f, "{} {namespace}/{name}", kind.as_str())
    }
}

/// RFC 1123 label: lower-case letters, digits and inner hyphens.
fn is_label(text: &str) -> bool {
    text.len() <= NAMESPACE_MAX && is_dns(text)
}

/// RFC 1123 subdomain: labels joined by dots.
fn is_subdomain(text: &str) -> bool {
    text.len() <= NAME_MAX && text.split('.').all(is_dns)
}

fn is_dns(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty()
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_names_kind_namespace_name_and_action() {
        let route = Route::parse("/v1/namespaces/shop/agentendpoints/support.v2/sessions/abc");
        let wished = Route {
            kind: Kind::AgentEndpoint,
            namespace: "shop",
            name: "support.v2",
            action: Action::Session("abc"),
        };
        assert_eq!(route, Some(wished));
    }

    #[test]
    fn a_card_is_where_agentcore_and_where_a2a_have_it() {
        let at = |tail: &str| {
            let path = format!("/v1/namespaces/shop/agentruntimes/support/{tail}");
            Route::parse(&path).map(|route| route.action.as_str())
        };
        for tail in [
            "agent-card",
            "a2a/.well-known/agent-card.json",
            "invocations/.well-known/agent-card.json",
        ] {
            assert_eq!(at(tail), Some("agent-card"), "{tail}");
        }
        assert_eq!(at("a2a"), Some("a2a"));
        for tail in [
            "a2a/",
            "a2a/.well-known",
            "a2a/.well-known/x",
            "a2a/.well-known/agent-card.json/x",
            "mcp/.well-known/agent-card.json",
        ] {
            assert_eq!(at(tail), None, "{tail}");
        }
    }

    #[test]
    fn nothing_else_is_served() {
        for path in [
            "/",
            "",
            "/v1/namespaces/shop/agentruntimes/support",
            "/v1/namespaces/shop/agentruntimes/support/",
            "/v1/namespaces/shop/agentruntimes/support/invocations/",
            "/v1/namespaces/shop/agentruntimes/support/invocations/x",
            "/v1/namespaces/shop/agentruntimes/support/commands",
            "/v1/namespaces/shop/pods/support/invocations",
            "/v1/namespaces/shop/agentruntimes/sup%2Fport/invocations",
            "/v1/namespaces/sh%6Fp/agentruntimes/support/invocations",
            "/v1/namespaces/../agentruntimes/support/invocations",
            "/v1/namespaces/shop/agentruntimes/../invocations",
            "/v1/namespaces/Shop/agentruntimes/support/invocations",
            "/v1/namespaces//agentruntimes/support/invocations",
            "/v1/namespaces/shop/agentruntimes/support;x/invocations",
            "/v1//namespaces/shop/agentruntimes/support/invocations",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_route_of_good_names_or_none(path in "(/v1/namespaces/)?[a-z0-9/.%A-Z-]{0,60}") {
            if let Some(route) = Route::parse(&path) {
                prop_assert!(is_label(route.namespace) && is_subdomain(route.name));
                let tail = match route.action {
                    Action::Session(id) => format!("sessions/{id}"),
                    action => action.as_str().to_owned(),
                };
                let again = format!("/v1/namespaces/{}/{}/{}/{tail}", route.namespace, route.kind.plural(), route.name);
                prop_assert_eq!(again, path);
            }
        }

        #[test]
        fn nothing_breaks_the_parser(path in any::<String>()) {
            let _ = Route::parse(&path);
        }
    }
}
