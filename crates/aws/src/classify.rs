//! Every error of an AWS call becomes a [`Fault`] here, once: by the error's name, the HTTP status and the text.
//!
//! The class says what to do next. Where an answer is missing or unreadable the call may have had its effect, so those are
//! never taken for refusals.

use std::error::Error as StdError;

use agentcore_api::reasons;
use agentcore_plan::failure::{self, Heals};
use agentcore_plan::fault::{Class, Fault};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::RequestId as _;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Code of an answer that could not be read.
pub const UNREADABLE: &str = "Unreadable";

/// Most characters of AWS's text that are kept: it ends up in a status.
const MESSAGE_MAX: usize = 1024;

/// The fault that this error is.
pub fn classify<E>(error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let request_id = error.request_id().map(ToOwned::to_owned);
    let fault = match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let error = answer.err();
            match error.code() {
                Some(code) => refused(code, status, error.message().unwrap_or_default()),
                None => nameless(status, error),
            }
        }
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            nameless(status, error.source().unwrap_or(error))
        }
        SdkError::TimeoutError(_) => {
            let text = format!("no answer in time: {}", causes(error));
            fault(
                Class::Transient,
                reasons::SERVICE_UNAVAILABLE,
                "Timeout",
                &text,
            )
        }
        SdkError::DispatchFailure(_) => dispatch(error),
        _ => fault(
            Class::Invalid,
            reasons::INVALID,
            "Construction",
            &causes(error),
        ),
    };
    Fault {
        request_id,
        ..fault
    }
}

/// The fault of an answer that came, and that this program cannot make sense of. The call had its effect.
pub fn unreadable(problem: &str, request_id: Option<&str>) -> Fault {
    Fault {
        request_id: request_id.map(ToOwned::to_owned),
        ..fault(
            Class::Unknown,
            reasons::UNKNOWN_ERROR,
            UNREADABLE,
            &format!("the answer could not be read: {problem}"),
        )
    }
}

/// The fault of a list whose next page is the page itself.
pub fn endless(request_id: Option<&str>) -> Fault {
    unreadable("nextToken repeats itself", request_id)
}

/// The fault of a request that cannot be put into AWS's form.
pub fn unsendable(problem: &str) -> Fault {
    fault(
        Class::Invalid,
        reasons::INVALID_SPEC,
        "Construction",
        problem,
    )
}

/// AWS's refusal: an error name, a status and a text.
pub(super) fn refused(code: &str, status: u16, message: &str) -> Fault {
    // `com.amazonaws#Name:http://...` is a legal spelling of `Name`.
    let code = code.rsplit('#').next().unwrap_or(code);
    let code = code.split(':').next().unwrap_or(code);
    let class = match class_of_name(code) {
        Some(class) => class,
        None if status == 400 => Class::Invalid,
        None => class_of_status(status),
    };
    // AWS answers several causes with one name, and only the text tells them apart. A role or an image that it does not find can
    // have been made a moment ago, or be put right outside the manifest: that is not final.
    let text = failure::classify(message, reasons::INVALID);
    let (class, reason) = match class {
        Class::Denied => (class, reason_of(class)),
        _ if text.reason == reasons::NOT_YET => (Class::NotYet, text.reason),
        Class::Invalid if text.reason != reasons::INVALID && text.heals == Heals::Outside => {
            (Class::NotYet, text.reason)
        }
        Class::Invalid => (class, text.reason),
        _ => (class, reason_of(class)),
    };
    let message = if message.is_empty() { code } else { message };
    fault(class, reason, code, message)
}

