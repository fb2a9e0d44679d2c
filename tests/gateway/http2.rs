//! Callers that speak HTTP/2.

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};

use super::front::Front;
use super::tools::connect;

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_refusals_arrive_whole() {
    let front = Front::start("gw-http2").await;
    let good = format!("Bearer {}", front.token("caller").await);
    let io = TokioIo::new(connect(&front.gateway).await);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
    let (sender, connection) = handshake.await.expect("a connection");
    let connection = tokio::spawn(connection);
    let ask = async |token: &str, body: Vec<u8>| -> (u16, Value) {
        let request = Request::post(front.path("invocations"))
            .header("authorization", token)
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let answer = sender
            .clone()
            .send_request(request)
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a whole body");
        (
            status,
            serde_json::from_slice(&body.to_bytes()).expect("JSON"),
        )
    };
    let prompt = || {
        json!({"prompt": "a ".repeat(150_000)})
            .to_string()
            .into_bytes()
    };
    let (status, said) = ask(&good, prompt()).await;
    assert_eq!((status, said["turn"].as_u64()), (200, Some(1)), "{said}");
    // The body is larger than the window: the refusal is out before it is.
    for _ in 0..20 {
        let (status, said) = ask("Bearer garbage", prompt()).await;
        assert_eq!((status, &said["reason"]), (401, &json!("InvalidToken")));
    }
    drop(sender);
    connection.abort();
}
