//! Turns and actions over HTTP, pings, and the process's end.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::process::{Agent, DEADLINE, SESSION};

impl Agent {
    async fn send(&self, body: impl Into<reqwest::Body>, accept: &str) -> Response {
        self.http
            .post(format!("{}/invocations", self.base))
            .header(ACCEPT, accept)
            .body(body)
            .send()
            .await
            .unwrap()
    }

    pub async fn json(&self, body: Value) -> (StatusCode, Value) {
        let answer = self.send(body.to_string(), "application/json").await;
        let status = answer.status();
        (status, answer.json().await.unwrap())
    }

    async fn events(&self, body: Value) -> Response {
        let answer = self.send(body.to_string(), "text/event-stream").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.headers()[CONTENT_TYPE],
            "text/event-stream; charset=utf-8"
        );
        answer
    }
}

/// The JSON of each event; panics where the bytes are not `data: {json}\n\n` again and again.
fn parsed(stream: &str) -> Vec<Value> {
    assert!(stream.ends_with("\n\n"), "{stream:?}");
    stream
        .trim_end_matches('\n')
        .split("\n\n")
        .map(|event| {
            let data = event.strip_prefix("data: ").unwrap();
            assert!(!data.contains('\n'), "{data:?}");
            serde_json::from_str(data).unwrap()
        })
        .collect()
}

#[tokio::test]
async fn a_turn_answers_with_the_prompt_the_session_and_its_number() {
    let agent = Agent::start(&[]);
    let prompt = "# Title\n\n```rust\nfn main() {}\n```\n| a | b |\n\u{1f600} end ";
    let answer = agent
        .http
        .post(format!("{}/invocations", agent.base))
        .header(SESSION, "session-0123456789-0123456789-012345")
        .json(&json!({ "prompt": prompt }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        answer,
        json!({
            "response": prompt,
            "sessionId": "session-0123456789-0123456789-012345",
            "turn": 1,
            "pid": agent.child.id(),
        })
    );
    let (_, second) = agent.json(json!({ "prompt": "again" })).await;
    let (_, third) = agent.json(json!({ "prompt": "again" })).await;
    assert_eq!((&second["turn"], &third["turn"]), (&json!(2), &json!(3)));
    assert_eq!(second["sessionId"], third["sessionId"]);
    assert!(second["sessionId"].as_str().unwrap().len() >= 33);
}

#[tokio::test]
async fn keepalive_is_no_turn() {
    let agent = Agent::start(&[]);
    let (status, alive) = agent.json(json!({ "action": "keepalive" })).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&alive["status"], &alive["turns"]),
        (&json!("alive"), &json!(0))
    );
    let (_, answer) = agent.json(json!({ "prompt": "hello" })).await;
    assert_eq!(answer["turn"], 1);
}

#[tokio::test]
async fn a_stream_carries_the_same_text_in_pieces() {
    let agent = Agent::start(&[]);
    let prompt = "one two three four five\nsix  seven";
    let stream = agent
        .events(json!({ "prompt": prompt }))
        .await
        .text()
        .await
        .unwrap();
    let events = parsed(&stream);
    assert_eq!(events.len(), 3);
    let text: String = events
        .iter()
        .map(|event| event["response"].as_str().unwrap())
        .collect();
    assert_eq!(text, prompt);
    assert!(events.iter().all(|event| event["turn"] == 1));

    let stream = agent
        .events(json!({ "prompt": "a b", "chunks": 40 }))
        .await
        .text()
        .await
        .unwrap();
    assert_eq!(parsed(&stream).len(), 40);
}

#[tokio::test]
async fn the_first_piece_and_pings_arrive_while_the_turn_goes_on() {
    let agent = Agent::start(&[]);
    // This turn would last an hour: whatever is seen of it is seen before its end.
    let turn = json!({ "prompt": "a b c d e f", "delayMs": 3_600_000 });
    let mut stream = agent.events(turn.clone()).await;
    let first = stream.chunk().await.unwrap().unwrap();
    assert_eq!(
        parsed(std::str::from_utf8(&first).unwrap())[0]["response"],
        "a b c "
    );
    let whole = agent.json(turn);
    let mut whole = std::pin::pin!(whole);
    tokio::select! {
        _ = &mut whole => panic!("an hour's turn ended"),
        ping = agent.ping() => assert_eq!(ping["status"], "Healthy"),
    }
}

