//! Between a call and the agent that it means: the way in, and what becomes of the agent's answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures::stream;
use http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use reqwest::RequestBuilder;
use tokio::time::timeout;

use super::access;
use super::session::{InUse, Key, Session};
use crate::request::Call;
use crate::state::lookup::Target;
use crate::state::settings::{ContainerStatus, Settings};
use crate::state::world::App;
use crate::wire::errors::ApiError;

/// The session of this id, begun if there is none, and in use from now on. Its agent may still be starting.
///
/// # Errors
/// `ThrottlingException` above the endpoint's rate of `call`'s operation, and as `DataPlane::enter`.
pub fn enter(
    app: &Arc<App>,
    call: &Call,
    target: Target,
    id: &str,
    settings: &Settings,
) -> Result<InUse, ApiError> {
    let bucket = format!(
        "{}/{}/{}",
        call.route.operation, target.runtime_arn, target.endpoint
    );
    access::throttle(app, &bucket, settings.invoke_rate_per_second)?;
    let key = Key::of(&target, id);
    let (account, region) = place(&target.runtime_arn).unwrap_or((&call.account, &call.region));
    let (account, region) = (account.to_owned(), region.to_owned());
    app.data.enter(app, key, (&account, &region), target)
}

/// Account and region of a runtime's ARN.
fn place(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.split(':').skip(3);
    let region = parts.next()?;
    Some((parts.next()?, region))
}

/// A session id as a header.
///
/// # Errors
/// `ValidationException` when it cannot be one.
pub fn id_header(id: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(id).map_err(|_| ApiError::field("runtimeSessionId", "not a header value"))
}

/// How long to wait for an agent's exit after it broke off a request. When a program exits, its connections break before the simulator sees the exit: a
/// caller that got the error first and called again would reach the old session. For an agent that still runs, the error comes this much later.
const EXIT_SEEN: Duration = Duration::from_secs(1);

/// Sends a request to the agent and waits for the head of its answer, for as long as a call may take.
///
/// # Errors
/// `RuntimeClientError` when the agent breaks off, or does not answer in time.
pub async fn send(
    app: &App,
    session: &Session,
    request: RequestBuilder,
    begun: Timestamp,
    settings: &Settings,
) -> Result<reqwest::Response, ApiError> {
    let limit = settings.sync_timeout_seconds;
    let failed = |text: String| ApiError::new("RuntimeClientError", text);
    tokio::select! {
        answer = request.send() => match answer {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let _ = timeout(EXIT_SEEN, session.asked_to_end()).await;
                Err(failed(format!("Runtime broke off the request: {}", cause(&error))))
            }
        },
        () = app.clock.sleep_until(after(begun, limit)) => {
            Err(failed(format!("Runtime did not answer within {limit}s.")))
        }
    }
}

/// The agent's answer, unless the settings hide its status.
///
/// # Errors
/// `RuntimeClientError` for an error status that is to be hidden.
pub fn judge(
    answer: reqwest::Response,
    settings: &Settings,
) -> Result<reqwest::Response, ApiError> {
    let status = answer.status();
    let hidden = status.is_server_error()
        && settings.container_5xx == ContainerStatus::RuntimeClientError
        || status.is_client_error()
            && settings.container_4xx == ContainerStatus::RuntimeClientError;
    if !hidden {
        return Ok(answer);
    }
    let text = format!(
        "Received error ({}) from runtime. Please check your CloudWatch logs for more information.",
        status.as_u16()
    );
    Err(ApiError::new("RuntimeClientError", text))
}

/// The agent's answer to the caller with these headers, its body piece by piece as it comes. At the end of a stream's
/// longest life it breaks off. `held` is let go with the last byte, or when the caller goes.
pub fn pass_on(
    app: &Arc<App>,
    answer: reqwest::Response,
    headers: HeaderMap,
    begun: Timestamp,
    settings: &Settings,
    held: impl Send + 'static,
) -> Response {
    let status = answer.status();
    let until = after(begun, settings.stream_max_seconds);
    let app = Arc::clone(app);
    let over = Box::pin(async move { app.clock.sleep_until(until).await });
    let pieces = stream::unfold(Some((answer, over, held)), |state| async move {
        let (mut answer, mut over, held) = state?;
        let piece = tokio::select! {
            biased;
            () = &mut over => Err(io::Error::other("the answer took longer than a stream may")),
            piece = answer.chunk() => piece.map_err(io::Error::other),
        };
        match piece {
            Ok(piece) => Some((Ok(piece?), Some((answer, over, held)))),
            // An error breaks the connection off, so that the answer does not look whole.
            Err(error) => Some((Err(error), None)),
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The innermost cause: the outer ones only say that a request failed.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// That many seconds later.
pub fn after(from: Timestamp, seconds: u64) -> Timestamp {
    let by = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}
