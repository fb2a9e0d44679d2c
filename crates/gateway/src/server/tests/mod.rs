//! The server with real sockets.

mod ends;
mod limits;
mod places;
mod reload;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures::StreamExt;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::*;

/// For what must happen: long enough for a machine that is busy with builds.
const SOON: Duration = Duration::from_mins(1);
/// For what must not happen while the test runs.
const LONG: Duration = Duration::from_mins(10);

/// More connections than a test makes.
const MANY: usize = 1_000;

/// Of a server that waits for everybody.
const PATIENT: Limits = Limits {
    handshake: LONG,
    header: LONG,
    idle: LONG,
};

/// A running server, stopped when dropped.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<usize>,
    agent: Agent,
}

impl Running {
    async fn start(transport: Transport, limits: Limits, grace: Duration) -> Self {
        Self::start_for(MANY, transport, limits, grace).await
    }

    /// For so many connections.
    async fn start_for(
        connections: usize,
        transport: Transport,
        limits: Limits,
        grace: Duration,
    ) -> Self {
        let address = "127.0.0.1:0".parse().expect("an address");
        let server = Server::bind(address, transport, connections).await;
        let mut server = server.expect("a free port");
        server.limits = limits;
        let (address, stop, agent) = (server.local_addr(), CancellationToken::new(), Agent::new());
        let ended = tokio::spawn(server.serve(agent.clone(), stop.clone(), grace));
        Self {
            address,
            stop,
            ended,
            agent,
        }
    }

    async fn plain() -> Self {
        Self::start(Transport::Plain, Limits::default(), LONG).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }

    /// Stops it, and says how many connections were cut.
    async fn stopped(mut self) -> usize {
        self.stop.cancel();
        soon(&mut self.ended).await.expect("no panic")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ended.abort();
    }
}

/// The service: `/` says who the peer is, `/as/NAME` knows the caller, `/stream` sends what the test puts in, `/ws` takes the connection over.
#[derive(Clone)]
struct Agent {
    begun: watch::Sender<usize>,
    chunks: mpsc::UnboundedSender<&'static str>,
    stream: Arc<parking_lot::Mutex<Option<mpsc::UnboundedReceiver<&'static str>>>>,
}

impl Agent {
    fn new() -> Self {
        let (chunks, stream) = mpsc::unbounded_channel();
        Self {
            begun: watch::Sender::new(0),
            chunks,
            stream: Arc::new(parking_lot::Mutex::new(Some(stream))),
        }
    }

    async fn wait_for(&self, begun: usize) {
        let mut seen = self.begun.subscribe();
        soon(seen.wait_for(|seen| *seen >= begun))
            .await
            .expect("the sender lives");
    }

    fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        self.begun.send_modify(|begun| *begun += 1);
        if let Some(name) = request.uri().path().strip_prefix("/as/") {
            let connection: &Connection = request.extensions().get().expect("a connection");
            connection.known(name);
        }
        match request.uri().path() {
            "/stream" => {
                let chunks = self.stream.lock().take().expect("one stream a test");
                let chunks = UnboundedReceiverStream::new(chunks);
                let chunks = chunks.take_while(|chunk| std::future::ready(!chunk.is_empty()));
                Response::new(Body::from_stream(
                    chunks.map(|chunk| Ok::<_, Infallible>(Bytes::from(chunk))),
                ))
            }
            "/ws" => {
                tokio::spawn(async move {
                    let upgraded = hyper::upgrade::on(request).await.expect("an upgrade");
                    let mut upgraded = TokioIo::new(upgraded);
                    let mut byte = [0];
                    while upgraded.read(&mut byte).await.is_ok_and(|read| read == 1) {
                        upgraded.write_all(&byte).await.expect("it is written");
                    }
                });
                Response::builder()
                    .status(StatusCode::SWITCHING_PROTOCOLS)
                    .header("connection", "upgrade")
                    .header("upgrade", "websocket")
                    .body(Body::empty())
                    .expect("a response")
            }
            _ => {
                let Peer(peer) = request.extensions().get().expect("a peer");
                Response::new(Body::from(format!("hello {peer}")))
            }
        }
    }
}

impl Service<Request<Incoming>> for Agent {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        std::future::ready(Ok(self.answer(request)))
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("in time")
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.expect("it is sent");
}

/// Reads up to the end of the connection. A reset is an end too.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until the text is there.
async fn until(stream: &mut (impl AsyncRead + Unpin), text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        let mut bytes = [0; 1024];
        let read = soon(stream.read(&mut bytes))
            .await
            .expect("the connection holds");
        assert!(read > 0, "the connection ended after {seen:?}");
        seen.push_str(std::str::from_utf8(&bytes[..read]).expect("text"));
    }
    seen
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: gateway\r\n\r\n")
}

/// A request to take the connection over.
const UPGRADE: &str =
    "GET /ws HTTP/1.1\r\nhost: gateway\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
