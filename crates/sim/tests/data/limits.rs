//! Limits of time and number, and the switches about one session's requests.

use serde_json::{Value, json};

use crate::stage::{Stage, Wish, alive, refused, until};

/// An invocation that is answered once `file` is there.
fn waiting(session: u32, file: &std::path::Path) -> Wish {
    Wish::of(session, json!({ "do": "wait", "for": file }))
}

async fn agent_waits(stage: &Stage, pid: u64, times: usize) {
    until("the agent's wait", async || {
        (stage.log(pid).await.matches("waiting").count() == times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn so_many_sessions_begin_in_a_minute_through_an_endpoint() {
    let stage = Stage::start(json!({ "newSessionsPerMinute": 2 })).await;
    stage.endpoint("live").await;
    stage.pid(1).await;
    stage.pid(2).await;
    refused(
        stage.invoke(Wish::of(3, json!({}))).await,
        429,
        "ThrottlingException",
    )
    .await;
    stage.pid(1).await;
    let elsewhere = Wish {
        qualifier: Some("live"),
        ..Wish::of(3, json!({}))
    };
    assert_eq!(stage.invoke(elsewhere).await.status(), 200);
    let calls = stage.bench.admin("GET", "/_sim/calls", Value::Null).await;
    assert_eq!(calls.expect(200)["throttled"], 1);
    stage.bench.advance(31.0).await;
    stage.pid(3).await;
}

#[tokio::test]
async fn an_agent_has_15_minutes_to_answer() {
    let stage = Stage::start(json!({})).await;
    let pid = stage.pid(1).await;
    let folder = tempfile::tempdir().unwrap();
    let never = folder.path().join("never");
    let (answer, ()) = tokio::join!(stage.invoke(waiting(1, &never)), async {
        agent_waits(&stage, pid, 1).await;
        stage.bench.advance(901.0).await;
    });
    let message = refused(answer, 424, "RuntimeClientError").await;
    assert!(message.contains("900s"), "{message}");
    assert_eq!(
        stage.pid(1).await,
        pid,
        "a late answer is not the session's end"
    );
}

#[tokio::test]
async fn a_stream_breaks_off_after_60_minutes() {
    let stage = Stage::start(json!({})).await;
    let mut answer = stage.invoke(Wish::of(1, json!({ "do": "stream" }))).await;
    answer.chunk().await.unwrap().unwrap();
    let pid = stage.sessions().await[0]["pid"].as_u64().unwrap();
    stage.bench.advance(3590.0).await;
    for _ in 0..5 {
        answer.chunk().await.unwrap().unwrap();
    }
    stage.bench.advance(11.0).await;
    while let Ok(piece) = answer.chunk().await {
        assert!(piece.is_some(), "a broken answer looked whole");
    }
    until("the agent's notice", async || {
        stage
            .log(pid)
            .await
            .contains("the caller is gone")
            .then_some(())
    })
    .await;
    assert!(alive(pid));
}

#[tokio::test]
async fn requests_of_one_session_run_side_by_side_or_in_turn_or_are_refused() {
    let stage = Stage::start(json!({})).await;
    let pid = stage.pid(1).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);

    let (one, two, ()) = tokio::join!(
        stage.invoke(waiting(1, &file("parallel"))),
        stage.invoke(waiting(1, &file("parallel"))),
        async {
            agent_waits(&stage, pid, 2).await;
            std::fs::write(file("parallel"), "").unwrap();
        }
    );
    assert_eq!((one.status().as_u16(), two.status().as_u16()), (200, 200));

    stage
        .bench
        .settings(json!({ "concurrentRequestsInOneSession": "refuse" }))
        .await;
    let (one, ()) = tokio::join!(stage.invoke(waiting(1, &file("refuse"))), async {
        agent_waits(&stage, pid, 3).await;
        let second = stage.invoke(Wish::of(1, json!({}))).await;
        refused(second, 409, "RetryableConflictException").await;
        stage.pid(2).await;
        std::fs::write(file("refuse"), "").unwrap();
    });
    assert_eq!(crate::stage::told(one).await["pid"], pid);
    until("the next turn", async || {
        (stage.invoke(Wish::of(1, json!({}))).await.status() == 200).then_some(())
    })
    .await;

    stage
        .bench
        .settings(json!({ "concurrentRequestsInOneSession": "serial" }))
        .await;
    let (one, two, ()) = tokio::join!(
        async {
            let answer = stage.invoke(waiting(1, &file("serial"))).await;
            answer.text().await.unwrap()
        },
        async {
            agent_waits(&stage, pid, 4).await;
            let answer = stage.invoke(waiting(1, &file("serial"))).await;
            answer.text().await.unwrap()
        },
        async {
            agent_waits(&stage, pid, 4).await;
            until("both to be there", async || {
                (stage.entry(pid).await["inFlight"] == 2).then_some(())
            })
            .await;
            assert_eq!(
                stage.log(pid).await.matches("waiting").count(),
                4,
                "the second got to the agent"
            );
            std::fs::write(file("serial"), "").unwrap();
        }
    );
    assert_eq!(one, two);
    agent_waits(&stage, pid, 5).await;
}

#[tokio::test]
async fn an_agent_on_another_port_starts_only_where_configured_ports_count() {
    let members =
        |port| json!({ "protocolConfiguration": { "serverProtocol": "HTTP", "port": port } });
    let stage = Stage::with(
        json!({ "protocolPortOverride": false, "initTimeoutSeconds": 1 }),
        members(9100),
    )
    .await;
    let answer = stage.invoke(Wish::of(1, json!({}))).await;
    let message = refused(answer, 424, "RuntimeClientError").await;
    assert!(
        message.starts_with("Runtime initialization time exceeded"),
        "{message}"
    );
    stage
        .bench
        .settings(json!({ "protocolPortOverride": true }))
        .await;
    stage.pid(1).await;
    stage
        .bench
        .settings(json!({ "protocolPortOverride": false, "initTimeoutSeconds": 120 }))
        .await;
    stage.update(members(8080)).await;
    stage.pid(2).await;
}

#[tokio::test]
async fn callers_get_further_headers_of_the_agent_where_they_are_listed() {
    let stage = Stage::start(
        json!({ "responseHeaderAllowlist": ["X-OWN", "Connection", "Content-Length"] }),
    )
    .await;
    let answer = stage.invoke(Wish::of(1, json!({}))).await;
    assert_eq!(answer.headers()["x-own"], "1");
    for name in ["set-cookie", "connection", "content-length"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
}
