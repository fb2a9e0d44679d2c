//! What a caller is told when a call fails: `application/problem+json` (RFC 9457) with the AWS error's name and request id.

use std::time::Duration;

use agentcore_api::reasons;
use agentcore_invoke::{Error, Failed, Phase, ServiceError};
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::agents::Unresolved;
use crate::identity::Denied;
use crate::path::Route;
use crate::sessions::ledger::LedgerUnavailable;
use crate::shares::Full;

/// How long a caller is asked to wait when nobody knows better.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What AgentCore says of a runtime without version 2 of the metadata service, which it no longer invokes (AWS developer guide,
/// troubleshooting).
const NOT_MMDSV2: &str = "not MMDSv2-enabled";

/// Longest cause in a line of the log, in characters.
const CAUSE_MAX: usize = 512;

/// A failed call.
#[derive(Debug, Clone)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// A constant that programs can rely on, and the class of the error in metrics.
    pub reason: &'static str,
    /// What happened, for a person. Never holds a payload or a token.
    pub detail: String,
    /// What AWS said, where it was AWS.
    pub aws: Option<Box<Aws>>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
    /// The one method that the path takes, for 405.
    pub allow: Option<&'static str>,
    /// Whether `detail` holds what the agent said, which is for the caller and no log.
    pub of_agent: bool,
}

/// A problem as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    reason: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aws_error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aws_request_id: Option<&'a str>,
}

/// AWS's part in a problem.
#[derive(Debug, Clone)]
pub struct Aws {
    /// AWS's name of the error.
    pub error: String,
    /// AWS's id of the request.
    pub request_id: Option<String>,
    /// How AWS wants to be told who asks, for 401.
    pub challenge: Option<HeaderValue>,
}

impl Problem {
    /// A problem of the gateway's own.
    pub fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            detail: detail.into(),
            aws: None,
            retry_after: None,
            allow: None,
            of_agent: false,
        }
    }

    /// Says that `detail` is what the agent said.
    #[must_use]
    pub fn said_by_agent(self) -> Self {
        Self {
            of_agent: true,
            ..self
        }
    }

    /// What happened, for the log.
    pub fn cause(&self) -> String {
        let text = match &self.aws {
            _ if self.of_agent => {
                return format!("the agent gave a reason of {} bytes", self.detail.len());
            }
            Some(aws) => format!("{}: {}", aws.error, self.detail),
            None => self.detail.clone(),
        };
        if text.chars().count() <= CAUSE_MAX {
            return text;
        }
        text.chars().take(CAUSE_MAX).chain("...".chars()).collect()
    }

    /// The path names nothing that there is.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", detail)
    }

    /// The request is malformed.
    pub fn bad_request(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason, detail)
    }

    /// The path takes another method.
    pub fn method(allowed: &'static str) -> Self {
        Self {
            allow: Some(allowed),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                format!("this path takes {allowed}"),
            )
        }
    }

    /// The path wants a WebSocket.
    pub fn upgrade_required() -> Self {
        Self::new(
            StatusCode::UPGRADE_REQUIRED,
            "UpgradeRequired",
            "this path takes a WebSocket handshake of version 13",
        )
    }

    /// It may work soon: 503 with Retry-After.
    pub fn unavailable(reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            retry_after: Some(RETRY_AFTER),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, reason, detail)
        }
    }

    /// The agent's answer ended before its end.
    pub fn interrupted(error: &hyper::Error) -> Self {
        // The outer texts only say at which step it was.
        let mut inner: &dyn std::error::Error = error;
        while let Some(source) = inner.source() {
            inner = source;
        }
        Self::broke_off(format!("the agent's answer broke off: {inner}"))
    }

    /// Something of the agent's ended before its end.
    pub fn broke_off(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "UpstreamBrokeOff", detail)
    }

    /// A name that leads nowhere.
    pub fn unresolved(route: &Route<'_>, unresolved: Unresolved) -> Self {
        match unresolved {
            Unresolved::NotFound => Self::not_found(format!("{route} is not there")),
            Unresolved::NotReady { reason, message } if reason == reasons::NOT_OWNED => {
                Self::unavailable("NotOwned", format!("{route} is not called: {message}"))
            }
            Unresolved::NotReady { reason, message } => Self::unavailable(
                "AgentNotReady",
                format!("{route} cannot be called yet: {reason}: {message}"),
            ),
        }
    }

    /// As JSON, in the order of RFC 9457.
    fn members(&self) -> Members<'_> {
        let Self {
            status,
            reason,
            detail,
            aws,
            retry_after: _,
            allow: _,
            of_agent: _,
        } = self;
        Members {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            reason,
            detail,
            aws_error: aws.as_ref().map(|aws| aws.error.as_str()),
            aws_request_id: aws.as_ref().and_then(|aws| aws.request_id.as_deref()),
        }
    }

    /// As JSON within other JSON.
    pub fn to_json(&self) -> Value {
        json!(self.members())
    }

    /// As JSON text.
    pub fn to_text(&self) -> String {
        // Strings and a number can always be written.
        serde_json::to_string(&self.members()).unwrap_or_default()
    }

    /// As an answer.
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.to_text()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(after) = self.retry_after {
            let seconds = after.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                headers.insert(header::RETRY_AFTER, value);
            }
        }
        let (request_id, challenge) = self
            .aws
            .map_or((None, None), |aws| (aws.request_id, aws.challenge));
        if let Some(id) = request_id.and_then(|id| HeaderValue::from_str(&id).ok()) {
            headers.insert("x-amzn-requestid", id);
        }
        if let Some(method) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(method));
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, challenge.unwrap_or(bearer));
        }
        // What is left of the request's body is not worth reading.
        if matches!(
            self.status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let detail = denied.to_string();
        match denied {
            Denied::NoToken => Self::new(StatusCode::UNAUTHORIZED, "NoToken", detail),
            Denied::BadToken(_) => Self::new(StatusCode::UNAUTHORIZED, "InvalidToken", detail),
            Denied::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, "Forbidden", detail),
            Denied::TooMany(wait) => Self {
                retry_after: Some(wait),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "UnknownNames", detail)
            },
            Denied::Unavailable(_) => Self::unavailable("ReviewUnavailable", detail),
        }
    }
}

