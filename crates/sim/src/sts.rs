//! STS: GetCallerIdentity, AssumeRole, and AssumeRoleWithWebIdentity, by which pods with IRSA get their keys.

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

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
static WEB_TOKEN: Shape = text(4, 20_000, "");
/// Audience of the tokens that IRSA gives to pods.
const WEB_AUDIENCE: &str = "sts.amazonaws.com";
/// Seconds that a session lives, unless the request says otherwise.
const DEFAULT_SECONDS: i64 = 3600;

/// Answers an operation of STS.
///
/// # Errors
/// What the service refuses.
pub fn handle(app: &App, call: &Call) -> Result<Response, ApiError> {
    let operation = call.route.operation;
    let result = match (operation, &call.identity) {
        (Operation::AssumeRoleWithWebIdentity, _) => web_identity(app, call),
        (Operation::GetCallerIdentity, Identity::Signed(caller)) => Ok(identity(caller)),
        (Operation::AssumeRole, Identity::Signed(_)) => assume_role(app, call),
        (_, Identity::Bearer(_) | Identity::Unsigned) => Err(ApiError::new(
            "MissingAuthenticationToken",
            "Missing Authentication Token",
        )),
        (other, _) => Err(ApiError::new(
            "InvalidAction",
            format!("{other} is not an action of STS"),
        )),
    };
    result.map(|result| xml(operation.name(), &result))
}

fn identity(caller: &Caller) -> String {
    format!(
        "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
        escape_xml(&caller.arn),
        escape_xml(&caller.user_id),
        caller.account
    )
}

/// The parameters of a call, of its query and its form.
struct Params(Vec<(String, String)>);

impl Params {
    fn of(call: &Call) -> Self {
        let mut params = call.query.clone();
        params.extend(parse_pairs(&String::from_utf8_lossy(&call.body), true));
        Self(params)
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    fn need(&self, name: &str, shape: &'static Shape) -> Result<&str, ApiError> {
        let value = self.get(name).ok_or_else(|| invalid(format!("1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must not be null")))?;
        check_text(name, shape, value).map_err(|e| invalid(e.message().to_owned()))?;
        Ok(value)
    }

    /// Role, name and seconds of the session that is asked for.
    fn session(&self) -> Result<(&str, &str, i64), ApiError> {
        let role = self.need("RoleArn", &ROLE_ARN)?;
        check_text("RoleArn", &ROLE_PATTERN, role)
            .map_err(|_| invalid(format!("{role} is invalid")))?;
        let name = self.need("RoleSessionName", &SESSION_NAME)?;
        let seconds = match self.get("DurationSeconds") {
            None => DEFAULT_SECONDS,
            Some(text) => text
                .parse()
                .ok()
                .filter(|seconds| (900..=43_200).contains(seconds))
                .ok_or_else(|| {
                    invalid("DurationSeconds must be between 900 and 43200".to_owned())
                })?,
        };
        Ok((role, name, seconds))
    }
}

fn assume_role(app: &App, call: &Call) -> Result<String, ApiError> {
    let params = Params::of(call);
    let (role, name, seconds) = params.session()?;
    Ok(Issued::new(app, Operation::AssumeRole, role, name, seconds)?.xml())
}

fn web_identity(app: &App, call: &Call) -> Result<String, ApiError> {
    let params = Params::of(call);
    let (role, name, seconds) = params.session()?;
    let token = params.need("WebIdentityToken", &WEB_TOKEN)?;
    let claims = claims(token, WEB_AUDIENCE)?;
    let issued = Issued::new(
        app,
        Operation::AssumeRoleWithWebIdentity,
        role,
        name,
        seconds,
    )?;
    Ok(format!(
        "{}<SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken><Provider>{}</Provider><Audience>{WEB_AUDIENCE}</Audience>",
        issued.xml(),
        escape_xml(&claims.sub),
        escape_xml(&claims.iss),
    ))
}

/// Keys that were issued for a role.
#[derive(Debug)]
pub struct Issued {
    /// Access key id.
    pub id: String,
    /// Secret access key.
    pub secret: String,
    /// Session token.
    pub token: String,
    /// When they end.
    pub expires: Timestamp,
    /// Whom they stand for.
    pub caller: Caller,
}

impl Issued {
    /// Keys for a session of a role, good from now on.
    ///
    /// # Errors
    /// `AccessDenied` for a role that the settings call bad.
    pub fn new(
        app: &App,
        operation: Operation,
        role: &str,
        session: &str,
        seconds: i64,
    ) -> Result<Self, ApiError> {
        let (id, secret, token, role_id) = {
            let mut world = app.world.lock();
            if world.settings.bad_roles.iter().any(|bad| bad == role) {
                return Err(ApiError::new(
                    "AccessDenied",
                    format!(
                        "the caller is not authorized to perform: sts:{operation} on resource: {role}"
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
        let now = app.now();
        let expires = now
            .saturating_add(SignedDuration::from_secs(seconds))
            .unwrap_or(now);
        let caller = Caller {
            account: account.to_owned(),
            arn: format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}"),
            user_id: format!("{role_id}:{session}"),
        };
        app.credentials.lock().add_session(
            id.clone(),
            Key {
                secret: secret.clone(),
                session: Some((token.clone(), expires)),
                caller: caller.clone(),
            },
        );
        Ok(Self {
            id,
            secret,
            token,
            expires,
            caller,
        })
    }

    fn xml(&self) -> String {
        format!(
            "<AssumedRoleUser><AssumedRoleId>{}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser><Credentials>\
             <AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken>\
             <Expiration>{}</Expiration></Credentials><PackedPolicySize>0</PackedPolicySize>",
            self.caller.user_id,
            escape_xml(&self.caller.arn),
            self.id,
            self.secret,
            self.token,
            iso8601(self.expires)
        )
    }
}

/// What a token of Kubernetes says.
#[derive(Debug, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Subject, such as `system:serviceaccount:NAMESPACE:NAME`.
    pub sub: String,
    aud: Audience,
    exp: i64,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Reads a token that was made for this audience. Its signature is not looked at: the simulator has no keys of an issuer.
///
/// # Errors
/// `InvalidIdentityToken` for what is no such token, `ExpiredTokenException` for one that has ended, by real time.
pub fn claims(token: &str, audience: &str) -> Result<Claims, ApiError> {
    let wrong = |text: &str| ApiError::bad_request("InvalidIdentityToken", text);
    let payload = token
        .split('.')
        .nth(1)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Option<Claims> = payload.and_then(|json| serde_json::from_slice(&json).ok());
    let claims = claims.ok_or_else(|| wrong("The ID Token provided is not a valid JWT"))?;
    let meant = match &claims.aud {
        Audience::One(one) => one == audience,
        Audience::Many(many) => many.iter().any(|one| one == audience),
    };
    if !meant {
        return Err(wrong("Incorrect token audience"));
    }
    if claims.exp <= Timestamp::now().as_second() {
        return Err(ApiError::bad_request(
            "ExpiredTokenException",
            "Token expired",
        ));
    }
    Ok(claims)
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
