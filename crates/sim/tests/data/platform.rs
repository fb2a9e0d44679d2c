//! Platform V2: the agent is started before a version is READY, and everything takes its time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Bench, configuration, runtime, with};
use crate::stage::{Stage, Wish, push, until};

/// A simulator of platform V2 without its times, with an image that has these variables.
async fn v2(variables: Value) -> Bench {
    let quick = json!({
        "profile": "v2-small", "createDelayMs": 0, "updateDelayMs": 0, "vpcDelayMs": 0, "endpointDelayMs": 0, "stopDelayMs": 0,
        "coldStartMs": 0, "initTimeoutSeconds": 20,
    });
    let bench = Bench::with(quick).await;
    push(&bench, variables).await;
    bench
}

async fn create(bench: &Bench, members: Value) -> String {
    let made = bench
        .call("PUT", "/runtimes/", with(runtime("support"), members))
        .await
        .expect(202);
    made["agentRuntimeId"].as_str().unwrap().to_owned()
}

/// Waits until a runtime is in no transition; gives its status and why it failed.
async fn settled(bench: &Bench, id: &str) -> (String, String) {
    until("the end of a transition", async || {
        let got = bench.get(id).await;
        let status = got["status"].as_str().unwrap().to_owned();
        let reason = got["failureReason"].as_str().unwrap_or_default().to_owned();
        (!status.ends_with("ING")).then_some((status, reason))
    })
    .await
}

fn hook() -> Value {
    json!({ "hooksConfiguration": { "build": { "warmup": { "action": { "httpPost": { "path": "/warm" } } } } } })
}

#[tokio::test]
async fn a_version_is_ready_once_its_agent_answered_and_was_warmed_up() {
    let bench = v2(json!({})).await;
    let id = create(&bench, hook()).await;
    assert_eq!(settled(&bench, &id).await.0, "READY");
    let got = bench.get(&id).await;
    assert_eq!(got["platformVersion"], "V2");
    let state = bench
        .admin("GET", "/_sim/state", Value::Null)
        .await
        .expect(200);
    assert_eq!(state["sessions"], json!([]), "it was no session");
}

#[tokio::test]
async fn an_agent_that_never_answers_pings_fails_the_create_and_the_update_says_so_too() {
    let bench = v2(json!({ "EXIT_AT_START": "1" })).await;
    let id = create(&bench, json!({})).await;
    let (status, reason) = settled(&bench, &id).await;
    assert_eq!(status, "CREATE_FAILED");
    assert!(
        reason.starts_with("Runtime health check failed"),
        "{reason}"
    );

    push(&bench, json!({})).await;
    bench.update(&id, configuration()).await.expect(202);
    assert_eq!(settled(&bench, &id).await.0, "READY");
    bench.settings(json!({ "initTimeoutSeconds": 1 })).await;
    push(&bench, json!({ "NO_PING": "1" })).await;
    bench.update(&id, configuration()).await.expect(202);
    let (status, reason) = settled(&bench, &id).await;
    assert_eq!(status, "UPDATE_FAILED");
    assert!(reason.contains("completes in 1s"), "{reason}");
}

#[tokio::test]
async fn a_warm_up_hook_that_fails_fails_the_version() {
    let bench = v2(json!({ "WARMUP_STATUS": "500" })).await;
    let id = create(&bench, hook()).await;
    let (status, reason) = settled(&bench, &id).await;
    assert_eq!(status, "CREATE_FAILED");
    assert!(
        reason.starts_with("Warmup hook POST /warm failed: it answered 500"),
        "{reason}"
    );
}

#[tokio::test]
async fn v1_starts_nothing_and_a_profile_names_what_is_over_it() {
    let bench = v2(json!({ "EXIT_AT_START": "1" })).await;
    let id = create(&bench, json!({ "platformVersion": "V1" })).await;
    assert_eq!(settled(&bench, &id).await.0, "READY");
    let settings = bench
        .admin(
            "PUT",
            "/_sim/settings",
            json!({ "profile": "v2", "stopDelayMs": 7 }),
        )
        .await
        .expect(200);
    let found = [
        "createDelayMs",
        "vpcDelayMs",
        "deleteDelayMs",
        "stopDelayMs",
    ]
    .map(|name| settings[name].as_u64().unwrap());
    assert_eq!(found, [180_000, 347_000, 270_000, 7]);
    assert_eq!(settings["defaultPlatformVersion"], "V2");
    bench
        .admin("PUT", "/_sim/settings", json!({ "profile": "v3" }))
        .await
        .expect(400);
}