#[tokio::test]
async fn a_background_task_makes_the_agent_busy_and_moves_the_time_twice() {
    let agent = Agent::start(&[]);
    let before = agent.ping().await;
    assert_eq!(before["status"], "Healthy");
    let (status, busy) = agent.json(json!({ "action": "busy", "seconds": 2 })).await;
    assert_eq!((status, &busy["status"]), (StatusCode::OK, &json!("busy")));
    let during = agent.ping().await;
    assert_eq!(during["status"], "HealthyBusy");
    let end = Instant::now() + DEADLINE;
    let after = loop {
        let ping = agent.ping().await;
        if ping["status"] == "Healthy" {
            break ping;
        }
        assert_eq!(ping, during, "the time moved without the status");
        assert!(Instant::now() < end, "still busy");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let time = |ping: &Value| ping["time_of_last_update"].as_i64().unwrap();
    assert!(time(&before) <= time(&during) && time(&during) < time(&after));
}

#[tokio::test]
async fn what_is_no_request_is_answered_400_and_other_methods_405() {
    let agent = Agent::start(&[]);
    let answer = agent.send("{\"prompt\": ", "application/json").await;
    assert_eq!(answer.status(), 400);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"], "Invalid JSON");
    assert!(body["details"].as_str().unwrap().contains("column"));
    let (status, body) = agent.json(json!({ "text": "hello" })).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::BAD_REQUEST, &json!("Invalid request"))
    );
    let url = format!("{}/invocations", agent.base);
    let answer = agent.http.request(Method::GET, url).send().await.unwrap();
    assert_eq!(answer.status(), 405);
}

#[tokio::test]
async fn failures_come_as_500_or_as_the_last_event() {
    let agent = Agent::start(&[]);
    let (status, body) = agent
        .json(json!({ "action": "fail", "message": "boom" }))
        .await;
    assert_eq!(
        (status, body),
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            json!({ "error": "boom" })
        )
    );

    let turn = json!({ "prompt": "a b c d e f g", "failAfter": 2 });
    let (status, body) = agent.json(turn.clone()).await;
    assert_eq!(status, 500);
    let stream = agent.events(turn).await.text().await.unwrap();
    let events = parsed(&stream);
    assert_eq!(events.len(), 3);
    assert_eq!(events[1]["response"], "d e f ");
    assert_eq!(
        events[2],
        json!({
            "error": body["error"],
            "error_type": "TurnFailed",
            "message": "An error occurred during streaming",
        })
    );
}

#[tokio::test]
async fn a_crash_ends_the_process_and_breaks_the_stream() {
    let mut agent = Agent::start(&[]);
    let mut stream = agent
        .events(json!({ "prompt": "a b c d", "crashAfter": 1, "delayMs": 50 }))
        .await;
    let first = stream.chunk().await.unwrap().unwrap();
    assert_eq!(parsed(std::str::from_utf8(&first).unwrap()).len(), 1);
    assert!(
        stream.chunk().await.is_err(),
        "a broken stream looked complete"
    );
    assert_eq!(agent.exit_status().code(), Some(1));

    let mut agent = Agent::start(&[]);
    let answer = agent
        .http
        .post(format!("{}/invocations", agent.base))
        .json(&json!({ "action": "crash" }))
        .send()
        .await;
    assert!(answer.is_err());
    assert_eq!(agent.exit_status().code(), Some(1));
}

#[tokio::test]
async fn one_variable_is_shown_and_credentials_are_not() {
    let agent = Agent::start(&[("LOG_LEVEL", "debug"), ("AWS_SECRET_ACCESS_KEY", "hidden")]);
    let (_, shown) = agent
        .json(json!({ "action": "env", "name": "LOG_LEVEL" }))
        .await;
    assert_eq!(shown, json!({ "name": "LOG_LEVEL", "value": "debug" }));
    for name in ["AWS_SECRET_ACCESS_KEY", "NO_SUCH_VARIABLE"] {
        let (_, shown) = agent.json(json!({ "action": "env", "name": name })).await;
        assert_eq!(shown["value"], Value::Null);
    }
}

#[tokio::test]
async fn sigterm_refuses_new_turns_lets_the_running_one_end_and_exits_with_0() {
    let mut agent = Agent::start(&[]);
    let mut stream = agent
        .events(json!({ "prompt": "a", "chunks": 40, "delayMs": 50 }))
        .await;
    let mut seen = stream.chunk().await.unwrap().unwrap().to_vec();
    agent.signal(Signal::SIGTERM);
    let end = Instant::now() + DEADLINE;
    let fresh = Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    while fresh
        .get(format!("{}/ping", agent.base))
        .send()
        .await
        .is_ok()
    {
        assert!(Instant::now() < end, "still accepting");
    }
    while let Some(bytes) = stream.chunk().await.unwrap() {
        seen.extend_from_slice(&bytes);
    }
    assert_eq!(parsed(std::str::from_utf8(&seen).unwrap()).len(), 40);
    assert_eq!(agent.exit_status().code(), Some(0));
}

#[tokio::test]
async fn a_payload_above_two_megabytes_is_read_whole() {
    let agent = Agent::start(&[]);
    let prompt = "x".repeat(5_000_000);
    let (status, answer) = agent.json(json!({ "prompt": prompt })).await;
    assert_eq!(status, 200);
    assert_eq!(answer["response"].as_str().unwrap().len(), prompt.len());
}
