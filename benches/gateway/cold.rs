//! R4.6 with the local AgentCore and the reference agent: what a caller waits for while a session's microVM starts.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::stage::{Stage, address};
use crate::support::table::{Table, seconds};

/// How long a session's start takes, in milliseconds.
const COLD_START_MS: u64 = 1000;
const ROUNDS: usize = 5;

/// The longest of a few rounds each, every one with a session of its own.
pub async fn bounds(stage: &Stage, table: &mut Table) {
    let rig = &stage.front.rig;
    rig.settings(json!({"coldStartMs": COLD_START_MS})).await;
    let mut worst = [Duration::ZERO; 3];
    for _ in 0..ROUNDS {
        let times = [
            first_chunk(stage).await,
            web_socket(stage).await,
            ping(stage).await,
        ];
        for (worst, time) in worst.iter_mut().zip(times) {
            *worst = (*worst).max(time);
        }
    }
    rig.settings(json!({"coldStartMs": 0})).await;
    let names = [
        ("cold start of 1 s: first chunk", 2),
        ("cold start of 1 s: WebSocket connected", 5),
        ("ping", 2),
    ];
    for ((what, asked), time) in names.into_iter().zip(worst) {
        let asked = Duration::from_secs(asked);
        table.row(
            what,
            format!("< {}", seconds(asked)),
            format!("{:.3} s", time.as_secs_f64()),
            time < asked,
        );
    }
}

async fn first_chunk(stage: &Stage) -> Duration {
    let body = json!({"prompt": "a b c d e f", "chunks": 3, "delayMs": 100});
    let begun = Instant::now();
    let mut answer = stage
        .front
        .invoke(&stage.token, &body)
        .header("accept", "text/event-stream")
        .send()
        .await
        .expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
    assert_eq!(answer.headers()["x-agentcore-session-started"], "true");
    let chunk = answer.chunk().await.expect("a stream");
    assert!(chunk.is_some(), "an empty stream");
    let time = begun.elapsed();
    assert!(time >= Duration::from_millis(COLD_START_MS), "it was warm");
    while answer.chunk().await.expect("a whole stream").is_some() {}
    time
}

async fn web_socket(stage: &Stage) -> Duration {
    let url = stage.front.path("ws").replace("http://", "ws://");
    let mut request = url.into_client_request().expect("a request");
    let bearer = format!("Bearer {}", stage.token);
    let bearer = bearer.parse().expect("a header");
    request.headers_mut().insert("authorization", bearer);
    let begun = Instant::now();
    let stream = TcpStream::connect(address(&stage.front.gateway))
        .await
        .expect("a connection");
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream)
        .await
        .expect("a WebSocket");
    let time = begun.elapsed();
    assert!(time >= Duration::from_millis(COLD_START_MS), "it was warm");
    socket.close(None).await.expect("a close is sent");
    time
}

async fn ping(stage: &Stage) -> Duration {
    let begun = Instant::now();
    let answer = stage
        .front
        .request(Method::GET, "ping", &stage.token)
        .send()
        .await
        .expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
    begun.elapsed()
}
