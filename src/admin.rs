//! `/healthz`, `/readyz` and `/metrics` on one plain HTTP port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::lease::Moment;

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
        let beat = Beat(Arc::new(Mutex::new(Moment::now())));
        let last = Arc::downgrade(&beat.0);
        self.ask(move || {
            let silent = Moment::now().since(*last.upgrade()?.lock());
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
        *self.0.lock() = Moment::now();
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
    let listener = tokio::net::TcpListener::bind(listen)
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
        axum::serve(listener, router)
            .with_graceful_shutdown(async move { stop.cancelled().await })
            .await
    }))
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
