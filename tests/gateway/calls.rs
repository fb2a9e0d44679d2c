//! Turns, streams, chats and sockets of a caller who may.

use futures::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::front::Front;

const SESSION: &str = "x-amzn-bedrock-agentcore-runtime-session-id";

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_keeps_its_session_and_another_caller_has_another() {
    let front = Front::start("gw-conversation").await;
    let token = front.token("caller").await;
    let first = front
        .invoke(&token, &json!({"prompt": "one two three four"}))
        .send()
        .await
        .expect("answer");
    assert_eq!(first.status(), 200, "{:?}", first.text().await);
    let headers = first.headers().clone();
    let session = headers[SESSION].to_str().expect("text").to_owned();
    assert_eq!(headers["x-agentcore-session-started"], "true");
    let upstream = headers["x-agentcore-upstream-session-id"].clone();
    assert_ne!(upstream, session);
    let first: Value = first.json().await.expect("JSON");
    assert_eq!(first["response"], "one two three four");
    assert_eq!(first["turn"], 1);
    assert_eq!(first["sessionId"], upstream.to_str().expect("text"));

    let again = |token: String| {
        let request = front.invoke(&token, &json!({"prompt": "again"}));
        request.header(SESSION, &session).send()
    };
    let second = again(token.clone()).await.expect("answer");
    assert_eq!(second.headers()[SESSION], session);
    assert!(!second.headers().contains_key("x-agentcore-session-started"));
    let second: Value = second.json().await.expect("JSON");
    assert_eq!(second["turn"], 2);
    assert_eq!(second["pid"], first["pid"]);

    front.allow("other", &["create"]).await;
    let stranger = again(front.token("other").await).await.expect("answer");
    assert_eq!(stranger.headers()[SESSION], session);
    assert_ne!(
        stranger.headers()["x-agentcore-upstream-session-id"],
        upstream
    );
    let stranger: Value = stranger.json().await.expect("JSON");
    assert_eq!(stranger["turn"], 1);
    assert_ne!(stranger["pid"], first["pid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_a_stream_come_as_the_agent_makes_them() {
    let front = Front::start("gw-stream").await;
    let token = front.token("caller").await;
    let body = json!({"prompt": "a b c d e f", "chunks": 3, "delayMs": 400});
    let mut answer = front
        .invoke(&token, &body)
        .header("accept", "text/event-stream")
        .send()
        .await
        .expect("answer");
    assert_eq!(
        answer.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let mut pieces = Vec::new();
    while let Some(piece) = answer.chunk().await.expect("a whole stream") {
        pieces.push(String::from_utf8(piece.to_vec()).expect("UTF-8"));
    }
    // Each event was a read of its own: nothing waited for the next.
    assert_eq!(pieces.len(), 3, "{pieces:?}");
    assert!(
        pieces
            .iter()
            .all(|piece| piece.starts_with("data: ") && piece.ends_with("\n\n"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_joins_pieces_and_goes_over_one_pooled_web_socket() {
    let front = Front::start("gw-chat").await;
    let token = front.token("caller").await;
    let chat = async |body: Value| -> Value {
        let request = front.request(Method::POST, "chat", &token).json(&body);
        let answer = request.send().await.expect("answer");
        let status = answer.status();
        let text = answer.text().await.expect("text");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    };
    let first = chat(json!({"prompt": "one two three four five"})).await;
    assert_eq!(first["response"], "one two three four five");
    let session = first["sessionId"].clone();
    for _ in 0..3 {
        let over = chat(
            json!({"prompt": "```rust\nfn é() {}\n```", "sessionId": session, "transport": "ws"}),
        )
        .await;
        assert_eq!(
            over,
            json!({"response": "```rust\nfn é() {}\n```", "sessionId": session})
        );
    }
    let sockets = front
        .rig
        .calls("InvokeAgentRuntimeWithWebSocketStream")
        .await;
    assert_eq!(sockets, 1);
    assert!(
        front
            .metrics()
            .await
            .contains("agentcore_gateway_pooled_web_sockets 1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_socket_passes_messages_both_ways_and_closes_with_1001_on_sigterm() {
    let mut front = Front::start("gw-socket").await;
    let token = front.token("caller").await;
    let url = front.path("ws").replace("http://", "ws://");
    let mut request = url.into_client_request().expect("request");
    let bearer = format!("Bearer {token}").parse().expect("header");
    request.headers_mut().insert("authorization", bearer);
    let address = front.gateway.url.trim_start_matches("http://").to_owned();
    let stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("connected");
    let (mut socket, answer) = tokio_tungstenite::client_async(request, stream)
        .await
        .expect("a WebSocket");
    assert!(answer.headers().contains_key(SESSION));
    for turn in 1..=2 {
        socket
            .send(Message::text(json!({"prompt": "a b c d"}).to_string()))
            .await
            .expect("sent");
        let mut said = String::new();
        loop {
            let message = socket.next().await.expect("open").expect("a message");
            let frame: Value =
                serde_json::from_str(message.to_text().expect("text")).expect("JSON");
            if frame["type"] == "done" {
                break;
            }
            assert_eq!(frame["turn"], turn);
            said.push_str(frame["response"].as_str().expect("text"));
        }
        assert_eq!(said, "a b c d");
    }
    front.gateway.terminate();
    let close = loop {
        let message = socket.next().await.expect("a close");
        if let Message::Close(frame) = message.expect("a message") {
            break frame.expect("a code");
        }
    };
    assert_eq!(u16::from(close.code), 1001);
    assert!(front.gateway.ended().await.success());
}
