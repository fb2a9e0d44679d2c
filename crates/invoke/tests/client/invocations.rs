//! Invocations, cards and stops against real agents.

use std::io::Write as _;

use agentcore_invoke::sse::Decoder;
use agentcore_invoke::{Auth, Error, Invoke, Payload, RuntimeArn, SESSION_HEADER, Spooled, Target};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Full, StreamBody};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::stage::{DEADLINE, Stage, read, session, soon, wish};

#[tokio::test]
async fn an_invocation_reaches_the_agent_and_its_answer_comes_back() {
    let stage = Stage::start().await;
    let answer = stage.invoke(&json!({ "prompt": "é" })).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.attempts, 1);
    assert_eq!(answer.headers[SESSION_HEADER], session(1).as_str());
    assert!(answer.request_id.is_some());
    let told = read(answer).await;
    assert_eq!(told["body"], json!({ "prompt": "é" }));
    assert_eq!(told["headers"]["content-type"], "application/json");
    assert_eq!(told["headers"].get("authorization"), None);
}

#[tokio::test]
async fn headers_go_on_as_they_are_but_for_the_client_s_own() {
    let stage = Stage::start().await;
    let mut call = wish(&stage.target, &json!({}));
    for (name, value) in [
        ("accept", "text/event-stream"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("x-amzn-bedrock-agentcore-runtime-custom-color", "blue"),
        // All of these would break the request or its signature.
        ("host", "elsewhere.example"),
        ("content-length", "7"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("expect", "100-continue"),
        ("authorization", "Bearer none"),
        ("x-amz-date", "20200101T000000Z"),
        ("x-amz-security-token", "none"),
    ] {
        call.headers.insert(name, HeaderValue::from_static(value));
    }
    let told = read(stage.client.invoke(call).await.unwrap()).await;
    let headers = &told["headers"];
    assert_eq!(headers["accept"], "text/event-stream");
    assert_eq!(
        headers["traceparent"],
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    );
    assert_eq!(
        headers["x-amzn-bedrock-agentcore-runtime-custom-color"],
        "blue"
    );
}

#[tokio::test]
async fn an_agent_s_own_error_is_an_answer() {
    let stage = Stage::start().await;
    let wish = json!({ "do": "status", "status": 418 });
    let answer = stage.invoke(&wish).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.attempts), (418, 1));
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(read(answer).await, json!({ "error": "inner" }));
}

#[tokio::test]
async fn events_stream_through_the_decoder() {
    let stage = Stage::start().await;
    let wish = json!({ "do": "stream", "count": 200 });
    let mut body = stage.invoke(&wish).await.unwrap().body;
    let mut decoder = Decoder::new(1 << 10);
    let mut events = Vec::new();
    while let Some(frame) = soon("a piece", body.frame()).await {
        if let Ok(data) = frame.unwrap().into_data() {
            decoder.feed(&data, &mut events).unwrap();
        }
    }
    let found: Vec<String> = events.into_iter().map(|event| event.data).collect();
    let expected: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    assert_eq!(found, expected);
}

/// Bytes that show where they were taken from.
fn patterned(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 0xff).unwrap())
        .collect()
}

fn spooled(bytes: &[u8]) -> Spooled {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Spooled::new(file, bytes.len() as u64, Sha256::digest(bytes).into())
}

#[tokio::test]
async fn a_spooled_body_of_20_megabytes_arrives_intact_also_when_it_is_sent_again() {
    let stage = Stage::start().await;
    let bytes = patterned(20_000_001);
    stage
        .fault("InvokeAgentRuntime", "before", "ThrottlingException", 1)
        .await;
    let call = Invoke {
        payload: Payload::Spooled(spooled(&bytes)),
        ..wish(&stage.target, &json!({}))
    };
    let answer = stage.client.invoke(call).await.unwrap();
    assert_eq!(answer.attempts, 2);
    let told = read(answer).await;
    assert_eq!(told["length"], bytes.len());
    assert_eq!(told["sha256"], hex::encode(Sha256::digest(&bytes)));
}

#[tokio::test]
async fn a_spool_file_that_is_shorter_than_it_should_be_is_an_error_of_the_payload() {
    let stage = Stage::start().await;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&patterned(100_000)).unwrap();
    let call = Invoke {
        payload: Payload::Spooled(Spooled::new(file, 200_000, [0; 32])),
        ..wish(&stage.target, &json!({}))
    };
    let failed = soon("an end", stage.client.invoke(call)).await.unwrap_err();
    assert!(matches!(failed.error, Error::Payload(_)), "{failed}");
    assert_eq!(failed.attempts, 1);
    assert_eq!(
        failed.to_string(),
        "cannot read the request's payload: failed to fill whole buffer"
    );
}

fn jwt() -> serde_json::Value {
    let authorizer = json!({
        "discoveryUrl": "https://issuer.example/.well-known/openid-configuration", "allowedAudience": ["agents"],
    });
    json!({ "authorizerConfiguration": { "customJWTAuthorizer": authorizer } })
}

