//! A proxy before the API server, on the level of TCP, that stops passing bytes on as networks do: with a word or without one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kube::config::Kubeconfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// What happens to bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// They are passed on.
    Pass,
    /// They are passed on after this time.
    Lag(Duration),
    /// They are kept. New connections are accepted, and nothing comes of them.
    Freeze,
    /// Connections end, and new ones end at once.
    Cut,
}

#[derive(Clone, Copy, Debug)]
struct State {
    rule: Rule,
    /// Connections with a lower number are frozen whatever the rule is.
    frozen_below: u64,
}

impl State {
    fn of(self, connection: u64) -> Rule {
        if connection < self.frozen_below && self.rule != Rule::Cut {
            Rule::Freeze
        } else {
            self.rule
        }
    }
}

/// A proxy to one API server; it ends with its owner.
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    accepted: Arc<AtomicU64>,
    _accepting: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Starts one before the API server of a kubeconfig.
    pub async fn before(kubeconfig: &Path) -> Self {
        let to = server(kubeconfig);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = watch::Sender::new(State {
            rule: Rule::Pass,
            frozen_below: 0,
        });
        let accepted = Arc::new(AtomicU64::new(0));
        let (states, count) = (state.clone(), accepted.clone());
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    continue;
                };
                let number = count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(relay(client, to.clone(), number, states.subscribe()));
            }
        });
        Self {
            address,
            state,
            accepted,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }

    /// Writes a kubeconfig that leads here.
    pub fn kubeconfig(&self, from: &Path, to: PathBuf) -> PathBuf {
        let text = std::fs::read_to_string(from).expect("kubeconfig");
        let direct = server(from);
        let text = text.replace(&direct, &self.address.to_string());
        assert!(text.contains(&self.address.to_string()), "{text}");
        std::fs::write(&to, text).expect("kubeconfig written");
        to
    }

    /// Passes everything on, what was kept first.
    pub fn thaw(&self) {
        self.state.send_replace(State {
            rule: Rule::Pass,
            frozen_below: 0,
        });
    }

    /// Keeps every byte, of new connections too.
    pub fn freeze(&self) {
        self.set(Rule::Freeze);
    }

    /// Keeps the bytes of the connections that there are; new ones work.
    pub fn freeze_connections(&self) {
        let below = self.accepted.load(Ordering::Relaxed);
        self.state.send_modify(|state| state.frozen_below = below);
    }

    /// Ends every connection, new ones too.
    pub fn cut(&self) {
        self.set(Rule::Cut);
    }

    /// Passes everything on later.
    pub fn lag(&self, by: Duration) {
        self.set(Rule::Lag(by));
    }

    fn set(&self, rule: Rule) {
        self.state.send_modify(|state| state.rule = rule);
    }
}

/// `HOST:PORT` of the API server that a kubeconfig names.
fn server(kubeconfig: &Path) -> String {
    let config = Kubeconfig::read_from(kubeconfig).expect("kubeconfig");
    let cluster = config.clusters[0].cluster.as_ref().expect("a cluster");
    let url = cluster.server.as_deref().expect("a server");
    url.trim_start_matches("https://")
        .trim_end_matches('/')
        .to_owned()
}

async fn relay(mut client: TcpStream, to: String, number: u64, mut state: watch::Receiver<State>) {
    if allowed(number, &mut state).await.is_none() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(to).await else {
        return;
    };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        () = pump(from_client, to_server, number, state.clone()) => {}
        () = pump(from_server, to_client, number, state.clone()) => {}
        () = cut(number, state) => {}
    }
}

/// Waits until bytes of this connection may pass; `None`: it ends.
async fn allowed(number: u64, state: &mut watch::Receiver<State>) -> Option<()> {
    loop {
        let rule = state.borrow_and_update().of(number);
        match rule {
            Rule::Pass => return Some(()),
            Rule::Lag(by) => {
                tokio::time::sleep(by).await;
                return Some(());
            }
            Rule::Cut => return None,
            Rule::Freeze => state.changed().await.ok()?,
        }
    }
}

async fn cut(number: u64, mut state: watch::Receiver<State>) {
    let _ = state.wait_for(|state| state.of(number) == Rule::Cut).await;
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    number: u64,
    mut state: watch::Receiver<State>,
) {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let Ok(length @ 1..) = from.read(&mut bytes).await else {
            // A connection that ended is still there for the other end of a frozen one.
            let _ = allowed(number, &mut state).await;
            return;
        };
        if allowed(number, &mut state).await.is_none()
            || to.write_all(&bytes[..length]).await.is_err()
        {
            return;
        }
    }
}
