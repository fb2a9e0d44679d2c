//! The errors that the services answer with: names, HTTP statuses and the form each protocol gives them.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// How a service speaks: decides the form of its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// rest-json: `x-amzn-ErrorType` header and a `{"message"}` body (AgentCore).
    RestJson,
    /// JSON 1.1: `__type` in the body (ECR, CloudWatch Logs).
    Json11,
    /// Query protocol with XML answers (STS), and S3, whose errors to HEAD have no body.
    Query,
}

/// Every error name the simulator can answer with, and its HTTP status. Faults may name any of them.
const STATUSES: &[(&str, u16)] = &[
    ("ValidationException", 400),
    ("SerializationException", 400),
    ("InvalidParameterException", 400),
    ("RepositoryNotFoundException", 400),
    ("ImageNotFoundException", 400),
    ("LayersNotFoundException", 400),
    ("LayerInaccessibleException", 400),
    ("LimitExceededException", 400),
    ("ValidationError", 400),
    ("InvalidAction", 400),
    ("Throttling", 400),
    ("MalformedPolicyDocument", 400),
    ("UnauthorizedException", 401),
    ("ServiceQuotaExceededException", 402),
    ("AccessDeniedException", 403),
    ("AccessDenied", 403),
    ("UnrecognizedClientException", 403),
    ("InvalidClientTokenId", 403),
    ("InvalidSignatureException", 403),
    ("SignatureDoesNotMatch", 403),
    ("IncompleteSignatureException", 403),
    ("IncompleteSignature", 403),
    ("MissingAuthenticationTokenException", 403),
    ("MissingAuthenticationToken", 403),
    ("ExpiredTokenException", 403),
    ("ExpiredToken", 403),
    ("ResourceNotFoundException", 404),
    ("UnknownOperationException", 404),
    ("NoSuchKey", 404),
    ("NoSuchBucket", 404),
    ("ConflictException", 409),
    ("RetryableConflictException", 409),
    ("RequestEntityTooLargeException", 413),
    ("RuntimeClientError", 424),
    ("ThrottlingException", 429),
    ("InternalServerException", 500),
    ("ServerException", 500),
    ("InternalFailure", 500),
    ("BadGatewayException", 502),
    ("ServiceUnavailableException", 503),
    ("ServiceUnavailable", 503),
    ("GatewayTimeoutException", 504),
];

/// The HTTP status of an error name; `None` for a name no service answers with.
pub fn status_of(name: &str) -> Option<StatusCode> {
    STATUSES
        .iter()
        .find(|(known, _)| *known == name)
        .and_then(|(_, status)| StatusCode::from_u16(*status).ok())
}

/// Every error name that [`status_of`] knows, for messages.
pub fn known_names() -> impl Iterator<Item = &'static str> {
    STATUSES.iter().map(|(name, _)| *name)
}

/// Why a request was refused, as `ValidationException` words it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The request could not be read.
    CannotParse,
    /// A member broke its constraint.
    FieldValidationFailed,
    /// A client token came back with another request.
    IdempotentParameterMismatch,
}

impl Reason {
    fn wire(self) -> &'static str {
        match self {
            Self::CannotParse => "CannotParse",
            Self::FieldValidationFailed => "FieldValidationFailed",
            Self::IdempotentParameterMismatch => "IdempotentParameterMismatchException",
        }
    }
}

/// One member that broke its constraint: an entry of `fieldList`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the member, such as `networkConfiguration.networkMode`.
    pub name: String,
    /// What is wrong with it.
    pub message: String,
}

/// An error answer of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct ApiError {
    name: String,
    status: StatusCode,
    message: String,
    reason: Option<Reason>,
    fields: Vec<FieldError>,
}

impl ApiError {
    /// The error of this name with the status that belongs to it (500 for a name unknown to [`status_of`]).
    pub fn new(name: &str, message: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            status: status_of(name).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            message: message.into(),
            reason: None,
            fields: Vec::new(),
        }
    }

    /// The error of this name with status 400, which is that of every client error of CloudWatch Logs.
    pub fn bad_request(name: &str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            ..Self::new(name, message)
        }
    }

    /// `ValidationException` about the request as a whole.
    pub fn validation(message: impl Into<String>) -> Self {
        Self {
            reason: Some(Reason::FieldValidationFailed),
            ..Self::new("ValidationException", message)
        }
    }

    /// `ValidationException` about one member.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            fields: vec![FieldError {
                name: name.to_owned(),
                message: message.clone(),
            }],
            ..Self::validation(message)
        }
    }

    /// `ValidationException` that lists every broken member in the service's usual sentence.
    pub fn fields(fields: Vec<FieldError>) -> Self {
        let count = fields.len();
        let noun = if count == 1 { "error" } else { "errors" };
        let list: Vec<String> = fields
            .iter()
            .map(|f| {
                format!(
                    "Value at '{}' failed to satisfy constraint: {}",
                    f.name, f.message
                )
            })
            .collect();
        Self {
            fields,
            ..Self::validation(format!(
                "{count} validation {noun} detected: {}",
                list.join("; ")
            ))
        }
    }

    /// `ValidationException` with another reason.
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// `ConflictException`.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new("ConflictException", message)
    }

    /// `ResourceNotFoundException`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    /// The error name, such as `ConflictException`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn json(&self) -> Value {
        let mut body = json!({ "message": self.message });
        if let (Some(reason), "ValidationException") = (self.reason, self.name.as_str()) {
            body["reason"] = json!(reason.wire());
            if !self.fields.is_empty() {
                let list = self
                    .fields
                    .iter()
                    .map(|f| json!({ "name": f.name, "message": f.message }));
                body["fieldList"] = list.collect();
            }
        }
        body
    }

    /// The answer in the protocol of the service that was asked.
    pub fn into_response(self, protocol: Protocol, request_id: &str) -> Response {
        let (kind, body) = match protocol {
            Protocol::RestJson => ("application/json", self.json().to_string()),
            Protocol::Json11 => {
                let mut body = self.json();
                body["__type"] = json!(self.name);
                ("application/x-amz-json-1.1", body.to_string())
            }
            Protocol::Query => ("text/xml", self.xml(request_id)),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if protocol != Protocol::Query
            && let Ok(name) = HeaderValue::from_str(&self.name)
        {
            headers.insert("x-amzn-errortype", name);
        }
        response
    }

    fn xml(&self, request_id: &str) -> String {
        let side = if self.status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>{side}</Type><Code>{}</Code>\
             <Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
            escape_xml(&self.name),
            escape_xml(&self.message)
        )
    }
}

/// Text as XML character data.
pub fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
