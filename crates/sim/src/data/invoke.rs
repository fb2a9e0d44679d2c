//! InvokeAgentRuntime: from the caller to the session's agent, and its answer back as it comes.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use futures::StreamExt as _;
use http::HeaderValue;

use super::session::{InUse, Key};
use super::{access, headers};
use crate::request::Call;
use crate::state::runtime::Config;
use crate::state::settings::ContainerStatus;
use crate::state::world::App;
use crate::wire::errors::ApiError;

/// Answers the operation.
///
/// # Errors
/// What the service refuses; `RuntimeClientError` for an agent that does not start, does not answer, or fails.
pub async fn handle(app: &Arc<App>, call: Call) -> Result<Response, ApiError> {
    headers::check(&call.headers)?;
    let id = access::session_id(&call)?.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let id_header = HeaderValue::from_str(&id)
        .map_err(|_| ApiError::field("runtimeSessionId", "not a header value"))?;
    let target = access::target(app, &call)?;
    let settings = app.settings();
    let bucket = format!(
        "InvokeAgentRuntime/{}/{}",
        target.runtime_arn, target.endpoint
    );
    access::throttle(app, &bucket, settings.invoke_rate_per_second)?;
    let key = Key {
        runtime_arn: target.runtime_arn.clone(),
        endpoint: target.endpoint.clone(),
        id,
    };
    let (account, region) = place(&target.runtime_arn).unwrap_or((&call.account, &call.region));
    let (account, region) = (account.to_owned(), region.to_owned());
    let in_use = app.data.enter(app, key, (&account, &region), target)?;
    let session = in_use.session();
    session.ready().await?;

    let config = &session.born.config;
    let url = format!("http://127.0.0.1:{}{}", session.port, path(config));
    let inside = headers::for_agent(&call, config, &settings, &id_header)?;
    let answer = app
        .data
        .http()
        .post(url)
        .headers(inside)
        .body(call.body)
        .send()
        .await
        .map_err(|error| {
            ApiError::new(
                "RuntimeClientError",
                format!("Runtime broke off the request: {}", cause(&error)),
            )
        })?;
    let status = answer.status();
    let hidden = status.is_server_error()
        && settings.container_5xx == ContainerStatus::RuntimeClientError
        || status.is_client_error()
            && settings.container_4xx == ContainerStatus::RuntimeClientError;
    if hidden {
        let text = format!(
            "Received error ({}) from runtime. Please check your CloudWatch logs for more information.",
            status.as_u16()
        );
        return Err(ApiError::new("RuntimeClientError", text));
    }
    let outside = headers::for_caller(answer.headers(), id_header);
    let mut response = Response::new(passing_through(answer, in_use));
    *response.status_mut() = status;
    *response.headers_mut() = outside;
    Ok(response)
}

/// The agent's body, piece by piece. The session is in use until its end, or until the caller goes.
fn passing_through(answer: reqwest::Response, in_use: InUse) -> Body {
    Body::from_stream(answer.bytes_stream().inspect(move |_| {
        // Held for as long as the stream is.
        let _ = &in_use;
    }))
}

/// Where the agent takes invocations.
fn path(config: &Config) -> &str {
    config.path().unwrap_or(match config.protocol() {
        "MCP" => "/mcp",
        "A2A" => "/",
        _ => "/invocations",
    })
}

/// Account and region of a runtime's ARN.
fn place(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.split(':').skip(3);
    let region = parts.next()?;
    Some((parts.next()?, region))
}

/// The innermost cause: the outer ones only say that a request failed.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
