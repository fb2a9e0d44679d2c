//! STS: GetCallerIdentity and AssumeRole.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, header};
use jiff::SignedDuration;

use crate::operation::Operation;
use crate::request::{Call, Identity, parse_pairs};
use crate::state::credentials::{Caller, Key};
use crate::state::ids;
use crate::state::world::App;
use crate::wire::errors::{ApiError, escape_xml};
use crate::wire::reply::iso8601;
use crate::wire::shape::{Shape, check_text, pattern, text};

static ROLE_ARN: Shape = text(20, 2048, "");
static ROLE_PATTERN: Shape = pattern("arn:aws(-[^:]+)?:iam::[0-9]{12}:role/.+");
static SESSION_NAME: Shape = text(2, 64, r"[\w+=,.@-]*");
/// Seconds that a session lives, unless the request says otherwise.
const DEFAULT_SECONDS: i64 = 3600;

/// Answers an operation of STS.
///
/// # Errors
/// What the service refuses.
pub fn handle(app: &App, call: &Call) -> Result<Response, ApiError> {
    let Identity::Signed(caller) = &call.identity else {
        return Err(ApiError::new(
            "MissingAuthenticationToken",
            "Missing Authentication Token",
        ));
    };
    match call.route.operation {
        Operation::GetCallerIdentity => Ok(xml("GetCallerIdentity", &identity(caller))),
        Operation::AssumeRole => assume_role(app, call).map(|result| xml("AssumeRole", &result)),
        other => Err(ApiError::new(
            "InvalidAction",
            format!("{other} is not an action of STS"),
        )),
    }
}

fn identity(caller: &Caller) -> String {
    format!(
        "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
        escape_xml(&caller.arn),
        escape_xml(&caller.user_id),
        caller.account
    )
}

fn assume_role(app: &App, call: &Call) -> Result<String, ApiError> {
    let mut params = call.query.clone();
    params.extend(parse_pairs(&String::from_utf8_lossy(&call.body), true));
    let get = |name: &str| {
        params
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let need = |name: &str, shape: &'static Shape| {
        let value = get(name).ok_or_else(|| invalid(format!("1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must not be null")))?;
        check_text(name, shape, value)
            .map_err(|e| invalid(e.message().to_owned()))
            .map(|()| value)
    };
    let role = need("RoleArn", &ROLE_ARN)?;
    check_text("RoleArn", &ROLE_PATTERN, role)
        .map_err(|_| invalid(format!("{role} is invalid")))?;
    let session = need("RoleSessionName", &SESSION_NAME)?;
    let seconds = match get("DurationSeconds") {
        None => DEFAULT_SECONDS,
        Some(text) => text
            .parse()
            .ok()
            .filter(|seconds| (900..=43_200).contains(seconds))
            .ok_or_else(|| invalid("DurationSeconds must be between 900 and 43200".to_owned()))?,
    };
    let now = app.now();
    let (id, secret, token, role_id) = {
        let mut world = app.world.lock();
        if world.settings.bad_roles.iter().any(|bad| bad == role) {
            return Err(ApiError::new(
                "AccessDenied",
                format!(
                    "the caller is not authorized to perform: sts:AssumeRole on resource: {role}"
                ),
            ));
        }
        let rng = &mut world.rng;
        (
            format!("ASIA{}", ids::key_characters(rng, 16)),
            ids::alphanumeric(rng, 40),
            ids::alphanumeric(rng, 200),
            format!("AROA{}", ids::key_characters(rng, 16)),
        )
    };
    let account = role.split(':').nth(4).unwrap_or_default();
    let name = role.rsplit('/').next().unwrap_or_default();
    let partition = role.split(':').nth(1).unwrap_or("aws");
    let arn = format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}");
    let user_id = format!("{role_id}:{session}");
    let expires = now
        .saturating_add(SignedDuration::from_secs(seconds))
        .unwrap_or(now);
    let result = format!(
        "<AssumedRoleUser><AssumedRoleId>{user_id}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser><Credentials>\
         <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>\
         <Expiration>{}</Expiration></Credentials><PackedPolicySize>0</PackedPolicySize>",
        escape_xml(&arn),
        iso8601(expires)
    );
    let caller = Caller {
        account: account.to_owned(),
        arn,
        user_id,
    };
    app.credentials.lock().add_session(
        id,
        Key {
            secret,
            session: Some((token, expires)),
            caller,
        },
    );
    Ok(result)
}

fn invalid(message: String) -> ApiError {
    ApiError::new("ValidationError", message)
}

fn xml(action: &str, result: &str) -> Response {
    let body = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{action}Response>",
        uuid::Uuid::new_v4()
    );
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
