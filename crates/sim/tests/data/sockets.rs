//! WebSockets: what passes through an open one, and how it ends.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::client::{Signer, sign};
use crate::socket::{Socket, headers, open, open_signed};
use crate::stage::{SESSION, Stage, id, until};

async fn opened(stage: &Stage, session: u32) -> (Socket, u64) {
    let mut socket = open_signed(stage, session).await.unwrap();
    let pid = socket.told().await["pid"].as_u64().unwrap();
    (socket, pid)
}

async fn logged(stage: &Stage, pid: u64, text: &str) {
    until(text, async || {
        stage.log(pid).await.contains(text).then_some(())
    })
    .await;
}

#[tokio::test]
async fn text_and_binary_pass_both_ways_and_fragments_stay_fragments() {
    let stage = Stage::start(json!({})).await;
    let (mut socket, pid) = opened(&stage, 1).await;
    for message in [
        Message::text("grüße"),
        Message::binary(vec![0, 255, 7]),
        Message::text(""),
    ] {
        socket.send(message.clone()).await;
        assert_eq!(socket.message().await, message);
    }
    // The agent gets and echoes two frames; a side that joined them would send one.
    let part =
        |text: &'static str, opcode, last| Message::Frame(Frame::message(text, opcode, last));
    socket
        .send(part("one ", OpCode::Data(Data::Text), false))
        .await;
    socket
        .send(part("two", OpCode::Data(Data::Continue), true))
        .await;
    assert_eq!(socket.message().await, Message::text("one two"));
    let log = stage.log(pid).await;
    assert!(log.contains("a fragment of 4 bytes"), "{log}");
    assert!(!log.contains("without a mask"), "{log}");
}

#[tokio::test]
async fn pings_are_answered_by_the_other_side_and_once() {
    let stage = Stage::start(json!({})).await;
    let (mut socket, pid) = opened(&stage, 1).await;
    socket.send(Message::Ping("here?".into())).await;
    assert_eq!(socket.message().await, Message::Pong("here?".into()));
    socket.wish(json!({ "do": "ping" })).await;
    assert_eq!(socket.message().await, Message::Ping("anyone?".into()));
    socket.send(Message::text("after")).await;
    assert_eq!(socket.message().await, Message::text("after"));
    logged(&stage, pid, "pong anyone?").await;
    assert_eq!(stage.log(pid).await.matches("pong").count(), 1);
}

#[tokio::test]
async fn close_codes_and_reasons_pass_both_ways() {
    let stage = Stage::start(json!({})).await;
    let (mut socket, pid) = opened(&stage, 1).await;
    let frame = CloseFrame {
        code: 4001.into(),
        reason: "enough".into(),
    };
    socket.send(Message::Close(Some(frame))).await;
    assert_eq!(socket.closed().await, (4001, "enough".to_owned()));
    logged(&stage, pid, "closed 4001 enough").await;

    let (mut socket, _) = opened(&stage, 1).await;
    socket
        .wish(json!({ "do": "close", "code": 4000, "reason": "kicked" }))
        .await;
    assert_eq!(socket.closed().await, (4000, "kicked".to_owned()));
    assert!(socket.next().await.is_none(), "the connection stayed");
    until("the end of use", async || {
        (stage.entry(pid).await["inFlight"] == 0).then_some(())
    })
    .await;
    assert_eq!(stage.entry(pid).await["state"], "RUNNING");
}

#[tokio::test]
async fn a_caller_that_goes_without_a_word_is_gone_for_the_agent() {
    let stage = Stage::start(json!({})).await;
    let (socket, pid) = opened(&stage, 1).await;
    drop(socket);
    logged(&stage, pid, "the socket broke off").await;
}

#[tokio::test]
async fn a_frame_that_is_too_long_closes_the_socket_whoever_sends_it() {
    let stage = Stage::start(json!({})).await;
    let (mut socket, pid) = opened(&stage, 1).await;
    let largest = Message::binary(vec![7; 32_768]);
    socket.send(largest.clone()).await;
    assert_eq!(socket.message().await, largest);
    socket.send(Message::binary(vec![7; 32_769])).await;
    assert_eq!(socket.closed().await.0, 1009);
    logged(&stage, pid, "closed 1009").await;

    let (mut socket, _) = opened(&stage, 1).await;
    socket.wish(json!({ "do": "send", "bytes": 32_769 })).await;
    assert_eq!(socket.closed().await.0, 1009);

    stage
        .bench
        .settings(json!({ "wsFrameLimitBytes": 65_536, "wsOversizeCloseCode": 4009 }))
        .await;
    let (mut socket, _) = opened(&stage, 1).await;
    socket.wish(json!({ "do": "send", "bytes": 65_536 })).await;
    assert_eq!(socket.message().await.len(), 65_536);
    socket.wish(json!({ "do": "send", "bytes": 65_537 })).await;
    assert_eq!(socket.closed().await.0, 4009);
}

