//! How a gateway ends: what is under way may, for a while.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::front::{Front, Gateway};
use super::tools::{close_code, last_error, web_socket};

const EVENTS: &str = "text/event-stream";

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_turns_end_and_cuts_what_takes_longer_than_the_grace() {
    let mut front = Front::start("gw-drain").await;
    let token = front.token("caller").await;
    let slow = json!({"prompt": "a b c d e f", "chunks": 4, "delayMs": 700});
    let mut stream = front
        .invoke(&token, &slow)
        .header("accept", EVENTS)
        .send()
        .await
        .expect("a head");
    let mut text = stream
        .chunk()
        .await
        .expect("a stream")
        .expect("a piece")
        .to_vec();
    let begun = front.rig.calls("InvokeAgentRuntime").await;
    let json_turn = tokio::spawn(front.invoke(&token, &slow).send());
    front
        .rig
        .until("both turns under way", async || {
            let calls = front.rig.calls("InvokeAgentRuntime").await;
            (calls > begun)
                .then_some(())
                .ok_or_else(|| calls.to_string())
        })
        .await;
    front.gateway.terminate();
    front
        .rig
        .until(
            "no new connections",
            async || match tokio::net::TcpStream::connect(
                front.gateway.url.trim_start_matches("http://"),
            )
            .await
            {
                Err(_) => Ok(()),
                Ok(_) => Err("it still listens".to_owned()),
            },
        )
        .await;
    while let Some(piece) = stream.chunk().await.expect("a whole stream") {
        text.extend_from_slice(&piece);
    }
    let text = String::from_utf8(text).expect("UTF-8");
    assert_eq!(text.matches("data: ").count(), 4, "{text}");
    assert!(!text.contains("event: error"), "{text}");
    let answer = json_turn.await.expect("no panic").expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["response"], "a b c d e fa b c d e f");
    assert!(front.gateway.ended().await.success());

    front.gateway = Gateway::start(&front.rig, &["--drain-grace", "1s"]).await;
    let endless = json!({"prompt": "a b c d e f", "chunks": 1000, "delayMs": 500});
    let stream = front
        .invoke(&token, &endless)
        .header("accept", EVENTS)
        .send()
        .await
        .expect("a head");
    let mut socket = web_socket(&front, &front.path("ws"), &token).await;
    socket
        .send(Message::text(
            json!({"prompt": "a", "delayMs": 3_600_000}).to_string(),
        ))
        .await
        .expect("sent");
    assert!(socket.next().await.expect("open").is_ok());
    front.gateway.terminate();
    assert_eq!(close_code(&mut socket).await, 1001);
    let text = stream.text().await.expect("an orderly end with a mark");
    let (before, error) = last_error(&text);
    assert!(before.contains("data: "));
    assert_eq!(error["reason"], "GatewayStopping", "{error}");
    assert!(front.gateway.ended().await.success());
}
