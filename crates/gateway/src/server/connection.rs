//! One connection: handshake, HTTP, idleness, and the two ways to end it.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Idle, UnderWay};
use super::stream::Guarded;
use super::{BoxError, Connection, Held, Limits, Peer};

/// Largest header of a request, in bytes.
const HEADER_MAX: u32 = 64 * 1024;
/// Requests of one HTTP/2 connection at once.
const STREAMS: u32 = 250;
/// Requests that an HTTP/2 peer took back before they were looked at, and those that were reset for its faults, of which it may be reminded:
/// beyond either the connection ends.
const RESETS: (usize, usize) = (20, 100);
/// Bytes that an HTTP/2 peer may send before they are read: of a connection, and of one stream.
const CONNECTION_WINDOW: u32 = 256 << 10;
const STREAM_WINDOW: u32 = 64 << 10;
/// Bytes of one HTTP/2 stream's answer that wait for a peer that reads slowly, whatever its window.
const SEND_BUFFER: usize = 32 << 10;
/// How often a silent HTTP/2 peer is asked whether it is still there, and how long it may take to answer.
const PING: Duration = Duration::from_secs(20);
/// How long a peer that takes in nothing, or answers no keep-alive probe, counts as being there.
const PEER_LIMIT: Duration = Duration::from_mins(1);

/// What all connections share.
pub(super) struct Connections {
    acceptor: Option<TlsAcceptor>,
    http: auto::Builder<TokioExecutor>,
    limits: Limits,
}

impl Connections {
    pub(super) fn new(acceptor: Option<TlsAcceptor>, limits: Limits) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            // hyper's own limit runs while a connection waits for its next request, too, and would close it long before a load balancer
            // does. `Guarded` counts from a header's first byte.
            .header_read_timeout(None)
            .max_buf_size(HEADER_MAX as usize);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .max_concurrent_streams(STREAMS)
            .max_pending_accept_reset_streams(RESETS.0)
            .max_local_error_reset_streams(RESETS.1)
            .max_send_buf_size(SEND_BUFFER)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .max_header_list_size(HEADER_MAX);
        Self {
            acceptor,
            http,
            limits,
        }
    }

    /// Serves one connection to its end.
    pub(super) async fn drive<S>(&self, stream: TcpStream, peer: SocketAddr, service: S, held: Held)
    where
        S: Service<Request<Incoming>, Response = Response<Body>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
    {
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%peer, %error, "connection closed before it began");
            return;
        }
        let Some(acceptor) = &self.acceptor else {
            return self.http(stream, peer, service, held).await;
        };
        let handshake = tokio::select! {
            handshake = tokio::time::timeout(self.limits.handshake, acceptor.accept(stream)) => handshake,
            () = held.seat.place.leave.cancelled() => return,
            () = held.seat.place.cut.cancelled() => return,
        };
        match handshake {
            Ok(Ok(stream)) => self.http(stream, peer, service, held).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "TLS handshake timed out"),
        }
    }

    async fn http<T, S>(&self, stream: T, peer: SocketAddr, service: S, held: Held)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Service<Request<Incoming>, Response = Response<Body>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
    {
        let place = held.seat.place.clone();
        let (stop, cut, activity) = (&place.leave, &place.cut, &place.activity);
        let service = Watched {
            inner: service,
            peer,
            connection: held.seat.connection(),
            activity: activity.clone(),
        };
        let stream = TokioIo::new(Guarded::new(
            stream,
            cut.clone(),
            activity.clone(),
            self.limits.header,
            held,
        ));
        let mut connection = pin!(self.http.serve_connection_with_upgrades(stream, service));
        let mut look = pin!(tokio::time::sleep(self.limits.header));
        let mut ending = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "connection failed");
                    }
                    return;
                }
                () = cut.cancelled() => return,
                () = stop.cancelled(), if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = look.as_mut() => {
                    let wait = match activity.idle() {
                        // Not a byte came, or no whole header.
                        Idle::Unused => return,
                        Idle::Busy => self.limits.idle,
                        Idle::For(idle) => match self.limits.idle.checked_sub(idle) {
                            Some(left) if !left.is_zero() => left,
                            _ if ending => return,
                            _ => {
                                ending = true;
                                connection.as_mut().graceful_shutdown();
                                self.limits.header
                            }
                        },
                    };
                    look.as_mut().reset(Instant::now() + wait);
                }
            }
        }
    }
}

/// Small answers go at once, and a peer that is gone without a word is noticed.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(PEER_LIMIT / 2)
        .with_interval(PEER_LIMIT / 6)
        .with_retries(3);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(PEER_LIMIT))?;
    Ok(())
}

/// The service of one connection.
struct Watched<S> {
    inner: S,
    peer: SocketAddr,
    connection: Connection,
    activity: Arc<Activity>,
}

type Answer<E> = Pin<Box<dyn Future<Output = Result<Response<Counted>, E>> + Send>>;

impl<S> Service<Request<Incoming>> for Watched<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Counted>;
    type Error = S::Error;
    type Future = Answer<S::Error>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(Peer(self.peer));
        request.extensions_mut().insert(self.connection.clone());
        let (activity, under_way) = (
            self.activity.clone(),
            self.activity.begin(request.version()),
        );
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                activity.upgraded();
            }
            Ok(answer.map(|body| Counted {
                body,
                _under_way: under_way,
            }))
        })
    }
}

/// A body that says when it has ended.
struct Counted {
    body: Body,
    _under_way: UnderWay,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
