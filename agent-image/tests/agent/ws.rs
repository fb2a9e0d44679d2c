//! Turns and actions over a WebSocket, and every way in which one ends.

use futures::{SinkExt as _, StreamExt as _};
use nix::sys::signal::Signal;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::process::{Agent, DEADLINE, SESSION};

const ID: &str = "session-0123456789-0123456789-012345";
/// The most bytes that a message may have.
const LIMIT: usize = 100_000_000;

/// The caller's side of a socket. Every step has the deadline.
struct Caller(WebSocketStream<TcpStream>);

impl Caller {
    async fn connect(agent: &Agent) -> Self {
        let address = agent.base.strip_prefix("http://").unwrap();
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        request.headers_mut().insert(SESSION, ID.parse().unwrap());
        let connection = TcpStream::connect(address).await.unwrap();
        let (socket, answer) = client_async(request, connection).await.unwrap();
        assert_eq!(answer.status(), 101);
        Self(socket)
    }

    async fn send(&mut self, message: impl Into<Message>) {
        let sent = timeout(DEADLINE, self.0.send(message.into())).await;
        sent.expect("not sent in time").unwrap();
    }

    async fn ask(&mut self, request: &Value) {
        self.send(request.to_string()).await;
    }

    async fn next(&mut self) -> Option<Result<Message, Error>> {
        let next = timeout(DEADLINE, self.0.next()).await;
        next.expect("nothing came in time")
    }