impl From<Full> for Problem {
    /// 429 where the caller, or those that call the same namespace's agents, must let go of something first; 503 where it is nobody's fault in
    /// particular.
    fn from(full: Full) -> Self {
        let detail = full.to_string();
        let (status, reason) = match full {
            Full::Caller { .. } => (StatusCode::TOO_MANY_REQUESTS, "CallerShare"),
            Full::Namespace { .. } => (StatusCode::TOO_MANY_REQUESTS, "NamespaceShare"),
            Full::All { .. } => (StatusCode::SERVICE_UNAVAILABLE, "ShareUsedUp"),
        };
        Self {
            retry_after: Some(RETRY_AFTER),
            ..Self::new(status, reason, detail)
        }
    }
}

impl From<LedgerUnavailable> for Problem {
    fn from(error: LedgerUnavailable) -> Self {
        Self::unavailable("LedgerUnavailable", error.to_string())
    }
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        Self::from(&failed.error)
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::Service(service) => Self::from(service),
            Error::Credentials(_) => Self::unavailable(
                "CredentialsUnavailable",
                "the gateway has no valid AWS credentials",
            ),
            // The agent's own status says more than one of the gateway's would.
            Error::Refused { status, body, .. }
                if status.is_client_error() || status.is_server_error() =>
            {
                let text = String::from_utf8_lossy(body);
                Self::new(
                    *status,
                    "AgentRefused",
                    format!("{detail}: {}", text.trim()),
                )
            }
            // Nothing was sent.
            Error::Connect(_) | Error::Timeout(Phase::Connect) => {
                Self::unavailable("UpstreamUnavailable", detail)
            }
            Error::Timeout(_) => Self::new(StatusCode::GATEWAY_TIMEOUT, "UpstreamTimeout", detail),
            Error::Payload(_) => {
                Self::unavailable("SpoolFailed", "the request's body could not be kept")
            }
            _ => Self::broke_off(detail),
        }
    }
}

impl From<&ServiceError> for Problem {
    /// AgentCore's status is kept where it says something about the call; what is AgentCore's own trouble becomes 502 or 503.
    fn from(error: &ServiceError) -> Self {
        let (status, reason) = match error.name.as_str() {
            // Not the caller's doing: the object of the agent tells it as reason NotInvocable.
            "ValidationException" if error.message.contains(NOT_MMDSV2) => {
                (StatusCode::FAILED_DEPENDENCY, "AgentNotInvocable")
            }
            "ValidationException" => (StatusCode::BAD_REQUEST, "InvalidRequest"),
            "UnauthorizedException" => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            "AccessDeniedException" => (StatusCode::FORBIDDEN, "AccessDenied"),
            "ResourceNotFoundException" => (StatusCode::NOT_FOUND, "AgentNotFound"),
            "ConflictException" | "RetryableConflictException" => {
                (StatusCode::CONFLICT, "Conflict")
            }
            "RuntimeClientError" => (StatusCode::FAILED_DEPENDENCY, "AgentFailed"),
            "ThrottlingException" => (StatusCode::TOO_MANY_REQUESTS, "Throttled"),
            // The gateway's credentials, even after they were renewed.
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "RequestExpired"
            | "UnrecognizedClientException" => {
                (StatusCode::SERVICE_UNAVAILABLE, "CredentialsUnavailable")
            }
            // 402 would ask the caller to pay; the account's sessions are used up, which passes.
            "ServiceQuotaExceededException" => (StatusCode::SERVICE_UNAVAILABLE, "QuotaExceeded"),
            _ => match error.status {
                StatusCode::PAYLOAD_TOO_LARGE => (StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge"),
                StatusCode::SERVICE_UNAVAILABLE => {
                    (StatusCode::SERVICE_UNAVAILABLE, "UpstreamUnavailable")
                }
                StatusCode::GATEWAY_TIMEOUT => (StatusCode::GATEWAY_TIMEOUT, "UpstreamTimeout"),
                status if status.is_client_error() => (status, "Refused"),
                _ => (StatusCode::BAD_GATEWAY, "UpstreamFailed"),
            },
        };
        let again = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) || error.name == "RetryableConflictException";
        let detail = if error.message.is_empty() {
            error.name.clone()
        } else {
            error.message.clone()
        };
        Self {
            aws: Some(Box::new(Aws {
                error: error.name.clone(),
                request_id: error.request_id.clone(),
                challenge: error.challenge.clone(),
            })),
            retry_after: again.then(|| error.retry_after.unwrap_or(RETRY_AFTER)),
            ..Self::new(status, reason, detail)
        }
    }
}

#[cfg(test)]
#[path = "problem_tests.rs"]
mod tests;
