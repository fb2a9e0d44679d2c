//! AWS's own errors: told from answers of the agent by their header, and read.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const OLD_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
/// Longest message that is kept, in characters.
const MESSAGE_MAX: usize = 4096;

/// An error that AWS answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// Its name, such as `ThrottlingException`.
    pub name: String,
    /// What AWS says; empty if it says nothing.
    pub message: String,
    /// Its HTTP status.
    pub status: StatusCode,
    /// AWS's id of the request.
    pub request_id: Option<String>,
    /// When AWS wants to be asked again.
    pub retry_after: Option<Duration>,
    /// How AWS wants to be told who asks, on 401: for callers with tokens.
    pub challenge: Option<HeaderValue>,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.status.as_u16())?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ServiceError {}

impl ServiceError {
    /// The error in these headers, if it is one; its message comes with the body.
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(ERROR_TYPE)?;
        Some(Self {
            name: name(&String::from_utf8_lossy(kind.as_bytes())),
            message: String::new(),
            status,
            request_id: request_id(headers),
            retry_after: retry_after(headers),
            challenge: headers.get(http::header::WWW_AUTHENTICATE).cloned(),
        })
    }

    /// An error that does not bear AWS's mark, where only AWS can have answered.
    pub(crate) fn unmarked(status: StatusCode, request_id: Option<String>) -> Self {
        Self {
            name: status
                .canonical_reason()
                .unwrap_or("Unknown")
                .replace(' ', ""),
            message: String::new(),
            status,
            request_id,
            retry_after: None,
            challenge: None,
        }
    }

    /// Takes the message out of a body.
    pub(crate) fn read(&mut self, body: &[u8]) {
        #[derive(Deserialize)]
        struct Body {
            #[serde(alias = "Message", alias = "errorMessage")]
            message: Option<String>,
        }
        if let Ok(Body {
            message: Some(message),
        }) = serde_json::from_slice(body)
        {
            self.message = message.chars().take(MESSAGE_MAX).collect();
        }
    }

    /// Whether new credentials may help.
    pub(crate) fn is_about_credentials(&self) -> bool {
        matches!(
            self.name.as_str(),
            "ExpiredToken"
                | "ExpiredTokenException"
                | "InvalidClientTokenId"
                | "UnrecognizedClientException"
        )
    }
}

/// `com.amazon.coral#ThrottlingException:http://...` is a `ThrottlingException`.
fn name(kind: &str) -> String {
    let kind = kind.split(':').next().unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default().trim();
    kind.to_owned()
}

/// AWS's id of a request, from the headers of its answer.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    let value = headers
        .get(REQUEST_ID)
        .or_else(|| headers.get(OLD_REQUEST_ID))?;
    value.to_str().ok().map(str::to_owned)
}

/// In seconds; a date is not something that AWS sends.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
    let seconds: f64 = value.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
