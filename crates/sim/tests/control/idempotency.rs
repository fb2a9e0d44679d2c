//! Client tokens.

use serde_json::{Value, json};

use crate::client::{Bench, configuration, runtime, token, with};

fn tokened(body: Value, n: u32) -> Value {
    with(body, json!({ "clientToken": token(n) }))
}

#[tokio::test]
async fn the_same_token_and_request_get_the_same_answer_and_one_runtime() {
    let bench = Bench::start().await;
    let first = bench
        .call("PUT", "/runtimes/", tokened(runtime("r"), 1))
        .await
        .expect(202);
    bench.advance(60.0).await;
    let again = bench
        .call("PUT", "/runtimes/", tokened(runtime("r"), 1))
        .await
        .expect(202);
    assert_eq!(first, again);
    let listed = bench
        .call("POST", "/runtimes/", Value::Null)
        .await
        .expect(200);
    assert_eq!(listed["agentRuntimes"].as_array().unwrap().len(), 1);
    bench
        .call("PUT", "/runtimes/", tokened(runtime("r"), 2))
        .await
        .expect_error(409, "ConflictException");

    let id = first["agentRuntimeId"].as_str().unwrap();
    let update = bench
        .update(id, tokened(configuration(), 1))
        .await
        .expect(202);
    assert_eq!(
        bench
            .update(id, tokened(configuration(), 1))
            .await
            .expect(202),
        update
    );
    assert_eq!(bench.get(id).await["agentRuntimeVersion"], "2");
    let tokens = bench.admin("GET", "/_sim/tokens", Value::Null).await;
    let tokens = tokens.expect(200);
    let known = |operation: &str, n: u32| {
        let one = json!({ "operation": operation, "token": token(n) });
        tokens.as_array().unwrap().contains(&one)
    };
    assert!(known("CreateAgentRuntime", 1) && known("UpdateAgentRuntime", 1));
    assert!(
        !known("CreateAgentRuntime", 2),
        "it had no effect: {tokens}"
    );
    let path = format!("/runtimes/{id}/runtime-endpoints/");
    let made = bench
        .call("PUT", &path, tokened(json!({ "name": "live" }), 1))
        .await
        .expect(202);
    assert_eq!(
        bench
            .call("PUT", &path, tokened(json!({ "name": "live" }), 1))
            .await
            .expect(202),
        made
    );
    let gone = format!("{path}live/?clientToken={}", token(1));
    bench.call("DELETE", &gone, Value::Null).await.expect(202);
    bench.call("DELETE", &gone, Value::Null).await.expect(202);
}

#[tokio::test]
async fn the_same_token_with_another_request_is_a_mismatch() {
    let bench = Bench::start().await;
    bench
        .call("PUT", "/runtimes/", tokened(runtime("r"), 1))
        .await
        .expect(202);
    let answer = bench
        .call("PUT", "/runtimes/", tokened(runtime("s"), 1))
        .await;
    assert_eq!(
        answer.body["reason"],
        "IdempotentParameterMismatchException"
    );
    answer.expect_error(400, "ValidationException");
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_token() {
    let bench = Bench::with(json!({ "maxRuntimes": 0 })).await;
    bench
        .call("PUT", "/runtimes/", tokened(runtime("r"), 1))
        .await
        .expect_error(402, "ServiceQuotaExceededException");
    bench.settings(json!({ "maxRuntimes": 9 })).await;
    bench
        .call("PUT", "/runtimes/", tokened(runtime("r"), 1))
        .await
        .expect(202);
}

#[tokio::test]
async fn after_a_delete_a_token_replays_or_makes_anew_as_the_switch_says() {
    let bench = Bench::start().await;
    let first = bench
        .call("PUT", "/runtimes/", tokened(runtime("r"), 1))
        .await
        .expect(202);
    let id = first["agentRuntimeId"].as_str().unwrap();
    bench
        .call("DELETE", &format!("/runtimes/{id}/"), Value::Null)
        .await
        .expect(202);
    assert_eq!(
        bench
            .call("PUT", "/runtimes/", tokened(runtime("r"), 1))
            .await
            .expect(202),
        first
    );
    bench
        .call("GET", &format!("/runtimes/{id}/"), Value::Null)
        .await
        .expect_error(404, "ResourceNotFoundException");
    bench
        .settings(json!({ "tokenReplayAfterDelete": "new" }))
        .await;
    let second = bench
        .call("PUT", "/runtimes/", tokened(runtime("r"), 1))
        .await
        .expect(202);
    assert_ne!(second["agentRuntimeId"], first["agentRuntimeId"]);
}

#[tokio::test]
async fn a_token_is_forgotten_after_its_window() {
    let bench = Bench::with(json!({ "tokenWindowSeconds": 600 })).await;
    bench
        .call("PUT", "/runtimes/", tokened(runtime("r"), 1))
        .await
        .expect(202);
    bench.advance(601.0).await;
    bench
        .call("PUT", "/runtimes/", tokened(runtime("r"), 1))
        .await
        .expect_error(409, "ConflictException");
}
