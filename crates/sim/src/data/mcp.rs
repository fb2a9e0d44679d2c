//! MCP servers: which session a `Mcp-Session-Id` means.

use http::{HeaderName, HeaderValue};

use super::access;
use super::session::Key;
use crate::request::Call;
use crate::state::lookup::Target;
use crate::state::settings::{McpIdsDiffer, McpSessionSource, Settings};
use crate::state::world::App;
use crate::wire::errors::ApiError;

/// The header of the protocol's own session id.
pub const MCP_SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The id of the session that a call means, and the `Mcp-Session-Id` that the agent gets. `given` is the session id of
/// the call, if it has one.
///
/// # Errors
/// `ValidationException` for an empty `Mcp-Session-Id`, or one that is no text.
pub fn ids(
    app: &App,
    call: &Call,
    target: &Target,
    given: Option<String>,
    settings: &Settings,
) -> Result<(String, Option<HeaderValue>), ApiError> {
    let header = call.headers.get(MCP_SESSION);
    let mcp = header
        .map(|value| match value.to_str() {
            Ok(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(ApiError::field(
                "mcpSessionId",
                "Member must be printable ASCII with length greater than or equal to 1",
            )),
        })
        .transpose()?;
    let meant = |mcp: String| {
        let known = match settings.mcp_session_source {
            McpSessionSource::Platform => None,
            McpSessionSource::Agent => app.data.known_as(&Key::of(target, &mcp)),
        };
        known.unwrap_or(mcp)
    };
    let id = match (given, mcp) {
        (Some(given), Some(mcp)) => match settings.mcp_ids_differ {
            McpIdsDiffer::Runtime => given,
            McpIdsDiffer::Mcp => meant(mcp),
        },
        (Some(given), None) => given,
        (None, Some(mcp)) => meant(mcp),
        (None, None) => access::new_id(),
    };
    let inside = match settings.mcp_session_source {
        McpSessionSource::Platform if header.is_none() => HeaderValue::from_str(&id).ok(),
        _ => header.cloned(),
    };
    Ok((id, inside))
}