/// An answer without an error name: something between here and AWS, or a success that could not be parsed.
fn nameless(status: u16, error: &(dyn StdError + 'static)) -> Fault {
    if (200..300).contains(&status) {
        // A body that broke off is a lost answer; one that came whole and makes no sense is not.
        return if broke_off(error) {
            fault(
                Class::Transient,
                reasons::SERVICE_UNAVAILABLE,
                "Dispatch",
                &causes(error),
            )
        } else {
            unreadable(&causes(error), None)
        };
    }
    let class = class_of_status(status);
    fault(
        class,
        reason_of(class),
        &format!("Http{status}"),
        &format!("HTTP status {status} without an AWS error name"),
    )
}

/// Nothing was answered: no credentials to sign with, or no connection, or it broke.
fn dispatch(error: &(dyn StdError + 'static)) -> Fault {
    match chain(error).find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
        // The source of credentials was slow, which heals; any other failure says that there are none that are good.
        Some(CredentialsError::ProviderTimedOut(_)) => fault(
            Class::Transient,
            reasons::SERVICE_UNAVAILABLE,
            "Credentials",
            &causes(error),
        ),
        Some(_) => fault(
            Class::Denied,
            reasons::ACCESS_DENIED,
            "Credentials",
            &causes(error),
        ),
        None => fault(
            Class::Transient,
            reasons::SERVICE_UNAVAILABLE,
            "Dispatch",
            &causes(error),
        ),
    }
}

/// What AWS's error names mean. Those that end in `Exception` are AgentCore's, the others are shared by AWS's front doors.
fn class_of_name(code: &str) -> Option<Class> {
    Some(match code {
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown" => Class::Throttled,
        "ResourceNotFoundException" => Class::Gone,
        "ConflictException" | "RetryableConflictException" => Class::Conflict,
        "ServiceQuotaExceededException" | "LimitExceededException" => Class::Quota,
        "AccessDeniedException"
        | "AccessDenied"
        | "UnauthorizedException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "ExpiredTokenException"
        | "ExpiredToken"
        | "InvalidToken"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "NotAuthorized"
        | "OptInRequired" => Class::Denied,
        "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "InvalidParameterException"
        | "InvalidParameterValue"
        | "MalformedQueryString" => Class::Invalid,
        "InternalServerException"
        | "InternalServerError"
        | "InternalFailure"
        | "InternalError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException" => Class::Transient,
        "UnknownOperationException" => Class::Unknown,
        _ => return None,
    })
}

/// Without a name that is known. A 404 may come from anything on the way and must not pass for a runtime that is gone.
fn class_of_status(status: u16) -> Class {
    match status {
        401 | 403 => Class::Denied,
        402 => Class::Quota,
        409 => Class::Conflict,
        413 => Class::Invalid,
        429 => Class::Throttled,
        408 | 500.. => Class::Transient,
        _ => Class::Unknown,
    }
}

fn reason_of(class: Class) -> &'static str {
    match class {
        Class::Throttled => reasons::THROTTLED,
        Class::Transient => reasons::SERVICE_UNAVAILABLE,
        Class::NotYet => reasons::NOT_YET,
        Class::Conflict => reasons::CONFLICT,
        Class::Denied => reasons::ACCESS_DENIED,
        Class::Invalid => reasons::INVALID,
        Class::Quota => reasons::QUOTA_EXCEEDED,
        Class::Gone | Class::Unknown => reasons::UNKNOWN_ERROR,
    }
}

/// A fault in the form that statuses and metrics can take.
pub(super) fn fault(class: Class, reason: &'static str, code: &str, message: &str) -> Fault {
    // The name becomes a metric label: nothing but a name may come through, whoever answered.
    let code: String = code
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        .take(64)
        .collect();
    Fault {
        class,
        reason,
        code,
        message: message.chars().take(MESSAGE_MAX).collect(),
        request_id: None,
    }
}

/// An error and what caused it, outermost first.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// What went wrong, in one line, each text once.
fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in chain(error) {
        let text = cause.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

/// Whether the body of an answer ended before its end.
fn broke_off(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|cause| {
        cause.is::<std::io::Error>() || {
            let text = cause.to_string();
            text.contains("error reading a body") || text.contains("streaming error")
        }
    })
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
