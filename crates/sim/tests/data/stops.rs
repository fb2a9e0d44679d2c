//! StopRuntimeSession.

use http::HeaderMap;
use serde_json::{Value, json};

use crate::client::token;
use crate::stage::{SESSION, Stage, Wish, alive, id, refused, told, until};

#[tokio::test]
async fn a_stop_ends_the_process_and_the_id_begins_anew() {
    let stage = Stage::start(json!({})).await;
    let pid = stage.pid(1).await;
    let other = stage.pid(2).await;
    let answer = stage
        .stop(1, None, json!({ "clientToken": token(1) }))
        .await;
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.headers()[SESSION].to_str().unwrap()
        ),
        (200, id(1).as_str())
    );
    assert_eq!(stage.entry(pid).await["state"], "STOPPED");
    assert_eq!(stage.ended(pid).await, "STOPPED_BY_CALLER");
    assert!(stage.log(pid).await.contains("terminated"), "no SIGTERM");
    assert!(alive(other));
    assert_ne!(stage.pid(1).await, pid);
}

#[tokio::test]
async fn what_does_not_run_is_not_found_unless_the_token_or_a_switch_says_otherwise() {
    let stage = Stage::start(json!({})).await;
    refused(
        stage.stop(1, None, Value::Null).await,
        404,
        "ResourceNotFoundException",
    )
    .await;
    stage.pid(1).await;
    let with_token = json!({ "clientToken": token(1) });
    assert_eq!(stage.stop(1, None, with_token.clone()).await.status(), 200);
    assert_eq!(
        stage.stop(1, None, with_token.clone()).await.status(),
        200,
        "the same stop again"
    );
    refused(
        stage
            .stop(1, None, json!({ "clientToken": token(2) }))
            .await,
        404,
        "ResourceNotFoundException",
    )
    .await;
    refused(
        stage.stop(2, None, with_token).await,
        400,
        "ValidationException",
    )
    .await;
    stage.bench.settings(json!({ "stopUnknown": 200 })).await;
    assert_eq!(stage.stop(1, None, Value::Null).await.status(), 200);
}

#[tokio::test]
async fn a_session_is_stopped_through_the_endpoint_of_its_birth_only() {
    let stage = Stage::start(json!({})).await;
    stage.endpoint("live").await;
    let wish = Wish {
        qualifier: Some("live"),
        ..Wish::of(1, json!({}))
    };
    let pid = told(stage.invoke(wish).await).await["pid"]
        .as_u64()
        .unwrap();
    refused(
        stage.stop(1, None, Value::Null).await,
        404,
        "ResourceNotFoundException",
    )
    .await;
    refused(
        stage.stop(1, Some("nothing"), Value::Null).await,
        404,
        "ResourceNotFoundException",
    )
    .await;
    assert_eq!(stage.entry(pid).await["state"], "RUNNING");
    assert_eq!(stage.stop(1, Some("live"), Value::Null).await.status(), 200);
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_is_killed_after_the_grace() {
    let members = json!({ "environmentVariables": { "STUBBORN": "1" } });
    let stage = Stage::with(json!({ "stopGraceSeconds": 1 }), members).await;
    let pid = stage.pid(1).await;
    let begun = std::time::Instant::now();
    assert_eq!(stage.stop(1, None, Value::Null).await.status(), 200);
    until("the signal", async || {
        stage.log(pid).await.contains("terminated").then_some(())
    })
    .await;
    stage.ended(pid).await;
    assert!(begun.elapsed().as_secs_f64() >= 1.0, "no grace was given");
}

#[tokio::test]
async fn a_stop_needs_a_good_session_id_and_a_good_body() {
    let stage = Stage::start(json!({})).await;
    let path = stage.path("stopruntimesession", None);
    let bare = stage
        .post(&path, &HeaderMap::new(), String::new())
        .await
        .unwrap();
    refused(bare, 400, "ValidationException").await;
    let mut headers = HeaderMap::new();
    headers.insert(SESSION, "s".repeat(32).parse().unwrap());
    refused(
        stage.post(&path, &headers, String::new()).await.unwrap(),
        400,
        "ValidationException",
    )
    .await;
    for body in [
        json!({ "clientToken": "short" }),
        json!({ "clientToken": format!("-{}", token(1)) }),
    ] {
        refused(stage.stop(1, None, body).await, 400, "ValidationException").await;
    }
    refused(
        stage.stop(1, None, json!({ "clientToken": 1 })).await,
        400,
        "SerializationException",
    )
    .await;
}

#[tokio::test]
async fn a_session_that_is_still_starting_can_be_stopped() {
    let members = json!({ "environmentVariables": { "NO_PING": "1" } });
    let stage = Stage::with(json!({}), members).await;
    let (answer, ()) = tokio::join!(stage.invoke(Wish::of(1, json!({}))), async {
        until("the start", async || {
            (stage.sessions().await.len() == 1).then_some(())
        })
        .await;
        assert_eq!(stage.stop(1, None, Value::Null).await.status(), 200);
    });
    refused(answer, 424, "RuntimeClientError").await;
}
