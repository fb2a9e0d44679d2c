//! HTTP/1.0, as nginx speaks it to what is behind it unless it is told otherwise.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::front::Front;

/// What the gateway answers to one HTTP/1.0 request, up to the end of the connection.
async fn answer(front: &Front, what: &str, more: &str, body: &str) -> String {
    let token = front.token("caller").await;
    let path = format!(
        "/v1/namespaces/{}/agentruntimes/support/{what}",
        front.rig.namespace
    );
    let request = format!(
        "POST {path} HTTP/1.0\r\nHost: upstream\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    );
    let address = front.gateway.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut said = String::new();
    stream
        .read_to_string(&mut said)
        .await
        .expect("a whole answer");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_speaks_http_1_0_gets_whole_answers_and_streams_without_chunks() {
    let front = Front::start("gw-http10").await;
    let stream = "Accept: text/event-stream\r\n";
    let body = r#"{"prompt": "one two three four"}"#;
    for (what, more, body, wanted) in [
        ("invocations", "", body, "one two three four"),
        ("invocations", stream, body, "data: "),
        ("chat", "", body, "one two three four"),
        ("chat", stream, body, "data: "),
        ("invocations", "", "no JSON", "Invalid JSON"),
    ] {
        let said = answer(&front, what, more, body).await;
        let (head, rest) = said.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.0 "), "{head}");
        assert!(
            !head.to_ascii_lowercase().contains("transfer-encoding"),
            "{head}"
        );
        assert!(rest.contains(wanted), "{what} {more}: {said}");
    }
}
