//! Creates, updates and deletes that fail, and what heals them.

use serde_json::{Value, json};

use crate::client::{Bench, ROLE, configuration, runtime, with};

const REGISTRY: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com";

fn image(reference: &str) -> Value {
    json!({ "agentRuntimeArtifact": { "containerConfiguration": { "containerUri": format!("{REGISTRY}/{reference}") } } })
}

fn causes() -> Vec<(Value, &'static str)> {
    let subnets = json!({ "networkConfiguration": { "networkMode": "VPC", "networkModeConfig": {
        "subnets": ["subnet-0123456789abcdef0", "subnet-0000000000000bad0"], "securityGroups": ["sg-01234567"] } } });
    vec![
        (
            image("support:nope"),
            "The specified image identifier does not exist in the repository",
        ),
        (
            image("nowhere:prod"),
            "The specified image identifier does not exist in the repository",
        ),
        (image("intel:prod"), "Architecture incompatible for uri"),
        (
            json!({ "roleArn": "arn:aws:iam::111122223333:role/bad" }),
            "Role validation failed",
        ),
        (
            json!({ "roleArn": "arn:aws:iam::999999999999:role/foreign" }),
            "Role validation failed",
        ),
        (subnets, "subnet-0000000000000bad0"),
    ]
}

async fn bench(settings: Value) -> Bench {
    let bench = Bench::with(settings).await;
    bench.push("intel", "prod", &["amd64"]).await;
    let bad = json!({ "badRoles": ["arn:aws:iam::111122223333:role/bad"], "unsupportedSubnets": ["subnet-0000000000000bad0"] });
    bench.settings(bad).await;
    bench
}

#[tokio::test]
async fn each_cause_ends_in_create_failed_with_its_documented_text() {
    let bench = bench(json!({})).await;
    for (n, (over, text)) in causes().into_iter().enumerate() {
        let body = with(runtime(&format!("r{n}")), over);
        let id = bench.call("PUT", "/runtimes/", body).await.expect(202)["agentRuntimeId"]
            .as_str()
            .unwrap()
            .to_owned();
        let got = bench.get(&id).await;
        assert_eq!(got["status"], "CREATE_FAILED", "{text}");
        assert!(
            got["failureReason"].as_str().unwrap().contains(text),
            "{got}"
        );
        let endpoints = bench
            .call(
                "POST",
                &format!("/runtimes/{id}/runtime-endpoints/"),
                Value::Null,
            )
            .await
            .expect(200);
        assert_eq!(endpoints["runtimeEndpoints"], json!([]));
    }
}

#[tokio::test]
async fn with_the_switch_each_cause_is_refused_at_once() {
    let bench = bench(json!({ "validateSync": true })).await;
    for (over, text) in causes() {
        let message = bench
            .call("PUT", "/runtimes/", with(runtime("r"), over))
            .await
            .expect_error(400, "ValidationException");
        assert!(message.contains(text), "{message}");
    }
    bench.create("r").await;
}

#[tokio::test]
async fn an_image_pushed_while_creating_is_found() {
    let bench = Bench::with(json!({ "createDelayMs": 60_000 })).await;
    let made = bench
        .call("PUT", "/runtimes/", with(runtime("r"), image("late:v1")))
        .await
        .expect(202);
    bench.push("late", "v1", &["arm64", "amd64"]).await;
    bench.advance(61.0).await;
    assert_eq!(
        bench.get(made["agentRuntimeId"].as_str().unwrap()).await["status"],
        "READY"
    );
}

#[tokio::test]
async fn create_failed_heals_by_update_unless_the_switch_says_conflict() {
    let bench = Bench::start().await;
    let made = bench
        .call("PUT", "/runtimes/", with(runtime("r"), image("late:v1")))
        .await
        .expect(202);
    let id = made["agentRuntimeId"].as_str().unwrap();
    assert_eq!(bench.get(id).await["status"], "CREATE_FAILED");
    bench
        .settings(json!({ "updateFromCreateFailed": "conflict" }))
        .await;
    bench
        .update(id, configuration())
        .await
        .expect_error(409, "ConflictException");
    bench
        .settings(json!({ "updateFromCreateFailed": "accept" }))
        .await;
    bench.update(id, configuration()).await.expect(202);
    let got = bench.get(id).await;
    assert_eq!(
        (&got["status"], got.get("failureReason")),
        (&json!("READY"), None)
    );
    let default = bench
        .call(
            "GET",
            &format!("/runtimes/{id}/runtime-endpoints/DEFAULT/"),
            Value::Null,
        )
        .await
        .expect(200);
    assert_eq!(default["liveVersion"], "2");
}

#[tokio::test]
async fn after_a_failed_update_default_keeps_the_last_good_version() {
    for makes_version in [true, false] {
        let bench = bench(json!({ "updateFailedMakesVersion": makes_version })).await;
        let id = bench.create("r").await;
        bench
            .update(&id, with(configuration(), image("support:nope")))
            .await
            .expect(202);
        let got = bench.get(&id).await;
        assert_eq!(got["status"], "UPDATE_FAILED");
        assert!(got["failureReason"].as_str().is_some());
        assert_eq!(
            got["agentRuntimeVersion"],
            if makes_version { "2" } else { "1" }
        );
        let default = bench
            .call(
                "GET",
                &format!("/runtimes/{id}/runtime-endpoints/DEFAULT/"),
                Value::Null,
            )
            .await
            .expect(200);
        assert_eq!(
            (&default["liveVersion"], &default["status"]),
            (&json!("1"), &json!("READY"))
        );
        bench
            .update(&id, with(configuration(), json!({ "roleArn": ROLE })))
            .await
            .expect(202);
        let got = bench.get(&id).await;
        assert_eq!(
            (&got["status"], &got["agentRuntimeVersion"]),
            (
                &json!("READY"),
                &json!(if makes_version { "3" } else { "2" })
            )
        );
    }
}

#[tokio::test]
async fn deletes_can_fail_or_get_stuck() {
    let bench = Bench::with(json!({ "deleteFails": true })).await;
    let id = bench.create("r").await;
    let path = format!("/runtimes/{id}/");
    bench.call("DELETE", &path, Value::Null).await.expect(202);
    let got = bench.get(&id).await;
    assert_eq!(got["status"], "DELETE_FAILED");
    bench
        .update(&id, configuration())
        .await
        .expect_error(409, "ConflictException");
    bench
        .settings(json!({ "deleteFails": false, "stuckDeleting": true }))
        .await;
    bench.call("DELETE", &path, Value::Null).await.expect(202);
    bench.advance(36_000.0).await;
    assert_eq!(bench.get(&id).await["status"], "DELETING");
    bench.settings(json!({ "stuckDeleting": false })).await;
    bench
        .call("GET", &path, Value::Null)
        .await
        .expect_error(404, "ResourceNotFoundException");
}
