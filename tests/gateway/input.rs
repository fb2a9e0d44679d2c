//! What callers send that is not as it should be: headers that speak for somebody else, bodies too large, bytes too slow, paths that
//! are none.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::front::{Front, Gateway};
use super::tools::{SESSION, Tape, UPSTREAM, connect, good, raw, refused, rest, until};
use crate::rig::DEADLINE;

/// A gateway of the front whose AgentCore is a tape.
async fn taped(front: &mut Front) -> Tape {
    let tape = Tape::start().await;
    front.gateway = Gateway::start_in(&front.rig, &[], &[("AWS_ENDPOINT_URL", &tape.url)]).await;
    tape
}

fn head(front: &Front, token: &str, path: &str, headers: &str) -> Vec<u8> {
    let path = path.replace(&front.gateway.url, "");
    format!(
        "POST {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n{headers}\r\n"
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_speak_for_somebody_else_never_leave_the_gateway() {
    let mut front = Front::start("gw-headers").await;
    front.echo("listed", json!({"requestHeaders": {"allowlist": ["X-Tenant", "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Color"]}})).await;
    let token = front.token("caller").await;
    let tape = taped(&mut front).await;
    let forged = [
        ("authorization2", "Bearer forged"),
        ("x-amz-date", "20200101T000000Z"),
        ("x-amz-security-token", "forged"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amzn-oidc-data", "forged"),
        ("x-amzn-bedrock-agentcore-runtime-user-id", "forged"),
        (
            "x-amzn-bedrock-agentcore-runtime-workload-access-token",
            "forged",
        ),
        ("x-forwarded-for", "forged"),
        ("forwarded", "for=forged"),
        ("cookie", "forged"),
        ("proxy-authorization", "forged"),
        ("x-agentcore-authorization", "Bearer forged"),
        ("user-id", "forged"),
        ("x-other", "forged"),
        ("user-agent", "forged"),
        ("host", "forged.example"),
    ];
    let mine = "a".repeat(40);
    for (name, listed) in [("support", false), ("listed", true)] {
        let mut request = front.post_to(
            "agentruntimes",
            name,
            "invocations",
            &token,
            &json!({"prompt": "a"}),
        );
        for (name, value) in forged {
            request = request.header(name, value);
        }
        let request = request
            .header("x-tenant", "shop")
            .header("x-amzn-bedrock-agentcore-runtime-custom-color", "blue")
            .header(
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            )
            .header("baggage", "a=b")
            .header("mcp-protocol-version", "2025-11-25")
            .header(SESSION, &mine);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let upstream = answer.headers()[UPSTREAM]
            .to_str()
            .expect("text")
            .to_owned();
        let [(seen, _)] = &tape.take()[..] else {
            panic!("one request")
        };
        assert!(!seen.contains("forged"), "{seen}");
        assert!(!seen.contains(&token.to_ascii_lowercase()), "{seen}");
        assert!(!seen.contains(&mine), "{seen}");
        assert_eq!(seen.matches("authorization: ").count(), 1, "{seen}");
        assert!(seen.contains("authorization: aws4-hmac-sha256 "), "{seen}");
        assert!(
            seen.contains(&format!("{SESSION}: {upstream}\r\n")),
            "{seen}"
        );
        for line in [
            "baggage: a=b",
            "mcp-protocol-version: 2025-11-25",
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-",
        ] {
            assert!(seen.contains(line), "{line} in {seen}");
        }
        assert_eq!(seen.contains("x-tenant: shop\r\n"), listed, "{seen}");
        assert_eq!(seen.contains("custom-color: blue\r\n"), listed, "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_two_servers_could_read_differently_are_refused_or_read_one_way() {
    let mut front = Front::start("gw-smuggling").await;
    let token = front.token("caller").await;
    let tape = taped(&mut front).await;
    let path = front.path("invocations");
    for headers in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 2, 3\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X-Tenant: a\rInjected: b\r\nContent-Length: 2\r\n",
        "X-Tenant: a\0b\r\nContent-Length: 2\r\n",
        "X-Tenant: a\r\n Injected: b\r\nContent-Length: 2\r\n",
        "X Tenant: a\r\nContent-Length: 2\r\n",
        "X-Tenant\r\nContent-Length: 2\r\n",
    ] {
        let mut request = head(&front, &token, &path, headers);
        request.extend_from_slice(b"{}");
        let said = raw(&front.gateway, &request).await;
        assert!(said.starts_with("HTTP/1.1 400 "), "{headers:?}: {said}");
        assert!(tape.take().is_empty(), "{headers:?}");
    }
    // Chunked wins, the length goes, and what follows is a request of its own, without a token.
    let mut request = head(
        &front,
        &token,
        &path,
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    );
    let second = path.replace(&front.gateway.url, "");
    request.extend_from_slice(format!("2\r\n{{}}\r\n0\r\n\r\nPOST {second} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
    let said = raw(&front.gateway, &request).await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    assert_eq!(
        said.matches("HTTP/1.1 ").count(),
        said.matches("HTTP/1.1 200").count() + said.matches("HTTP/1.1 401").count(),
        "{said}"
    );
    let [(seen, 2)] = &tape.take()[..] else {
        panic!("one request of two bytes")
    };
    assert!(
        seen.contains("content-length: 2\r\n") && !seen.contains("transfer-encoding"),
        "{seen}"
    );

    // A header on a line of its own is a header of its own, and not a listed one.
    let mut request = head(
        &front,
        &token,
        &path,
        "X-Other: a\nX-Amzn-Bedrock-AgentCore-Runtime-User-Id: root\r\nContent-Length: 2\r\nConnection: close\r\n",
    );
    request.extend_from_slice(b"{}");
    raw(&front.gateway, &request).await;
    assert!(tape.take().iter().all(|(seen, _)| !seen.contains("root")));

    let namespace = &front.rig.namespace;
    for path in [
        format!("/v1/namespaces/{namespace}/agentruntimes/support%2Finvocations"),
        format!("/v1/namespaces/{namespace}/agentruntimes/%73upport/invocations"),
        format!("/v1/namespaces/{namespace}/agentruntimes/../agentruntimes/support/invocations"),
        format!("/v1/namespaces/{namespace}/agentruntimes/support/./invocations"),
        format!("/v1/namespaces/{namespace}/agentruntimes//support/invocations"),
        format!("/v1/namespaces/{namespace}/agentruntimes/support/invocations/.."),
        format!("/v1/namespaces/{namespace}/agentruntimes/support%00/invocations"),
        format!("/v1/namespaces/{namespace}%2F..%2Fother/agentruntimes/support/invocations"),
        "/../../etc/passwd".to_owned(),
        "*".to_owned(),
    ] {
        let mut request = head(
            &front,
            &token,
            &path,
            "Content-Length: 2\r\nConnection: close\r\n",
        );
        request.extend_from_slice(b"{}");
        let said = raw(&front.gateway, &request).await;
        assert!(
            said.starts_with("HTTP/1.1 404 ") || said.starts_with("HTTP/1.1 400 "),
            "{path}: {said}"
        );
        assert!(tape.take().is_empty(), "{path}");
    }
    // A query is the caller's own affair, and ends here.
    let request = front
        .http
        .post(format!("{path}?qualifier=other&accountId=1"))
        .bearer_auth(&token);
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    let [(seen, _)] = &tape.take()[..] else {
        panic!("one request")
    };
    assert!(
        !seen.contains("qualifier") && !seen.contains("accountid"),
        "{seen}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_100_000_000_bytes_is_refused_before_it_is_read_and_one_of_that_size_passes() {
    let mut front = Front::start("gw-large").await;
    let token = front.token("caller").await;
    let tape = taped(&mut front).await;
    let path = front.path("invocations");

    let mut stream = connect(&front.gateway).await;
    let announced = head(&front, &token, &path, "Content-Length: 101000000\r\n");
    stream.write_all(&announced).await.expect("written");
    let said = until(&mut stream, "PayloadTooLarge").await;
    assert!(
        said.starts_with("HTTP/1.1 413 ")
            && said.to_ascii_lowercase().contains("connection: close"),
        "{said}"
    );

    let mut stream = connect(&front.gateway).await;
    let waiting = head(
        &front,
        &token,
        &path,
        "Content-Length: 101000000\r\nExpect: 100-continue\r\n",
    );
    stream.write_all(&waiting).await.expect("written");
    let said = until(&mut stream, "PayloadTooLarge").await;
    assert!(
        said.starts_with("HTTP/1.1 413 "),
        "not invited to send: {said}"
    );

    // Many clients read nothing before they have sent everything.
    let mut stream = connect(&front.gateway).await;
    stream.write_all(&announced).await.expect("written");
    let block = vec![b' '; 1_000_000];
    for _ in 0..101 {
        stream
            .write_all(&block)
            .await
            .expect("the answer would be lost with the connection");
    }
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 413 "));

    let sized = |length: usize| {
        let mut left = length;
        let pieces = std::iter::from_fn(move || {
            let piece = left.min(1 << 20);
            left -= piece;
            (piece > 0).then(|| Ok::<_, std::io::Error>(vec![b' '; piece]))
        });
        let body = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
        front
            .request(Method::POST, "invocations", &token)
            .body(body)
    };
    assert_eq!(
        refused(sized(100_000_001)).await.said(),
        (413, "PayloadTooLarge")
    );
    assert!(tape.take().is_empty());
    let answer = sized(100_000_000).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let [(_, 100_000_000)] = &tape.take()[..] else {
        panic!("one request, whole")
    };

    // Without a signature in between, too.
    let (_, answer) = {
        tape.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
        good(front.invoke(&token, &json!({"prompt": "a"}))).await
    };
    assert_eq!(answer, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_and_slow_bodies_are_cut() {
    let front = Front::start("gw-slow").await;
    let token = front.token("caller").await;
    let path = front.path("invocations");
    let slow_head = async {
        let begun = Instant::now();
        let mut stream = connect(&front.gateway).await;
        let mut bytes = head(&front, &token, &path, "X-Long: a\r\n")
            .into_iter()
            .cycle();
        let (mut reading, mut writing) = stream.split();
        let dribble = async {
            while writing
                .write_all(&[bytes.next().expect("endless")])
                .await
                .is_ok()
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let mut said = Vec::new();
        let cut = async { while let Ok(1..) = reading.read_buf(&mut said).await {} };
        let ended = async {
            tokio::select! { () = dribble => {}, () = cut => {} }
        };
        let ended = tokio::time::timeout(DEADLINE, ended).await;
        assert!(ended.is_ok(), "it is cut");
        assert!(
            begun.elapsed() >= Duration::from_secs(8),
            "{:?}",
            begun.elapsed()
        );
    };
    let silent = async {
        let mut stream = connect(&front.gateway).await;
        assert_eq!(rest(&mut stream).await, "");
    };
    let slow_body = async {
        let mut stream = connect(&front.gateway).await;
        let mut request = head(&front, &token, &path, "Content-Length: 100\r\n");
        request.extend_from_slice(b"{\"prompt\":");
        stream.write_all(&request).await.expect("written");
        let said = until(&mut stream, "BodyTimeout").await;
        assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
        rest(&mut stream).await;
    };
    let trickle = async {
        let mut stream = connect(&front.gateway).await;
        let request = head(&front, &token, &path, "Content-Length: 100000\r\n");
        stream.write_all(&request).await.expect("written");
        let (mut reading, mut writing) = stream.split();
        let dribble = async {
            while writing.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            std::future::pending::<()>().await;
        };
        let mut said = Vec::new();
        let answer = async {
            while !said.ends_with(b"}") {
                reading.read_buf(&mut said).await.expect("an answer");
            }
        };
        let cut = async {
            tokio::select! { () = dribble => {}, () = answer => {} }
        };
        let cut = tokio::time::timeout(DEADLINE, cut).await;
        let said = String::from_utf8_lossy(&said);
        assert!(
            cut.is_ok(),
            "it is never silent, and cut all the same: {said}"
        );
        assert!(
            said.starts_with("HTTP/1.1 408 ") && said.contains("BodyTimeout"),
            "{said}"
        );
    };
    let broken_body = async {
        let mut stream = connect(&front.gateway).await;
        let mut request = head(&front, &token, &path, "Content-Length: 100\r\n");
        request.extend_from_slice(b"{\"prompt\":");
        stream.write_all(&request).await.expect("written");
        drop(stream);
        front
            .rig
            .until("a line about the body", async || {
                let lines = front.gateway.accesses();
                let found = lines
                    .iter()
                    .any(|line| line["reason"] == "BodyBrokeOff" || line["reason"] == "CallerGone");
                found.then_some(()).ok_or_else(|| format!("{lines:?}"))
            })
            .await;
    };
    tokio::join!(slow_head, silent, slow_body, trickle, broken_body);
    assert_eq!(front.rig.calls("InvokeAgentRuntime").await, 0);
}
