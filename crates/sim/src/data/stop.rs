//! StopRuntimeSession.

use std::collections::HashMap;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::access::{self, SESSION_HEADER};
use super::session::{EndReason, Key};
use crate::request::Call;
use crate::state::world::App;
use crate::wire::errors::{ApiError, Reason};

/// Remembered client tokens: which session each was for, and when it came.
pub type StopTokens = HashMap<(String, String), (Key, Timestamp)>;

/// Answers the operation. The session is gone for callers at once; its process gets SIGTERM, and in the end SIGKILL.
///
/// # Errors
/// What the service refuses; `ResourceNotFoundException` for a session that does not run (unless the settings say 200).
pub async fn handle(app: &App, call: &Call) -> Result<Response, ApiError> {
    let id = access::session_id(call)?
        .ok_or_else(|| ApiError::field("runtimeSessionId", "Member must not be null"))?;
    let token = client_token(&call.body)?;
    let target = access::target(app, call)?;
    let (rate, stop_unknown, window, delay) = {
        let settings = &app.world.lock().settings;
        (
            settings.stop_rate_per_second,
            settings.stop_unknown,
            settings.token_window_seconds,
            settings.stop_delay_ms,
        )
    };
    access::throttle(
        app,
        &format!("StopRuntimeSession/{}/{}", call.account, call.region),
        rate,
    )?;
    let key = Key {
        runtime_arn: target.runtime_arn,
        endpoint: target.endpoint,
        id,
    };
    let now = app.now();
    let Some(session) = app.data.find(&key) else {
        if stop_unknown != 200 && !replayed(app, call, token.as_deref(), &key)? {
            return Err(ApiError::not_found(format!(
                "session {} was not found",
                key.id
            )));
        }
        return answer(&key.id);
    };
    if let Some(token) = token {
        let mut tokens = app.data.stop_tokens.lock();
        let window = SignedDuration::from_secs(i64::try_from(window).unwrap_or(i64::MAX));
        tokens.retain(|_, (_, at)| now.duration_since(*at) < window);
        let before = tokens
            .entry((call.account.clone(), token))
            .or_insert_with(|| (key.clone(), now));
        if before.0 != key {
            return Err(mismatch());
        }
    }
    app.data.end(&session, now, EndReason::Stopped);
    let delay = SignedDuration::from_millis(i64::try_from(delay).unwrap_or(i64::MAX));
    let until = now.saturating_add(delay).unwrap_or(Timestamp::MAX);
    app.clock.sleep_until(until).await;
    answer(&key.id)
}

/// Whether this very stop has been answered before.
fn replayed(app: &App, call: &Call, token: Option<&str>, key: &Key) -> Result<bool, ApiError> {
    let Some(token) = token else { return Ok(false) };
    match app
        .data
        .stop_tokens
        .lock()
        .get(&(call.account.clone(), token.to_owned()))
    {
        Some((before, _)) if before != key => Err(mismatch()),
        before => Ok(before.is_some()),
    }
}

fn mismatch() -> ApiError {
    ApiError::validation("the client token was used for another session")
        .with_reason(Reason::IdempotentParameterMismatch)
}

fn answer(id: &str) -> Result<Response, ApiError> {
    let value = HeaderValue::from_str(id)
        .map_err(|_| ApiError::field("runtimeSessionId", "not a header value"))?;
    let mut response = Response::new(Body::from("{}"));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response.headers_mut().insert(SESSION_HEADER, value);
    Ok(response)
}

/// `clientToken` of the body, if there is one.
fn client_token(body: &[u8]) -> Result<Option<String>, ApiError> {
    if body.is_empty() {
        return Ok(None);
    }
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        ApiError::new(
            "SerializationException",
            format!("the body is not JSON: {error}"),
        )
    })?;
    match body.get("clientToken") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(token)) if is_token(token) => Ok(Some(token.clone())),
        Some(Value::String(_)) => Err(ApiError::field(
            "clientToken",
            "Member must have 33 to 256 characters and satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,256}",
        )),
        Some(_) => Err(ApiError::new(
            "SerializationException",
            "clientToken must be a string",
        )),
    }
}

/// Letters and digits, hyphens only between them.
fn is_token(token: &str) -> bool {
    (33..=256).contains(&token.len())
        && token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !token.starts_with('-')
        && !token.ends_with('-')
}
