//! More connections than there are places.

use super::*;

/// A server for so few connections that a quarter of them is two, where no connection ends by itself.
async fn small() -> Running {
    Running::start_for(8, Transport::Plain, PATIENT, LONG).await
}

/// A connection of a caller that is known, after its first answer.
async fn caller(server: &Running, name: &str) -> TcpStream {
    let mut stream = server.connect().await;
    again(&mut stream, name).await;
    stream
}

async fn again(stream: &mut TcpStream, name: &str) {
    send(stream, &get(&format!("/as/{name}"))).await;
    until(stream, "hello").await;
}

#[tokio::test]
async fn strangers_make_room_for_each_other_and_callers_stay_and_come() {
    let server = small().await;
    let mut known = caller(&server, "one").await;
    let mut strangers = Vec::new();
    for sent in ["", "GET / HTTP/1.1\r\nhost: ", "PRI * HTTP/2.0\r\n\r\n"] {
        for _ in 0..20 {
            let mut stream = server.connect().await;
            send(&mut stream, sent).await;
            strangers.push(stream);
        }
        again(&mut known, "one").await;
        caller(&server, "other").await;
    }
    strangers.truncate(58);
    for mut stream in strangers {
        assert_eq!(rest(&mut stream).await, "", "it was not cut");
    }
    again(&mut known, "one").await;
}

#[tokio::test]
async fn a_connection_that_was_used_without_a_token_stays_a_strangers() {
    let server = small().await;
    let mut used = server.connect().await;
    send(&mut used, &get("/")).await;
    until(&mut used, "hello").await;
    let mut socket = server.connect().await;
    send(&mut socket, UPGRADE).await;
    until(&mut socket, "101 Switching Protocols").await;
    let _newer = (server.connect().await, server.connect().await);
    assert_eq!(rest(&mut used).await, "");
    assert_eq!(rest(&mut socket).await, "");
}

#[tokio::test]
async fn a_caller_over_its_share_loses_its_oldest_idle_connection_and_nobody_else_does() {
    let server = small().await;
    let mut other = caller(&server, "other").await;
    let (mut first, mut second) = (caller(&server, "one").await, caller(&server, "one").await);
    let mut third = caller(&server, "one").await;
    assert_eq!(rest(&mut first).await, "");
    for (stream, name) in [
        (&mut second, "one"),
        (&mut third, "one"),
        (&mut other, "other"),
    ] {
        again(stream, name).await;
    }
}
