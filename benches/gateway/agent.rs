//! The agent of the figures: bare hyper on one thread, told in the request's body what to answer. It stands for AgentCore's data plane too:
//! any path that ends in `/invocations` or `/ws` is answered, and no signature is looked at.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use futures::{SinkExt as _, StreamExt as _};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::pieces::Pieces;
use super::role::listens;

/// Most bytes of an order; a longer body is only counted.
const ORDER_MAX: usize = 512;
/// Bytes of text in an ordinary answer.
const TEXT: usize = 200;

/// What the agent is to answer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Order {
    /// A short JSON text.
    Text,
    /// So many events, one every `pause_ms`; the first at once.
    Events {
        /// How many.
        count: u32,
        /// Milliseconds between two.
        pause_ms: u64,
    },
    /// So many bytes.
    Bytes {
        /// How many.
        count: u64,
    },
    /// A JSON text of so many bytes.
    Answer {
        /// How many.
        count: usize,
    },
    /// An event of so many bytes, in one line that does not end.
    Line {
        /// How many.
        count: usize,
    },
}

impl Order {
    /// The body of a request.
    pub fn body(self) -> Bytes {
        serde_json::to_vec(&self).expect("an order is JSON").into()
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Serves for ever.
pub fn run() {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(serve());
}

async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
    listens(listener.local_addr().expect("an address"));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        tokio::spawn(async move {
            let service = service_fn(async |request| Ok::<_, Infallible>(answer(request).await));
            // A caller that goes away is the figures' business, not the agent's.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Answer {
    if request.uri().path().ends_with("/ws") {
        return web_socket(request);
    }
    let (order, received) = read(request.into_body()).await;
    let (content, body) = match order {
        Order::Text => (
            "application/json",
            Full::from(format!(
                r#"{{"response":"{}","received":{received}}}"#,
                "x".repeat(TEXT)
            ))
            .boxed_unsync(),
        ),
        Order::Bytes { count } => ("application/octet-stream", Pieces(count).boxed_unsync()),
        Order::Answer { count } => (
            "application/json",
            long(r#"{"response":""#, count, "\"}").boxed_unsync(),
        ),
        Order::Line { count } => (
            "text/event-stream",
            long("data: ", count, "").boxed_unsync(),
        ),
        Order::Events { count, pause_ms } => {
            ("text/event-stream", events(count, pause_ms).boxed_unsync())
        }
    };
    let mut response = Response::new(body);
    let content = HeaderValue::from_static(content);
    response.headers_mut().insert(CONTENT_TYPE, content);
    response
}

/// The order in a body, and the body's length.
async fn read(mut body: Incoming) -> (Order, usize) {
    let mut beginning = BytesMut::new();
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(bytes) = frame.into_data() {
            length += bytes.len();
            if length <= ORDER_MAX {
                beginning.extend_from_slice(&bytes);
            }
        }
    }
    let order = serde_json::from_slice(&beginning).unwrap_or(Order::Text);
    (order, length)
}

/// So many letters between two texts.
fn long(
    before: &'static str,
    count: usize,
    after: &'static str,
) -> StreamBody<impl futures::Stream<Item = Result<Frame<Bytes>, Infallible>>> {
    const PIECE: &[u8] = &[b'x'; 64 << 10];
    let letters = std::iter::repeat_n(PIECE, count.div_ceil(PIECE.len()));
    let pieces = std::iter::once(before.as_bytes())
        .chain(letters)
        .chain(std::iter::once(after.as_bytes()));
    StreamBody::new(futures::stream::iter(
        pieces.map(|piece| Ok(Frame::data(Bytes::from_static(piece)))),
    ))
}

/// Events that say when they were made, in nanoseconds since 1970.
fn events(
    count: u32,
    pause_ms: u64,
) -> StreamBody<impl futures::Stream<Item = Result<Frame<Bytes>, Infallible>>> {
    let clock = tokio::time::interval(Duration::from_millis(pause_ms));
    StreamBody::new(futures::stream::unfold(
        (clock, count),
        |(mut clock, left)| async move {
            if left == 0 {
                return None;
            }
            clock.tick().await;
            let event = Bytes::from(format!("data: {:020} token\n\n", now()));
            Some((Ok(Frame::data(event)), (clock, left - 1)))
        },
    ))
}

/// When an event was made, by its text.
pub fn made(event: &[u8]) -> Option<u64> {
    std::str::from_utf8(event.get(6..26)?).ok()?.parse().ok()
}

/// Nanoseconds since 1970: the clock that processes share.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

/// Takes the WebSocket, and says every message again.
fn web_socket(mut request: Request<Incoming>) -> Answer {
    let key = request.headers().get("sec-websocket-key");
    let accept = key.map_or_else(String::new, |key| derive_accept_key(key.as_bytes()));
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(stream) = upgrade.await else { return };
        let stream = TokioIo::new(stream);
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}