#[tokio::test]
async fn tokens_go_on_as_they_are_and_bodies_stream() {
    let stage = Stage::with(jwt()).await;
    for length in [None, Some(300_000)] {
        let bytes = patterned(300_000);
        let body = Full::new(Bytes::from(bytes.clone()));
        let stream = body.map_err(|never| match never {}).boxed_unsync();
        let call = Invoke {
            payload: Payload::Stream {
                body: stream,
                length,
            },
            auth: Auth::Bearer(HeaderValue::from_static("Bearer e30.e30.e30")),
            ..wish(&stage.target, &json!({}))
        };
        let told = read(stage.client.invoke(call).await.unwrap()).await;
        assert_eq!(
            told["sha256"],
            hex::encode(Sha256::digest(&bytes)),
            "{length:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_of_the_payload() {
    let stage = Stage::with(jwt()).await;
    let broken = futures::stream::iter([
        Ok(hyper::body::Frame::data(Bytes::from("half"))),
        Err("the caller is gone".into()),
    ]);
    let short = futures::stream::iter([Ok(hyper::body::Frame::data(Bytes::from("half")))]);
    for (body, text) in [
        (StreamBody::new(broken).boxed_unsync(), "the caller is gone"),
        (StreamBody::new(short).boxed_unsync(), "it ended too early"),
    ] {
        let call = Invoke {
            payload: Payload::Stream {
                body,
                length: Some(100),
            },
            auth: Auth::Bearer(HeaderValue::from_static("Bearer e30.e30.e30")),
            ..wish(&stage.target, &json!({}))
        };
        let failed = soon("an end", stage.client.invoke(call)).await.unwrap_err();
        let expected = format!("cannot read the request's payload: {text}");
        assert_eq!(failed.to_string(), expected);
    }
}

#[tokio::test]
async fn a_stream_cannot_be_signed() {
    let stage = Stage::start().await;
    let body = Full::new(Bytes::from("{}"));
    let call = Invoke {
        payload: Payload::Stream {
            body: body.map_err(|never| match never {}).boxed_unsync(),
            length: Some(2),
        },
        ..wish(&stage.target, &json!({}))
    };
    let failed = stage.client.invoke(call).await.unwrap_err();
    assert!(matches!(failed.error, Error::Unsignable(_)), "{failed}");
    assert_eq!(
        (failed.attempts, stage.calls("InvokeAgentRuntime").await),
        (0, 0)
    );
    assert_eq!(
        failed.to_string(),
        "cannot sign the request: its payload is streamed, and not known to its end"
    );
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_aws_s_error() {
    let stage = Stage::start().await;
    let target = Target {
        qualifier: Some("nowhere".to_owned()),
        ..stage.target.clone()
    };
    let failed = stage
        .client
        .invoke(wish(&target, &json!({})))
        .await
        .unwrap_err();
    let Error::Service(error) = failed.error else {
        panic!("{failed}");
    };
    assert_eq!(
        (error.name.as_str(), error.status.as_u16()),
        ("ResourceNotFoundException", 404)
    );
    assert!(error.request_id.is_some());
}

#[tokio::test]
async fn a_qualifier_with_characters_of_urls_stays_one_value() {
    let stage = Stage::start().await;
    let target = Target {
        qualifier: Some("a&accountId=1 /é".to_owned()),
        ..stage.target.clone()
    };
    let failed = stage
        .client
        .invoke(wish(&target, &json!({})))
        .await
        .unwrap_err();
    let text = failed.to_string();
    assert!(
        !text.contains("Signature") && text.contains("Exception"),
        "{text}"
    );
}

#[tokio::test]
async fn no_answer_in_time_is_a_time_out_and_is_not_sent_again() {
    let stage = Stage::start().await;
    stage.seen("warm").await;
    let call = Invoke {
        first_byte: std::time::Duration::from_millis(300),
        resend: agentcore_invoke::Resend::Idempotent,
        ..wish(
            &stage.target,
            &json!({ "do": "sleep", "seconds": 3, "name": "slow" }),
        )
    };
    let failed = stage.client.invoke(call).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "timed out waiting for the beginning of an answer"
    );
    assert_eq!(
        (failed.error.reason(), failed.attempts),
        ("first_byte_timeout", 1)
    );
    assert_eq!(stage.seen("slow").await, 1);
}

#[tokio::test]
async fn a_session_is_stopped_once_and_is_then_unknown() {
    let stage = Stage::start().await;
    stage.seen("warm").await;
    stage
        .client
        .stop(&stage.target, &session(1), Auth::SigV4)
        .await
        .unwrap();
    let failed = stage
        .client
        .stop(&stage.target, &session(1), Auth::SigV4)
        .await
        .unwrap_err();
    let Error::Service(error) = &failed.error else {
        panic!("{failed}");
    };
    assert_eq!(error.name, "ResourceNotFoundException");
    assert_eq!(stage.calls("StopRuntimeSession").await, 2);
}

#[tokio::test]
async fn a_stop_whose_answer_was_lost_is_sent_again() {
    let stage = Stage::start().await;
    stage.seen("warm").await;
    stage.fault("StopRuntimeSession", "before", "drop", 1).await;
    stage
        .client
        .stop(&stage.target, &session(1), Auth::SigV4)
        .await
        .unwrap();
    assert_eq!(stage.calls("StopRuntimeSession").await, 2);
}

#[tokio::test]
async fn an_agent_s_card_is_read() {
    let stage = Stage::with(json!({ "protocolConfiguration": { "serverProtocol": "A2A" } })).await;
    let headers = HeaderMap::new();
    let read_card = stage
        .client
        .agent_card(&stage.target, headers, Auth::SigV4, DEADLINE);
    assert_eq!(
        read(read_card.await.unwrap()).await,
        json!({ "name": "support" })
    );
}

#[tokio::test]
async fn a_runtime_of_another_account_is_not_found() {
    let stage = Stage::start().await;
    let arn = stage
        .target
        .arn
        .as_str()
        .replace("111122223333", "444455556666");
    let target = Target {
        arn: arn.parse::<RuntimeArn>().unwrap(),
        qualifier: None,
    };
    let failed = stage
        .client
        .invoke(wish(&target, &json!({})))
        .await
        .unwrap_err();
    assert_eq!(failed.error.reason(), "service");
    assert_eq!(failed.attempts, 1);
}
