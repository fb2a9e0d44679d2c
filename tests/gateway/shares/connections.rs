//! Connections that nobody uses, and too many of them.

use reqwest::Method;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{figure, served};
use crate::gateway::front::Front;
use crate::gateway::tools::{connect, rest};

/// A quarter of these is ten: for strangers, and for one caller.
const FEW: [&str; 2] = ["--share-connections", "40"];

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_and_endless_headers_of_strangers_stop_no_caller() {
    let front = Front::start_with("gw-share-strangers", &FEW).await;
    let token = front.token("caller").await;
    // A connection that stays.
    let ping = async || {
        let request = front.request(Method::GET, "ping", &token);
        assert_eq!(request.send().await.expect("an answer").status(), 200);
    };
    ping().await;
    let mut silent = Vec::new();
    for number in 0..300 {
        let mut stream = connect(&front.gateway).await;
        let sent = ["", "POST /v1/names", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"][number % 3];
        // It may have had to make room already.
        let _ = stream.write_all(sent.as_bytes()).await;
        silent.push(stream);
        if number % 100 == 99 {
            ping().await;
            served(&front, &token).await;
        }
    }
    let (used, limit) = (
        figure(&front, "used", "pool=\"strangers\"").await,
        figure(&front, "limit", "pool=\"strangers\"").await,
    );
    assert!(used <= 10 && limit == 10, "{used} of {limit}");
    let evicted = figure(&front, "refused_total", "pool=\"strangers\",whose=\"all\"").await;
    assert!(evicted >= 250, "{evicted}");

    for line in ["x: y\r\n".to_owned(), format!("x: {}", "y".repeat(1_000))] {
        let mut endless = Vec::new();
        for _ in 0..20 {
            let mut stream = connect(&front.gateway).await;
            let sent = format!("GET / HTTP/1.1\r\n{}", line.repeat(500));
            let _ = stream.write_all(sent.as_bytes()).await;
            endless.push(stream);
        }
        served(&front, &token).await;
        for mut stream in endless {
            let answer = rest(&mut stream).await;
            let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 431 ");
            assert!(refused, "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_keeps_many_connections_keeps_its_share_and_others_keep_theirs() {
    let front = Front::start_with("gw-share-callers", &FEW).await;
    front.allow("other", &["create", "get"]).await;
    let (greedy, other) = (front.token("caller").await, front.token("other").await);
    let path = front.path("ping").replace(&front.gateway.url, "");
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {greedy}\r\n\r\n");
    let first = front.request(Method::GET, "ping", &other);
    assert_eq!(first.send().await.expect("an answer").status(), 200);
    let mut kept: Vec<TcpStream> = Vec::new();
    for _ in 0..50 {
        let mut stream = connect(&front.gateway).await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        let said = crate::gateway::tools::until(&mut stream, "Healthy").await;
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
        kept.push(stream);
    }
    served(&front, &other).await;
    let used = figure(&front, "used", "pool=\"connections\"").await;
    assert!(used <= 10 + 10 + 3, "{used}");
    // Its oldest were closed.
    for stream in &mut kept[..30] {
        rest(stream).await;
    }
    let again = front.request(Method::GET, "ping", &other);
    assert_eq!(again.send().await.expect("an answer").status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_scrapes_are_answered_while_somebody_holds_the_admin_port() {
    let front = Front::start("gw-share-admin").await;
    let address = front.gateway.admin.trim_start_matches("http://");
    let mut held = Vec::new();
    for number in 0..1_000 {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let sent = [
            "",
            "GET /metrics HT",
            "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
        ][number % 3];
        let _ = stream.write_all(sent.as_bytes()).await;
        held.push(stream);
    }
    for path in ["healthz", "readyz", "metrics"] {
        let http = reqwest::Client::builder().no_proxy().build();
        let request = http
            .expect("client")
            .get(format!("{}/{path}", front.gateway.admin));
        assert_eq!(request.send().await.expect("an answer").status(), 200);
    }
}
