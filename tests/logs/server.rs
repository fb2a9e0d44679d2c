//! An API server that knows one AgentRuntime, with a Secret and a ConfigMap, and answers some questions badly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

/// Stands in every bad answer.
pub const MARK: &str = "s3cret-7f3a91";
/// Longest body of a request, in bytes.
const BODY_MAX: usize = 1 << 20;

/// Which questions are answered badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Namespace,
    LeaseRead,
    LeaseWrite,
    Lists,
    Watches,
    /// The Secret of the key for hashes.
    Key,
    /// Secrets and ConfigMaps that specs refer to.
    Sources,
    Writes,
    Reviews,
}

/// How they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    WrongTypes,
    NotJson,
    NotUtf8,
    /// An error that is no Status.
    PlainError,
    /// An error whose Status has wrong types.
    StrangeStatus,
    /// A refusal that quotes a value.
    Invalid,
}

pub const BADS: [Bad; 6] = [
    Bad::WrongTypes,
    Bad::NotJson,
    Bad::NotUtf8,
    Bad::PlainError,
    Bad::StrangeStatus,
    Bad::Invalid,
];

/// The server; it ends with its owner.
pub struct Fake {
    url: String,
    inner: Arc<Inner>,
    _serving: AbortOnDropHandle<()>,
}

struct Inner {
    target: Target,
    bad: Bad,
    answers: AtomicUsize,
}

/// A question, as far as it matters.
struct Asked {
    method: Method,
    path: String,
    watch: bool,
    /// A list that comes as the first events of a watch.
    streamed: bool,
    body: Value,
}

impl Fake {
    pub async fn start(target: Target, bad: Bad) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let inner = Arc::new(Inner {
            target,
            bad,
            answers: AtomicUsize::new(0),
        });
        let router = Router::new().fallback(answer).with_state(inner.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("served");
        });
        Self {
            url,
            inner,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    pub fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "users": [{"name": "fake", "user": {"token": "t"}}],
        })
        .to_string()
    }

    /// How many bad answers were given.
    pub fn bad_answers(&self) -> usize {
        self.inner.answers.load(Ordering::Relaxed)
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_MAX).await.expect("a body");
    let query = parts.uri.query().unwrap_or_default();
    let asked = Asked {
        watch: query.contains("watch=true"),
        streamed: query.contains("sendInitialEvents=true"),
        path: parts.uri.path().to_owned(),
        method: parts.method,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    if asked.is_meant(inner.target) {
        if inner.target == Target::Watches && asked.streamed && !inner.bad.is_event() {
            // A refusal in this place is that of a list: the watch comes after a list in pages.
            return refusal(422, "Invalid");
        }
        inner.answers.fetch_add(1, Ordering::Relaxed);
        return inner.bad.answer(&asked, inner.target);
    }
    asked.good()
}

impl Asked {
    fn last(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    fn is_list(&self) -> bool {
        const KINDS: [&str; 8] = [
            "agentruntimes",
            "agentendpoints",
            "agentsessions",
            "agentgrants",
            "controllerrevisions",
            "configmaps",
            "secrets",
            "namespaces",
        ];
        self.method == Method::GET && KINDS.contains(&self.last())
    }

    fn is_meant(&self, target: Target) -> bool {
        let get = self.method == Method::GET;
        let lease = self.path.contains("/leases");
        let source = self.path.contains("/secrets") || self.path.contains("/configmaps");
        match target {
            Target::Namespace => get && self.path.ends_with("/namespaces/kube-system"),
            Target::LeaseRead => get && lease,
            Target::LeaseWrite => !get && lease,
            Target::Lists => self.is_list() && (!self.watch || self.streamed),
            Target::Watches => self.is_list() && self.watch,
            Target::Key => self.path.contains("/secrets") && self.last().contains("hash-key"),
            Target::Sources => get && source && !self.last().contains("hash-key"),
            Target::Writes => !get && !lease && !self.path.contains("/secrets"),
            Target::Reviews => self.path.contains("reviews"),
        }
    }

    /// What a list of this kind holds.
    fn items(&self) -> Vec<Value> {
        match self.last() {
            "agentruntimes" => vec![runtime()],
            _ => vec![],
        }
    }

    /// What a watch begins with: the list where it is streamed, and its end.
    fn first_events(&self) -> String {
        if !self.streamed {
            return String::new();
        }
        let end = json!({
            "apiVersion": "v1", "kind": "Anything",
            "metadata": {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}},
        });
        let added = self.items().into_iter().map(|item| ("ADDED", item));
        added
            .chain([("BOOKMARK", end)])
            .map(|(kind, object)| event(kind, &object))
            .collect()
    }

