//! Trace context: passed on as it came, or with a span of the gateway's in between where spans are exported.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::front::{Front, Gateway};
use crate::rig::Rig;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A program that answers each invocation with the headers that it got.
const ECHO: &str = r#"
import http.server, json, sys
class Echo(http.server.BaseHTTPRequestHandler):
    def reply(self, body):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.reply(b'{"status": "Healthy", "time_of_last_update": 1}')
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.reply(json.dumps({k.lower(): v for k, v in self.headers.items()}).encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
"#;

/// What a collector was sent: the heads of requests, and their bodies one after the other.
#[derive(Default)]
struct Sent {
    heads: Vec<HeaderMap>,
    bytes: Vec<u8>,
}

type Spans = Arc<Mutex<Sent>>;

/// A collector that keeps what it gets.
async fn collector() -> (String, Spans) {
    let spans = Spans::default();
    let take = async |State(spans): State<Spans>, head: HeaderMap, body: Bytes| {
        let mut sent = spans.lock();
        sent.heads.push(head);
        sent.bytes.extend_from_slice(&body);
    };
    let router = Router::new()
        .route("/v1/traces", post(take))
        .with_state(spans.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), spans)
}

/// The headers that the agent got for a request within a trace.
async fn seen_by_agent(front: &Front) -> Value {
    let token = front.token("caller").await;
    let request = front.invoke(&token, &json!({"prompt": "a"}));
    let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    let answer = request.send().await.expect("answer");
    assert_eq!(answer.status(), 200);
    answer.json().await.expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_through_the_gateway_and_its_spans_to_the_collector() {
    let mut front = Front::start("gw-traces").await;
    let program = json!({"argv": ["python3", "-c", ECHO, "{port}"], "env": {}});
    front.rig.push_argv("support", "echo", &program).await;
    let image = Rig::image("support:echo");
    let spec = front
        .rig
        .spec_with(json!({"artifact": {"container": {"image": image}}}));
    front.rig.apply_runtime("support", spec).await;
    front.rig.runtime_ready("support").await;

    let headers = seen_by_agent(&front).await;
    assert_eq!(headers["traceparent"], format!("00-{TRACE}-{PARENT}-01"));

    let (endpoint, spans) = collector().await;
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    front.gateway = Gateway::start_in(&front.rig, &[], &environment).await;
    let headers = seen_by_agent(&front).await;
    let passed = headers["traceparent"].as_str().expect("a traceparent");
    let parts: Vec<_> = passed.split('-').collect();
    assert_eq!(parts[1], TRACE);
    assert_ne!(
        parts[2], PARENT,
        "the gateway's own span is the agent's parent"
    );
    front.gateway.terminate();
    assert!(front.gateway.ended().await.success());
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
            .collect()
    };
    let exported = spans.lock().bytes.clone();
    let has = |wanted: &[u8]| {
        exported
            .windows(wanted.len())
            .any(|window| window == wanted)
    };
    assert!(has(&bytes(TRACE)) && has(&bytes(PARENT)) && has(&bytes(parts[2])));
    assert!(has(b"agentcore-operator-gateway"), "the service is named");
}

#[tokio::test(flavor = "multi_thread")]
async fn opentelemetrys_variables_mean_what_they_mean_elsewhere() {
    let mut front = Front::start("gw-otel").await;
    let (endpoint, spans) = collector().await;
    let nowhere = "http://127.0.0.1:1";
    for (variables, logged) in [
        (&[("OTEL_SDK_DISABLED", "true")][..], None),
        (&[("OTEL_TRACES_EXPORTER", "none")], None),
        (
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
            Some("no spans are exported"),
        ),
        (
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", nowhere)],
            Some("cannot export spans"),
        ),
        (
            &[
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ],
            None,
        ),
    ] {
        let environment = [
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())][..],
            variables,
        ]
        .concat();
        assert!(spans.lock().heads.is_empty(), "before {variables:?}");
        front.gateway = Gateway::start_in(&front.rig, &[], &environment).await;
        let token = front.token("caller").await;
        let request = front.invoke(&token, &json!({"prompt": "a"}));
        assert_eq!(request.send().await.expect("answer").status(), 200);
        front.gateway.terminate();
        assert!(front.gateway.ended().await.success());
        let text = front.gateway.text();
        assert!(logged.is_none_or(|line| text.contains(line)), "{text}");
    }
    let sent = spans.lock();
    let head = sent.heads.first().expect("the last one's spans");
    assert_eq!(head["content-type"], "application/json");
    assert_eq!(head["content-encoding"], "gzip");
}
