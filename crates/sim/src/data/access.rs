//! Which session a call means, and whether the caller may reach it.

use crate::request::{Call, Identity};
use crate::state::lookup::Target;
use crate::state::world::App;
use crate::wire::errors::ApiError;

/// The header that names a session, on requests and answers, outside and inside.
pub const SESSION_HEADER: &str = "x-amzn-bedrock-agentcore-runtime-session-id";

/// Limits of a session id, in characters.
const SESSION_ID_MIN: usize = 33;
const SESSION_ID_MAX: usize = 256;

/// The session id that a call carries; `None` when it carries none.
///
/// # Errors
/// `ValidationException` for one that is too short, too long, or no text.
pub fn session_id(call: &Call) -> Result<Option<String>, ApiError> {
    let Some(value) = call.headers.get(SESSION_HEADER) else {
        return Ok(None);
    };
    let id = value.to_str().map_err(|_| {
        ApiError::field("runtimeSessionId", "the session id must be printable ASCII")
    })?;
    if id.len() < SESSION_ID_MIN {
        let text = format!("Member must have length greater than or equal to {SESSION_ID_MIN}");
        return Err(ApiError::field("runtimeSessionId", text));
    }
    if id.len() > SESSION_ID_MAX {
        let text = format!("Member must have length less than or equal to {SESSION_ID_MAX}");
        return Err(ApiError::field("runtimeSessionId", text));
    }
    Ok(Some(id.to_owned()))
}

/// An id for a session whose caller gave none.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The endpoint that a call means, once the caller has been found to speak to it in the right way.
///
/// # Errors
/// `ValidationException` for a bare id without account, `ResourceNotFoundException` for what does not exist or belongs
/// to another account, `AccessDeniedException` for SigV4 where a JWT is wanted, and the other way round.
pub fn target(app: &App, call: &Call) -> Result<Target, ApiError> {
    let runtime = call.route.param(0);
    let mut account = call.account.as_str();
    match call.query("accountId") {
        Some(given) if given.len() != 12 || !given.bytes().all(|b| b.is_ascii_digit()) => {
            return Err(ApiError::field(
                "accountId",
                "Member must satisfy regular expression pattern: [0-9]{12}",
            ));
        }
        // A bearer token says nothing about the account; a signature does.
        Some(given)
            if matches!(call.identity, Identity::Bearer(_)) && !runtime.starts_with("arn:") =>
        {
            account = given;
        }
        Some(given) if given != account => {
            return Err(ApiError::not_found(format!(
                "agent runtime {runtime} was not found in account {given}"
            )));
        }
        Some(_) => {}
        None if runtime.starts_with("arn:") => {}
        None => {
            return Err(ApiError::field(
                "accountId",
                "accountId is required with an agent runtime id that is no ARN",
            ));
        }
    }
    let target = {
        let now = app.now();
        app.world
            .lock()
            .view(account, &call.region, now)
            .target(runtime, call.query("qualifier"))?
    };
    let bearer = matches!(call.identity, Identity::Bearer(_));
    if target.config.has_jwt_authorizer() != bearer {
        return Err(ApiError::new(
            "AccessDeniedException",
            "Authorization method mismatch. The agent is configured for a different authorization method than what was \
             used in your request.",
        ));
    }
    Ok(target)
}

/// The endpoint that an invocation means: [`target`], which must require MMDSv2.
///
/// # Errors
/// Those of [`target`], and `ValidationException` for a version without MMDSv2 (AWS developer guide, troubleshooting).
pub fn invoked(app: &App, call: &Call) -> Result<Target, ApiError> {
    let target = target(app, call)?;
    if target.config.requires_mmdsv2() {
        return Ok(target);
    }
    Err(ApiError::validation(
        "This runtime is not MMDSv2-enabled and can no longer be invoked. Enable MMDSv2 by calling UpdateAgentRuntime \
         with requireMMDSV2=True in metadataConfiguration.",
    ))
}

/// Takes a token of a bucket of the data plane.
///
/// # Errors
/// `ThrottlingException` when there is none.
pub fn throttle(app: &App, key: &str, rate: u32) -> Result<(), ApiError> {
    let burst = app.world.lock().settings.burst;
    if app.throttle.take(key, rate, burst, app.now()) {
        return Ok(());
    }
    app.calls.lock().throttled += 1;
    Err(ApiError::new("ThrottlingException", "Rate exceeded"))
}
