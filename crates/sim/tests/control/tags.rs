//! Tags and resource policies.

use serde_json::{Value, json};

use crate::client::{Bench, escape};

#[tokio::test]
async fn tags_are_set_listed_and_removed_on_runtimes_and_endpoints() {
    let bench = Bench::start().await;
    let id = bench.create("r").await;
    let body = json!({ "name": "live", "tags": { "first": "1" } });
    let endpoint = bench
        .call("PUT", &format!("/runtimes/{id}/runtime-endpoints/"), body)
        .await
        .expect(202);
    let runtime = bench.get(&id).await["agentRuntimeArn"]
        .as_str()
        .unwrap()
        .to_owned();
    let endpoint = endpoint["agentRuntimeEndpointArn"]
        .as_str()
        .unwrap()
        .to_owned();
    for arn in [runtime.clone(), endpoint] {
        let path = format!("/tags/{}", escape(&arn));
        bench
            .call(
                "POST",
                &path,
                json!({ "tags": { "first": "2", "agentcore.dev/name": "x" } }),
            )
            .await
            .expect(204);
        let tags = bench.call("GET", &path, Value::Null).await.expect(200)["tags"].clone();
        assert_eq!(tags, json!({ "first": "2", "agentcore.dev/name": "x" }));
        let remove = format!("{path}?tagKeys=agentcore.dev%2Fname&tagKeys=none");
        bench.call("DELETE", &remove, Value::Null).await.expect(204);
        // Slashes of the ARN left as they are.
        let plain = format!("/tags/{arn}");
        assert_eq!(
            bench.call("GET", &plain, Value::Null).await.expect(200)["tags"],
            json!({ "first": "2" })
        );
    }
    let path = format!("/tags/{}", escape(&runtime));
    bench
        .call("DELETE", &path, Value::Null)
        .await
        .expect_error(400, "ValidationException");
    bench
        .call("POST", &path, json!({ "tags": { "aws:x": "y" } }))
        .await
        .expect_error(400, "ValidationException");
    bench
        .call("POST", &path, json!({ "tags": { "bad?": "y" } }))
        .await
        .expect_error(400, "ValidationException");
    let many: serde_json::Map<_, _> = (0..50).map(|n| (format!("k{n}"), json!("v"))).collect();
    bench
        .call("POST", &path, json!({ "tags": many }))
        .await
        .expect_error(402, "ServiceQuotaExceededException");
    let missing =
        escape("arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/none-abcdefghij");
    bench
        .call("GET", &format!("/tags/{missing}"), Value::Null)
        .await
        .expect_error(404, "ResourceNotFoundException");
    bench
        .call("GET", "/tags/nonsense", Value::Null)
        .await
        .expect_error(400, "ValidationException");
}

#[tokio::test]
async fn a_resource_policy_is_kept_as_it_was_put() {
    let bench = Bench::start().await;
    let id = bench.create("r").await;
    let arn = bench.get(&id).await["agentRuntimeArn"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/resourcepolicy/{}", escape(&arn));
    bench
        .call("GET", &path, Value::Null)
        .await
        .expect_error(404, "ResourceNotFoundException");
    bench
        .call("DELETE", &path, Value::Null)
        .await
        .expect_error(404, "ResourceNotFoundException");
    bench
        .call("PUT", &path, json!({ "policy": "not json" }))
        .await
        .expect_error(400, "ValidationException");
    let policy = r#"{"Version": "2012-10-17",  "Statement": []}"#;
    assert_eq!(
        bench
            .call("PUT", &path, json!({ "policy": policy }))
            .await
            .expect(201)["policy"],
        policy
    );
    assert_eq!(
        bench.call("GET", &path, Value::Null).await.expect(200)["policy"],
        policy
    );
    bench.call("DELETE", &path, Value::Null).await.expect(204);
    bench
        .call("GET", &path, Value::Null)
        .await
        .expect_error(404, "ResourceNotFoundException");
}
