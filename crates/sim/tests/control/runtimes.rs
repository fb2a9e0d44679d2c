//! The life of a runtime and its versions.

use serde_json::{Value, json};

use crate::client::{Bench, ROLE, configuration, runtime, with};

#[tokio::test]
async fn a_created_runtime_becomes_ready_with_defaults_filled_in_and_default_following() {
    let bench = Bench::with(json!({ "createDelayMs": 60_000, "endpointDelayMs": 60_000 })).await;
    let body = with(
        runtime("support"),
        json!({
            "environmentVariables": { "LOG_LEVEL": "info" },
            "description": "answers",
            "metadataConfiguration": { "requireMMDSV2": false },
            "tags": { "Project": "support" },
        }),
    );
    let made = bench.call("PUT", "/runtimes/", body).await.expect(202);
    assert_eq!(made["status"], "CREATING");
    assert_eq!(made["agentRuntimeVersion"], "1");
    let id = made["agentRuntimeId"].as_str().unwrap();
    assert_eq!(bench.get(id).await["status"], "CREATING");
    let endpoints = format!("/runtimes/{id}/runtime-endpoints/");
    assert_eq!(
        bench
            .call("POST", &endpoints, Value::Null)
            .await
            .expect(200)["runtimeEndpoints"],
        json!([])
    );

    bench.advance(61.0).await;
    let got = bench.get(id).await;
    assert_eq!(got["status"], "READY");
    assert_eq!(got["roleArn"], ROLE);
    assert_eq!(got["environmentVariables"], json!({ "LOG_LEVEL": "info" }));
    assert_eq!(
        got["lifecycleConfiguration"],
        json!({ "idleRuntimeSessionTimeout": 900, "maxLifetime": 28800 })
    );
    assert_eq!(got["platformVersion"], "V1");
    assert_eq!(
        got["workloadIdentityDetails"],
        made["workloadIdentityDetails"]
    );
    assert_eq!(
        got["metadataConfiguration"],
        json!({ "requireMMDSV2": true }),
        "from version 1"
    );
    assert!(
        got.get("protocolConfiguration").is_none() && got.get("tags").is_none(),
        "{got}"
    );
    assert!(
        got["createdAt"].as_str().unwrap().ends_with('Z'),
        "timestamps are ISO 8601 strings: {got}"
    );

    let default = bench
        .call("GET", &format!("{endpoints}DEFAULT/"), Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&default["status"], &default["targetVersion"]),
        (&json!("CREATING"), &json!("1"))
    );
    bench.advance(61.0).await;
    let default = bench
        .call("GET", &format!("{endpoints}DEFAULT/"), Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&default["status"], &default["liveVersion"]),
        (&json!("READY"), &json!("1"))
    );
}

