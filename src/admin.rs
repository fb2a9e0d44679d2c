//! `/healthz`, `/readyz` and `/metrics` on one plain HTTP port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

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

struct Admin {
    metrics: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
    readiness: Arc<Readiness>,
}

/// Serves until `stop`; `metrics` writes Prometheus' text format. Binding happens before this returns its future's first await, so that a taken port is an error at start.
pub async fn serve(
    listen: SocketAddr,
    metrics: impl Fn() -> Vec<u8> + Send + Sync + 'static,
    readiness: Arc<Readiness>,
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
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state(Arc::new(Admin {
            metrics: Box::new(metrics),
            readiness,
        }));
    Ok(tokio::spawn(async move {
        axum::serve(listener, router)
            .with_graceful_shutdown(async move { stop.cancelled().await })
            .await
    }))
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
