//! The load: callers on one thread of their own, each with a connection of its own, and as little work for a request as hyper allows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::pieces::Pieces;

/// Names a caller's session.
const SESSION: &str = "x-amzn-bedrock-agentcore-runtime-session-id";
/// Callers at once.
pub const CALLERS: usize = 32;

/// A body of a request.
pub type Body = Either<Full<Bytes>, Pieces>;

/// Where requests go. All targets get the same headers, whether they look at them or not.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Path of invocations.
    pub path: String,
    /// The caller's token.
    pub token: Arc<str>,
}

impl Target {
    /// A request of a caller, in the caller's one conversation.
    pub fn request(&self, caller: usize, body: Body) -> Request<Body> {
        let mut request = self.stranger(body);
        let session = format!("{caller:0>40}").parse().expect("a header");
        request.headers_mut().insert(SESSION, session);
        request
    }

    /// A request that begins a conversation.
    pub fn stranger(&self, body: Body) -> Request<Body> {
        Request::post(&self.path)
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .body(body)
            .expect("a request")
    }
}

/// A caller's connection.
pub struct Connection(SendRequest<Body>);

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .expect("HTTP/1");
        tokio::spawn(connection);
        Self(sender)
    }

    /// Sends a request; the answer is there when its head is.
    pub async fn send(&mut self, request: Request<Body>) -> Response<Incoming> {
        self.0.ready().await.expect("the connection stays open");
        let response = self.0.send_request(request).await.expect("an answer");
        assert!(response.status().is_success(), "{response:?}");
        response
    }

    /// One exchange to its end; bytes of the answer.
    pub async fn exchange(&mut self, request: Request<Body>) -> u64 {
        let mut body = self.send(request).await.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.expect("a whole answer");
            length += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
        }
        length
    }
}

/// Runs a load on a thread of its own, so that it neither waits for nor disturbs what else the bench does.
pub async fn alone<T: Send + 'static>(load: impl AsyncFnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(load())
    })
    .await
    .expect("the load ends well")
}

/// When callers stop.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After so many requests of all together.
    Sent(u64),
}

/// Whose conversations the requests are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversations {
    /// Each caller has one.
    Kept,
    /// Each request begins one.
    New,
}

/// Callers that send the next request as soon as they have the answer; requests answered a second.
pub async fn closed(target: &Target, body: &Bytes, until: Until, talk: Conversations) -> f64 {
    let connections = (0..CALLERS).map(|_| Connection::open(target.address));
    let connections = join_all(connections).await;
    let left = AtomicI64::new(match until {
        Until::Elapsed(_) => i64::MAX,
        Until::Sent(count) => i64::try_from(count).unwrap_or(i64::MAX),
    });
    let begun = Instant::now();
    let end = match until {
        Until::Elapsed(time) => Some(begun + time),
        Until::Sent(_) => None,
    };
    let callers = connections.into_iter().enumerate();
    let callers = callers.map(async |(caller, mut connection)| {
        let body = Either::Left(Full::new(body.clone()));
        let request = match talk {
            Conversations::Kept => target.request(caller, body),
            Conversations::New => target.stranger(body),
        };
        let mut answered = 0_u32;
        while end.is_none_or(|end| Instant::now() < end) && left.fetch_sub(1, Ordering::Relaxed) > 0
        {
            connection.exchange(request.clone()).await;
            answered += 1;
        }
        answered
    });
    let answered: u32 = join_all(callers).await.into_iter().sum();
    f64::from(answered) / begun.elapsed().as_secs_f64()
}

/// So many requests a second for a time, whether answers come or not; how long each took from when it was due.
pub async fn open(target: &Target, body: &Bytes, rate: u32, time: Duration) -> Vec<Duration> {
    let count =
        u32::try_from(time.as_millis() * u128::from(rate) / 1_000).expect("a bench is short");
    let pause = Duration::from_secs(1) / rate;
    let (free, mut idle) = mpsc::unbounded_channel();
    for caller in 0..CALLERS {
        let connection = Connection::open(target.address).await;
        let request = target.request(caller, Either::Left(Full::new(body.clone())));
        assert!(free.send((connection, request)).is_ok(), "{caller}");
    }
    // The runtime's timers go by the millisecond; a thread that sleeps is more exact.
    let (tick, mut due) = mpsc::unbounded_channel();
    let clock = std::thread::spawn(move || {
        let begun = Instant::now() + pause;
        for number in 0..count {
            let at = begun + pause * number;
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            if tick.send(at).is_err() {
                return;
            }
        }
    });
    let (done, mut times) = mpsc::unbounded_channel();
    while let Some(at) = due.recv().await {
        let (mut connection, request) = idle.recv().await.expect("callers come back");
        let (free, done) = (free.clone(), done.clone());
        tokio::spawn(async move {
            connection.exchange(request.clone()).await;
            // Receivers live until the last time is known.
            let _ = done.send(at.elapsed());
            let _ = free.send((connection, request));
        });
    }
    drop(done);
    let mut all = Vec::with_capacity(count as usize);
    while let Some(time) = times.recv().await {
        all.push(time);
    }
    clock.join().expect("the clock");
    all
}
