//! The drain: what is under way ends, what is too slow is cut, nothing new comes in.

use super::*;

#[tokio::test]
async fn a_stop_lets_a_running_answer_end_and_refuses_new_connections() {
    let server = Running::plain().await;
    let mut idle = server.connect().await;
    send(&mut idle, &get("/")).await;
    until(&mut idle, "hello").await;
    let mut stream = server.connect().await;
    send(&mut stream, &get("/stream")).await;
    server.agent.wait_for(2).await;
    server.stop.cancel();
    assert_eq!(rest(&mut idle).await, "", "an idle connection ends at once");
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon(refused).await;
    for chunk in ["one", "two", ""] {
        server.agent.chunks.send(chunk).expect("the stream is open");
    }
    let answer = rest(&mut stream).await;
    assert!(answer.contains("one") && answer.contains("two"), "{answer}");
    assert!(
        answer.ends_with("0\r\n\r\n"),
        "the answer is not whole: {answer}"
    );
    assert_eq!(server.stopped().await, 0);
}

#[tokio::test]
async fn what_does_not_end_within_the_grace_is_cut_and_counted() {
    let server = Running::start(
        Transport::Plain,
        Limits::default(),
        Duration::from_millis(100),
    )
    .await;
    let (mut answer, mut socket) = (server.connect().await, server.connect().await);
    send(&mut answer, &get("/stream")).await;
    until(&mut answer, "\r\n\r\n").await;
    send(&mut socket, UPGRADE).await;
    until(&mut socket, "\r\n\r\n").await;
    send(&mut socket, "x").await;
    until(&mut socket, "x").await;
    assert_eq!(server.stopped().await, 2);
    let answer = rest(&mut answer).await;
    assert!(
        !answer.ends_with("0\r\n\r\n"),
        "a cut answer looks whole: {answer}"
    );
    assert_eq!(rest(&mut socket).await, "");
}

#[tokio::test]
async fn a_websocket_is_waited_for() {
    let server = Running::plain().await;
    let mut socket = server.connect().await;
    send(&mut socket, UPGRADE).await;
    until(&mut socket, "\r\n\r\n").await;
    server.stop.cancel();
    let closed = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon(closed).await;
    send(&mut socket, "x").await;
    until(&mut socket, "x").await;
    drop(socket);
    assert_eq!(server.stopped().await, 0);
}

#[tokio::test]
async fn a_connection_in_the_middle_of_nothing_does_not_hold_the_stop_up() {
    let server = Running::plain().await;
    let _silent = server.connect().await;
    let mut busy = server.connect().await;
    send(&mut busy, &get("/")).await;
    until(&mut busy, "hello").await;
    assert_eq!(server.stopped().await, 0);
}

#[tokio::test]
async fn connections_end_with_the_server_when_it_is_dropped() {
    let server = Running::plain().await;
    let mut stream = server.connect().await;
    send(&mut stream, &get("/stream")).await;
    until(&mut stream, "\r\n\r\n").await;
    drop(server);
    rest(&mut stream).await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let server = Running::plain().await;
    let taken = Server::bind(server.address, Transport::Plain, MANY).await;
    let Err(error) = taken else {
        panic!("two servers on one port")
    };
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {}", server.address)
    );
}
