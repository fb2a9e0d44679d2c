//! Answers that no AWS gives: from a proxy, from half a connection. One canned answer each, byte for byte.

use std::sync::Arc;

use agentcore_aws::{Aws, Priority, Unobserved};
use agentcore_plan::fault::{Class, Fault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::full_config::minimal;
use super::support::{REGION, credentials, rates, sdk_config, soon, tags, token};

/// The fault of a CreateAgentRuntime that is answered with these bytes and the end of the connection.
async fn answered(answer: &'static str) -> Fault {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        while !String::from_utf8_lossy(&request).contains("agentRuntimeName") {
            let read = stream.read_buf(&mut request).await.expect("a request");
            assert!(read > 0, "the request ended early");
        }
        stream
            .write_all(answer.as_bytes())
            .await
            .expect("an answer");
        stream.shutdown().await.expect("an end");
    };
    let config = sdk_config(&url, credentials("test", "test"));
    let control = Aws::with_config(config, rates(100.0), Arc::new(Unobserved))
        .expect("a region")
        .control(REGION);
    let (config, tags, token) = (minimal("public.ecr.aws/x/y:z"), tags(), token("broken"));
    let create = control.create_runtime(Priority::Urgent, "support", &config, &tags, &token);
    let create = Box::pin(create);
    let (fault, ()) = soon("an answer", async { tokio::join!(create, server) }).await;
    fault.expect_err("broken")
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_lost_answer() {
    let fault = answered("HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"agentRuntime").await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (Class::Transient, "Dispatch"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_whole_body_that_makes_no_sense_is_unknown_and_may_have_had_its_effect() {
    let fault = answered("HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n<!doctype").await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (Class::Unknown, "Unreadable"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn an_accepted_create_without_an_id_is_unreadable() {
    let fault = answered(
        "HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    )
    .await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (Class::Unknown, "Unreadable"),
        "{fault:?}"
    );
    assert!(fault.message.contains("agentRuntimeArn"), "{fault:?}");
}

#[tokio::test]
async fn a_web_page_that_says_not_found_does_not_speak_for_aws() {
    let fault = answered(
        "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 9\r\n\r\n<!doctype",
    )
    .await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (Class::Unknown, "Http404"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_gateway_that_gave_up_is_transient() {
    let fault = answered("HTTP/1.1 504 Gateway Timeout\r\ncontent-type: text/html\r\ncontent-length: 9\r\n\r\n<!doctype").await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (Class::Transient, "Http504"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn no_answer_at_all_is_transient() {
    let fault = answered("").await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (Class::Transient, "Dispatch"),
        "{fault:?}"
    );
}
