//! Servers of a real cluster, with and without TLS before them.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use redis::TlsCertificates;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server of a cluster, and its port for the other servers.
struct Member {
    server: RedisServer,
    client: Client,
    bus: String,
}

impl Member {
    /// Starts one that keeps its file in this folder, and says that clients reach it at this port, where it is another than its own.
    fn start(folder: &Path, name: &str, announced: Option<u16>) -> Self {
        let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let bus = free.local_addr().unwrap().port().to_string();
        drop(free);
        let file = folder.join(name).display().to_string();
        let mut options = vec!["--cluster-enabled", "yes", "--cluster-config-file", &file];
        options.extend(["--cluster-node-timeout", "2000", "--cluster-port", &bus]);
        let announced = announced.map(|port| port.to_string());
        if let Some(port) = &announced {
            options.extend(["--cluster-announce-port", port]);
        }
        let options: Vec<_> = options.into_iter().map(str::to_owned).collect();
        let server = RedisServer::with(&options);
        Self {
            client: Client::open(server.url()).unwrap(),
            server,
            bus,
        }
    }

    /// What it answers.
    async fn says(&self, words: &[&str]) -> redis::RedisResult<String> {
        let mut connection = self.client.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await
    }

    /// Waits until it says this of itself.
    async fn told(&self, words: &[&str], wanted: &str) {
        let text = async || self.says(words).await.ok();
        until(wanted, async || {
            text().await?.contains(wanted).then_some(())
        })
        .await;
    }

    /// Makes a cluster of both, in which this one has all keys.
    async fn joins(&self, other: &Self) {
        let port = self.server.port().to_string();
        let all = ["CLUSTER", "ADDSLOTSRANGE", "0", "16383"];
        self.says(&all).await.unwrap();
        let meet = ["CLUSTER", "MEET", "127.0.0.1", &port, &self.bus];
        other.says(&meet).await.unwrap();
        other.told(&["CLUSTER", "INFO"], "cluster_state:ok").await;
    }
}

/// Enters one session again and again until it is taken.
async fn enters(ledger: &RedisLedger) -> Entered {
    let me = owner("me");
    let begun = Instant::now();
    loop {
        match ledger.enter(&me, &id(1), plain(birth("1"))).await {
            Ok(entered) => return entered,
            Err(error) => assert!(begun.elapsed() < Duration::from_mins(1), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_the_server_that_has_the_keys_is_found_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let one = Member::start(folder.path(), "one", None);
    let two = Member::start(folder.path(), "two", None);
    one.joins(&two).await;
    let name = one.says(&["CLUSTER", "MYID"]).await.unwrap();
    let replicate = ["CLUSTER", "REPLICATE", &name];
    until("a replica", async || two.says(&replicate).await.ok()).await;
    let replication = ["INFO", "replication"];
    two.told(&replication, "master_link_status:up").await;

    // The address is that of the server without the keys.
    let ledger = ledger_at(&two.server);
    assert!(enters(&ledger).await.started);
    // Lists find the way, too.
    until("a look", async || ledger.counts().await.ok()).await;
    until("the replica knows it", async || {
        let offset = async |member: &Member| {
            let info = member.says(&replication).await.ok()?;
            let mut lines = info.lines();
            lines.find_map(|line| line.strip_prefix("master_repl_offset:").map(str::to_owned))
        };
        (offset(&one).await? == offset(&two).await?).then_some(())
    })
    .await;

    two.says(&["CLUSTER", "FAILOVER", "TAKEOVER"])
        .await
        .unwrap();
    one.told(&replication, "role:slave").await;
    let again = enters(&ledger).await;
    assert!(!again.started, "the session is known to the new primary");
}

/// What speaks TLS before a server that does not: not every build of a server can.
struct Secure {
    listener: TcpListener,
    port: u16,
}

impl Secure {
    async fn bind() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    /// Serves until what it returns is dropped.
    fn before(self, server: &RedisServer, acceptor: &TlsAcceptor) -> AbortOnDropHandle<()> {
        let (port, acceptor) = (server.port(), acceptor.clone());
        let serving = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((near, _)) = self.listener.accept().await {
                let acceptor = acceptor.clone();
                open.spawn(async move {
                    let mut near = acceptor.accept(near).await?;
                    let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
                    copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        AbortOnDropHandle::new(serving)
    }
}

/// A certification authority's certificate, and a server's end of TLS with a certificate of it for 127.0.0.1.
fn certified() -> (Vec<u8>, TlsAcceptor) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&root_key).unwrap().pem();
    let issuer = Issuer::new(authority, root_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (root.into_bytes(), TlsAcceptor::from(Arc::new(config)))
}

fn trusting(root: &[u8], port: u16) -> RedisLedger {
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(root.to_vec()),
    };
    let client = Client::build_with_tls(format!("rediss://127.0.0.1:{port}/0"), certificates);
    RedisLedger::at(&client.unwrap(), shares(RECORDS_SHARED)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_a_server_whose_authority_is_known_and_with_no_other() {
    let (root, acceptor) = certified();
    let (server, secure) = (RedisServer::start(), Secure::bind().await);
    let port = secure.port;
    let _serving = secure.before(&server, &acceptor);
    let me = owner("me");
    let ledger = trusting(&root, port);
    assert!(enter(&ledger, &me, 1, "1").await.started);
    assert!(!enter(&ledger, &me, 1, "1").await.started);

    let url = RedisUrl(format!("rediss://127.0.0.1:{port}/0"));
    let stranger = RedisLedger::new(&url, shares(RECORDS_SHARED)).unwrap();
    let refused = stranger.enter(&me, &id(2), plain(birth("1"))).await;
    assert!(refused.is_err(), "its authority is not the machine's");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_a_cluster_are_found_by_tls_under_the_same_authority() {
    let (root, acceptor) = certified();
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Secure::bind().await, Secure::bind().await);
    let one = Member::start(folder.path(), "one", Some(first.port));
    let two = Member::start(folder.path(), "two", Some(second.port));
    let port = second.port;
    let _serving = [
        first.before(&one.server, &acceptor),
        second.before(&two.server, &acceptor),
    ];
    one.joins(&two).await;
    assert!(enters(&trusting(&root, port)).await.started);
    assert_ne!(one.says(&["DBSIZE"]).await.unwrap(), "0");
}
