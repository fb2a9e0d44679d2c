//! WebSockets: what both sides agree on, and frames that pass as they come.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::front::Front;
use super::tools::{connect, good, web_socket};

const FRAMES: &str = include_str!("frames.py");

#[tokio::test(flavor = "multi_thread")]
async fn a_subprotocol_is_offered_to_the_agent_and_its_choice_answered() {
    let front = Front::start("gw-subprotocol").await;
    front.script("frames", FRAMES, json!({})).await;
    let token = front.token("caller").await;
    let url = front.path_at("agentruntimes", "frames", "ws");
    for (offered, chosen) in [
        ("graphql-transport-ws, json", Some("json")),
        ("graphql-transport-ws", None),
    ] {
        let url = url.replace("http://", "ws://");
        let mut request = url.into_client_request().expect("request");
        let headers = request.headers_mut();
        let bearer = format!("Bearer {token}").parse().expect("header");
        headers.insert("authorization", bearer);
        headers.insert("sec-websocket-protocol", offered.parse().expect("header"));
        let stream = connect(&front.gateway).await;
        // A client that offers subprotocols fails where none is chosen: its own affair.
        let answer = match tokio_tungstenite::client_async(request, stream).await {
            Ok((_, answer)) => answer,
            Err(_) if chosen.is_none() => continue,
            Err(error) => panic!("{offered}: {error}"),
        };
        let found = answer.headers().get("sec-websocket-protocol");
        assert_eq!(
            found.map(|value| value.to_str().expect("text")),
            chosen,
            "{offered}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_one_message_pass_as_they_come() {
    let front = Front::start("gw-frames").await;
    front.script("frames", FRAMES, json!({})).await;
    let token = front.token("caller").await;
    let path = front.path_at("agentruntimes", "frames", "ws");
    let mut socket = web_socket(&front, &path, &token).await;
    let part = |number: usize| {
        let kind = if number == 0 {
            Data::Binary
        } else {
            Data::Continue
        };
        Message::Frame(Frame::message(
            vec![7; 16 << 10],
            OpCode::Data(kind),
            number == 9,
        ))
    };
    socket.send(part(0)).await.expect("sent");
    let said = socket.next().await.expect("open").expect("a message");
    assert_eq!(said, Message::text("begun"), "before the message is whole");
    for number in 1..10 {
        socket.send(part(number)).await.expect("sent");
    }
    let said = socket.next().await.expect("open").expect("a message");
    assert_eq!(said, Message::text("10 frames, 163840 bytes"));
    socket
        .send(Message::Ping("anyone?".into()))
        .await
        .expect("sent");
    let said = socket.next().await.expect("open").expect("a message");
    assert_eq!(said, Message::Pong("anyone?".into()));
    socket.close(None).await.expect("closed");
    while let Some(message) = socket.next().await {
        assert!(message.expect("an orderly close").is_close());
    }
    // A prompt that is longer than a frame may be.
    let long = "word ".repeat(20_000);
    let chat = json!({"prompt": long, "transport": "ws"});
    let (_, said) = good(
        front
            .request(reqwest::Method::POST, "chat", &token)
            .json(&chat),
    )
    .await;
    let response = said["response"].as_str().expect("text");
    assert_eq!(response.trim(), long.trim());
}
