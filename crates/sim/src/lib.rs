//! A local AgentCore: control plane, data plane, and as far as they are needed ECR, STS, S3 and CloudWatch Logs, on one port.
//!
//! Written from the API models and the documentation, and sharing no code with the programs that are tested against
//! it. [`Sim::start`] runs one inside a test; the program `agentcore-sim` runs one by itself.

pub mod admin;
pub mod args;
pub mod authenticate;
pub mod body;
pub mod control;
pub mod data;
pub mod ecr;
pub mod logs;
pub mod operation;
pub mod pod_identity;
pub mod push;
pub mod request;
pub mod s3;
pub mod server;
pub mod sigv4;
pub mod state;
pub mod sts;
pub mod wire;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use state::settings::Settings;
use state::world::App;

/// How a simulator is started.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Account of the static keys.
    pub account: String,
    /// Region of images that are pushed without one, and of callers with bearer tokens.
    pub region: String,
    /// Static keys: id and secret.
    pub credentials: Vec<(String, String)>,
    /// Makes ids and the chances of faults repeatable.
    pub seed: Option<u64>,
    /// Settings at start.
    pub settings: Settings,
    /// The program `agentcore-sim`, which is then its own watchdog; without it `/bin/sh` is.
    pub program: Option<PathBuf>,
}

impl Default for Config {
    /// A free loopback port, account 111122223333, us-east-1, the key `test` with secret `test`.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            account: "111122223333".to_owned(),
            region: "us-east-1".to_owned(),
            credentials: vec![("test".to_owned(), "test".to_owned())],
            seed: None,
            settings: Settings::default(),
            program: None,
        }
    }
}

/// A running simulator. Dropping it ends it.
#[derive(Debug)]
pub struct Sim {
    addr: SocketAddr,
    app: Arc<App>,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
}

impl Sim {
    /// Starts listening and serving.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(config: Config) -> std::io::Result<Self> {
        let listener = match TcpListener::bind(config.listen).await {
            // `[::]` is every address, of which a machine without IPv6 has only the other ones.
            Err(_) if config.listen.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, config.listen.port())).await?
            }
            listening => listening?,
        };
        let addr = listener.local_addr()?;
        let app = Arc::new(App::new(config));
        let stop = CancellationToken::new();
        let server = tokio::spawn(server::run(listener, Arc::clone(&app), stop.clone()));
        Ok(Self {
            addr,
            app,
            stop,
            server: Some(server),
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The endpoint URL for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Its inner state, for tests in the same process.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Stops serving, ends every session and waits until all is done.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            // A panic of the server has been printed already.
            let _ = server.await;
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
