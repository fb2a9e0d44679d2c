//! The gateway's own accept loop: time-outs, limits and a clean end that axum's ready-made server does not have.
//!
//! What one connection does is in `connection`, certificates are in [`tls`].

mod activity;
mod connection;
mod frames;
mod places;
mod stream;
pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use agentcore_process::listen::{listen, shown};
use connection::Connections;
use places::Seat;
pub use places::{Connection, Places};
use tls::{Reloading, TlsError};

/// Any error of a service, an answer's body or a connection.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long to wait before the next try when the process has no file descriptor or memory left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How long connections that were cut may take to notice.
const CUT_LIMIT: Duration = Duration::from_secs(1);

/// The peer's address, an extension of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// What connections speak below HTTP.
#[derive(Debug)]
pub enum Transport {
    /// Nothing: for loopback, and behind something else that ends TLS.
    Plain,
    /// TLS 1.2 or 1.3.
    Tls(Box<Reloading>),
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// Address.
        address: SocketAddr,
        /// Cause.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// How much a caller may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Time of a TLS handshake.
    handshake: Duration,
    /// Time of a request's header, from its first byte; of a connection's first request, from the beginning.
    header: Duration,
    /// Time that a connection may be open without a request.
    idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            idle: Duration::from_mins(5),
        }
    }
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<(TlsAcceptor, Reloading)>,
    limits: Limits,
    places: Arc<Places>,
}

/// What an open connection holds, also once it is a WebSocket: its place, its socket, and the drain's patience.
struct Held {
    seat: Seat,
    _socket: OwnedSemaphorePermit,
    _open: TaskTrackerToken,
}

impl Server {
    /// Listens; connections wait until [`Server::serve`], which holds at most `connections` of them, and no fewer than two.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(
        address: SocketAddr,
        transport: Transport,
        connections: usize,
    ) -> Result<Self, BindError> {
        let tls = match transport {
            Transport::Plain => None,
            Transport::Tls(reloading) => {
                let acceptor = TlsAcceptor::from(Arc::new(reloading.config()?));
                Some((acceptor, *reloading))
            }
        };
        let cannot = |source| BindError::Listen { address, source };
        let listener = listen(address).await.map_err(cannot)?;
        Ok(Self {
            address: listener.local_addr().map_err(cannot)?,
            listener,
            tls,
            limits: Limits::default(),
            places: Places::new(connections),
        })
    }

    /// Who holds its connections' places.
    pub fn places(&self) -> Arc<Places> {
        self.places.clone()
    }

    /// The address that it listens on, the port included when 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets what is under way end for at most `grace`, and cuts the rest. Each connection gets a
    /// clone of `service`, each request a [`Peer`] and its [`Connection`], which the service tells whose it is.
    ///
    /// Returns how many connections were cut, WebSockets included.
    pub async fn serve<S>(self, service: S, stop: CancellationToken, grace: Duration) -> usize
    where
        S: Service<Request<Incoming>, Response = Response<Body>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
    {
        let Self {
            listener,
            address: _,
            tls,
            limits,
            places,
        } = self;
        let (acceptor, follow) = match tls {
            Some((acceptor, reloading)) => (Some(acceptor), Some(reloading.follow())),
            None => (None, None),
        };
        let open = TaskTracker::new();
        let cut = CancellationToken::new();
        // Connections do not outlive this future, whatever becomes of it.
        let _cut_at_the_end = cut.clone().drop_guard();
        let connections = Arc::new(Connections::new(acceptor, limits));
        let sit = || places.sit(&stop, &cut);
        let accept = accept_all(
            &listener,
            places.limit(),
            &open,
            sit,
            |stream, peer, held| {
                let (connections, service) = (connections.clone(), service.clone());
                tokio::spawn(async move { connections.drive(stream, peer, service, held).await });
            },
        );
        let follow = async {
            match follow {
                Some(follow) => follow.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept => {}
            () = follow => {}
        }
        drop(listener);
        drain(&open, &cut, grace).await
    }
}

/// Accepts for ever, and never more sockets than there is room for: the next waits until who made room for it has let go of its own.
async fn accept_all(
    listener: &TcpListener,
    room: usize,
    open: &TaskTracker,
    sit: impl Fn() -> Seat,
    begin: impl Fn(TcpStream, SocketAddr, Held),
) {
    let sockets = Arc::new(Semaphore::new(room));
    loop {
        let (stream, peer) = accept(listener).await;
        let peer = shown(peer);
        let seat = sit();
        let Ok(socket) = sockets.clone().acquire_owned().await else {
            return;
        };
        let held = Held {
            seat,
            _socket: socket,
            _open: open.token(),
        };
        begin(stream, peer, held);
    }
}

/// The next connection, whatever happens to others.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The peer's doing: it was there and went.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again in {ACCEPT_PAUSE:?}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits until the last connection has ended, or cuts them; returns how many.
async fn drain(open: &TaskTracker, cut: &CancellationToken, grace: Duration) -> usize {
    open.close();
    if tokio::time::timeout(grace, open.wait()).await.is_ok() {
        return 0;
    }
    let left = open.len();
    cut.cancel();
    // Whoever holds a WebSocket may be slow to look at it; the process ends soon anyway.
    let _ = tokio::time::timeout(CUT_LIMIT, open.wait()).await;
    left
}

#[cfg(test)]
mod tests;
