//! What the gateway keeps: for one large body, for idle WebSockets, and over a long run. Each figure has a gateway of its own, so that none
//! finds memory that another left.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::future::join_all;
use http_body_util::Either;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::agent::Order;
use super::load::{Connection, Conversations, Target, Until, alone, closed};
use super::pieces::Pieces;
use super::stage::{Stage, small};
use crate::support::process::{MB, Peak, descriptors, resident};
use crate::support::table::Table;

/// The largest payload of AgentCore, in bytes.
const LARGE: u64 = 100_000_000;
/// Most memory that one may cost.
const LARGE_EXTRA: u64 = 16 * MB;
/// WebSockets at once, and most memory that they may cost.
const SOCKETS: usize = 1000;
const SOCKETS_EXTRA: u64 = 40 * MB;
/// Requests of a run after which memory stands, and of the whole run.
const RUN: (u64, u64) = (5_000, 50_000);
/// Most that memory may rise in between: the allocator's play, not growth.
const RUN_EXTRA: u64 = 4 * MB;
/// Until everything that was closed is gone.
const DEADLINE: Duration = Duration::from_mins(1);

/// 100 MB up, and 100 MB down.
pub async fn bodies(stage: &Stage, table: &mut Table) {
    for (name, up) in [("up", true), ("down", false)] {
        let gateway = stage.gateway().await;
        let before = resident(gateway.pid());
        let peak = Peak::of(gateway.pid());
        let through = large(&stage.through(&gateway), up).await;
        let extra = peak.end().saturating_sub(before);
        let passed = large(&stage.passed(), up).await;
        table.row(
            &format!("100 MB {name}: extra memory"),
            format!("<= {} MB", LARGE_EXTRA / MB),
            megabytes(extra),
            extra <= LARGE_EXTRA,
        );
        table.told(
            "  time: pass-through, gateway",
            format!(
                "{:.2} s, {:.2} s",
                passed.as_secs_f64(),
                through.as_secs_f64()
            ),
        );
    }
}

async fn large(target: &Target, up: bool) -> Duration {
    let target = target.clone();
    alone(async move || {
        let mut connection = Connection::open(target.address).await;
        let begun = Instant::now();
        if up {
            let request = target.request(0, Either::Right(Pieces(LARGE)));
            connection.exchange(request).await;
        } else {
            let order = Order::Bytes { count: LARGE };
            let answered = connection.exchange(target.request(0, small(order.body())));
            assert_eq!(answered.await, LARGE, "not the whole answer");
        }
        begun.elapsed()
    })
    .await
}

/// WebSockets that are open and say nothing.
pub async fn sockets(stage: &Stage, table: &mut Table) {
    let gateway = stage.new_gateway().await;
    let pid = gateway.pid();
    let target = stage.through(&gateway);
    // What the first one needs is there before: connections to the API server, which stay.
    let before = descriptors(pid);
    drop(web_socket(&target).await);
    at_most(pid, before + 1).await;
    let (memory, files) = (resident(pid), descriptors(pid));
    let peak = Peak::of(pid);
    let mut sockets = Vec::with_capacity(SOCKETS);
    while sockets.len() < SOCKETS {
        sockets.extend(join_all((0..20).map(|_| web_socket(&target))).await);
    }
    let extra = peak.end().saturating_sub(memory);
    let open = descriptors(pid);
    table.row(
        "1,000 idle WebSockets: extra memory",
        format!("<= {} MB", SOCKETS_EXTRA / MB),
        megabytes(extra),
        extra <= SOCKETS_EXTRA,
    );
    for mut socket in sockets {
        socket.close(None).await.expect("a close is sent");
    }
    let left = at_most(pid, files).await;
    table.row(
        "  descriptors: before, open, closed",
        "as before",
        format!("{files}, {open}, {left}"),
        left <= files,
    );
    table.told(
        "  memory that stays after they closed",
        megabytes(resident(pid).saturating_sub(memory)),
    );
}

async fn web_socket(target: &Target) -> WebSocketStream<TcpStream> {
    let path = target.path.replace("/invocations", "/ws");
    let url = format!("ws://{}{path}", target.address);
    let mut request = url.into_client_request().expect("a request");
    let bearer = format!("Bearer {}", target.token);
    let bearer = bearer.parse().expect("a header");
    request.headers_mut().insert("authorization", bearer);
    let stream = connect(target.address).await;
    let (socket, _) = tokio_tungstenite::client_async(request, stream)
        .await
        .expect("a WebSocket");
    socket
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("a connection")
}

/// Waits until a process has at most so many descriptors; how many it has, also when that does not come.
async fn at_most(pid: u32, count: usize) -> usize {
    let begun = Instant::now();
    loop {
        let open = descriptors(pid);
        if open <= count || begun.elapsed() > DEADLINE {
            return open;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Many requests: what is kept after a tenth of them is all that is kept.
pub async fn long_run(stage: &Stage, table: &mut Table) {
    let gateway = stage.gateway().await;
    let pid = gateway.pid();
    let target = stage.through(&gateway);
    let run = async |count, talk| {
        let target = target.clone();
        alone(async move || closed(&target, &Order::Text.body(), Until::Sent(count), talk).await)
            .await;
        (resident(pid), descriptors(pid))
    };
    let (first, whole) = RUN;
    let (memory, files) = run(first, Conversations::Kept).await;
    let (after, files_after) = run(whole - first, Conversations::Kept).await;
    let more = after.saturating_sub(memory);
    table.row(
        "memory after 50,000 requests, over that after 5,000",
        format!("<= {} MB", RUN_EXTRA / MB),
        megabytes(more),
        more <= RUN_EXTRA,
    );
    let idle = at_most(pid, files).await;
    table.row(
        "  descriptors after 5,000 and after 50,000",
        "no more",
        format!("{files}, {files_after}, then {idle}"),
        idle <= files,
    );
    let before = resident(pid);
    run(first, Conversations::New).await;
    let each = resident(pid).saturating_sub(before) / first;
    table.told(
        "  a new conversation in the ledger",
        format!("{each} bytes"),
    );
}

#[allow(clippy::cast_precision_loss)] // far from 2^52
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / MB as f64)
}
