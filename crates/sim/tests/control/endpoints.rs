//! Endpoints: their moves, DEFAULT's privileges, the order of deletion.

use serde_json::{Value, json};

use crate::client::{Bench, configuration, with};

async fn bench_with_two_versions(settings: Value) -> (Bench, String, String) {
    let bench = Bench::with(settings).await;
    let id = bench.create("support").await;
    bench.update(&id, configuration()).await.expect(202);
    let path = format!("/runtimes/{id}/runtime-endpoints/");
    (bench, id, path)
}

#[tokio::test]
async fn an_endpoint_stays_on_its_version_until_it_is_moved() {
    let (bench, id, path) = bench_with_two_versions(json!({})).await;
    let body = json!({ "name": "live", "agentRuntimeVersion": "1", "description": "prod", "tags": { "a": "b" } });
    let made = bench.call("PUT", &path, body).await.expect(202);
    assert_eq!(
        (
            &made["status"],
            &made["targetVersion"],
            &made["endpointName"]
        ),
        (&json!("CREATING"), &json!("1"), &json!("live"))
    );
    bench.update(&id, configuration()).await.expect(202);
    let get = async || {
        bench
            .call("GET", &format!("{path}live/"), Value::Null)
            .await
            .expect(200)
    };
    let got = get().await;
    assert_eq!(
        (&got["liveVersion"], &got["status"], &got["description"]),
        (&json!("1"), &json!("READY"), &json!("prod"))
    );

    bench.settings(json!({ "endpointDelayMs": 60_000 })).await;
    let moved = bench
        .call(
            "PUT",
            &format!("{path}live/"),
            json!({ "agentRuntimeVersion": "3" }),
        )
        .await
        .expect(202);
    assert_eq!(
        (
            &moved["liveVersion"],
            &moved["targetVersion"],
            &moved["status"]
        ),
        (&json!("1"), &json!("3"), &json!("UPDATING"))
    );
    let again = bench
        .call(
            "PUT",
            &format!("{path}live/"),
            json!({ "agentRuntimeVersion": "2" }),
        )
        .await;
    again.expect_error(409, "ConflictException");
    bench
        .call("DELETE", &format!("{path}live/"), Value::Null)
        .await
        .expect_error(409, "ConflictException");
    bench.advance(61.0).await;
    let got = get().await;
    assert_eq!(
        (
            &got["liveVersion"],
            got.get("targetVersion"),
            got.get("description")
        ),
        (&json!("3"), None, None)
    );
    let listed = bench.call("POST", &path, Value::Null).await.expect(200);
    let names: Vec<_> = listed["runtimeEndpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["name"].clone())
        .collect();
    assert_eq!(names, ["DEFAULT", "live"]);
}

#[tokio::test]
async fn default_belongs_to_the_service() {
    let (bench, _, path) = bench_with_two_versions(json!({})).await;
    bench
        .call("PUT", &path, json!({ "name": "DEFAULT" }))
        .await
        .expect_error(409, "ConflictException");
    bench
        .call(
            "PUT",
            &format!("{path}DEFAULT/"),
            json!({ "agentRuntimeVersion": "1" }),
        )
        .await
        .expect_error(409, "ConflictException");
    bench
        .call("DELETE", &format!("{path}DEFAULT/"), Value::Null)
        .await
        .expect_error(409, "ConflictException");
}

#[tokio::test]
async fn a_runtime_cannot_be_deleted_before_its_other_endpoints_are_gone() {
    let (bench, id, path) = bench_with_two_versions(json!({ "deleteDelayMs": 60_000 })).await;
    bench
        .call("PUT", &path, json!({ "name": "live" }))
        .await
        .expect(202);
    let runtime = format!("/runtimes/{id}/");
    bench
        .call("DELETE", &runtime, Value::Null)
        .await
        .expect_error(409, "ConflictException");
    bench
        .call("DELETE", &format!("{path}live/"), Value::Null)
        .await
        .expect(202);
    let got = bench
        .call("GET", &format!("{path}live/"), Value::Null)
        .await
        .expect(200);
    assert_eq!(got["status"], "DELETING");
    bench
        .call("DELETE", &runtime, Value::Null)
        .await
        .expect_error(409, "ConflictException");
    bench.advance(61.0).await;
    bench
        .call("GET", &format!("{path}live/"), Value::Null)
        .await
        .expect_error(404, "ResourceNotFoundException");
    bench
        .call("DELETE", &runtime, Value::Null)
        .await
        .expect(202);
    let default = bench
        .call("GET", &format!("{path}DEFAULT/"), Value::Null)
        .await
        .expect(200);
    assert_eq!(default["status"], "DELETING");
}

#[tokio::test]
async fn a_move_to_a_version_that_failed_fails_and_the_old_one_stays_live() {
    let (bench, id, path) = bench_with_two_versions(json!({})).await;
    bench
        .call("PUT", &path, json!({ "name": "live" }))
        .await
        .expect(202);
    bench
        .settings(json!({ "badRoles": ["arn:aws:iam::111122223333:role/bad"] }))
        .await;
    bench
        .update(
            &id,
            with(
                configuration(),
                json!({ "roleArn": "arn:aws:iam::111122223333:role/bad" }),
            ),
        )
        .await
        .expect(202);
    assert_eq!(bench.get(&id).await["status"], "UPDATE_FAILED");
    bench
        .call(
            "PUT",
            &format!("{path}live/"),
            json!({ "agentRuntimeVersion": "3" }),
        )
        .await
        .expect(202);
    let got = bench
        .call("GET", &format!("{path}live/"), Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&got["status"], &got["liveVersion"]),
        (&json!("UPDATE_FAILED"), &json!("2"))
    );
    assert!(got["failureReason"].as_str().is_some(), "{got}");
    bench
        .call(
            "PUT",
            &format!("{path}live/"),
            json!({ "agentRuntimeVersion": "9" }),
        )
        .await
        .expect_error(404, "ResourceNotFoundException");
}
