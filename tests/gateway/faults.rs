//! Callers that go away, agents that die in the middle of an answer.

use futures::SinkExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::front::{Front, Gateway};
use super::tools::{SESSION, Tape, close_code, good, last_error, refused, web_socket};

const EVENTS: &str = "text/event-stream";

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_cancels_the_agents_turn_and_spoils_no_other() {
    let front = Front::start("gw-gone").await;
    front.echo("echo", json!({})).await;
    let token = front.token("caller").await;
    let session = "s".repeat(40);
    let echo = |body: Value| {
        let request = front.post_to("agentruntimes", "echo", "invocations", &token, &body);
        request.header(SESSION, &session)
    };
    let mut stream = echo(json!({"stream": true}))
        .send()
        .await
        .expect("an answer");
    assert!(stream.chunk().await.expect("a stream").is_some());
    let (_, seen) = good(echo(json!({}))).await;
    assert_eq!(seen["gone"], 0);
    drop(stream);
    front
        .rig
        .until("a turn that was cancelled", async || {
            let (_, seen) = good(echo(json!({}))).await;
            (seen["gone"] == 1)
                .then_some(())
                .ok_or_else(|| seen.to_string())
        })
        .await;
    let gone = front
        .rig
        .until("a line about it", async || {
            let lines = front.gateway.accesses();
            let gone = lines
                .into_iter()
                .find(|line| line["reason"] == "CallerGone");
            gone.ok_or_else(|| front.gateway.text())
        })
        .await;
    assert_eq!(
        (&gone["status"], &gone["name"]),
        (&json!(200), &json!("echo"))
    );
    assert!(gone["chunks"].as_u64() > Some(0), "{gone}");

    // What is left of the answer is not taken for the next turn's.
    let over = |body: Value| {
        front
            .request(Method::POST, "chat", &token)
            .header(SESSION, &session)
            .json(&body)
    };
    let slow =
        json!({"prompt": "a b c d e f", "chunks": 2, "delayMs": 3_600_000, "transport": "ws"});
    let mut stream = over(slow)
        .header("accept", EVENTS)
        .send()
        .await
        .expect("an answer");
    assert!(stream.chunk().await.expect("a stream").is_some());
    drop(stream);
    let (_, next) = good(over(json!({"prompt": "x y z", "transport": "ws"}))).await;
    assert_eq!(next["response"], "x y z");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_in_the_middle_leaves_what_came_and_a_mark() {
    let front = Front::start("gw-dies").await;
    let token = front.token("caller").await;
    let dying = json!({"prompt": "a b c d e f", "chunks": 4, "crashAfter": 2, "delayMs": 50});
    let answer = front
        .invoke(&token, &dying)
        .header("accept", EVENTS)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.expect("an orderly end");
    let (before, error) = last_error(&text);
    assert_eq!(error["reason"], "UpstreamBrokeOff");
    let pieces: Vec<Value> = before
        .split_terminator("\n\n")
        .map(|event| {
            serde_json::from_str(event.strip_prefix("data: ").expect("an event")).expect("whole")
        })
        .collect();
    let said: Vec<_> = pieces.iter().map(|piece| &piece["response"]).collect();
    assert_eq!(said, ["a b c ", "d e f"], "{before}");

    let chat = |transport: &str, accept: &str| {
        let mut body = dying.clone();
        body["transport"] = json!(transport);
        front
            .request(Method::POST, "chat", &token)
            .json(&body)
            .header("accept", accept)
    };
    for transport in ["http", "ws"] {
        let logged = front.gateway.accesses().len();
        let (_, partial) = good(chat(transport, "application/json")).await;
        assert_eq!(partial["partial"], true, "{transport}");
        assert_eq!(partial["response"], "a b c d e f");
        assert_eq!(partial["error"]["reason"], "UpstreamBrokeOff", "{partial}");
        assert!(partial["sessionId"].is_string());
        let answer = chat(transport, EVENTS).send().await.expect("an answer");
        let text = answer.text().await.expect("an orderly end");
        let (before, error) = last_error(&text);
        assert_eq!(before.matches("data: ").count(), 2, "{transport}: {before}");
        assert_eq!(
            (&error["partial"], &error["error"]["reason"]),
            (&json!(true), &json!("UpstreamBrokeOff"))
        );
        let log = front.gateway.access_after(logged + 1).await;
        assert_eq!(log["reason"], "UpstreamBrokeOff");
    }
    let crash = json!({"action": "crash"});
    assert_eq!(
        refused(front.invoke(&token, &crash)).await.said(),
        (424, "AgentFailed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_socket_is_closed_with_the_code_that_says_what_happened() {
    let front = Front::start("gw-codes").await;
    let token = front.token("caller").await;
    let dying = json!({"prompt": "a b c d e f", "chunks": 4, "crashAfter": 2, "delayMs": 50});
    let mut socket = web_socket(&front, &front.path("ws"), &token).await;
    socket
        .send(Message::text(dying.to_string()))
        .await
        .expect("sent");
    assert_eq!(close_code(&mut socket).await, 1011);
    drop(socket);
    front
        .rig
        .until("a line about the WebSocket", async || {
            let lines = front.gateway.accesses();
            let found = lines
                .iter()
                .any(|line| line["route"] == "ws" && line["reason"] == "UpstreamBrokeOff");
            found
                .then_some(())
                .ok_or_else(|| format!("{:?}", lines.last()))
        })
        .await;
    let mut socket = web_socket(&front, &front.path("ws"), &token).await;
    socket
        .send(Message::text("x".repeat(40_000)))
        .await
        .expect("sent");
    assert_eq!(close_code(&mut socket).await, 1009, "AgentCore's limit");
    let mut socket = web_socket(&front, &front.path("ws"), &token).await;
    let _ = socket.send(Message::text("x".repeat(2_000_000))).await;
    assert_eq!(close_code(&mut socket).await, 1009, "the gateway's limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_early_is_not_taken_for_whole() {
    let mut front = Front::start("gw-early").await;
    front.echo("echo", json!({})).await;
    let token = front.token("caller").await;
    // A body of known length, and one of unknown length, that end early.
    let cut = front.post_to(
        "agentruntimes",
        "echo",
        "invocations",
        &token,
        &json!({"cut": true}),
    );
    let answer = cut.send().await.expect("a head");
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.is_err());
    let tape = Tape::start().await;
    front.gateway = Gateway::start_in(&front.rig, &[], &[("AWS_ENDPOINT_URL", &tape.url)]).await;
    for head in [
        "Content-Length: 1000\r\n\r\n{\"response\": \"ha",
        "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n",
    ] {
        tape.answer(
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n{head}"
            )
            .as_bytes(),
        );
        let mut answer = front
            .invoke(&token, &json!({"prompt": "a"}))
            .send()
            .await
            .expect("a head");
        let first = answer
            .chunk()
            .await
            .expect("what came")
            .expect("is passed on");
        assert!(first.starts_with(b"{\""));
        assert!(answer.chunk().await.is_err(), "taken for whole: {head}");
        assert_eq!(
            refused(
                front
                    .request(Method::POST, "chat", &token)
                    .json(&json!({"prompt": "a"}))
            )
            .await
            .said(),
            (502, "UpstreamBrokeOff")
        );
    }
}
