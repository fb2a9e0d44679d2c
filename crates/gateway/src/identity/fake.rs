//! For tests: an API server that knows reviews only, and answers as the test says.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{Request, Response, StatusCode};
use futures::future::BoxFuture;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

/// Audience of the token `good`.
pub(super) const AUDIENCE: &str = "agentcore-gateway";
/// For what must happen soon: long enough for a machine that is busy with builds.
pub(super) const SOON: Duration = Duration::from_mins(1);

/// An API server that knows reviews only, as the test says.
pub(super) struct Cluster {
    /// Tokens that are good, and for which audience.
    pub(super) good: Mutex<Vec<(String, String)>>,
    /// Whether users may do what they ask for.
    pub(super) allowed: Mutex<bool>,
    /// What it answers with instead, if anything.
    pub(super) broken: Mutex<Option<StatusCode>>,
    /// A turn for each answer.
    pub(super) turns: Semaphore,
    waiting: watch::Sender<usize>,
    tokens: AtomicUsize,
    accesses: AtomicUsize,
    pub(super) last_access: Mutex<Value>,
}

impl Cluster {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            good: Mutex::new(vec![("good".to_owned(), AUDIENCE.to_owned())]),
            allowed: Mutex::new(true),
            broken: Mutex::new(None),
            turns: Semaphore::new(Semaphore::MAX_PERMITS),
            waiting: watch::Sender::new(0),
            tokens: AtomicUsize::new(0),
            accesses: AtomicUsize::new(0),
            last_access: Mutex::default(),
        })
    }

    /// One that answers nothing until it is given turns.
    pub(super) fn slow() -> Arc<Self> {
        let cluster = Self::new();
        cluster.turns.forget_permits(Semaphore::MAX_PERMITS);
        cluster
    }

    pub(super) fn client(self: &Arc<Self>) -> Client {
        let cluster = self.clone();
        let answer = move |request: Request<Body>| -> BoxFuture<
            'static,
            kube::Result<Response<Body>, Infallible>,
        > {
            let cluster = cluster.clone();
            Box::pin(async move { Ok(cluster.answer(request).await) })
        };
        Client::new(tower::service_fn(answer), "default")
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let of_token = request.uri().path().ends_with("/tokenreviews");
        if of_token {
            &self.tokens
        } else {
            &self.accesses
        }
        .fetch_add(1, Ordering::SeqCst);
        let body = request.into_body().collect_bytes().await.expect("a body");
        let mut review: Value = serde_json::from_slice(&body).expect("JSON");
        self.waiting.send_modify(|waiting| *waiting += 1);
        self.turns.acquire().await.expect("open").forget();
        if let Some(status) = *self.broken.lock() {
            let answer = json!({ "kind": "Status", "status": "Failure", "code": status.as_u16(), "message": "secret inside" });
            return reply(status, &answer);
        }
        review["status"] = if of_token {
            let token = review["spec"]["token"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let good = self.good.lock();
            match good.iter().find(|(good, _)| *good == token) {
                Some((_, audience)) => json!({
                    "authenticated": true,
                    "audiences": [audience],
                    "user": { "username": "alice", "uid": "u-1", "groups": ["devs"], "extra": { "pod": ["p"] } },
                }),
                None => json!({ "authenticated": false, "error": format!("bad token {token}") }),
            }
        } else {
            *self.last_access.lock() = review["spec"].clone();
            json!({ "allowed": *self.allowed.lock() })
        };
        reply(StatusCode::CREATED, &review)
    }

    pub(super) fn asked(&self) -> (usize, usize) {
        (
            self.tokens.load(Ordering::SeqCst),
            self.accesses.load(Ordering::SeqCst),
        )
    }

    pub(super) async fn wait_for(&self, waiting: usize) {
        let mut seen = self.waiting.subscribe();
        tokio::time::timeout(SOON, seen.wait_for(|seen| *seen >= waiting))
            .await
            .expect("the reviews arrive")
            .expect("the sender lives");
    }
}

fn reply(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    *response.status_mut() = status;
    response
}
