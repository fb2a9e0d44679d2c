//! `chat`, and the forms in which frameworks answer.

use serde_json::{Value, json};

use super::front::Front;
use super::protocols::SPEAKER;
use super::tools::{good, refused};

#[tokio::test(flavor = "multi_thread")]
async fn chat_gives_the_text_of_messages_and_refuses_what_has_none() {
    let front = Front::start("gw-chat-forms").await;
    front.script("framework", SPEAKER, json!({})).await;
    let token = front.token("caller").await;
    let chat = |answer: &Value| {
        let body = json!({"prompt": "Say it.", "answer": answer});
        front.post_to("agentruntimes", "framework", "chat", &token, &body)
    };
    let message = json!({"role": "assistant", "content": [{"text": "Hello"}]});
    for answer in [
        json!({ "result": message }),
        json!({"output": {"message": message}, "stopReason": "end_turn"}),
        message,
        json!("Hello"),
    ] {
        let (_, said) = good(chat(&answer)).await;
        assert_eq!(said["response"], "Hello", "{answer}");
    }
    for answer in [json!({"answer": 42}), json!([1, 2])] {
        let said = refused(chat(&answer)).await;
        assert_eq!(said.said(), (502, "AnswerNotUnderstood"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ag_ui_agent_gets_a_run_and_chat_the_texts_of_its_messages() {
    let front = Front::start("gw-chat-agui").await;
    let agui = json!({"protocol": {"serverProtocol": "AGUI"}});
    front.script("agui", SPEAKER, agui).await;
    let token = front.token("caller").await;
    let chat = |prompt: &str| {
        let body = json!({ "prompt": prompt });
        front.post_to("agentruntimes", "agui", "chat", &token, &body)
    };
    let (_, said) = good(chat("Hello \"you\"")).await;
    assert_eq!(said["response"], "You said Hello \"you\"");
    let (_, said) = good(chat("die")).await;
    assert_eq!(
        (&said["response"], &said["error"]["reason"]),
        (&json!("Hel"), &json!("UpstreamBrokeOff"))
    );
}