#[tokio::test]
async fn an_update_makes_a_version_and_moves_default() {
    let bench = Bench::start().await;
    let id = bench.create("support").await;
    let body = with(
        configuration(),
        json!({ "description": "second", "metadataConfiguration": { "requireMMDSV2": true } }),
    );
    let answer = bench.update(&id, body).await.expect(202);
    assert_eq!(
        (&answer["status"], &answer["agentRuntimeVersion"]),
        (&json!("UPDATING"), &json!("2"))
    );
    let got = bench.get(&id).await;
    assert_eq!(
        (&got["status"], &got["agentRuntimeVersion"]),
        (&json!("READY"), &json!("2"))
    );
    assert_eq!(
        got["metadataConfiguration"],
        json!({ "requireMMDSV2": true })
    );
    let old = bench
        .call("GET", &format!("/runtimes/{id}/?version=1"), Value::Null)
        .await
        .expect(200);
    assert!(
        old.get("description").is_none() && old["agentRuntimeVersion"] == "1",
        "{old}"
    );
    let versions = bench
        .call("POST", &format!("/runtimes/{id}/versions/"), Value::Null)
        .await
        .expect(200);
    let numbers: Vec<_> = versions["agentRuntimes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["agentRuntimeVersion"].clone())
        .collect();
    assert_eq!(numbers, ["1", "2"]);
    let default = bench
        .call(
            "GET",
            &format!("/runtimes/{id}/runtime-endpoints/DEFAULT/"),
            Value::Null,
        )
        .await
        .expect(200);
    assert_eq!(default["liveVersion"], "2");
    bench
        .call("GET", &format!("/runtimes/{id}/?version=9"), Value::Null)
        .await
        .expect_error(404, "ResourceNotFoundException");
}

#[tokio::test]
async fn what_an_update_leaves_out_is_reset_or_kept_as_the_switch_says() {
    let bench = Bench::start().await;
    let body = with(
        runtime("support"),
        json!({ "description": "given", "platformVersion": "V2" }),
    );
    let id = bench.call("PUT", "/runtimes/", body).await.expect(202)["agentRuntimeId"]
        .as_str()
        .unwrap()
        .to_owned();
    bench.settings(json!({ "updateOmitted": "keep" })).await;
    bench.update(&id, configuration()).await.expect(202);
    let got = bench.get(&id).await;
    assert_eq!(
        (&got["description"], &got["platformVersion"]),
        (&json!("given"), &json!("V2"))
    );
    bench.settings(json!({ "updateOmitted": "reset" })).await;
    bench.update(&id, configuration()).await.expect(202);
    let got = bench.get(&id).await;
    assert_eq!(
        (got.get("description"), &got["platformVersion"]),
        (None, &json!("V2"))
    );
    bench
        .settings(json!({ "platformVersionOmitted": "reset" }))
        .await;
    bench.update(&id, configuration()).await.expect(202);
    assert_eq!(bench.get(&id).await["platformVersion"], "V1");
}

const METADATA: &str = "metadataConfiguration";

fn metadata(required: bool) -> Value {
    json!({ METADATA: { "requireMMDSV2": required } })
}

#[tokio::test]
async fn a_new_runtime_refuses_to_be_without_mmdsv2_and_an_old_one_may_choose() {
    let bench = Bench::start().await;
    let new = bench.create("new").await;
    let without = || with(configuration(), metadata(false));
    bench
        .update(&new, without())
        .await
        .expect_error(400, "ValidationException");
    assert_eq!(bench.get(&new).await[METADATA], metadata(true)[METADATA]);

    bench
        .settings(json!({ "runtimesWithoutMmdsv2": true }))
        .await;
    let old = bench.create("old").await;
    assert_eq!(bench.get(&old).await[METADATA], metadata(false)[METADATA]);
    bench
        .update(&old, with(configuration(), metadata(true)))
        .await
        .expect(202);
    // Left out of an update: kept, or as the runtime was made.
    for (switch, expected) in [("keep", true), ("reset", false)] {
        bench.settings(json!({ "metadataOmitted": switch })).await;
        bench.update(&old, configuration()).await.expect(202);
        let got = bench.get(&old).await;
        assert_eq!(got[METADATA], metadata(expected)[METADATA], "{switch}");
        bench.update(&new, configuration()).await.expect(202);
        let got = bench.get(&new).await;
        assert_eq!(got[METADATA], metadata(true)[METADATA], "{switch}");
    }
    bench.update(&old, without()).await.expect(202);
}

#[tokio::test]
async fn what_is_left_out_gets_the_defaults_that_are_set() {
    let bench = Bench::with(json!({
        "defaultIdleSeconds": 600, "defaultLifetimeSeconds": 7200, "defaultProtocol": "MCP",
    }))
    .await;
    let id = bench.create("support").await;
    let got = bench.get(&id).await;
    assert_eq!(
        got["lifecycleConfiguration"],
        json!({ "idleRuntimeSessionTimeout": 600, "maxLifetime": 7200 })
    );
    assert_eq!(
        got["protocolConfiguration"],
        json!({ "serverProtocol": "MCP" })
    );
}

#[tokio::test]
async fn nothing_is_changed_while_something_is_under_way() {
    let bench = Bench::with(
        json!({ "createDelayMs": 60_000, "updateDelayMs": 60_000, "deleteDelayMs": 60_000 }),
    )
    .await;
    let id = bench.create("support").await;
    let path = format!("/runtimes/{id}/");
    let refused = async || {
        bench
            .update(&id, configuration())
            .await
            .expect_error(409, "ConflictException");
        bench
            .call("DELETE", &path, Value::Null)
            .await
            .expect_error(409, "ConflictException");
        let endpoint = bench
            .call(
                "PUT",
                &format!("{path}runtime-endpoints/"),
                json!({ "name": "live" }),
            )
            .await;
        endpoint.expect_error(409, "ConflictException");
    };
    refused().await;
    bench.advance(61.0).await;
    bench.update(&id, configuration()).await.expect(202);
    refused().await;
    bench.advance(61.0).await;
    bench.call("DELETE", &path, Value::Null).await.expect(202);
    refused().await;
    let message = bench
        .call("PUT", "/runtimes/", runtime("support"))
        .await
        .expect_error(409, "ConflictException");
    assert!(
        message.contains("agent with the specified name already exists"),
        "{message}"
    );
    bench.advance(61.0).await;
    bench
        .call("GET", &path, Value::Null)
        .await
        .expect_error(404, "ResourceNotFoundException");
    bench.create("support").await;
}

#[tokio::test]
async fn a_deleted_runtime_can_answer_access_denied() {
    let bench = Bench::with(json!({ "deletedAnswersAccessDenied": true })).await;
    let id = bench.create("support").await;
    bench
        .call("DELETE", &format!("/runtimes/{id}/"), Value::Null)
        .await
        .expect(202);
    bench
        .call("GET", &format!("/runtimes/{id}/"), Value::Null)
        .await
        .expect_error(403, "AccessDeniedException");
    bench
        .call("DELETE", &format!("/runtimes/{id}/"), Value::Null)
        .await
        .expect_error(403, "AccessDeniedException");
    bench
        .call("GET", "/runtimes/never-abcdefghij/", Value::Null)
        .await
        .expect_error(404, "ResourceNotFoundException");
}

#[tokio::test]
async fn old_versions_can_be_deleted_but_not_the_newest_nor_one_in_use() {
    let bench = Bench::start().await;
    let id = bench.create("support").await;
    for _ in 0..3 {
        bench.update(&id, configuration()).await.expect(202);
    }
    let pin = json!({ "name": "pinned", "agentRuntimeVersion": "2" });
    bench
        .call("PUT", &format!("/runtimes/{id}/runtime-endpoints/"), pin)
        .await
        .expect(202);
    let delete = async |version: u32| {
        bench
            .call(
                "DELETE",
                &format!("/runtimes/{id}/?version={version}"),
                Value::Null,
            )
            .await
    };
    delete(4).await.expect_error(409, "ConflictException");
    delete(2).await.expect_error(409, "ConflictException");
    assert_eq!(delete(1).await.expect(202)["agentRuntimeVersion"], "1");
    delete(1)
        .await
        .expect_error(404, "ResourceNotFoundException");
    assert_eq!(bench.get(&id).await["status"], "READY");
    assert_eq!(
        bench.update(&id, configuration()).await.expect(202)["agentRuntimeVersion"],
        "5"
    );
}

#[tokio::test]
async fn lists_come_in_pages_with_tokens_that_only_fit_their_list() {
    let bench = Bench::start().await;
    for n in 0..105 {
        bench.create(&format!("runtime_{n}")).await;
    }
    let first = bench
        .call("POST", "/runtimes/", Value::Null)
        .await
        .expect(200);
    assert_eq!(first["agentRuntimes"].as_array().unwrap().len(), 100);
    let token = first["nextToken"].as_str().unwrap();
    let second = bench
        .call(
            "POST",
            &format!("/runtimes/?nextToken={token}"),
            Value::Null,
        )
        .await
        .expect(200);
    assert_eq!(second["agentRuntimes"].as_array().unwrap().len(), 5);
    assert!(second.get("nextToken").is_none(), "{second}");
    let entry = &second["agentRuntimes"][0];
    assert_eq!(
        (&entry["agentRuntimeName"], &entry["description"]),
        (&json!("runtime_100"), &json!(""))
    );
    assert!(
        entry.get("platformVersion").is_none() && entry.get("roleArn").is_none(),
        "{entry}"
    );
    for bad in [
        "maxResults=0",
        "maxResults=101",
        "maxResults=x",
        "nextToken=abc",
    ] {
        bench
            .call("POST", &format!("/runtimes/?{bad}"), Value::Null)
            .await
            .expect_error(400, "ValidationException");
    }
    let id = entry["agentRuntimeId"].as_str().unwrap();
    let other = bench
        .call(
            "POST",
            &format!("/runtimes/{id}/versions/?nextToken={token}"),
            Value::Null,
        )
        .await;
    other.expect_error(400, "ValidationException");
}

#[tokio::test]
async fn quotas_are_kept() {
    let bench = Bench::with(json!({ "maxRuntimes": 1, "maxVersions": 2, "maxEndpoints": 2 })).await;
    let id = bench.create("one").await;
    bench
        .call("PUT", "/runtimes/", runtime("two"))
        .await
        .expect_error(402, "ServiceQuotaExceededException");
    bench.update(&id, configuration()).await.expect(202);
    bench
        .update(&id, configuration())
        .await
        .expect_error(402, "ServiceQuotaExceededException");
    let endpoints = format!("/runtimes/{id}/runtime-endpoints/");
    bench
        .call("PUT", &endpoints, json!({ "name": "a" }))
        .await
        .expect(202);
    bench
        .call("PUT", &endpoints, json!({ "name": "b" }))
        .await
        .expect_error(402, "ServiceQuotaExceededException");
}
