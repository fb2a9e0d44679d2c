//! `/healthz`, `/readyz` and `/metrics` on one plain HTTP port. Nobody has to prove who they are there, so that nobody may hold it: there are
//! few connections, each lives briefly, and the oldest makes room for the next.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::listen;
use agentcore_cluster::lease::{self, Moment};

/// Connections at a time.
const CONNECTIONS: usize = 64;
/// For a request's head, which begins with the answer before it.
const HEAD: Duration = Duration::from_secs(10);
/// Largest head of a request, in bytes.
const HEAD_MAX: usize = 16 << 10;
/// For everything that a connection asks, the taking of the answers included.
const LIFE: Duration = Duration::from_mins(1);
/// For what is under way when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long to wait before the next try when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What `/readyz` answers: ready once the API server and AWS have answered, as leader or as standby.
#[derive(Debug, Default)]
pub struct Readiness(AtomicBool);

impl Readiness {
    /// Says whether the process is ready.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What `/healthz` answers: 200 until something says that the process cannot go on, and then 503 with its words.
#[derive(Default)]
pub struct Liveness(Mutex<Vec<Check>>);

type Check = Box<dyn Fn() -> Option<String> + Send + Sync>;

impl Liveness {
    /// Has `check` asked with every request: `None` is well, else what is wrong. It must not block.
    pub fn ask(&self, check: impl Fn() -> Option<String> + Send + Sync + 'static) {
        self.0.lock().push(Box::new(check));
    }

    /// A beat that must come at least every `longest` from now on, as long as it exists.
    pub fn beat(&self, what: &'static str, longest: Duration) -> Beat {
        let beat = Beat(Arc::new(Mutex::new(lease::now())));
        let last = Arc::downgrade(&beat.0);
        self.ask(move || {
            let silent = lease::now().since(*last.upgrade()?.lock());
            (silent > longest).then(|| format!("{what}: stuck for {} s", silent.as_secs()))
        });
        beat
    }

    fn troubles(&self) -> Vec<String> {
        self.0.lock().iter().filter_map(|check| check()).collect()
    }
}

/// A sign of life; see [`Liveness::beat`].
pub struct Beat(Arc<Mutex<Moment>>);

impl Beat {
    /// Lives.
    pub fn tick(&self) {
        *self.0.lock() = lease::now();
    }
}

struct Admin {
    metrics: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
    readiness: Arc<Readiness>,
    liveness: Arc<Liveness>,
}

/// Serves until `stop`; `metrics` writes Prometheus' text format. Binding happens before this returns its future's first await, so that a taken port is an error at start.
pub async fn serve(
    listen: SocketAddr,
    metrics: impl Fn() -> Vec<u8> + Send + Sync + 'static,
    readiness: Arc<Readiness>,
    liveness: Arc<Liveness>,
    stop: CancellationToken,
) -> anyhow::Result<tokio::task::JoinHandle<std::io::Result<()>>> {
    let listener = listen::listen(listen)
        .await
        .with_context(|| format!("cannot listen on {listen} (--admin-listen)"))?;
    let address = listener
        .local_addr()
        .context("cannot read the admin address")?;
    tracing::info!(%address, "admin endpoint listens");
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state(Arc::new(Admin {
            metrics: Box::new(metrics),
            readiness,
            liveness,
        }));
    Ok(tokio::spawn(async move {
        accept(listener, router, stop).await;
        Ok(())
    }))
}

/// Accepts until `stop`.
async fn accept(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut open = JoinSet::new();
    let mut by_age: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = open.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        by_age.retain(|connection| !connection.is_finished());
        while open.len() >= CONNECTIONS {
            if let Some(oldest) = by_age.pop_front() {
                oldest.abort();
            }
            open.join_next().await;
        }
        by_age.push_back(open.spawn(connection(stream, router.clone(), stop.clone())));
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    // Without it answers are slower, and still right.
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_MAX);
    let service = TowerToHyperService::new(router);
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    // An error is the peer's own: it went, or what it sent was no request.
    tokio::select! {
        _ = serving.as_mut() => {}
        () = sleep(LIFE) => {}
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            let _ = timeout(LAST_WORDS, serving).await;
        }
    }
}

async fn healthz(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    let troubles = admin.liveness.troubles();
    if troubles.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let text = format!("{}\n", troubles.join("\n"));
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn readyz(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    if admin.readiness.get() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    }
}

async fn metrics_text(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        (admin.metrics)(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    struct Port {
        address: SocketAddr,
        stop: CancellationToken,
        serving: tokio::task::JoinHandle<()>,
    }

    impl Port {
        async fn open() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let stop = CancellationToken::new();
            let router = Router::new().route("/healthz", get(|| async { "ok\n" }));
            let serving = tokio::spawn(accept(listener, router, stop.clone()));
            Self {
                address,
                stop,
                serving,
            }
        }

        async fn connect(&self, sent: &[u8]) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.expect("it listens");
            // It may have had to make room already.
            let _ = stream.write_all(sent).await;
            stream
        }

        async fn probe(&self) -> String {
            let request = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            rest(self.connect(request).await).await
        }
    }

    /// What comes up to the end of a connection; a reset is an end too.
    async fn rest(mut stream: TcpStream) -> String {
        let mut all = Vec::new();
        let read = stream.read_to_end(&mut all);
        let _ = timeout(LIFE, read).await.expect("it ends");
        String::from_utf8_lossy(&all).into_owned()
    }

    #[tokio::test]
    async fn probes_are_answered_while_others_hold_connections_in_every_way() {
        let port = Port::open().await;
        let mut held = VecDeque::new();
        for number in 0..4 * CONNECTIONS {
            let sent: &[u8] = match number % 4 {
                0 => b"",
                1 => b"GET /healthz HT",
                2 => b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
                _ => b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1",
            };
            held.push_back(port.connect(sent).await);
        }
        for _ in 0..3 {
            let answer = port.probe().await;
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        }
        // The oldest made room, and were not left hanging.
        for stream in held.drain(..CONNECTIONS) {
            rest(stream).await;
        }
        port.stop.cancel();
        port.serving.await.expect("no panic");
    }

    #[tokio::test]
    async fn a_head_without_end_is_refused() {
        let port = Port::open().await;
        for line in ["x: y\r\n", "x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"] {
            let sent = format!("GET /healthz HTTP/1.1\r\n{}", line.repeat(20_000));
            let answer = rest(port.connect(sent.as_bytes()).await).await;
            let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 431");
            assert!(refused, "{answer}");
        }
        assert!(port.probe().await.contains("ok"));
    }

    #[test]
    fn a_beat_that_stays_away_is_a_trouble_as_long_as_it_is_wanted() {
        let liveness = Liveness::default();
        assert!(liveness.troubles().is_empty());
        let steady = liveness.beat("steady", Duration::from_hours(1));
        let late = liveness.beat("main loop", Duration::ZERO);
        // The clock has a resolution of nanoseconds: the next reading is later.
        while liveness.troubles().is_empty() {}
        assert_eq!(liveness.troubles(), ["main loop: stuck for 0 s"]);
        drop(late);
        assert!(liveness.troubles().is_empty());
        steady.tick();
        liveness.ask(|| Some("the lease is lost".to_owned()));
        assert_eq!(liveness.troubles(), ["the lease is lost"]);
    }
}
