use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;

use super::*;

/// An error as AWS answers it: status, name, text.
fn answered(status: u16, code: Option<&str>, message: &str) -> Fault {
    let mut metadata = ErrorMetadata::builder().message(message);
    if let Some(code) = code {
        metadata = metadata.code(code);
    }
    let mut response = HttpResponse::new(
        StatusCode::try_from(status).expect("a status"),
        SdkBody::empty(),
    );
    response
        .headers_mut()
        .insert("x-amzn-requestid", "8c5e3b0a");
    let error = aws_sdk_bedrockagentcorecontrol::operation::create_agent_runtime::CreateAgentRuntimeError::generic(metadata.build());
    classify(&SdkError::service_error(error, response))
}

#[test]
fn error_names_decide_the_class() {
    for (status, code, class, reason) in [
        (
            429,
            "ThrottlingException",
            Class::Throttled,
            reasons::THROTTLED,
        ),
        (
            400,
            "ThrottlingException",
            Class::Throttled,
            reasons::THROTTLED,
        ),
        (
            404,
            "ResourceNotFoundException",
            Class::Gone,
            reasons::UNKNOWN_ERROR,
        ),
        (409, "ConflictException", Class::Conflict, reasons::CONFLICT),
        (
            402,
            "ServiceQuotaExceededException",
            Class::Quota,
            reasons::QUOTA_EXCEEDED,
        ),
        (
            403,
            "AccessDeniedException",
            Class::Denied,
            reasons::ACCESS_DENIED,
        ),
        (
            403,
            "ExpiredTokenException",
            Class::Denied,
            reasons::ACCESS_DENIED,
        ),
        (
            403,
            "UnrecognizedClientException",
            Class::Denied,
            reasons::ACCESS_DENIED,
        ),
        (
            403,
            "InvalidSignatureException",
            Class::Denied,
            reasons::ACCESS_DENIED,
        ),
        (400, "ValidationException", Class::Invalid, reasons::INVALID),
        (
            500,
            "InternalServerException",
            Class::Transient,
            reasons::SERVICE_UNAVAILABLE,
        ),
        (
            503,
            "SomethingNew",
            Class::Transient,
            reasons::SERVICE_UNAVAILABLE,
        ),
        (
            404,
            "UnknownOperationException",
            Class::Unknown,
            reasons::UNKNOWN_ERROR,
        ),
        (404, "SomethingNew", Class::Unknown, reasons::UNKNOWN_ERROR),
        (418, "SomethingNew", Class::Unknown, reasons::UNKNOWN_ERROR),
    ] {
        let fault = answered(status, Some(code), "text");
        assert_eq!(
            (fault.class, fault.reason),
            (class, reason),
            "{status} {code}"
        );
        assert_eq!(
            (fault.code.as_str(), fault.message.as_str()),
            (code, "text")
        );
        assert_eq!(fault.request_id.as_deref(), Some("8c5e3b0a"));
    }
}

#[test]
fn texts_tell_the_causes_of_a_refusal_apart() {
    for (text, class, reason) in [
        (
            "Role validation failed for 'arn:aws:iam::111122223333:role/x'.",
            Class::NotYet,
            reasons::ROLE_INVALID,
        ),
        (
            "The specified image identifier does not exist in the repository",
            Class::NotYet,
            reasons::IMAGE_NOT_FOUND,
        ),
        (
            "Access denied while validating ECR URI 'x'. The execution role requires ...",
            Class::NotYet,
            reasons::IMAGE_ACCESS_DENIED,
        ),
        (
            "Architecture incompatible for uri 'x'. Supported architectures: [arm64]",
            Class::Invalid,
            reasons::IMAGE_ARCHITECTURE,
        ),
        (
            "Subnet subnet-1 is in an unsupported availability zone",
            Class::Invalid,
            reasons::UNSUPPORTED_AVAILABILITY_ZONE,
        ),
        (
            "Value 'a-b' at 'agentRuntimeName' failed to satisfy constraint",
            Class::Invalid,
            reasons::INVALID,
        ),
    ] {
        let fault = answered(400, Some("ValidationException"), text);
        assert_eq!((fault.class, fault.reason), (class, reason), "{text}");
    }
}

#[test]
fn the_service_linked_role_of_a_fresh_account_is_waited_for() {
    let text = "Failed creating service linked role. Rate limit exceeded from IAM";
    let fault = answered(402, Some("ServiceQuotaExceededException"), text);
    assert_eq!(
        (fault.class, fault.reason),
        (Class::NotYet, reasons::NOT_YET)
    );
    assert_eq!(
        answered(
            402,
            Some("ServiceQuotaExceededException"),
            "too many runtimes"
        )
        .class,
        Class::Quota
    );
}

#[test]
fn a_denial_stays_a_denial_whatever_its_text_says() {
    for text in [
        "agent was not found",
        "Role validation failed",
        "cannot create service linked role",
    ] {
        assert_eq!(
            answered(403, Some("AccessDeniedException"), text).class,
            Class::Denied,
            "{text}"
        );
    }
}

#[test]
fn a_page_from_something_on_the_way_never_passes_for_an_answer_of_the_service() {
    assert_eq!(answered(404, None, "").class, Class::Unknown);
    assert_eq!(answered(502, None, "").class, Class::Transient);
    assert_eq!(answered(403, None, "").class, Class::Denied);
    let unreadable = answered(202, None, "");
    assert_eq!(
        (unreadable.class, unreadable.code.as_str()),
        (Class::Unknown, UNREADABLE)
    );
}

#[test]
fn error_names_are_fit_for_metric_labels() {
    assert_eq!(
        answered(400, Some("com.amazonaws#ValidationException:http://x/"), "").code,
        "ValidationException"
    );
    assert_eq!(
        answered(400, Some("evil{label=\"1\"}"), "").code,
        "evillabel1"
    );
    assert_eq!(answered(400, Some(&"x".repeat(1000)), "").code.len(), 64);
}

#[test]
fn texts_are_kept_within_reason() {
    assert_eq!(
        answered(400, Some("ValidationException"), &"ä".repeat(5000))
            .message
            .chars()
            .count(),
        MESSAGE_MAX
    );
}

#[test]
fn missing_credentials_are_a_denial_and_slow_ones_are_not() {
    use aws_smithy_runtime_api::client::result::ConnectorError;
    type Error = aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;
    let failed = |cause: CredentialsError| {
        classify(&SdkError::<Error, _>::dispatch_failure(
            ConnectorError::other(cause.into(), None),
        ))
    };
    assert_eq!(
        failed(CredentialsError::not_loaded("none")).class,
        Class::Denied
    );
    assert_eq!(
        failed(CredentialsError::provider_error("expired")).class,
        Class::Denied
    );
    let slow = failed(CredentialsError::provider_timed_out(
        std::time::Duration::from_secs(5),
    ));
    assert_eq!(
        (slow.class, slow.code.as_str()),
        (Class::Transient, "Credentials")
    );
}
