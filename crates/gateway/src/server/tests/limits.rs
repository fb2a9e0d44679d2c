//! Peers that are slow, silent, many or unkind.

use super::*;

fn hasty() -> Limits {
    let short = Duration::from_millis(100);
    Limits {
        handshake: short,
        header: short,
        ..Limits::default()
    }
}

#[tokio::test]
async fn requests_are_answered_and_know_their_peer() {
    let server = Running::plain().await;
    let mut stream = server.connect().await;
    let peer = stream.local_addr().expect("an address");
    for _ in 0..2 {
        send(&mut stream, &get("/")).await;
        let answer = until(&mut stream, &format!("hello {peer}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    drop(stream);
    assert_eq!(server.stopped().await, 0);
}

#[tokio::test]
async fn a_header_that_does_not_end_is_cut_wherever_it_stops() {
    let server = Running::start(Transport::Plain, hasty(), LONG).await;
    for sent in [
        "",
        "G",
        "PRI * HT",
        "GET / HTTP/1.1\r\nhost: gate",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = server.connect().await;
        send(&mut stream, sent).await;
        rest(&mut stream).await;
    }
    let mut stream = server.connect().await;
    send(&mut stream, &get("/")).await;
    until(&mut stream, "hello").await;
    send(&mut stream, "GET / HTTP/1.1\r\nho").await;
    rest(&mut stream).await;
    assert_eq!(*server.agent.begun.borrow(), 1);
}

#[tokio::test]
async fn a_header_that_is_too_large_is_refused() {
    let server = Running::plain().await;
    let mut stream = server.connect().await;
    let fields = format!("x-large: {}\r\n", "a".repeat(1_000)).repeat(90);
    let request = format!("GET / HTTP/1.1\r\nhost: gateway\r\n{fields}\r\n");
    // The server may hang up before it has read everything.
    let _ = stream.write_all(request.as_bytes()).await;
    let answer = rest(&mut stream).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert_eq!(*server.agent.begun.borrow(), 0);
}

#[tokio::test]
async fn a_long_answer_outlives_the_limits_of_headers() {
    let server = Running::start(Transport::Plain, hasty(), LONG).await;
    let mut stream = server.connect().await;
    send(&mut stream, &get("/stream")).await;
    until(&mut stream, "\r\n\r\n").await;
    // Another connection that is cut shows that the limit has passed.
    rest(&mut server.connect().await).await;
    for chunk in ["one", "two"] {
        server.agent.chunks.send(chunk).expect("the stream is open");
        until(&mut stream, chunk).await;
    }
}

#[tokio::test]
async fn the_limit_of_headers_is_none_for_connections_that_rest_or_were_upgraded() {
    let server = Running::start(Transport::Plain, hasty(), LONG).await;
    let (mut resting, mut upgraded) = (server.connect().await, server.connect().await);
    send(&mut resting, &get("/")).await;
    until(&mut resting, "hello").await;
    send(&mut upgraded, UPGRADE).await;
    until(&mut upgraded, "101 Switching Protocols").await;
    send(&mut upgraded, "a").await;
    until(&mut upgraded, "a").await;
    // A third connection that is cut shows that the limit has passed.
    rest(&mut server.connect().await).await;
    send(&mut upgraded, "b").await;
    until(&mut upgraded, "b").await;
    send(&mut resting, &get("/")).await;
    until(&mut resting, "hello").await;
}

/// A frame of HTTP/2: its type, flags, stream and payload.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
    frame.extend_from_slice(payload);
    frame
}

#[tokio::test]
async fn an_http2_header_that_does_not_end_is_cut_after_good_ones_too() {
    let limits = Limits {
        header: Duration::from_millis(500),
        ..PATIENT
    };
    let server = Running::start(Transport::Plain, limits, LONG).await;
    // GET / from the static table, and `:authority` as a literal.
    let fields = b"\x82\x86\x84\x41\x07gateway";
    let (end_stream, end_headers) = (1, 4);
    let cuts = [
        frame(1, end_stream, 3, fields),
        [
            frame(1, end_stream, 3, fields),
            frame(9, 0, 3, b""),
            frame(9, 0, 3, b"\x82"),
        ]
        .concat(),
        frame(1, end_stream | end_headers, 3, fields)[..12].to_vec(),
    ];
    for (number, cut) in cuts.iter().enumerate() {
        let mut stream = server.connect().await;
        let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        sent.extend(frame(4, 0, 0, b""));
        sent.extend(frame(1, end_stream | end_headers, 1, fields));
        stream.write_all(&sent).await.expect("it is sent");
        server.agent.wait_for(number + 1).await;
        stream.write_all(cut).await.expect("it is sent");
        let mut said = Vec::new();
        let _ = soon(stream.read_to_end(&mut said)).await;
        let hello = said.windows(5).any(|five| five == b"hello");
        assert!(hello, "the first request is answered");
    }
    assert_eq!(*server.agent.begun.borrow(), 3);
}

#[tokio::test]
async fn a_connection_that_is_used_no_more_ends() {
    let limits = Limits {
        header: Duration::from_millis(100),
        idle: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = Running::start(Transport::Plain, limits, LONG).await;
    let stream = TokioIo::new(server.connect().await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), stream)
            .await
            .expect("a handshake");
    let connection = tokio::spawn(connection);
    let request = Request::get("http://gateway/")
        .body(Body::empty())
        .expect("a request");
    let answer = soon(sender.send_request(request)).await.expect("an answer");
    let body = Body::new(answer.into_body());
    assert!(
        !axum::body::to_bytes(body, 1_000)
            .await
            .expect("a body")
            .is_empty()
    );
    let _ = soon(connection).await.expect("no panic");
    assert!(sender.is_closed());
}
