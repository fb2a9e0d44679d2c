//! Bodies that do not end.

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{figure, served};
use crate::gateway::front::Front;
use crate::gateway::tools::connect;
use crate::rig::DEADLINE;

/// Begins so many requests and sends as many bytes of each of their bodies, which are announced to be twice as long.
async fn begin(
    front: &Front,
    token: &str,
    what: &str,
    requests: usize,
    bytes: usize,
) -> Vec<TcpStream> {
    let path = front.path(what).replace(&front.gateway.url, "");
    let mut sent = format!(
        "POST {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{{\"prompt\":\"",
        2 * bytes
    )
    .into_bytes();
    sent.resize(sent.len() + bytes, b'a');
    let mut streams = Vec::new();
    for _ in 0..requests {
        let mut stream = connect(&front.gateway).await;
        // It may be refused before it has sent everything.
        let _ = stream.write_all(&sent).await;
        streams.push(stream);
    }
    streams
}

/// What the first so many of them are told that are told something.
async fn told(streams: &mut [TcpStream], how_many: usize) -> Vec<String> {
    let answers = streams.iter_mut().map(|stream| async move {
        let mut all = Vec::new();
        while !all.ends_with(b"}") {
            if stream.read_buf(&mut all).await.expect("an answer") == 0 {
                break;
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    });
    let answers: FuturesUnordered<_> = answers.collect();
    let told = answers.take(how_many).collect();
    tokio::time::timeout(DEADLINE, told)
        .await
        .expect("most of them are refused")
}

/// Pools hold nothing of a request that is over.
async fn is_given_back(front: &Front) {
    for pool in ["bodies", "spool"] {
        let label = format!("pool=\"{pool}\"");
        front
            .rig
            .until("what was held is given back", async || {
                match figure(front, "used", &label).await {
                    0 => Ok(()),
                    held => Err(format!("{held} bytes of {pool} are held")),
                }
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_ends_none_of_its_bodies_stops_nobody_else() {
    let flags = ["--share-bodies", "4Mi", "--spool-limit", "4Mi"];
    let front = Front::start_with("gw-share-bodies", &flags).await;
    front.allow("other", &["create"]).await;
    let (greedy, other) = (front.token("caller").await, front.token("other").await);
    // A quarter of either pool holds two or three of them.
    let mut streams = begin(&front, &greedy, "invocations", 91, 400_000).await;
    for answer in told(&mut streams, 80).await {
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
        let low = answer.to_ascii_lowercase();
        assert!(low.contains("\r\nretry-after: "), "{answer}");
        assert!(answer.contains("\"CallerShare\""), "{answer}");
    }
    for pool in ["bodies", "spool"] {
        let used = figure(&front, "used", &format!("pool=\"{pool}\"")).await;
        assert!(used <= 1 << 20, "{used} bytes of {pool}");
    }
    served(&front, &other).await;
    drop(streams);
    is_given_back(&front).await;

    // What `chat` reads stays in memory.
    let mut streams = begin(&front, &greedy, "chat", 23, 400_000).await;
    for answer in told(&mut streams, 20).await {
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
        assert!(answer.contains("\"CallerShare\""), "{answer}");
    }
    let used = figure(&front, "used", "pool=\"bodies\"").await;
    assert!(used <= 1 << 20, "{used} bytes");
    served(&front, &other).await;
    let refused = figure(&front, "refused_total", "pool=\"bodies\",whose=\"caller\"").await;
    assert!(refused >= 20, "{refused}");
    drop(streams);
    is_given_back(&front).await;
    served(&front, &greedy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_of_one_namespace_hold_half_and_all_there_is_is_never_passed() {
    let flags = ["--share-bodies", "4Mi", "--spool-limit", "1Mi"];
    let front = Front::start_with("gw-share-namespace", &flags).await;
    let mut held = Vec::new();
    for (number, reasons) in [
        (0, &["CallerShare"][..]),
        (1, &["CallerShare"]),
        (2, &["NamespaceShare"]),
    ] {
        let name = format!("greedy-{number}");
        front.allow(&name, &["create"]).await;
        let token = front.token(&name).await;
        // Each needs 512 KiB of memory: two fill a caller's share.
        let mut streams = begin(&front, &token, "chat", 5, 300_000).await;
        for answer in told(&mut streams, 3).await {
            assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
            let found = reasons.iter().any(|reason| answer.contains(reason));
            assert!(found, "{name}: {answer}");
        }
        held.push(streams);
    }
    let used = figure(&front, "used", "pool=\"bodies\"").await;
    assert!(used <= 2 << 20, "{used} bytes");
}