    async fn frame(&mut self) -> Value {
        match self.next().await.unwrap().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// The frames of one answer without its `done`, and `done`.
    async fn answer(&mut self) -> (Vec<Value>, Value) {
        let mut frames = Vec::new();
        loop {
            let frame = self.frame().await;
            if frame["type"] == "done" {
                return (frames, frame);
            }
            frames.push(frame);
        }
    }

    /// The code with which the agent closes, frames before it left out.
    async fn close_code(&mut self) -> u16 {
        loop {
            match self.next().await.unwrap().unwrap() {
                Message::Close(Some(CloseFrame { code, .. })) => break code.into(),
                Message::Text(_) => {}
                other => panic!("no close: {other:?}"),
            }
        }
    }
}

fn text(frames: &[Value]) -> String {
    let pieces = frames.iter().map(|frame| frame["response"].as_str());
    pieces.map(Option::unwrap).collect()
}

/// A turn that would last hours: whatever is seen during it is seen before its end.
fn endless() -> Value {
    json!({ "prompt": "a b c d e f", "delayMs": 3_600_000 })
}

#[tokio::test]
async fn a_turn_comes_in_pieces_and_ends_with_done() {
    let agent = Agent::start(&[]);
    let mut caller = Caller::connect(&agent).await;
    agent.json(json!({ "prompt": "the first over HTTP" })).await;
    let prompt = "one two three four five\nsix  seven \u{1f600}";
    caller.ask(&json!({ "prompt": prompt })).await;
    let (frames, done) = caller.answer().await;
    assert_eq!(
        frames[0],
        json!({
            "response": "one two three ",
            "sessionId": ID,
            "turn": 2,
            "pid": agent.child.id(),
        })
    );
    assert_eq!((frames.len(), text(&frames).as_str()), (3, prompt));
    assert_eq!(done, json!({ "type": "done", "sessionId": ID, "turn": 2 }));
    assert_eq!(agent.logged(2).await["outcome"], "answered");

    caller.ask(&json!({ "prompt": "a", "chunks": 40 })).await;
    assert_eq!(caller.answer().await.0.len(), 40);
}

#[tokio::test]
async fn pings_of_both_kinds_are_answered_and_other_sockets_served_during_a_turn() {
    let agent = Agent::start(&[]);
    let mut caller = Caller::connect(&agent).await;
    caller.ask(&endless()).await;
    assert_eq!(caller.frame().await["response"], "a b c ");
    caller.send(Message::Ping("here?".into())).await;
    assert_eq!(
        caller.next().await.unwrap().unwrap(),
        Message::Pong("here?".into())
    );
    assert_eq!(agent.ping().await["status"], "Healthy");
    let mut other = Caller::connect(&agent).await;
    other.ask(&json!({ "prompt": "beside" })).await;
    assert_eq!(other.answer().await.1["turn"], 2);
}

#[tokio::test]
async fn requests_on_one_socket_are_answered_one_after_the_other() {
    let agent = Agent::start(&[]);
    let mut caller = Caller::connect(&agent).await;
    // More than may wait at once: what is beyond waits in the connection and is not lost.
    let prompt = "x".repeat(400_000);
    for _ in 0..4 {
        let turn = json!({ "prompt": prompt, "chunks": 2, "delayMs": 20 });
        caller.ask(&turn).await;
    }
    caller.ask(&json!({ "action": "keepalive" })).await;
    for turn in 1..=4 {
        let (frames, done) = caller.answer().await;
        assert_eq!((frames.len(), &done["turn"]), (2, &json!(turn)));
        assert!(frames.iter().all(|frame| frame["turn"] == turn));
    }
    assert_eq!(caller.answer().await.0[0]["turns"], 4);
}

#[tokio::test]
async fn actions_answer_with_one_frame_as_over_http_and_done() {
    let agent = Agent::start(&[("LOG_LEVEL", "debug")]);
    let mut caller = Caller::connect(&agent).await;
    let env = json!({ "action": "env", "name": "LOG_LEVEL" });
    let boom = json!({ "action": "fail", "message": "boom" });
    for request in [env, boom] {
        caller.ask(&request).await;
        let (frames, done) = caller.answer().await;
        assert_eq!(frames, [agent.json(request).await.1]);
        assert_eq!(done, json!({ "type": "done", "sessionId": ID }));
    }
    caller.ask(&json!({ "action": "keepalive" })).await;
    let alive = json!({ "status": "alive", "sessionId": ID, "turns": 0, "pid": agent.child.id() });
    assert_eq!(caller.answer().await.0, [alive]);
    let busy = json!({ "action": "busy", "seconds": 600 });
    caller.ask(&busy).await;
    assert_eq!(caller.answer().await.0[0]["status"], "busy");
    assert_eq!(agent.ping().await["status"], "HealthyBusy");
}

#[tokio::test]
async fn a_failed_turn_and_what_is_no_request_leave_the_socket_open() {
    let agent = Agent::start(&[]);
    let mut caller = Caller::connect(&agent).await;
    let failing = json!({ "prompt": "a b c d e f g", "failAfter": 2 });
    caller.ask(&failing).await;
    let (frames, done) = caller.answer().await;
    assert_eq!(text(&frames[..2]), "a b c d e f ");
    assert_eq!(
        frames[2..],
        [json!({
            "error": "the turn failed as asked",
            "error_type": "TurnFailed",
            "message": "An error occurred during streaming",
        })]
    );
    assert_eq!(done, json!({ "type": "done", "sessionId": ID, "turn": 1 }));
    assert_eq!(agent.logged(1).await["outcome"], "failed");

    for (message, error) in [
        ("{\"prompt\": ", "Invalid JSON"),
        ("", "Invalid JSON"),
        ("{\"text\": \"hello\"}", "Invalid request"),
    ] {
        caller.send(message).await;
        let (frames, done) = caller.answer().await;
        assert_eq!((frames.len(), &frames[0]["error"]), (1, &json!(error)));
        assert!(!frames[0]["details"].as_str().unwrap().is_empty());
        assert_eq!(done.get("turn"), None);
    }
    caller.ask(&json!({ "prompt": "still here" })).await;
    assert_eq!(caller.answer().await.1["turn"], 2);
}

#[tokio::test]
async fn binary_is_read_as_text_or_closed_with_1003_and_broken_text_with_1007() {
    let agent = Agent::start(&[]);
    let mut caller = Caller::connect(&agent).await;
    caller
        .send(Bytes::from_static("{\"prompt\": \"\u{e9}\"}".as_bytes()))
        .await;
    assert_eq!(text(&caller.answer().await.0), "\u{e9}");
    caller.send(Bytes::from_static(b"\xff\xfe")).await;
    assert_eq!(caller.close_code().await, 1003);

    let mut caller = Caller::connect(&agent).await;
    let broken = Frame::message(b"\xff\xfe".to_vec(), OpCode::Data(Data::Text), true);
    caller.send(Message::Frame(broken)).await;
    assert_eq!(caller.close_code().await, 1007);
}

#[tokio::test]
async fn a_message_of_100_million_bytes_is_read_and_one_byte_more_closes_with_1009() {
    let agent = Agent::start(&[]);
    let mut caller = Caller::connect(&agent).await;
    let mut most = String::from("{\"action\": \"keepalive\"}");
    most.extend(std::iter::repeat_n(' ', LIMIT - most.len()));
    caller.send(most.clone()).await;
    assert_eq!(caller.answer().await.0[0]["status"], "alive");
    most.push(' ');
    caller.send(most).await;
    assert_eq!(caller.close_code().await, 1009);

    // The same in two frames, neither of which is too big.
    let mut caller = Caller::connect(&agent).await;
    for (kind, last) in [(Data::Text, false), (Data::Continue, true)] {
        let half = Frame::message(vec![b' '; LIMIT / 2 + 1], OpCode::Data(kind), last);
        caller.send(Message::Frame(half)).await;
    }
    assert_eq!(caller.close_code().await, 1009);
}

#[tokio::test]
async fn a_close_is_answered_and_cancels_the_turn_and_what_waits() {
    let agent = Agent::start(&[]);
    let mut caller = Caller::connect(&agent).await;
    caller.ask(&endless()).await;
    caller.ask(&json!({ "prompt": "never" })).await;
    assert_eq!(caller.frame().await["turn"], 1);
    let close = CloseFrame {
        code: 1000.into(),
        reason: "enough".into(),
    };
    caller.send(Message::Close(Some(close))).await;
    assert_eq!(caller.close_code().await, 1000);
    assert!(caller.next().await.is_none());
    let line = agent.logged(1).await;
    assert_eq!(
        (&line["outcome"], &line["session"]),
        (&json!("cancelled"), &json!(ID))
    );
    let (_, alive) = agent.json(json!({ "action": "keepalive" })).await;
    assert_eq!(alive["turns"], 1);
}

#[tokio::test]
async fn a_caller_that_is_gone_cancels_the_turn() {
    let agent = Agent::start(&[]);
    let mut caller = Caller::connect(&agent).await;
    caller.ask(&endless()).await;
    assert_eq!(caller.frame().await["turn"], 1);
    drop(caller);
    assert_eq!(agent.logged(1).await["outcome"], "cancelled");
}

#[tokio::test]
async fn sigterm_closes_idle_sockets_at_once_and_others_when_their_turn_has_ended() {
    let mut agent = Agent::start(&[]);
    let mut idle = Caller::connect(&agent).await;
    let mut busy = Caller::connect(&agent).await;
    let turn = json!({ "prompt": "a", "chunks": 60, "delayMs": 50 });
    busy.ask(&turn).await;
    busy.ask(&json!({ "prompt": "not begun any more" })).await;
    busy.frame().await;
    agent.signal(Signal::SIGTERM);
    assert_eq!(idle.close_code().await, 1001);
    assert!(idle.next().await.is_none());
    assert_eq!(agent.child.try_wait().unwrap(), None);
    let (frames, done) = busy.answer().await;
    assert_eq!((frames.len(), &done["turn"]), (59, &json!(1)));
    assert!(matches!(
        busy.next().await.unwrap().unwrap(),
        Message::Close(Some(CloseFrame { code, .. })) if u16::from(code) == 1001
    ));
    assert!(busy.next().await.is_none());
    assert_eq!(agent.exit_status().code(), Some(0));
}

#[tokio::test]
async fn a_caller_that_never_answers_a_close_does_not_keep_the_process() {
    let mut agent = Agent::start(&[]);
    let mut caller = Caller::connect(&agent).await;
    caller.ask(&json!({ "prompt": "hello" })).await;
    caller.answer().await;
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.exit_status().code(), Some(0));
}

#[tokio::test]
async fn a_crash_breaks_the_socket_without_a_close() {
    let mut agent = Agent::start(&[]);
    let mut caller = Caller::connect(&agent).await;
    let turn = json!({ "prompt": "a b c d", "crashAfter": 1, "delayMs": 50 });
    caller.ask(&turn).await;
    assert_eq!(caller.frame().await["response"], "a b c ");
    assert!(caller.next().await.unwrap().is_err());
    assert_eq!(agent.exit_status().code(), Some(1));
}

#[tokio::test]
async fn what_is_no_websocket_handshake_is_answered_426_and_other_methods_405() {
    let agent = Agent::start(&[]);
    let url = format!("{}/ws", agent.base);
    let answer = agent.http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(answer.headers()["upgrade"], "websocket");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"], "Invalid request");
    let answer = agent.http.request(Method::POST, &url).send().await.unwrap();
    assert_eq!(answer.status(), 405);
}
