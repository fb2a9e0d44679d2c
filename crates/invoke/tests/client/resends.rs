//! What is sent again and what is not, counted at the service and at the agent.

use std::time::{Duration, Instant};

use agentcore_invoke::{
    Auth, Client, Credentials, DataPlane, Error, Failed, Invoke, Payload, Resend, Settings,
};
use bytes::Bytes;
use http::HeaderValue;
use http_body_util::{BodyExt as _, Full};
use serde_json::json;

use crate::stage::{Stage, client_of, keys, nobody, wish};
use crate::tiny::{Tiny, answer};

const OPERATION: &str = "InvokeAgentRuntime";

/// What becomes of an invocation that strikes this fault: attempts or the error's name and attempts, and how often the agent saw it.
async fn outcome(
    stage: &Stage,
    resend: Resend,
    (when, error, times): (&str, &str, u32),
) -> (Result<u32, (&'static str, u32)>, u64) {
    stage.seen("warm").await;
    stage.admin("DELETE", "calls", json!(null)).await;
    stage.fault(OPERATION, when, error, times).await;
    let name = format!("{when}-{error}-{times}-{resend:?}");
    let call = Invoke {
        resend,
        ..wish(&stage.target, &json!({ "name": name }))
    };
    let found = match stage.client.invoke(call).await {
        Ok(answer) => Ok(answer.attempts),
        Err(Failed { error, attempts }) => Err((error.reason(), attempts)),
    };
    let attempts = found.unwrap_or_else(|(_, attempts)| attempts);
    assert_eq!(stage.calls(OPERATION).await, u64::from(attempts), "{name}");
    stage.admin("DELETE", "faults", json!(null)).await;
    (found, stage.seen(&name).await)
}

#[tokio::test]
async fn what_was_not_processed_is_sent_again_in_any_case() {
    let stage = Stage::start().await;
    for error in ["ThrottlingException", "RetryableConflictException"] {
        for resend in [Resend::Safe, Resend::Idempotent] {
            assert_eq!(
                outcome(&stage, resend, ("before", error, 2)).await,
                (Ok(3), 1),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn there_are_four_attempts_at_most() {
    let stage = Stage::start().await;
    let found = outcome(
        &stage,
        Resend::Idempotent,
        ("before", "ThrottlingException", 9),
    )
    .await;
    assert_eq!(found, (Err(("service", 4)), 0));
}

#[tokio::test]
async fn a_connection_that_broke_is_tried_again_only_where_that_is_allowed() {
    let stage = Stage::start().await;
    let drop = ("after", "drop", 1);
    assert_eq!(
        outcome(&stage, Resend::Safe, drop).await,
        (Err(("broken_off", 1)), 1)
    );
    assert_eq!(outcome(&stage, Resend::Idempotent, drop).await, (Ok(2), 2));
}

#[tokio::test]
async fn errors_after_the_agent_may_have_worked_are_tried_again_only_where_that_is_allowed() {
    let stage = Stage::start().await;
    for error in [
        "InternalServerException",
        "BadGatewayException",
        "RuntimeClientError",
    ] {
        let fault = ("after", error, 1);
        let safe = outcome(&stage, Resend::Safe, fault).await;
        assert_eq!(safe, (Err(("service", 1)), 1), "{error}");
        let idempotent = outcome(&stage, Resend::Idempotent, fault).await;
        assert_eq!(idempotent, (Ok(2), 2), "{error}");
    }
}

#[tokio::test]
async fn an_agent_that_fails_twice_is_not_asked_a_third_time() {
    let stage = Stage::start().await;
    let found = outcome(
        &stage,
        Resend::Idempotent,
        ("before", "RuntimeClientError", 9),
    )
    .await;
    assert_eq!(found, (Err(("service", 2)), 0));
}

#[tokio::test]
async fn refusals_are_final() {
    let stage = Stage::start().await;
    for error in [
        "ValidationException",
        "AccessDeniedException",
        "ResourceNotFoundException",
        "ServiceQuotaExceededException",
        "ConflictException",
    ] {
        let found = outcome(&stage, Resend::Idempotent, ("before", error, 1)).await;
        assert_eq!(found, (Err(("service", 1)), 0), "{error}");
    }
}

fn throttled(more: &str) -> String {
    let more = format!("x-amzn-ErrorType: ThrottlingException\r\n{more}");
    answer(429, &more, r#"{"message":"slow down"}"#)
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let server = Tiny::start(vec![throttled("Retry-After: 1\r\n"), answer(200, "", "{}")]).await;
    let begun = Instant::now();
    let target = nobody();
    let answer = client_of(&server.url())
        .invoke(wish(&target, &json!({})))
        .await
        .unwrap();
    assert_eq!(answer.attempts, 2);
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn retry_after_is_waited_for_up_to_the_cap() {
    let server = Tiny::start(vec![
        throttled("Retry-After: 100000\r\n"),
        answer(200, "", "{}"),
    ])
    .await;
    let settings = Settings {
        backoff_cap: Duration::from_millis(10),
        ..Settings::default()
    };
    let data_plane = DataPlane::at(&server.url()).unwrap();
    let client = Client::new(data_plane, Credentials::new(keys("a", "b")), settings).unwrap();
    let target = nobody();
    let answer = client.invoke(wish(&target, &json!({}))).await.unwrap();
    assert_eq!(answer.attempts, 2);
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_is_not_begun() {
    let server = Tiny::start(vec![throttled("Retry-After: 4\r\n")]).await;
    let target = nobody();
    let call = Invoke {
        first_byte: Duration::from_secs(2),
        ..wish(&target, &json!({}))
    };
    let begun = Instant::now();
    let failed = client_of(&server.url()).invoke(call).await.unwrap_err();
    assert_eq!(failed.to_string(), "ThrottlingException (429): slow down");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_streamed_body_is_never_sent_again() {
    let server = Tiny::start(vec![throttled("")]).await;
    let target = nobody();
    let body = Full::new(Bytes::from("{}"));
    let call = Invoke {
        payload: Payload::Stream {
            body: body.map_err(|never| match never {}).boxed_unsync(),
            length: Some(2),
        },
        auth: Auth::Bearer(HeaderValue::from_static("Bearer e30.e30.e30")),
        resend: Resend::Idempotent,
        ..wish(&target, &json!({}))
    };
    let failed = client_of(&server.url()).invoke(call).await.unwrap_err();
    assert!(matches!(failed.error, Error::Service(_)), "{failed}");
    assert_eq!((failed.attempts, server.connections()), (1, 1));
}

#[tokio::test]
async fn all_attempts_of_a_stop_carry_the_same_token_and_their_own_signature() {
    let server = Tiny::start(vec![throttled(""), answer(200, "", "{}")]).await;
    let client = client_of(&server.url());
    client
        .stop(&nobody(), &crate::stage::session(1), Auth::SigV4)
        .await
        .unwrap();
    let bodies = server.bodies().await;
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
    assert!(
        bodies[0].starts_with(r#"{"clientToken":""#),
        "{}",
        bodies[0]
    );
}
