//! Pushed images as ECR shows them.

use http::HeaderMap;
use serde_json::{Value, json};

use crate::client::{Answer, Bench, Signer};

async fn ecr(bench: &Bench, action: &str, body: Value) -> Answer {
    let signer = Signer {
        service: "ecr".to_owned(),
        ..Signer::default()
    };
    let target = format!("AmazonEC2ContainerRegistry_V20150921.{action}");
    let headers = HeaderMap::from_iter([
        ("x-amz-target".parse().unwrap(), target.parse().unwrap()),
        (
            "content-type".parse().unwrap(),
            "application/x-amz-json-1.1".parse().unwrap(),
        ),
    ]);
    bench
        .send(&signer, "POST", "/", &headers, body.to_string())
        .await
        .unwrap()
}

async fn manifest(bench: &Bench, repository: &str, id: Value) -> Value {
    let body = json!({ "repositoryName": repository, "imageIds": [id] });
    let answer = ecr(bench, "BatchGetImage", body).await.expect(200);
    serde_json::from_str(answer["images"][0]["imageManifest"].as_str().unwrap()).unwrap()
}

async fn architecture(bench: &Bench, repository: &str, manifest: &Value) -> String {
    let body = json!({ "repositoryName": repository, "layerDigest": manifest["config"]["digest"] });
    let answer = ecr(bench, "GetDownloadUrlForLayer", body).await.expect(200);
    let url = answer["downloadUrl"].as_str().unwrap();
    let path = url.strip_prefix(&bench.sim.url()).unwrap();
    let config = bench.admin("GET", path, Value::Null).await.expect(200);
    config["architecture"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_architecture_is_found_through_the_config_blob_and_the_index() {
    let bench = Bench::start().await;
    let single = manifest(&bench, "support", json!({ "imageTag": "prod" })).await;
    assert_eq!(architecture(&bench, "support", &single).await, "arm64");

    let digest = bench.push("multi", "v1", &["arm64", "amd64"]).await;
    let index = manifest(&bench, "multi", json!({ "imageDigest": digest })).await;
    for (n, arch) in ["arm64", "amd64"].into_iter().enumerate() {
        let entry = &index["manifests"][n];
        assert_eq!(entry["platform"]["architecture"], arch);
        let child = manifest(&bench, "multi", json!({ "imageDigest": entry["digest"] })).await;
        assert_eq!(architecture(&bench, "multi", &child).await, arch);
    }
}

#[tokio::test]
async fn a_digest_follows_from_content_and_a_tag_moves() {
    let bench = Bench::start().await;
    let first = bench.push("support", "prod", &["arm64"]).await;
    assert_eq!(bench.push("support", "prod", &["arm64"]).await, first);
    assert_ne!(
        bench.push("support", "prod", &["arm64", "amd64"]).await,
        first
    );
    let details = ecr(
        &bench,
        "DescribeImages",
        json!({ "repositoryName": "support", "imageIds": [{ "imageDigest": first }] }),
    )
    .await
    .expect(200);
    let detail = &details["imageDetails"][0];
    assert!(
        detail.get("imageTags").is_none(),
        "the tag has moved on: {detail}"
    );
    assert!(detail["imagePushedAt"].is_f64(), "{detail}");
}

#[tokio::test]
async fn what_is_missing_is_said_as_ecr_says_it() {
    let bench = Bench::start().await;
    let ids = json!([{ "imageTag": "none" }, {}, { "imageDigest": "x" }, { "imageTag": "prod", "imageDigest": "sha256:00" }]);
    let answer = ecr(
        &bench,
        "BatchGetImage",
        json!({ "repositoryName": "support", "imageIds": ids }),
    )
    .await
    .expect(200);
    let codes: Vec<_> = answer["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["failureCode"].clone())
        .collect();
    assert_eq!(
        codes,
        [
            "ImageNotFound",
            "MissingDigestAndTag",
            "InvalidImageDigest",
            "ImageTagDoesNotMatchDigest"
        ]
    );
    let missing = json!({ "repositoryName": "support", "imageIds": [{ "imageTag": "none" }] });
    let answer = ecr(&bench, "DescribeImages", missing).await;
    assert_eq!(answer.body["__type"], "ImageNotFoundException");
    let answer = ecr(
        &bench,
        "DescribeRepositories",
        json!({ "repositoryNames": ["none"] }),
    )
    .await;
    assert_eq!(
        (answer.status, answer.body["__type"].as_str()),
        (400, Some("RepositoryNotFoundException"))
    );
    let answer = ecr(
        &bench,
        "DescribeImages",
        json!({ "repositoryName": "UPPER" }),
    )
    .await;
    assert_eq!(answer.body["__type"], "InvalidParameterException");
    ecr(&bench, "PutImage", json!({}))
        .await
        .expect_error(404, "UnknownOperationException");
    bench.push("other", "v1", &["arm64"]).await;
    let answer = ecr(&bench, "DescribeRepositories", json!({ "maxResults": 1 }))
        .await
        .expect(200);
    assert_eq!(answer["repositories"][0]["repositoryName"], "other");
    let next = json!({ "maxResults": 1, "nextToken": answer["nextToken"] });
    let answer = ecr(&bench, "DescribeRepositories", next).await.expect(200);
    assert_eq!(
        (
            &answer["repositories"][0]["repositoryName"],
            answer.get("nextToken")
        ),
        (&json!("support"), None)
    );
}
