//! GetAgentCard: what an A2A agent says about itself.

use std::sync::Arc;

use axum::response::Response;

use super::{access, agent, headers};
use crate::request::Call;
use crate::state::world::App;
use crate::wire::errors::ApiError;

/// Where an A2A agent has its card.
const PATH: &str = "/.well-known/agent-card.json";

/// Answers the operation. It begins a session as an invocation does.
///
/// # Errors
/// `ValidationException` for runtimes of other protocols; else as an invocation.
pub async fn handle(app: &Arc<App>, call: Call) -> Result<Response, ApiError> {
    let begun = app.now();
    headers::check(&call.headers)?;
    let id = access::session_id(&call)?.unwrap_or_else(access::new_id);
    let id_header = agent::id_header(&id)?;
    let target = access::target(app, &call)?;
    if target.config.protocol() != "A2A" {
        return Err(ApiError::validation(format!(
            "agent cards are for runtimes of the protocol A2A; this one speaks {}",
            target.config.protocol()
        )));
    }
    let settings = app.settings();
    let in_use = agent::enter(app, &call, target, &id, &settings)?;
    let session = in_use.session();
    session.ready().await?;
    let inside = headers::for_agent(&call, &session.born.config, &settings, &id_header)?;
    let url = format!("http://127.0.0.1:{}{PATH}", session.port);
    let request = app.data.http().get(url).headers(inside);
    let answer = agent::send(app, session, request, begun, &settings).await?;
    let answer = agent::judge(answer, &settings)?;
    let outside = headers::for_caller(answer.headers(), id_header, &settings);
    Ok(agent::pass_on(
        app, answer, outside, begun, &settings, in_use,
    ))
}
