//! WebSockets: opened with a signature, a token or a presigned URL, refused, and answered wrongly.

use std::time::Duration;

use agentcore_invoke::{
    Auth, Error, PresignError, SESSION_HEADER, ServiceError, Target, Upgrade, WebSocket,
};
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::stage::{DEADLINE, Stage, client_of, nobody, session, soon};
use crate::tiny::Tiny;

const OPERATION: &str = "InvokeAgentRuntimeWithWebSocketStream";

/// A handshake, signed, in session 1.
fn upgrade(target: &Target) -> Upgrade<'_> {
    let mut headers = HeaderMap::new();
    headers.insert(SESSION_HEADER, session(1).as_str().parse().unwrap());
    Upgrade {
        target,
        headers,
        auth: Auth::SigV4,
        first_byte: DEADLINE,
    }
}

async fn echo(socket: &mut WebSocket, text: &str) -> Message {
    socket.send(Message::text(text)).await.unwrap();
    soon("an echo", socket.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_signed_handshake_opens_a_socket_to_the_agent() {
    let stage = Stage::start().await;
    let opened = stage
        .client
        .web_socket(upgrade(&stage.target))
        .await
        .unwrap();
    assert_eq!(opened.attempts, 1);
    let mut socket = opened.socket;
    assert_eq!(echo(&mut socket, "é").await, Message::text("é"));
    assert_eq!(echo(&mut socket, "two").await, Message::text("two"));
    socket.close(None).await.unwrap();
    while let Some(message) = soon("the end", socket.next()).await {
        assert!(message.unwrap().is_close());
    }
    assert_eq!(stage.calls(OPERATION).await, 1);
}

#[tokio::test]
async fn a_token_opens_a_socket_too() {
    let authorizer = json!({
        "discoveryUrl": "https://issuer.example/.well-known/openid-configuration", "allowedAudience": ["agents"],
    });
    let stage =
        Stage::with(json!({ "authorizerConfiguration": { "customJWTAuthorizer": authorizer } }))
            .await;
    let call = Upgrade {
        auth: Auth::Bearer(HeaderValue::from_static("Bearer e30.e30.e30")),
        ..upgrade(&stage.target)
    };
    let mut socket = stage.client.web_socket(call).await.unwrap().socket;
    assert_eq!(echo(&mut socket, "a").await, Message::text("a"));
}

#[tokio::test]
async fn a_throttled_handshake_is_sent_again_and_a_broken_one_is_not() {
    let stage = Stage::start().await;
    stage
        .fault(OPERATION, "before", "ThrottlingException", 2)
        .await;
    let opened = stage
        .client
        .web_socket(upgrade(&stage.target))
        .await
        .unwrap();
    assert_eq!(opened.attempts, 3);
    stage.fault(OPERATION, "before", "drop", 1).await;
    let failed = stage
        .client
        .web_socket(upgrade(&stage.target))
        .await
        .unwrap_err();
    assert_eq!((failed.error.reason(), failed.attempts), ("broken_off", 1));
}

#[tokio::test]
async fn a_refusal_of_aws_is_told_from_one_of_the_agent() {
    let stage = Stage::start().await;
    let target = Target {
        qualifier: Some("nowhere".to_owned()),
        ..stage.target.clone()
    };
    let failed = stage.client.web_socket(upgrade(&target)).await.unwrap_err();
    let Error::Service(ServiceError { name, .. }) = failed.error else {
        panic!("{failed}");
    };
    assert_eq!(name, "ResourceNotFoundException");

    let mut call = upgrade(&stage.target);
    let refuse = "x-amzn-bedrock-agentcore-runtime-custom-refuse";
    call.headers.insert(refuse, HeaderValue::from_static("1"));
    let failed = stage.client.web_socket(call).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "agent refused the WebSocket with status 403 Forbidden"
    );
    let Error::Refused { status, body, .. } = failed.error else {
        panic!("{:?}", failed.error);
    };
    assert_eq!(
        (status.as_u16(), &body[..]),
        (403, &br#"{"error": "not you"}"#[..])
    );
}

#[tokio::test]
async fn a_presigned_url_opens_a_socket_for_whoever_has_it() {
    let stage = Stage::start().await;
    for session in [None, Some(&session(2))] {
        let expires = Duration::from_mins(5);
        let url = stage
            .client
            .presign_web_socket(&stage.target, session, expires)
            .await
            .unwrap();
        assert_eq!(url.scheme(), "ws");
        let stream = TcpStream::connect(stage.sim.addr()).await.unwrap();
        let (mut socket, _): (WebSocketStream<TcpStream>, _) =
            tokio_tungstenite::client_async(url.as_str(), stream)
                .await
                .unwrap();
        socket.send(Message::text("a")).await.unwrap();
        let echoed = soon("an echo", socket.next()).await.unwrap().unwrap();
        assert_eq!(echoed, Message::text("a"));
    }
}

#[tokio::test]
async fn a_presigned_url_has_the_parameters_that_agentcore_wants() {
    let target = Target {
        qualifier: Some("prod".to_owned()),
        ..nobody()
    };
    let expires = Duration::from_mins(1);
    let url = client_of("http://127.0.0.1:4680")
        .presign_web_socket(&target, Some(&session(1)), expires)
        .await
        .unwrap();
    let names: Vec<String> = url
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    let expected = [
        "qualifier",
        "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id",
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    ];
    assert_eq!(names, expected);
    let query = url.query().unwrap();
    assert!(query.contains("X-Amz-SignedHeaders=host&"), "{query}");
    assert!(query.contains("X-Amz-Expires=60&"), "{query}");
    assert!(
        query.contains("%2Fus-east-1%2Fbedrock-agentcore%2Faws4_request&"),
        "{query}"
    );
}

#[tokio::test]
async fn presigned_urls_are_good_for_1_to_300_seconds() {
    let client = client_of("http://127.0.0.1:4680");
    for (millis, seconds) in [(0, 0), (999, 0), (300_001, 300), (301_000, 301)] {
        let expires = Duration::from_millis(millis);
        let error = client
            .presign_web_socket(&nobody(), None, expires)
            .await
            .unwrap_err();
        assert!(
            matches!(error, PresignError::Expiry(found) if found == seconds),
            "{error}"
        );
    }
}

/// What comes of an answer to the handshake with these further lines; `{accept}` in them is the right key.
async fn answered(
    lines: &'static str,
) -> Result<agentcore_invoke::Opened, agentcore_invoke::Failed> {
    let server = Tiny::scripted(move |head| {
        let key = head
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-key: "))
            .unwrap();
        let accept = derive_accept_key(key.as_bytes());
        format!(
            "HTTP/1.1 101 X\r\n{}\r\n",
            lines.replace("{accept}", &accept)
        )
    })
    .await;
    let target = nobody();
    let mut call = upgrade(&target);
    let offered = HeaderValue::from_static("one, two");
    call.headers.insert("sec-websocket-protocol", offered);
    client_of(&server.url()).web_socket(call).await
}

const RIGHT: &str =
    "Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Accept: {accept}\r\n";

#[tokio::test]
async fn an_answer_may_choose_one_of_the_protocols_or_none() {
    let opened = answered(RIGHT).await.unwrap();
    assert_eq!(opened.headers.get("sec-websocket-protocol"), None);
    let chosen = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: two\r\n";
    let opened = answered(chosen).await.unwrap();
    assert_eq!(opened.headers["sec-websocket-protocol"], "two");
}

#[tokio::test]
async fn wrong_answers_to_the_handshake_are_named() {
    for (lines, problem) in [
        (
            "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n",
            "it does not upgrade to websocket",
        ),
        (
            "Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Accept: {accept}\r\n",
            "its connection is not upgraded",
        ),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
            "it accepts another key",
        ),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: x\r\n",
            "it has an extension that was not offered",
        ),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: three\r\n",
            "it has a subprotocol that was not offered",
        ),
    ] {
        let failed = answered(lines).await.unwrap_err();
        assert_eq!(
            failed.to_string(),
            format!("answer to the WebSocket handshake is wrong: {problem}")
        );
    }
}

#[tokio::test]
async fn the_session_of_a_socket_is_sent_and_not_signed() {
    let server = Tiny::start(vec![crate::tiny::answer(403, "", "")]).await;
    let target = nobody();
    client_of(&server.url())
        .web_socket(upgrade(&target))
        .await
        .unwrap_err();
    let head = server.heads().await.remove(0);
    assert!(head.starts_with("GET /runtimes/arn%3Aaws"), "{head}");
    assert!(head.contains("SignedHeaders=host;x-amz-date,"), "{head}");
    assert!(
        head.contains(&format!("{SESSION_HEADER}: {}\r\n", session(1))),
        "{head}"
    );
}
