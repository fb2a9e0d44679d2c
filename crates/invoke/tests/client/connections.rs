//! Connections that do not come about, break, or are used again.

use std::net::TcpListener;
use std::time::Duration;

use agentcore_invoke::{Client, Credentials, DataPlane, Error, Resend, Settings};
use agentcore_invoke::{Invoke, Phase};
use serde_json::json;

use crate::stage::{client_of, hasty, keys, nobody, soon, wish};
use crate::tiny::{Tiny, answer};

#[tokio::test]
async fn a_refused_connection_is_tried_again_for_nothing_was_sent() {
    // Bound once and closed, so that nobody listens there.
    let addr = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let target = nobody();
    let failed = client_of(&format!("http://{addr}"))
        .invoke(wish(&target, &json!({})))
        .await
        .unwrap_err();
    assert_eq!((failed.error.reason(), failed.attempts), ("connect", 4));
    let text = failed.to_string();
    assert!(text.starts_with("cannot connect to AgentCore: "), "{text}");
    assert_eq!(text.matches("onnection refused").count(), 1, "{text}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_gets_nothing() {
    let server = Tiny::start(vec!["HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()]).await;
    let data_plane = DataPlane::at(&format!("https://{}", server.addr)).unwrap();
    let settings = Settings {
        connect_timeout: Duration::from_secs(1),
        resends: 0,
        ..hasty()
    };
    let Ok(client) = Client::new(data_plane, Credentials::new(keys("a", "b")), settings) else {
        // A machine without root certificates: then there is no client for https.
        return;
    };
    let target = nobody();
    let failed = soon("an end", client.invoke(wish(&target, &json!({}))))
        .await
        .unwrap_err();
    let expected = matches!(
        failed.error,
        Error::Connect(_) | Error::Timeout(Phase::Connect)
    );
    assert!(expected, "{failed}");
    assert_eq!(server.heads().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_in_time_is_a_time_out_of_its_own() {
    // Accepted by the kernel, but nobody shakes hands.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let data_plane = DataPlane::at(&format!("https://{}", listener.local_addr().unwrap())).unwrap();
    let settings = Settings {
        connect_timeout: Duration::from_millis(50),
        resends: 1,
        ..hasty()
    };
    let Ok(client) = Client::new(data_plane, Credentials::new(keys("a", "b")), settings) else {
        return;
    };
    let target = nobody();
    let failed = soon("an end", client.invoke(wish(&target, &json!({}))))
        .await
        .unwrap_err();
    assert_eq!(
        (failed.error.reason(), failed.attempts),
        ("connect_timeout", 2)
    );
    assert_eq!(failed.to_string(), "timed out waiting for a connection");
}

#[tokio::test]
async fn a_connection_that_closes_without_an_answer_broke_off() {
    let server = Tiny::start(vec![String::new()]).await;
    let client = client_of(&server.url());
    let target = nobody();
    let failed = client.invoke(wish(&target, &json!({}))).await.unwrap_err();
    assert_eq!((failed.error.reason(), failed.attempts), ("broken_off", 1));
    assert_eq!(server.connections(), 1);
    let again = Invoke {
        resend: Resend::Idempotent,
        ..wish(&target, &json!({}))
    };
    assert_eq!(client.invoke(again).await.unwrap_err().attempts, 4);
    assert_eq!(server.connections(), 5);
}

#[tokio::test]
async fn a_base_path_is_kept_and_the_arn_is_one_segment() {
    let server = Tiny::start(vec![answer(200, "", "{}")]).await;
    let client = client_of(&format!("{}/base", server.url()));
    let target = nobody();
    client.invoke(wish(&target, &json!({}))).await.unwrap();
    let head = server.heads().await.remove(0);
    let path = "/base/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A111122223333%3Aruntime%2Fsupport-AbCdEfGhIj/invocations";
    assert!(
        head.starts_with(&format!("POST {path} HTTP/1.1\r\n")),
        "{head}"
    );
    assert!(head.contains("content-length: 2\r\n"), "{head}");
    assert!(
        head.contains(&format!(
            "user-agent: agentcore-operator/{}\r\n",
            env!("CARGO_PKG_VERSION")
        )),
        "{head}"
    );
    let signed =
        "SignedHeaders=content-type;host;x-amz-date;x-amzn-bedrock-agentcore-runtime-session-id,";
    assert!(head.contains(signed), "{head}");
}

#[tokio::test]
async fn two_answers_on_one_connection_need_one_connection() {
    let stage = crate::stage::Stage::start().await;
    let before = stage.sim.addr();
    let server = crate::tiny::Relay::start(before).await;
    let client = client_of(&server.url());
    for _ in 0..3 {
        let answer = client
            .invoke(wish(&stage.target, &json!({})))
            .await
            .unwrap();
        crate::stage::read(answer).await;
    }
    assert_eq!(server.connections(), 1);
}