#[tokio::test]
async fn the_times_of_v2_are_those_of_aws_and_the_endpoint_goes_before_its_runtime() {
    let bench = Bench::start().await;
    bench
        .settings(json!({ "profile": "v2", "snapshots": false, "ratePerSecond": 0 }))
        .await;
    push(&bench, json!({})).await;
    let vpc = json!({ "networkConfiguration": { "networkMode": "VPC",
        "networkModeConfig": { "subnets": ["subnet-12345678"], "securityGroups": ["sg-12345678"] } } });
    let id = create(&bench, vpc).await;
    let status = async || bench.get(&id).await["status"].clone();
    bench.advance(480.0).await;
    assert_eq!(status().await, "CREATING");
    bench.advance(48.0).await;
    assert_eq!(status().await, "READY");
    let path = format!("/runtimes/{id}/runtime-endpoints/");
    let endpoint = json!({ "name": "live", "agentRuntimeVersion": "1" });
    bench.call("PUT", &path, endpoint).await.expect(202);
    bench.advance(120.0).await;
    bench
        .call("DELETE", &format!("{path}live/"), Value::Null)
        .await
        .expect(202);
    bench.advance(181.0).await;
    bench
        .call("DELETE", &format!("/runtimes/{id}/"), Value::Null)
        .await
        .expect(202);
    bench.advance(230.0).await;
    assert_eq!(status().await, "DELETING");
    bench.advance(41.0).await;
    bench
        .call("GET", &format!("/runtimes/{id}/"), Value::Null)
        .await
        .expect_error(404, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_stop_is_answered_late_and_its_session_is_gone_at_once() {
    let stage = Stage::start(json!({ "stopDelayMs": 300 })).await;
    let pid = stage.pid(1).await;
    let begun = Instant::now();
    let answer = stage.stop(1, None, Value::Null).await;
    assert_eq!(answer.status(), 200);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_ne!(stage.pid(1).await, pid);
}

#[tokio::test]
async fn a_turn_that_outlasts_the_idle_time_out_is_killed_where_requests_keep_nothing_alive() {
    let lifecycle = json!({ "lifecycleConfiguration": { "idleRuntimeSessionTimeout": 60 } });
    for (keeps, busy, dies) in [
        (true, false, false),
        (false, false, true),
        (false, true, false),
    ] {
        let settings = json!({ "requestKeepsAlive": keeps });
        let stage = Stage::with(settings, lifecycle.clone()).await;
        // One that nobody uses is judged at the same pace, and takes a moment more to go.
        let (pid, idle) = (stage.pid(1).await, stage.pid(2).await);
        if busy {
            let health = json!({ "status": "HealthyBusy", "time_of_last_update": 1 });
            let body = json!({ "do": "health", "health": health });
            assert_eq!(stage.invoke(Wish::of(1, body)).await.status(), 200);
        }
        let folder = tempfile::tempdir().unwrap();
        let gate = folder.path().join("open");
        let wait = json!({ "do": "wait", "for": gate });
        let turn = stage.try_invoke(Wish::of(1, wait));
        let jump = async {
            until("the turn", async || {
                (stage.entry(pid).await["inFlight"] == 1).then_some(())
            })
            .await;
            stage.bench.advance(61.0).await;
            assert_eq!(stage.ended(idle).await, "IDLE");
            if dies {
                assert_eq!(stage.ended(pid).await, "IDLE");
            } else {
                std::fs::write(&gate, "").unwrap();
            }
        };
        let (answer, ()) = tokio::join!(turn, jump);
        assert_eq!(
            answer.unwrap().status(),
            if dies { 424 } else { 200 },
            "{keeps} {busy}"
        );
    }
}