#[tokio::test]
async fn what_is_no_frame_closes_the_socket() {
    let stage = Stage::start(json!({})).await;
    let (mut socket, _) = opened(&stage, 1).await;
    let mut frame = Frame::message("x", OpCode::Data(Data::Text), true);
    frame.header_mut().opcode = OpCode::Control(Control::Reserved(11));
    socket.send(Message::Frame(frame)).await;
    assert_eq!(socket.closed().await.0, 1002);
}

#[tokio::test]
async fn a_socket_lives_so_long_and_no_longer() {
    let stage = Stage::start(json!({})).await;
    let (mut socket, pid) = opened(&stage, 1).await;
    stage.bench.advance(3590.0).await;
    socket.send(Message::text("still")).await;
    assert_eq!(socket.message().await, Message::text("still"));
    stage.bench.advance(11.0).await;
    assert_eq!(socket.closed().await.0, 1001);
    logged(&stage, pid, "closed 1001").await;
    stage
        .bench
        .settings(json!({ "wsMaxSeconds": 60, "wsMaxCloseCode": 4060 }))
        .await;
    let (mut socket, _) = opened(&stage, 1).await;
    stage.bench.advance(61.0).await;
    assert_eq!(socket.closed().await.0, 4060);
}

#[tokio::test]
async fn an_open_socket_keeps_its_session_unless_the_switch_says_otherwise() {
    let lifecycle = json!({ "lifecycleConfiguration": { "idleRuntimeSessionTimeout": 60, "maxLifetime": 28_800 } });
    let stage = Stage::with(json!({}), lifecycle).await;
    let (mut socket, pid) = opened(&stage, 1).await;
    stage.bench.advance(600.0).await;
    assert_eq!(socket.told().await["pid"], pid);
    assert_eq!(stage.entry(pid).await["inFlight"], 1);
    drop(socket);
    until("the end of use", async || {
        (stage.entry(pid).await["inFlight"] == 0).then_some(())
    })
    .await;
    stage.bench.advance(61.0).await;
    assert_eq!(stage.ended(pid).await, "IDLE");

    stage
        .bench
        .settings(json!({ "webSocketKeepsAlive": false }))
        .await;
    let (mut socket, pid) = opened(&stage, 2).await;
    stage.bench.advance(61.0).await;
    assert_eq!(socket.closed().await.0, 1001);
    assert_eq!(stage.ended(pid).await, "IDLE");
}

#[tokio::test]
async fn sockets_end_with_their_session() {
    let stage = Stage::start(json!({})).await;
    let (mut one, _) = opened(&stage, 1).await;
    let (mut two, _) = opened(&stage, 1).await;
    let (mut other, _) = opened(&stage, 2).await;
    assert_eq!(stage.stop(1, None, json!({})).await.status(), 200);
    assert_eq!(one.closed().await.0, 1001);
    assert_eq!(two.closed().await.0, 1001);
    other.send(Message::text("here")).await;
    assert_eq!(other.message().await, Message::text("here"));

    other.wish(json!({ "do": "exit" })).await;
    assert_eq!(other.closed().await.0, 1011);
    let (mut last, _) = opened(&stage, 3).await;
    stage.bench.sim.stop().await;
    assert_eq!(last.closed().await.0, 1001);
}

#[tokio::test]
async fn other_subprotocols_are_the_agents_affair() {
    let stage = Stage::start(json!({})).await;
    let target = stage.path("ws", None);
    let host = stage.bench.sim.addr().to_string();
    let offered = headers(&[
        (SESSION, &id(1)),
        ("sec-websocket-protocol", "chat.v2, chat.v1"),
    ]);
    let signed = sign(&Signer::default(), "GET", &target, &host, &offered, "");
    let socket = open(&stage, &target, signed).await.unwrap();
    assert_eq!(socket.head["sec-websocket-protocol"], "chat.v2");
}
