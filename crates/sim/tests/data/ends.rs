//! How sessions end without being stopped: idle, old, exited, deleted, with the simulator.

use serde_json::{Value, json};

use crate::stage::{Stage, Wish, alive, refused, until};

fn lifecycle(idle: u32, life: u32) -> Value {
    json!({ "lifecycleConfiguration": { "idleRuntimeSessionTimeout": idle, "maxLifetime": life } })
}

async fn set_health(stage: &Stage, health: Value) {
    let answer = stage
        .invoke(Wish::of(1, json!({ "do": "health", "health": health })))
        .await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn an_idle_session_ends_at_its_time_out_and_the_id_begins_anew() {
    let stage = Stage::with(json!({}), lifecycle(600, 28_800)).await;
    let pid = stage.pid(1).await;
    stage.bench.advance(500.0).await;
    assert_eq!(stage.pid(1).await, pid, "ended too early");
    // The use at 500 s counts, not the start.
    stage.bench.advance(500.0).await;
    assert_eq!(stage.pid(1).await, pid, "use did not count");
    stage.bench.advance(601.0).await;
    assert_eq!(stage.ended(pid).await, "IDLE");
    assert_eq!(stage.entry(pid).await["state"], "STOPPED");
    assert!(stage.log(pid).await.contains("terminated"), "no SIGTERM");
    assert_ne!(stage.pid(1).await, pid);
}

#[tokio::test]
async fn a_request_under_way_is_no_idleness() {
    let stage = Stage::with(json!({}), lifecycle(60, 28_800)).await;
    let mut stream = stage.invoke(Wish::of(1, json!({ "do": "stream" }))).await;
    let pid = stage.sessions().await[0]["pid"].as_u64().unwrap();
    stage.bench.advance(600.0).await;
    for _ in 0..20 {
        stream.chunk().await.unwrap().unwrap();
    }
    assert_eq!(stage.entry(pid).await["state"], "RUNNING");
    drop(stream);
    until("the end of use", async || {
        (stage.entry(pid).await["inFlight"] == 0).then_some(())
    })
    .await;
    stage.bench.advance(61.0).await;
    assert_eq!(stage.ended(pid).await, "IDLE");
}

#[tokio::test]
async fn work_in_the_background_keeps_a_session_if_the_ping_tells_the_time() {
    let stage = Stage::with(json!({}), lifecycle(60, 28_800)).await;
    set_health(
        &stage,
        json!({ "status": "HealthyBusy", "time_of_last_update": 1 }),
    )
    .await;
    let pid = stage.sessions().await[0]["pid"].as_u64().unwrap();
    for _ in 0..4 {
        stage.bench.advance(600.0).await;
        assert_eq!(stage.pid(1).await, pid);
    }
    set_health(&stage, json!({ "status": "HealthyBusy" })).await;
    stage.bench.advance(61.0).await;
    assert_eq!(
        stage.ended(pid).await,
        "IDLE",
        "a ping without a time counts as idle"
    );

    stage
        .bench
        .settings(json!({ "pingRequiresTime": false }))
        .await;
    set_health(&stage, json!({ "status": "HealthyBusy" })).await;
    let pid = stage.pid(1).await;
    stage.bench.advance(600.0).await;
    assert_eq!(stage.pid(1).await, pid);
}

#[tokio::test]
async fn a_session_ends_at_its_longest_life_even_when_busy_and_in_use() {
    let stage = Stage::with(json!({}), lifecycle(60, 120)).await;
    set_health(
        &stage,
        json!({ "status": "HealthyBusy", "time_of_last_update": 1 }),
    )
    .await;
    let mut stream = stage.invoke(Wish::of(1, json!({ "do": "stream" }))).await;
    stream.chunk().await.unwrap().unwrap();
    let pid = stage.pid(1).await;
    stage.bench.advance(121.0).await;
    assert_eq!(stage.ended(pid).await, "MAX_LIFETIME");
    while let Ok(piece) = stream.chunk().await {
        assert!(piece.is_some(), "a broken answer looked whole");
    }
    assert_ne!(stage.pid(1).await, pid);
}

#[tokio::test]
async fn a_session_whose_program_exits_is_over() {
    let stage = Stage::start(json!({})).await;
    let pid = stage.pid(1).await;
    refused(
        stage.invoke(Wish::of(1, json!({ "do": "exit" }))).await,
        424,
        "RuntimeClientError",
    )
    .await;
    assert_eq!(stage.ended(pid).await, "EXITED");
    assert_ne!(stage.pid(1).await, pid);
}

#[tokio::test]
async fn deleting_an_endpoint_or_a_runtime_ends_its_sessions() {
    let stage = Stage::start(json!({})).await;
    stage.endpoint("live").await;
    let by_endpoint = Wish {
        qualifier: Some("live"),
        ..Wish::of(1, json!({}))
    };
    let by_endpoint = crate::stage::told(stage.invoke(by_endpoint).await).await["pid"]
        .as_u64()
        .unwrap();
    let by_default = stage.pid(1).await;
    let path = format!("/runtimes/{}/runtime-endpoints/live/", stage.runtime);
    stage
        .bench
        .call("DELETE", &path, Value::Null)
        .await
        .expect(202);
    assert_eq!(stage.ended(by_endpoint).await, "DELETED");
    assert!(alive(by_default));
    let path = format!("/runtimes/{}/", stage.runtime);
    stage
        .bench
        .call("DELETE", &path, Value::Null)
        .await
        .expect(202);
    assert_eq!(stage.ended(by_default).await, "DELETED");
    refused(
        stage.invoke(Wish::of(1, json!({}))).await,
        404,
        "ResourceNotFoundException",
    )
    .await;
}

#[tokio::test]
async fn what_an_agent_leaves_running_ends_with_its_session() {
    let stage = Stage::start(json!({})).await;
    let answer = stage.invoke(Wish::of(1, json!({ "do": "spawn" }))).await;
    let child = crate::stage::told(answer).await["child"].as_u64().unwrap();
    assert!(alive(child));
    stage.stop(1, None, Value::Null).await;
    until("the child's end", async || (!alive(child)).then_some(())).await;
}

#[tokio::test]
async fn stopping_the_simulator_ends_every_session_stubborn_ones_too() {
    let stage = Stage::start(json!({})).await;
    let easy = stage.pid(1).await;
    stage
        .update(json!({ "environmentVariables": { "STUBBORN": "1" } }))
        .await;
    let stubborn = stage.pid(2).await;
    stage.bench.sim.stop().await;
    assert!(!alive(easy) && !alive(stubborn));
}
