//! InvokeAgentRuntimeCommand.

use http::HeaderMap;
use reqwest::Response;
use serde_json::{Value, json};

use crate::stage::{SESSION, Stage, alive, id, refused, until};

async fn command(stage: &Stage, session: u32, body: Value) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(SESSION, id(session).parse().unwrap());
    let path = stage.path("commands", None);
    stage.post(&path, &headers, body.to_string()).await.unwrap()
}

/// The payloads of the events in a stream.
fn events(mut bytes: &[u8]) -> Vec<Value> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (whole, head) = (number(bytes), number(&bytes[4..]));
        found.push(serde_json::from_slice(&bytes[12 + head..whole - 4]).unwrap());
        bytes = &bytes[whole..];
    }
    found
}

/// What a command wrote to this output, and its last event.
async fn outcome(answer: Response, output: &str) -> (String, Value) {
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.headers()["content-type"],
        "application/vnd.amazon.eventstream"
    );
    let events = events(&answer.bytes().await.unwrap());
    assert_eq!(events[0], json!({ "contentStart": {} }));
    let text = events
        .iter()
        .filter_map(|event| event["contentDelta"][output].as_str());
    (
        text.collect(),
        events.last().unwrap()["contentStop"].clone(),
    )
}

#[tokio::test]
async fn a_command_runs_beside_the_agent_of_its_session() {
    let stage = Stage::start(json!({})).await;
    let told = stage.told(1).await;
    let (out, stop) = outcome(
        command(
            &stage,
            1,
            json!({ "command": "pwd; echo $FROM; echo h\u{e9} >&2; exit 3" }),
        )
        .await,
        "stdout",
    )
    .await;
    assert_eq!(out, format!("{}\nimage\n", told["cwd"].as_str().unwrap()));
    assert_eq!(stop, json!({ "exitCode": 3, "status": "COMPLETED" }));
    let (err, _) = outcome(
        command(&stage, 1, json!({ "command": "echo h\u{e9} >&2" })).await,
        "stderr",
    )
    .await;
    assert_eq!(err, "h\u{e9}\n");
    assert_eq!(stage.sessions().await.len(), 1);
}

#[tokio::test]
async fn a_command_ends_with_its_time_and_with_its_session() {
    let stage = Stage::start(json!({})).await;
    let slow = json!({ "command": "sleep 600 & echo $!; wait", "timeout": 1 });
    let (out, stop) = outcome(command(&stage, 1, slow).await, "stdout").await;
    assert_eq!(stop, json!({ "exitCode": -1, "status": "TIMED_OUT" }));
    let child: u64 = out.trim().parse().unwrap();
    until("the command's child", async || {
        (!alive(child)).then_some(())
    })
    .await;

    let slow = json!({ "command": "sleep 600" });
    let running = command(&stage, 1, slow).await;
    assert_eq!(stage.stop(1, None, Value::Null).await.status(), 200);
    let (_, stop) = outcome(running, "stdout").await;
    assert_eq!(stop["exitCode"], -1);
}

#[tokio::test]
async fn a_command_that_is_none_is_refused() {
    let stage = Stage::start(json!({})).await;
    for body in [
        json!({}),
        json!({ "command": "" }),
        json!({ "command": "x".repeat(65_537) }),
        json!({ "command": "true", "timeout": 0 }),
        json!({ "command": "true", "timeout": 3_601 }),
    ] {
        refused(command(&stage, 1, body).await, 400, "ValidationException").await;
    }
    assert_eq!(stage.sessions().await, Vec::<Value>::new());
}
