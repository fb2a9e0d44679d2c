//! Trace context: passed on as it came, or with a span of the gateway's in between where spans are exported.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response};
use axum::routing::post;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

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
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), spans)
}

/// A collector that takes spans over gRPC alone, and over TLS where it has a certificate.
async fn grpc_collector(
    certificate: Option<&rcgen::CertifiedKey<rcgen::KeyPair>>,
) -> (String, Spans) {
    let acceptor = certificate.map(|it| {
        let key = PrivateKeyDer::try_from(it.signing_key.serialize_der()).expect("a key");
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![it.cert.der().clone()], key)
            .expect("a certificate");
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    });
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("address");
    let spans = Spans::default();
    let taken = spans.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = {
                let spans = taken.clone();
                service_fn(move |request| take_grpc(spans.clone(), request))
            };
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new()).http2_only();
                match acceptor {
                    None => server.serve_connection(TokioIo::new(stream), service).await,
                    Some(acceptor) => {
                        let stream = acceptor.accept(stream).await.expect("TLS");
                        server.serve_connection(TokioIo::new(stream), service).await
                    }
                }
            });
        }
    });
    (format!("{scheme}://{address}"), spans)
}

/// Keeps a call's head and message, and answers with an empty message.
async fn take_grpc(spans: Spans, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    assert_eq!(
        head.uri.path(),
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    );
    let bytes = body.collect().await.expect("a message").to_bytes();
    let mut sent = spans.lock();
    sent.heads.push(head.headers);
    sent.bytes.extend_from_slice(&bytes);
    drop(sent);
    let ended =
        HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from(0))]);
    let frames = [
        Frame::data(Bytes::from_static(&[0; 5])),
        Frame::trailers(ended),
    ];
    let frames = frames.map(Ok::<_, Infallible>);
    let body = Body::new(StreamBody::new(futures::stream::iter(frames)));
    let answer = Response::builder().header("content-type", "application/grpc");
    Ok(answer.body(body).expect("an answer"))
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
    // Connections are made, and nobody speaks.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = (
        format!("https://{}", silent.local_addr().expect("address")),
        silent,
    );
    for (variables, logged) in [
        (&[("OTEL_SDK_DISABLED", "true")][..], None),
        (&[("OTEL_TRACES_EXPORTER", "none")], None),
        (
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "thrift")],
            Some("no spans are exported"),
        ),
        (
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", nowhere)],
            Some("cannot export spans"),
        ),
        (
            &[
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", nowhere),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ],
            Some("cannot export spans"),
        ),
        (
            &[
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", silent.0.as_str()),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "200"),
            ],
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

#[tokio::test(flavor = "multi_thread")]
async fn spans_go_over_grpc_in_the_clear_and_over_tls() {
    let mut front = Front::start("gw-grpc").await;
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("made");
    let trusted = front.rig.dir.path().join("collector.crt");
    std::fs::write(&trusted, made.cert.pem()).expect("written");
    let trusted = trusted.to_string_lossy();
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    for (certificate, more) in [
        (None, ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")),
        (Some(&made), ("SSL_CERT_FILE", trusted.as_ref())),
    ] {
        let (endpoint, spans) = grpc_collector(certificate).await;
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue%20team"),
            grpc,
            more,
        ];
        front.gateway = Gateway::start_in(&front.rig, &[], &environment).await;
        let token = front.token("caller").await;
        let request = front.invoke(&token, &json!({"prompt": "a"}));
        assert_eq!(request.send().await.expect("answer").status(), 200);
        front.gateway.terminate();
        assert!(front.gateway.ended().await.success());
        let sent = spans.lock();
        let text = front.gateway.text();
        let head = sent.heads.first().unwrap_or_else(|| panic!("{text}"));
        assert_eq!(head["content-type"], "application/grpc");
        assert_eq!(head["x-tenant"], "blue team");
        if certificate.is_none() {
            assert_eq!(
                (&head["grpc-encoding"], sent.bytes[0]),
                (&HeaderValue::from_static("gzip"), 1)
            );
        } else {
            let service = b"agentcore-operator-gateway";
            let mut windows = sent.bytes.windows(service.len());
            assert!(
                windows.any(|window| window == service),
                "the service is named"
            );
        }
    }
}
