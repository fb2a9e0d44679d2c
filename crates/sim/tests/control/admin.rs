//! Rates, faults, counters, lag and the state dump.

use agentcore_sim::state::throttle::Throttle;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::{Bench, configuration, runtime, token, with};

#[test]
fn a_bucket_gives_its_burst_at_once_and_then_its_rate() {
    let throttle = Throttle::default();
    let at = |ms: i64| Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap();
    let take = |ms| throttle.take("a", 5, Some(3), at(ms));
    assert_eq!(
        [take(0), take(0), take(0), take(0)],
        [true, true, true, false]
    );
    assert_eq!([take(200), take(200), take(60_000)], [true, false, true]);
    assert!(
        throttle.take("b", 5, Some(3), at(0)),
        "another key, another bucket"
    );
    let by_rate: Vec<bool> = (0..6).map(|_| throttle.take("c", 5, None, at(0))).collect();
    assert_eq!(
        by_rate,
        [true, true, true, true, true, false],
        "the burst is the rate unless said otherwise"
    );
    assert!(
        (0..1000).all(|_| throttle.take("d", 0, Some(1), at(0))),
        "no rate, no limit"
    );
}

#[tokio::test]
async fn each_api_has_a_rate_of_its_own() {
    let bench = Bench::with(json!({ "ratePerSecond": 1, "burst": 3 })).await;
    let list = async || bench.call("POST", "/runtimes/", Value::Null).await;
    let mut passed = 0;
    let refused = loop {
        let answer = list().await;
        if answer.status != 200 {
            break answer;
        }
        passed += 1;
        assert!(passed < 10_000, "never throttled");
    };
    refused.expect_error(429, "ThrottlingException");
    assert!(passed >= 3, "only {passed} passed");
    bench
        .call("GET", "/runtimes/none-abcdefghij/", Value::Null)
        .await
        .expect_error(404, "ResourceNotFoundException");
    bench.advance(2.0).await;
    list().await.expect(200);
    let calls = bench
        .admin("GET", "/_sim/calls", Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (
            &calls["throttled"],
            &calls["byOperation"]["ListAgentRuntimes"]
        ),
        (&json!(1), &json!(passed + 2))
    );
    assert_eq!(calls["total"], passed + 3);
    assert_eq!(
        calls["byCaller"]["arn:aws:iam::111122223333:user/test"],
        json!({ "GetAgentRuntime": 1, "ListAgentRuntimes": passed + 2 })
    );
    let calls = bench
        .admin("DELETE", "/_sim/calls", Value::Null)
        .await
        .expect(200);
    assert_eq!(calls["total"], 0);
}

#[tokio::test]
async fn a_fault_before_prevents_the_effect_and_one_after_only_hides_it() {
    let bench = Bench::start().await;
    let create = |n: u32| with(runtime("r"), json!({ "clientToken": token(n) }));
    bench.faults(json!([
        { "operation": "CreateAgentRuntime", "when": "before", "error": "InternalServerException", "times": 1 },
        { "operation": "CreateAgentRuntime", "when": "after", "error": "drop", "times": 1 },
    ])).await;
    let first = bench.call("PUT", "/runtimes/", create(1)).await;
    first.expect_error(500, "InternalServerException");
    let listed = bench
        .call("POST", "/runtimes/", Value::Null)
        .await
        .expect(200);
    assert_eq!(listed["agentRuntimes"], json!([]));
    // The effect happens, the answer is lost.
    assert!(
        bench
            .try_call("PUT", "/runtimes/", create(1))
            .await
            .is_err()
    );
    let listed = bench
        .call("POST", "/runtimes/", Value::Null)
        .await
        .expect(200);
    assert_eq!(listed["agentRuntimes"].as_array().unwrap().len(), 1);
    let again = bench.call("PUT", "/runtimes/", create(1)).await.expect(202);
    assert_eq!(
        again["agentRuntimeId"],
        listed["agentRuntimes"][0]["agentRuntimeId"]
    );
    assert_eq!(
        bench
            .admin("GET", "/_sim/faults", Value::Null)
            .await
            .expect(200),
        json!([])
    );
    let calls = bench
        .admin("GET", "/_sim/calls", Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&calls["faulted"], &calls["throttled"]),
        (&json!(2), &json!(0))
    );
}

#[tokio::test]
async fn a_fault_on_everything_with_a_chance_strikes_repeatably() {
    let strikes = async || {
        let bench = Bench::start().await;
        bench.faults(json!([{ "operation": "*", "when": "before", "error": "ThrottlingException", "probability": 0.5 }])).await;
        let mut seen = Vec::new();
        for _ in 0..24 {
            seen.push(bench.call("POST", "/runtimes/", Value::Null).await.status);
        }
        seen
    };
    let seen = strikes().await;
    assert!(seen.contains(&429) && seen.contains(&200), "{seen:?}");
    assert_eq!(seen, strikes().await, "the seed is the same");
}

