//! W3C trace context: passed on as it came, or, where spans are exported, with a span of the gateway's in between.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::path::Route;
use agentcore_process::telemetry;

/// A span of a request, under the caller's; none where nothing is exported.
pub fn server(route: &Route<'_>, request: &HeaderMap) -> Span {
    if !telemetry::exports() {
        return Span::none();
    }
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        otel.name = route.action.as_str(),
        agentcore.kind = route.kind.as_str(),
        k8s.namespace.name = route.namespace,
        agentcore.name = route.name,
    );
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Headers(request))
    });
    // Without a layer that keeps spans there is none to set it on.
    let _ = span.set_parent(parent);
    span
}

/// Makes a request to AgentCore a child of this one.
pub fn client(outgoing: &mut HeaderMap) {
    if telemetry::exports() {
        let context = Span::current().context();
        opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut Outgoing(outgoing));
        });
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Outgoing<'a>(&'a mut HeaderMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (key.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            self.0.insert(name, value);
        }
    }
}
