//! Quotas, rates, agents that fail, and callers of the wrong kind.

use http::HeaderMap;
use serde_json::{Value, json};

use crate::stage::{SESSION, Stage, Wish, id, refused, told};

#[tokio::test]
async fn there_are_so_many_sessions_and_no_more() {
    let stage = Stage::start(json!({ "maxSessions": 2 })).await;
    stage.pid(1).await;
    stage.pid(2).await;
    let message = refused(
        stage.invoke(Wish::of(3, json!({}))).await,
        402,
        "ServiceQuotaExceededException",
    )
    .await;
    assert_eq!(message, "maxVms limit exceeded");
    stage.pid(1).await;
    assert_eq!(stage.stop(1, None, Value::Null).await.status(), 200);
    stage.pid(3).await;
}

#[tokio::test]
async fn a_runtime_without_mmdsv2_is_ready_and_not_invoked_until_an_update_requires_it() {
    let stage = Stage::start(json!({ "runtimesWithoutMmdsv2": true })).await;
    assert_eq!(stage.bench.get(&stage.runtime).await["status"], "READY");
    let message = refused(
        stage.invoke(Wish::of(1, json!({}))).await,
        400,
        "ValidationException",
    )
    .await;
    assert!(message.contains("not MMDSv2-enabled"), "{message}");
    stage
        .update(json!({ "metadataConfiguration": { "requireMMDSV2": true } }))
        .await;
    stage.pid(1).await;
}

#[tokio::test]
async fn each_endpoint_has_a_rate_of_invocations_and_each_region_one_of_stops() {
    let stage = Stage::start(json!({})).await;
    stage.endpoint("live").await;
    stage.pid(1).await;
    stage
        .bench
        .settings(json!({ "invokeRatePerSecond": 1, "stopRatePerSecond": 1, "burst": 2 }))
        .await;
    let mut passed = 0;
    let throttled = loop {
        let answer = stage.invoke(Wish::of(1, json!({}))).await;
        if answer.status() != 200 {
            break answer;
        }
        passed += 1;
        assert!(passed < 10_000, "never throttled");
    };
    refused(throttled, 429, "ThrottlingException").await;
    assert!(passed >= 2, "only {passed} passed");
    let other = Wish {
        qualifier: Some("live"),
        ..Wish::of(1, json!({}))
    };
    assert_eq!(
        stage.invoke(other).await.status(),
        200,
        "another endpoint, another bucket"
    );
    stage.bench.advance(3.0).await;
    stage.pid(1).await;

    let mut answers = 0;
    let throttled = loop {
        let answer = stage.stop(9, None, Value::Null).await;
        if answer.status() != 404 {
            break answer;
        }
        answers += 1;
        assert!(answers < 10_000, "never throttled");
    };
    refused(throttled, 429, "ThrottlingException").await;
    let calls = stage
        .bench
        .admin("GET", "/_sim/calls", Value::Null)
        .await
        .expect(200);
    assert_eq!(calls["throttled"], 2);
    assert_eq!(calls["byOperation"]["StopRuntimeSession"], answers + 1);
}

#[tokio::test]
async fn an_agents_own_errors_follow_the_switches() {
    let stage = Stage::start(json!({})).await;
    let invoke = async |status: u16| {
        stage
            .invoke(Wish::of(1, json!({ "do": "status", "status": status })))
            .await
    };
    let message = refused(invoke(503).await, 424, "RuntimeClientError").await;
    assert!(
        message.starts_with("Received error (503) from runtime."),
        "{message}"
    );
    let through = invoke(418).await;
    assert_eq!(
        (
            through.status().as_u16(),
            &through.headers()["content-type"]
        ),
        (418, &"application/problem+json".parse().unwrap())
    );
    assert_eq!(through.headers()[SESSION].to_str().unwrap(), id(1));
    stage
        .bench
        .settings(json!({ "container5xx": "passthrough", "container4xx": "424" }))
        .await;
    assert_eq!(invoke(503).await.status(), 503);
    refused(invoke(418).await, 424, "RuntimeClientError").await;
}

