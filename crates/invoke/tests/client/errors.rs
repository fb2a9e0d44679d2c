//! AWS's errors: every row of the table, and the forms that they come in.

use std::time::Duration;

use agentcore_invoke::{Auth, Error, ServiceError};
use http::StatusCode;
use serde_json::json;

use crate::stage::{Stage, client_of, nobody, wish};
use crate::tiny::{Tiny, answer};

#[tokio::test]
async fn every_error_of_the_table_is_told_by_name_status_and_message() {
    let stage = Stage::start().await;
    for (name, status) in [
        ("ValidationException", 400),
        ("UnauthorizedException", 401),
        ("ServiceQuotaExceededException", 402),
        ("AccessDeniedException", 403),
        ("ResourceNotFoundException", 404),
        ("ConflictException", 409),
        ("RetryableConflictException", 409),
        ("RequestEntityTooLargeException", 413),
        ("RuntimeClientError", 424),
        ("ThrottlingException", 429),
        ("InternalServerException", 500),
        ("BadGatewayException", 502),
    ] {
        let message = format!("of {name}");
        let fault =
            json!([{ "operation": "InvokeAgentRuntime", "error": name, "message": message }]);
        stage.admin("PUT", "faults", fault).await;
        let failed = stage.invoke(&json!({})).await.unwrap_err();
        let text = failed.to_string();
        let Error::Service(error) = failed.error else {
            panic!("{name}: {text}");
        };
        assert_eq!(error.name, name);
        assert_eq!(error.status.as_u16(), status, "{name}");
        assert_eq!(error.message, message);
        assert!(error.request_id.is_some_and(|id| !id.is_empty()), "{name}");
        assert_eq!(text, format!("{name} ({status}): of {name}"));
    }
}

/// The error in this answer.
async fn read(status: u16, more: &str, body: &str) -> ServiceError {
    let server = Tiny::start(vec![answer(status, more, body)]).await;
    let target = nobody();
    let failed = client_of(&server.url())
        .invoke(wish(&target, &json!({})))
        .await
        .unwrap_err();
    let Error::Service(error) = failed.error else {
        panic!("{failed}");
    };
    error
}

#[tokio::test]
async fn names_come_without_namespace_and_address() {
    let header = "X-Amzn-ErrorType: com.amazon.agents#ConflictException:http://internal.amazon.com/\r\nx-amzn-RequestId: r-1\r\n";
    let error = read(409, header, r#"{"Message":"busy"}"#).await;
    let expected = ServiceError {
        name: "ConflictException".to_owned(),
        message: "busy".to_owned(),
        status: StatusCode::CONFLICT,
        request_id: Some("r-1".to_owned()),
        retry_after: None,
        challenge: None,
    };
    assert_eq!(error, expected);
}

#[tokio::test]
async fn a_body_that_is_no_json_leaves_the_message_empty() {
    let error = read(403, "x-amzn-errortype: AccessDeniedException\r\n", "<html>").await;
    assert_eq!(error.to_string(), "AccessDeniedException (403)");
}

#[tokio::test]
async fn hints_of_when_and_how_to_come_back_are_kept() {
    let more = "x-amzn-errortype: UnauthorizedException\r\nRetry-After: 7\r\nWWW-Authenticate: Bearer realm=\"a\"\r\n";
    let error = read(401, more, "{}").await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(error.challenge.unwrap(), "Bearer realm=\"a\"");
}

#[tokio::test]
async fn senseless_hints_are_left_out() {
    for value in ["-1", "soon", "nan", "1e400"] {
        let more = format!("x-amzn-errortype: ConflictException\r\nRetry-After: {value}\r\n");
        assert_eq!(read(409, &more, "{}").await.retry_after, None, "{value}");
    }
}

#[tokio::test]
async fn only_the_beginning_of_a_huge_explanation_is_read() {
    let body = format!(r#"{{"message":"{}"}}"#, "x".repeat(1 << 20));
    let error = read(400, "x-amzn-errortype: ValidationException\r\n", &body).await;
    assert_eq!(error.message, "");
    let body = format!(r#"{{"message":"{}"}}"#, "x".repeat(10_000));
    let error = read(400, "x-amzn-errortype: ValidationException\r\n", &body).await;
    assert_eq!(error.message.len(), 4096);
}

#[tokio::test]
async fn errors_show_neither_payload_nor_keys_nor_session() {
    let stage = Stage::start().await;
    let fault = json!([{ "operation": "InvokeAgentRuntime", "error": "drop" }]);
    stage.admin("PUT", "faults", fault).await;
    let failed = stage
        .invoke(&json!({ "prompt": "secret-prompt" }))
        .await
        .unwrap_err();
    let shown = format!("{failed} {failed:?}");
    for secret in [
        "secret-prompt",
        "session-0123456789",
        "Signature",
        "Credential",
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn without_aws_s_mark_a_stop_s_bad_status_is_still_an_error() {
    let server = Tiny::start(vec![answer(403, "", "<html>forbidden</html>")]).await;
    let client = client_of(&server.url());
    let failed = client
        .stop(&nobody(), &crate::stage::session(1), Auth::SigV4)
        .await
        .unwrap_err();
    assert_eq!(failed.to_string(), "Forbidden (403)");
}