    fn good(&self) -> Response {
        if self.is_list() && self.watch {
            return watch(self.first_events());
        }
        if self.is_list() {
            return json(&json!({
                "apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": self.items(),
            }));
        }
        let last = self.last();
        let named = |kind: &str, more: Value| {
            let mut object = json!({
                "apiVersion": "v1", "kind": kind,
                "metadata": {"name": last, "namespace": "team", "uid": "u-1", "resourceVersion": "1"},
            });
            for (key, value) in more.as_object().into_iter().flatten() {
                object[key] = value.clone();
            }
            json(&object)
        };
        if self.method == Method::GET {
            return match last {
                "kube-system" => named("Namespace", json!({})),
                "support" => json(&runtime()),
                name if name.contains("hash-key") => {
                    named("Secret", json!({"data": {"key": STANDARD.encode([7; 32])}}))
                }
                _ if self.path.contains("/secrets/") => {
                    named("Secret", json!({"data": {"key": STANDARD.encode("x")}}))
                }
                _ if self.path.contains("/configmaps/") => {
                    named("ConfigMap", json!({"data": {"key": "x"}}))
                }
                _ => refusal(404, "NotFound"),
            };
        }
        if self.path.contains("/agentruntimes/support") {
            let mut object = runtime();
            if let Some(status) = self.body.get("status") {
                object["status"] = status.clone();
            }
            return json(&object);
        }
        // Made as it was asked for.
        let mut object = self.body.clone();
        if object.is_object() {
            object["metadata"]["resourceVersion"] = json!("1");
        }
        json(&object)
    }
}

impl Bad {
    /// Whether it can be an event of a watch; else it is a refusal.
    fn is_event(self) -> bool {
        matches!(self, Self::WrongTypes | Self::NotJson | Self::NotUtf8)
    }

    fn answer(self, asked: &Asked, target: Target) -> Response {
        let wrong = json!({
            "apiVersion": "v1", "kind": "Anything", "metadata": MARK, "spec": MARK, "data": MARK,
            "status": {"conditions": MARK, "allowed": MARK, "authenticated": MARK}, "items": MARK,
            "stringData": MARK, "note": MARK,
        });
        let status = |code: u16, body: Vec<u8>| {
            let code = axum::http::StatusCode::from_u16(code).expect("a status");
            (code, body).into_response()
        };
        let text = match self {
            Self::WrongTypes if asked.watch => event("ADDED", &wrong).into_bytes(),
            Self::WrongTypes => wrong.to_string().into_bytes(),
            Self::NotJson => format!("{MARK} is no JSON\n").into_bytes(),
            Self::NotUtf8 => [MARK.as_bytes(), b"\xff\xfe\n"].concat(),
            Self::PlainError => return status(500, format!("{MARK} in plain words").into_bytes()),
            Self::StrangeStatus => {
                let body = json!({"kind": "Status", "message": [MARK], "reason": {"a": MARK}});
                return status(400, body.to_string().into_bytes());
            }
            Self::Invalid => {
                let body = json!({
                    "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422,
                    "reason": "Invalid", "message": format!("data: Invalid value: {MARK:?}"),
                    "details": {"causes": [{"reason": "FieldValueInvalid", "field": "data", "message": MARK}]},
                });
                return status(422, body.to_string().into_bytes());
            }
        };
        if asked.watch {
            let good = if target == Target::Watches {
                asked.first_events()
            } else {
                String::new()
            };
            return watch([good.as_bytes(), &text].concat());
        }
        text.into_response()
    }
}

/// One line of a watch, its type first as API servers write it.
fn event(kind: &str, object: &Value) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

/// An answer that stays open after its first bytes, as that of a watch does.
fn watch(first: impl AsRef<[u8]>) -> Response {
    let first = futures::stream::iter([Ok::<_, std::io::Error>(first.as_ref().to_vec())]);
    Body::from_stream(first.chain(futures::stream::pending())).into_response()
}

fn refusal(code: u16, reason: &str) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason,
    });
    let code = axum::http::StatusCode::from_u16(code).expect("a status");
    (code, status.to_string()).into_response()
}

fn json(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

/// An AgentRuntime that holds the operator's finalizer already.
fn runtime() -> Value {
    let account = "111122223333";
    let key = json!({"name": "keys", "key": "key"});
    json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime",
        "metadata": {
            "name": "support", "namespace": "team", "uid": "11111111-2222-3333-4444-555555555555",
            "resourceVersion": "1", "generation": 1, "finalizers": [agentcore_api::names::FINALIZER],
        },
        "spec": {
            "artifact": {"container": {"image": format!("{account}.dkr.ecr.us-east-1.amazonaws.com/support:prod")}},
            "executionRole": {"arn": format!("arn:aws:iam::{account}:role/agentcore/team/support")},
            "network": {"mode": "PUBLIC"},
            "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": key}},
                {"name": "B", "valueFrom": {"configMapKeyRef": key}},
            ],
        },
    })
}
