//! InvokeAgentRuntime: from the caller to the session's agent, and its answer back as it comes.

use std::sync::Arc;

use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use tokio::sync::OwnedSemaphorePermit;

use super::mcp::{self, MCP_SESSION};
use super::session::{Key, Session};
use super::{access, agent, headers};
use crate::request::Call;
use crate::state::runtime::Config;
use crate::state::settings::{Concurrency, McpSessionSource, Settings};
use crate::state::world::App;
use crate::wire::errors::ApiError;

/// Answers the operation.
///
/// # Errors
/// What the service refuses; `RuntimeClientError` for an agent that does not start, does not answer, or fails.
pub async fn handle(app: &Arc<App>, call: Call) -> Result<Response, ApiError> {
    let begun = app.now();
    headers::check(&call.headers)?;
    let given = access::session_id(&call)?;
    let target = access::invoked(app, &call)?;
    let settings = app.settings();
    let mcp = target.config.protocol() == "MCP";
    let (id, mcp_id) = if mcp {
        mcp::ids(app, &call, &target, given, &settings)?
    } else {
        (given.unwrap_or_else(access::new_id), None)
    };
    let id_header = agent::id_header(&id)?;
    let in_use = agent::enter(app, &call, target, &id, &settings)?;
    let session = in_use.session();
    let turn = turn(session, &settings).await?;
    session.ready().await?;

    let config = &session.born.config;
    let url = format!("http://127.0.0.1:{}{}", session.port, path(config));
    let mut inside = headers::for_agent(&call, config, &settings, &id_header)?;
    if let Some(id) = &mcp_id {
        inside.insert(MCP_SESSION, id.clone());
    }
    let payload = match call.spooled {
        Some(spooled) => {
            inside.insert(CONTENT_LENGTH, spooled.length.into());
            reqwest::Body::wrap_stream(spooled.into_stream())
        }
        None => call.body.into(),
    };
    let request = app.data.http().post(url).headers(inside).body(payload);
    let answer = agent::send(app, session, request, begun, &settings).await?;
    let answer = agent::judge(answer, &settings)?;
    let mut outside = headers::for_caller(answer.headers(), id_header, &settings);
    if mcp {
        match settings.mcp_session_source {
            McpSessionSource::Platform => {
                if let Some(id) = mcp_id {
                    outside.insert(MCP_SESSION, id);
                }
            }
            McpSessionSource::Agent => remember(app, outside.get(MCP_SESSION), session),
        }
    }
    Ok(agent::pass_on(
        app,
        answer,
        outside,
        begun,
        &settings,
        (in_use, turn),
    ))
}

/// The agent's own id leads to its session from now on.
fn remember(app: &App, given: Option<&HeaderValue>, session: &Session) {
    if let Some(given) = given.and_then(|value| value.to_str().ok()) {
        let alias = Key {
            id: given.to_owned(),
            ..session.key.clone()
        };
        app.data.remember(alias, &session.key);
    }
}

/// What an invocation holds while it is the only one of its session; nothing where several may be under way.
async fn turn(
    session: &Session,
    settings: &Settings,
) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
    let turn = Arc::clone(&session.turn);
    match settings.concurrent_requests_in_one_session {
        Concurrency::Parallel => Ok(None),
        // The semaphore is never closed.
        Concurrency::Serial => Ok(turn.acquire_owned().await.ok()),
        Concurrency::Refuse => turn.try_acquire_owned().map(Some).map_err(|_| {
            ApiError::new(
                "RetryableConflictException",
                "another request of this session is under way",
            )
        }),
    }
}

/// Where the agent takes invocations.
fn path(config: &Config) -> &str {
    config.path().unwrap_or(match config.protocol() {
        "MCP" => "/mcp",
        "A2A" => "/",
        _ => "/invocations",
    })
}