#[tokio::test]
async fn a_delay_holds_the_answer_back_but_the_call_counts_at_once() {
    let bench = Bench::start().await;
    bench
        .faults(json!([{ "operation": "ListAgentRuntimes", "when": "before", "error": "delay", "delayMs": 600_000 }]))
        .await;
    let slow = bench.call("POST", "/runtimes/", Value::Null);
    let counted = async {
        loop {
            let calls = bench
                .admin("GET", "/_sim/calls", Value::Null)
                .await
                .expect(200);
            if calls["byOperation"]["ListAgentRuntimes"] == 1 {
                break;
            }
        }
    };
    tokio::select! {
        answer = slow => panic!("answered before its delay: {answer:?}"),
        () = counted => {}
    }
}

#[tokio::test]
async fn faults_and_settings_that_make_no_sense_are_refused_whole() {
    let bench = Bench::start().await;
    let bad = [
        json!([{ "operation": "Nothing", "when": "before", "error": "drop" }]),
        json!([{ "operation": "*", "when": "before", "error": "NoSuchException" }]),
        json!([{ "operation": "*", "when": "before" }]),
        json!([{ "operation": "*", "when": "before", "error": "drop", "probability": 2 }]),
        json!([{ "operation": "*", "when": "sometime", "error": "drop" }]),
    ];
    for faults in bad {
        bench.admin("PUT", "/_sim/faults", faults).await.expect(400);
    }
    bench
        .admin(
            "PUT",
            "/_sim/settings",
            json!({ "createDelayMs": 5, "nonsense": 1 }),
        )
        .await
        .expect(400);
    bench
        .admin("PUT", "/_sim/settings", json!({ "updateOmitted": "maybe" }))
        .await
        .expect(400);
    let settings = bench
        .admin("GET", "/_sim/settings", Value::Null)
        .await
        .expect(200);
    assert_eq!(settings["createDelayMs"], 0);
    bench
        .admin("POST", "/_sim/clock", json!({ "advanceSeconds": -1 }))
        .await
        .expect(400);
    bench
        .admin("GET", "/_sim/nothing", Value::Null)
        .await
        .expect(404);
    bench
        .admin("GET", "/_sim/healthz", Value::Null)
        .await
        .expect(200);
}

#[tokio::test]
async fn lists_and_gets_can_lag_behind() {
    let bench = Bench::with(json!({ "listLagMs": 30_000 })).await;
    let id = bench.create("r").await;
    assert_eq!(bench.get(&id).await["status"], "READY");
    let listed = async || {
        bench
            .call("POST", "/runtimes/", Value::Null)
            .await
            .expect(200)["agentRuntimes"]
            .clone()
    };
    assert_eq!(listed().await, json!([]));
    bench.advance(31.0).await;
    let entry = listed().await[0].clone();
    assert_eq!(
        (&entry["status"], entry.as_object().unwrap().len()),
        (&json!("READY"), 7)
    );
    bench.update(&id, configuration()).await.expect(202);
    assert_eq!(bench.get(&id).await["agentRuntimeVersion"], "2");
    assert_eq!(listed().await[0]["agentRuntimeVersion"], "1");
    bench
        .call("DELETE", &format!("/runtimes/{id}/"), Value::Null)
        .await
        .expect(202);
    bench.advance(31.0).await;
    assert_eq!(listed().await, json!([]));

    bench.settings(json!({ "getLagMs": 30_000 })).await;
    let id = bench.create("s").await;
    let get = async || {
        bench
            .call("GET", &format!("/runtimes/{id}/"), Value::Null)
            .await
    };
    get().await.expect_error(404, "ResourceNotFoundException");
    bench.advance(31.0).await;
    assert_eq!(get().await.expect(200)["agentRuntimeName"], "s");
}

#[tokio::test]
async fn the_state_shows_runtimes_and_endpoints_in_full_with_tags() {
    let bench = Bench::start().await;
    let body = with(
        runtime("r"),
        json!({ "tags": { "a": "b" }, "clientToken": token(1) }),
    );
    bench.call("PUT", "/runtimes/", body).await.expect(202);
    let state = bench
        .admin("GET", "/_sim/state", Value::Null)
        .await
        .expect(200);
    let runtime = &state["runtimes"][0];
    assert_eq!(
        (&runtime["agentRuntimeName"], &runtime["status"]),
        (&json!("r"), &json!("READY"))
    );
    assert_eq!(
        (&runtime["tags"], &runtime["versions"]),
        (&json!({ "a": "b" }), &json!(["1"]))
    );
    assert!(
        !state.to_string().contains(&token(1)),
        "no client tokens: {state}"
    );
    let endpoint = &state["endpoints"][0];
    assert_eq!(
        (&endpoint["name"], &endpoint["agentRuntimeId"]),
        (&json!("DEFAULT"), &runtime["agentRuntimeId"])
    );
    assert_eq!(state["sessions"], json!([]));
}