#[tokio::test]
async fn a_program_that_does_not_start_is_told_with_its_reason() {
    let stage = Stage::with(
        json!({}),
        json!({ "environmentVariables": { "EXIT_AT_START": "1" } }),
    )
    .await;
    let message = refused(
        stage.invoke(Wish::of(1, json!({}))).await,
        424,
        "RuntimeClientError",
    )
    .await;
    assert!(message.contains("exit status: 7"), "{message}");
    let sessions = stage.sessions().await;
    assert_eq!(
        (&sessions[0]["state"], &sessions[0]["endReason"]),
        (&json!("STOPPED"), &json!("EXITED"))
    );
    let log = std::fs::read_to_string(sessions[0]["log"].as_str().unwrap()).unwrap();
    assert!(log.contains("cannot start"), "{log}");

    stage
        .bench
        .settings(json!({ "initTimeoutSeconds": 1 }))
        .await;
    stage
        .update(json!({ "environmentVariables": { "NO_PING": "1" } }))
        .await;
    let message = refused(
        stage.invoke(Wish::of(2, json!({}))).await,
        424,
        "RuntimeClientError",
    )
    .await;
    assert!(
        message.starts_with("Runtime initialization time exceeded"),
        "{message}"
    );
    let pid = stage.sessions().await[1]["pid"].as_u64().unwrap();
    assert_eq!(stage.ended(pid).await, "INIT_TIMEOUT");
}

#[tokio::test]
async fn a_cold_start_takes_as_long_as_the_settings_say_and_only_once() {
    let stage = Stage::start(json!({ "coldStartMs": 1500 })).await;
    let begun = std::time::Instant::now();
    stage.pid(1).await;
    assert!(begun.elapsed().as_millis() >= 1500);
    stage
        .bench
        .settings(json!({ "coldStartMs": 3_600_000 }))
        .await;
    stage.pid(1).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_does_not_look_whole() {
    let stage = Stage::start(json!({})).await;
    let mut answer = stage
        .invoke(Wish::of(1, json!({ "do": "stream", "exitAfter": 3 })))
        .await;
    let mut text = Vec::new();
    let broken = loop {
        match answer.chunk().await {
            Ok(Some(piece)) => text.extend_from_slice(&piece),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(
        broken && text.starts_with(b"data: 0\n\n"),
        "{broken} {text:?}"
    );
}

#[tokio::test]
async fn runtimes_with_a_jwt_authorizer_take_bearer_tokens_only_and_others_none() {
    let authorizer = json!({ "customJWTAuthorizer": {
        "discoveryUrl": "https://issuer.example/.well-known/openid-configuration", "allowedAudience": ["agents"],
    } });
    let allowlist = json!({ "requestHeaderAllowlist": ["Authorization"] });
    let members =
        json!({ "authorizerConfiguration": authorizer, "requestHeaderConfiguration": allowlist });
    let stage = Stage::with(json!({}), members).await;
    refused(
        stage.invoke(Wish::of(1, json!({}))).await,
        403,
        "AccessDeniedException",
    )
    .await;
    refused(
        stage.stop(1, None, Value::Null).await,
        403,
        "AccessDeniedException",
    )
    .await;
    let bearer = async |stage: &Stage| {
        let mut headers = HeaderMap::new();
        headers.insert(
            "authorization",
            "Bearer header.payload.signature".parse().unwrap(),
        );
        headers.insert(SESSION, id(1).parse().unwrap());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!(
            "{}{}",
            stage.bench.sim.url(),
            stage.path("invocations", None)
        );
        http.post(url)
            .headers(headers)
            .body("{}")
            .send()
            .await
            .unwrap()
    };
    let seen = told(bearer(&stage).await).await;
    assert_eq!(
        seen["headers"]["authorization"],
        "Bearer header.payload.signature"
    );
    let signed = Stage::start(json!({})).await;
    refused(bearer(&signed).await, 403, "AccessDeniedException").await;
}

#[tokio::test]
async fn faults_strike_the_data_plane_before_and_after_the_effect() {
    let stage = Stage::start(json!({})).await;
    let fault = |when: &str| json!([{ "operation": "InvokeAgentRuntime", "when": when, "error": "RetryableConflictException", "times": 1 }]);
    stage.bench.faults(fault("before")).await;
    refused(
        stage.invoke(Wish::of(1, json!({}))).await,
        409,
        "RetryableConflictException",
    )
    .await;
    assert_eq!(stage.sessions().await.len(), 0);
    stage.bench.faults(fault("after")).await;
    refused(
        stage.invoke(Wish::of(1, json!({}))).await,
        409,
        "RetryableConflictException",
    )
    .await;
    assert_eq!(stage.sessions().await[0]["invocations"], 1);
}
