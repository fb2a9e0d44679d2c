//! Who is let in, and what the others are told.

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::client::{Bench, Signer, sign};

const LIST: &str = "/runtimes/?maxResults=10";

async fn list_as(bench: &Bench, signer: &Signer) -> crate::client::Answer {
    bench
        .send(signer, "POST", LIST, &HeaderMap::new(), String::new())
        .await
        .unwrap()
}

#[tokio::test]
async fn wrong_keys_secrets_services_and_times_are_refused_by_name() {
    let bench = Bench::start().await;
    let good = Signer::default();
    assert_eq!(list_as(&bench, &good).await.status, 200);

    let stranger = Signer {
        id: "stranger".to_owned(),
        ..good.clone()
    };
    list_as(&bench, &stranger)
        .await
        .expect_error(403, "UnrecognizedClientException");
    let tokened = Signer {
        token: Some("abc".to_owned()),
        ..good.clone()
    };
    list_as(&bench, &tokened)
        .await
        .expect_error(403, "UnrecognizedClientException");
    let forger = Signer {
        secret: "guess".to_owned(),
        ..good.clone()
    };
    list_as(&bench, &forger)
        .await
        .expect_error(403, "InvalidSignatureException");
    let elsewhere = Signer {
        service: "s3".to_owned(),
        ..good.clone()
    };
    let message = list_as(&bench, &elsewhere)
        .await
        .expect_error(403, "InvalidSignatureException");
    assert!(message.contains("correct service"), "{message}");
    for minutes in [-6, 6] {
        let at = Timestamp::now() + SignedDuration::from_mins(minutes);
        let late = Signer {
            at: Some(at),
            ..good.clone()
        };
        list_as(&bench, &late)
            .await
            .expect_error(403, "InvalidSignatureException");
    }
    bench
        .raw("POST", LIST, HeaderMap::new(), String::new())
        .await
        .expect_error(403, "MissingAuthenticationTokenException");
    let half = HeaderMap::from_iter([(
        "authorization".parse().unwrap(),
        "AWS4-HMAC-SHA256 Credential=test/x".parse().unwrap(),
    )]);
    bench
        .raw("POST", LIST, half, String::new())
        .await
        .expect_error(403, "IncompleteSignatureException");
    let bearer = HeaderMap::from_iter([(
        "authorization".parse().unwrap(),
        "Bearer abc".parse().unwrap(),
    )]);
    bench
        .raw("POST", LIST, bearer, String::new())
        .await
        .expect_error(403, "IncompleteSignatureException");
}

#[tokio::test]
async fn the_body_the_query_and_the_headers_are_covered() {
    let bench = Bench::start().await;
    let host = bench.sim.addr().to_string();
    let signed = |target: &str, body: &str| {
        sign(
            &bench.signer,
            "POST",
            target,
            &host,
            &HeaderMap::new(),
            body,
        )
    };
    bench
        .raw("POST", LIST, signed(LIST, "{}"), "{}".to_owned())
        .await
        .expect(200);
    bench
        .raw("POST", LIST, signed(LIST, "{}"), "{ }".to_owned())
        .await
        .expect_error(403, "InvalidSignatureException");
    bench
        .raw(
            "POST",
            LIST,
            signed("/runtimes/?maxResults=1", ""),
            String::new(),
        )
        .await
        .expect_error(403, "InvalidSignatureException");
    let extra = HeaderMap::from_iter([("x-amz-meta".parse().unwrap(), "a".parse().unwrap())]);
    let mut headers = sign(&bench.signer, "POST", LIST, &host, &extra, "");
    headers.insert("x-amz-meta", "b".parse().unwrap());
    bench
        .raw("POST", LIST, headers, String::new())
        .await
        .expect_error(403, "InvalidSignatureException");
    let unsigned = HeaderMap::from_iter([(
        "x-amz-content-sha256".parse().unwrap(),
        "UNSIGNED-PAYLOAD".parse().unwrap(),
    )]);
    let answer = bench
        .send(&bench.signer, "POST", LIST, &unsigned, String::new())
        .await
        .unwrap();
    answer.expect_error(403, "InvalidSignatureException");
}

#[tokio::test]
async fn a_host_signed_without_its_port_is_accepted() {
    let bench = Bench::start().await;
    let headers = sign(
        &bench.signer,
        "POST",
        LIST,
        "127.0.0.1",
        &HeaderMap::new(),
        "",
    );
    bench
        .raw("POST", LIST, headers, String::new())
        .await
        .expect(200);
    let headers = sign(
        &bench.signer,
        "POST",
        LIST,
        "example.com",
        &HeaderMap::new(),
        "",
    );
    bench
        .raw("POST", LIST, headers, String::new())
        .await
        .expect_error(403, "InvalidSignatureException");
}

#[tokio::test]
async fn the_region_of_the_signature_decides_which_runtimes_are_seen() {
    let bench = Bench::start().await;
    let id = bench.create("here").await;
    let abroad = Signer {
        region: "eu-west-1".to_owned(),
        ..Signer::default()
    };
    let answer = list_as(&bench, &abroad).await.expect(200);
    assert_eq!(answer["agentRuntimes"], json!([]));
    let path = format!("/runtimes/{id}/");
    let answer = bench
        .send(&abroad, "GET", &path, &HeaderMap::new(), String::new())
        .await
        .unwrap();
    answer.expect_error(404, "ResourceNotFoundException");
    let arn = bench.get(&id).await["agentRuntimeArn"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        arn.starts_with("arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/here-"),
        "{arn}"
    );
}

#[tokio::test]
async fn a_jump_of_the_clock_spoils_signatures_only_where_that_is_wished() {
    let bench = Bench::start().await;
    bench.advance(86_400.0).await;
    bench.call("POST", LIST, Value::Null).await.expect(200);
    bench.settings(json!({ "signatureClock": "sim" })).await;
    let message = bench
        .call("POST", LIST, Value::Null)
        .await
        .expect_error(403, "InvalidSignatureException");
    assert!(message.starts_with("Signature expired"), "{message}");
}
