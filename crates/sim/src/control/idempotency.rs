//! Client tokens: the same token and request get the same answer, and nothing happens a second time.

use jiff::SignedDuration;
use serde_json::{Map, Value};

use crate::operation::Operation;
use crate::state::partition::{Remembered, View};
use crate::state::settings::TokenReplay;
use crate::wire::errors::{ApiError, Reason};
use crate::wire::reply::Reply;

/// Does `act` unless the request's `clientToken` was seen before; then answers as it did then.
///
/// Refused requests are not remembered: they had no effect.
///
/// # Errors
/// Those of `act`, and `ValidationException` for a known token with another request.
pub fn once(
    view: &mut View<'_>,
    operation: Operation,
    mut request: Map<String, Value>,
    act: impl FnOnce(&mut View<'_>, &Map<String, Value>) -> Result<Reply, ApiError>,
) -> Result<Reply, ApiError> {
    let Some(Value::String(token)) = request.remove("clientToken") else {
        return act(view, &request);
    };
    let key = (operation, token);
    if let Some(seen) = view.part.tokens.get(&key) {
        if !still_valid(view, seen) {
            view.part.tokens.remove(&key);
        } else if seen.request == request {
            return Ok(seen.reply.clone());
        } else {
            return Err(ApiError::validation(
                "the client token was used before with a different request",
            )
            .with_reason(Reason::IdempotentParameterMismatch));
        }
    }
    let reply = act(view, &request)?;
    view.part.tokens.insert(
        key,
        Remembered {
            request,
            reply: reply.clone(),
            at: view.now,
        },
    );
    Ok(reply)
}

fn still_valid(view: &View<'_>, seen: &Remembered) -> bool {
    let window = SignedDuration::from_secs(
        i64::try_from(view.settings.token_window_seconds).unwrap_or(i64::MAX),
    );
    if view.now.duration_since(seen.at) >= window {
        return false;
    }
    let about = seen
        .reply
        .body
        .get("agentRuntimeId")
        .and_then(Value::as_str);
    let exists = about.is_none_or(|id| view.part.runtimes.contains_key(id));
    exists || view.settings.token_replay_after_delete == TokenReplay::Replay
}
