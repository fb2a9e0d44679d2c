//! The port: accepts connections, tells services apart, and takes each call through its stages.
//!
//! A call is routed, counted, authenticated, throttled, struck by faults, answered, and struck again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::authenticate::authenticate;
use crate::body::{self, Received};
use crate::operation::{Operation, Route, Service, route_action, route_rest, route_target};
use crate::request::{Call, Identity, parse_pairs};
use crate::state::faults::When;
use crate::state::settings::SignatureClock;
use crate::state::world::App;
use crate::wire::errors::{ApiError, Protocol};
use crate::{admin, control, data, ecr, logs, pod_identity, s3, sts};

/// Largest payload of an invocation, in bytes.
pub const MAX_PAYLOAD: usize = 100_000_000;
/// Largest body of any other request, in bytes.
const MAX_BODY: usize = 8 << 20;
/// How long a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connections may take to end when the simulator stops.
const DRAIN: Duration = Duration::from_secs(2);

/// Marks an answer that must never be sent: the connection closes instead.
#[derive(Debug, Clone, Copy)]
struct Dropped;

/// Serves `listener` until `stop`, then ends connections and sessions.
pub async fn run(listener: TcpListener, app: Arc<App>, stop: CancellationToken) {
    let router = admin::router()
        .merge(pod_identity::router())
        .fallback(call)
        .with_state(Arc::clone(&app));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    let builder = Arc::new(builder);
    let graceful = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: give those in use a chance to go.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small answers must not wait for the client's acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let (router, builder, watcher) = (router.clone(), Arc::clone(&builder), graceful.watcher());
        tokio::spawn(async move {
            let service =
                service_fn(move |request: Request<Incoming>| answer(router.clone(), request));
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
    drop(listener);
    app.data.stop().await;
    let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
}

async fn answer(router: Router, request: Request<Incoming>) -> io::Result<Response> {
    let response = match router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if response.extensions().get::<Dropped>().is_some() {
        return Err(io::Error::other("connection dropped on purpose"));
    }
    Ok(response)
}

/// Answers a call of any service.
async fn call(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let request_id = uuid::Uuid::new_v4().to_string();
    let (parts, body) = request.into_parts();
    let invocation = route_rest(&parts.method, parts.uri.path())
        .is_some_and(|route| route.operation == Operation::InvokeAgentRuntime);
    let limit = if invocation { MAX_PAYLOAD } else { MAX_BODY };
    let Ok(body) = body::read(body, limit, invocation).await else {
        return dropped();
    };
    let (protocol, outcome) =
        match find_route(&parts, body.as_ref().map_or(&[], |body| &body.bytes)) {
            Ok(route) => {
                let protocol = route.operation.service().protocol();
                (protocol, stages(&app, route, &parts, body).await)
            }
            Err(protocol) => {
                app.calls.lock().total += 1;
                let name = if protocol == Protocol::Query {
                    "InvalidAction"
                } else {
                    "UnknownOperationException"
                };
                (
                    protocol,
                    Err(ApiError::new(
                        name,
                        "the requested operation does not exist",
                    )),
                )
            }
        };
    let mut response = match outcome {
        Ok(response) => response,
        Err(error) => error.into_response(protocol, &request_id),
    };
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    if app.world.lock().settings.signature_clock == SignatureClock::Sim {
        let date = app.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(date) = HeaderValue::from_str(&date) {
            response.headers_mut().insert(header::DATE, date);
        }
    }
    response
}

/// The route of a request, or the protocol in which to say that there is none.
fn find_route(parts: &http::request::Parts, body: &[u8]) -> Result<Route, Protocol> {
    if parts.method == http::Method::HEAD {
        let host = text(&parts.headers, "host")
            .or_else(|| parts.uri.host())
            .unwrap_or_default();
        return s3::route(host, parts.uri.path()).ok_or(Protocol::Query);
    }
    if let Some(target) = text(&parts.headers, "x-amz-target") {
        return route_target(target).ok_or(Protocol::Json11);
    }
    if parts.uri.path() == "/" {
        let form = String::from_utf8_lossy(body);
        let pairs = [
            parse_pairs(parts.uri.query().unwrap_or_default(), false),
            parse_pairs(&form, true),
        ]
        .concat();
        let action = pairs
            .iter()
            .find(|(key, _)| key == "Action")
            .map(|(_, value)| value.as_str());
        return action.and_then(route_action).ok_or(Protocol::Query);
    }
    route_rest(&parts.method, parts.uri.path()).ok_or(Protocol::RestJson)
}

async fn stages(
    app: &Arc<App>,
    route: Route,
    parts: &http::request::Parts,
    body: Option<Received>,
) -> Result<Response, ApiError> {
    let operation = route.operation;
    app.calls.lock().arrived(operation);
    let Some(body) = body else {
        return Err(too_large(app, operation));
    };
    let call = authenticate(app, route, parts, body).await?;
    if let Identity::Signed(caller) = &call.identity {
        app.calls.lock().signed(&caller.arn, operation, app.now());
    }
    throttle(app, &call)?;
    if let Some(outcome) = strike(app, operation, When::Before).await {
        return outcome;
    }
    let answered =
        match operation.service() {
            Service::Control => {
                let reply = control::handle(app, &call);
                if matches!(
                    operation,
                    Operation::CreateAgentRuntime | Operation::UpdateAgentRuntime
                ) {
                    data::snapshot::begin(app, &call.account, &call.region);
                }
                reply.map(|reply| reply.into_response("application/json"))
            }
            Service::Data => data::handle(app, call).await,
            Service::Ecr => ecr::handle(app, &call)
                .map(|reply| reply.into_response("application/x-amz-json-1.1")),
            Service::Sts => sts::handle(app, &call),
            Service::S3 => s3::handle(app, &call),
            Service::Logs => logs::handle(app, &call)
                .map(|reply| reply.into_response("application/x-amz-json-1.1")),
        };
    match strike(app, operation, When::After).await {
        Some(outcome) => outcome,
        None => answered,
    }
}

fn too_large(app: &App, operation: Operation) -> ApiError {
    let text = "the request body is larger than the service allows";
    if operation == Operation::InvokeAgentRuntime && app.world.lock().settings.payload_over == 400 {
        ApiError::field("payload", text)
    } else {
        ApiError::new("RequestEntityTooLargeException", text)
    }
}

/// The control plane's rate, for each API of each account and region. The data plane has rates of its own.
fn throttle(app: &App, call: &Call) -> Result<(), ApiError> {
    if call.route.operation.service() != Service::Control {
        return Ok(());
    }
    let (rate, burst) = {
        let world = app.world.lock();
        (world.settings.rate_per_second, world.settings.burst)
    };
    let key = format!("{}/{}/{}", call.route.operation, call.account, call.region);
    if app.throttle.take(&key, rate, burst, app.now()) {
        return Ok(());
    }
    app.calls.lock().throttled += 1;
    Err(ApiError::new("ThrottlingException", "Rate exceeded"))
}

/// Suffers the faults of one phase; an answer when they make one.
async fn strike(app: &App, operation: Operation, when: When) -> Option<Result<Response, ApiError>> {
    let strike = app.faults.strike(operation, when);
    if !strike.delay.is_zero() {
        tokio::time::sleep(strike.delay).await;
    }
    let (name, message) = strike.error?;
    app.calls.lock().faulted += 1;
    if name == "drop" {
        Some(Ok(dropped()))
    } else {
        Some(Err(ApiError::new(&name, message)))
    }
}

fn dropped() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.extensions_mut().insert(Dropped);
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
