//! Heads of objects, by the bucket in the path and in the host, and the admin API's hand on images.

use agentcore_sim::s3::route;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::client::{Bench, Signer, sign};

const KEY: &str = "/support/app.zip";

fn signer() -> Signer {
    Signer {
        service: "s3".to_owned(),
        ..Signer::default()
    }
}

/// Status and headers of HeadObject.
async fn head(bench: &Bench, host: &str, path: &str, signer: &Signer) -> (u16, HeaderMap) {
    let headers = sign(signer, "HEAD", path, host, &HeaderMap::new(), "");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .head(format!("{}{path}", bench.sim.url()))
        .header("host", host)
        .headers(headers);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.headers().clone())
}

async fn write(bench: &Bench, content: &str, versioned: bool) -> Value {
    let object = json!({
        "bucket": "team-a-code", "key": "support/app.zip", "versioned": versioned,
        "program": { "argv": ["/bin/true", content] },
    });
    let answer = bench.admin("POST", "/_sim/objects", object).await;
    answer.expect(200)
}

#[tokio::test]
async fn an_objects_head_is_found_by_path_and_by_host() {
    let bench = Bench::start().await;
    let written = write(&bench, "one", true).await;
    let address = bench.sim.addr().to_string();
    let port = bench.sim.addr().port();
    let in_path = format!("/team-a-code{KEY}");
    for (host, path) in [
        (address, in_path.as_str()),
        (format!("team-a-code.localhost:{port}"), KEY),
        (
            format!("team-a-code.s3.us-east-1.amazonaws.com:{port}"),
            KEY,
        ),
    ] {
        let (status, headers) = head(&bench, &host, path, &signer()).await;
        assert_eq!(status, 200, "{host}");
        assert_eq!(
            headers["x-amz-version-id"],
            written["versionId"].as_str().unwrap()
        );
        let etag = format!("\"{}\"", written["etag"].as_str().unwrap());
        assert_eq!(headers["etag"], etag.as_str());
        assert!(headers.contains_key("last-modified"));
    }
}

#[tokio::test]
async fn a_write_changes_version_and_etag_and_without_versioning_there_is_no_version() {
    let bench = Bench::start().await;
    let first = write(&bench, "one", true).await;
    let same = write(&bench, "one", true).await;
    assert_eq!(first["etag"], same["etag"], "the same content");
    assert_ne!(first["versionId"], same["versionId"], "another version");
    let second = write(&bench, "two", false).await;
    assert_ne!(first["etag"], second["etag"]);
    let host = bench.sim.addr().to_string();
    let path = format!("/team-a-code{KEY}");
    let (_, headers) = head(&bench, &host, &path, &signer()).await;
    assert!(!headers.contains_key("x-amz-version-id"));
}

#[tokio::test]
async fn a_head_that_is_missing_refused_or_badly_signed_has_its_status() {
    let bench = Bench::start().await;
    let host = bench.sim.addr().to_string();
    let path = format!("/team-a-code{KEY}");
    assert_eq!(head(&bench, &host, &path, &signer()).await.0, 404);
    write(&bench, "one", true).await;
    let other = Signer {
        service: "ecr".to_owned(),
        ..Signer::default()
    };
    assert_eq!(head(&bench, &host, &path, &other).await.0, 403);
    let denied = json!([{ "operation": "HeadObject", "when": "before", "error": "AccessDenied" }]);
    bench.faults(denied).await;
    assert_eq!(head(&bench, &host, &path, &signer()).await.0, 403);
}

#[test]
fn bucket_and_key_are_told_apart() {
    let parts = |host: &str, path: &str| route(host, path).map(|route| route.params);
    let both = |bucket: &str, key: &str| Some(vec![bucket.to_owned(), key.to_owned()]);
    assert_eq!(parts("127.0.0.1:4680", "/b/a/k"), both("b", "a/k"));
    assert_eq!(parts("localhost", "/b/k%20v"), both("b", "k v"));
    assert_eq!(parts("b.localhost:1", "/a/k"), both("b", "a/k"));
    assert_eq!(
        parts("a.b.s3.eu-west-1.amazonaws.com", "/k"),
        both("a.b", "k")
    );
    assert_eq!(parts("127.0.0.1", "/b"), None);
    assert_eq!(parts("127.0.0.1", "/"), None);
}

#[tokio::test]
async fn tags_are_moved_and_removed_and_a_repository_goes_with_its_images() {
    let bench = Bench::start().await;
    let first = bench.push("multi", "v1", &["arm64"]).await;
    bench.push("multi", "v2", &["arm64"]).await;
    let tags = json!({ "repository": "multi", "tag": "v2", "digest": first });
    bench
        .admin("POST", "/_sim/tags", tags.clone())
        .await
        .expect(200);
    let none = json!({ "repository": "multi", "tag": "v2", "digest": "sha256:00" });
    bench.admin("POST", "/_sim/tags", none).await.expect(400);
    let tag = json!({ "repository": "multi", "tag": "v1" });
    bench
        .admin("DELETE", "/_sim/images", tag.clone())
        .await
        .expect(200);
    bench.admin("DELETE", "/_sim/images", tag).await.expect(400);
    let all = json!({ "repository": "multi" });
    bench.admin("DELETE", "/_sim/images", all).await.expect(200);
    bench.admin("POST", "/_sim/tags", tags).await.expect(400);
}
