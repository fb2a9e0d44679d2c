//! Two real servers that change places while requests come, behind one address: connections stay at the old one, as they do behind a name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// An address that leads new connections to another server from some time on.
struct Address {
    url: String,
    to: Arc<Mutex<u16>>,
    _serving: AbortOnDropHandle<()>,
}

impl Address {
    async fn of(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}/0", listener.local_addr().unwrap());
        let to = Arc::new(Mutex::new(port));
        let port = to.clone();
        let serving = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let to = SocketAddr::from(([127, 0, 0, 1], *port.lock()));
                open.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(to).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self {
            url,
            to,
            _serving: AbortOnDropHandle::new(serving),
        }
    }
}

async fn says(server: &RedisServer, words: &[&str]) {
    let client = Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.exec_async(&mut connection).await.unwrap();
}

/// Has a server follow another one, and waits until it has all of it.
async fn follows(server: &RedisServer, other: &RedisServer) {
    let port = other.port().to_string();
    says(server, &["REPLICAOF", "127.0.0.1", &port]).await;
    let client = Client::open(server.url()).unwrap();
    until("a replica that is up to date", async || {
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let mut info = redis::cmd("INFO");
        let info = info.arg("replication");
        let text: String = info.query_async(&mut connection).await.ok()?;
        text.contains("master_link_status:up").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_became_a_replica_is_left_for_the_new_one() {
    let (one, two) = (RedisServer::start(), RedisServer::start());
    follows(&two, &one).await;
    let address = Address::of(one.port()).await;
    let ledger = RedisLedger::new(&RedisUrl(address.url.clone()), shares(RECORDS_SHARED)).unwrap();
    let me = owner("me");
    let first = enter(&ledger, &me, 1, "1").await;
    assert!(first.started);
    until("the replica knows it", async || {
        let there = ledger_at(&two).find(&me, &id(1)).await.ok()??;
        (there.in_flight == 1).then_some(())
    })
    .await;

    says(&two, &["REPLICAOF", "NO", "ONE"]).await;
    *address.to.lock() = two.port();
    follows(&one, &two).await;
    let swapped = Instant::now();
    let mut refused = 0;
    let again = loop {
        match ledger.enter(&me, &id(1), plain(birth("1"))).await {
            Ok(entered) => break entered,
            Err(_) => refused += 1,
        }
        assert!(
            swapped.elapsed() < Duration::from_mins(1),
            "{refused} refused"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    eprintln!("{refused} refused in {:?}", swapped.elapsed());
    assert!(refused > 0, "the old primary took a write");
    assert!(!again.started, "the session is known to the new primary");
    // Lists find the way, too.
    until("a look", async || ledger.counts().await.ok()).await;
}
