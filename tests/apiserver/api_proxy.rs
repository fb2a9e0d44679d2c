//! A proxy before the API server that knows lists and watches, and lets them fail as API servers, their caches and networks do: one fault at a
//! time, right after a write that changed something. What is below HTTP is `proxy.rs`'s.

mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::http::{HeaderName, Method, Request, Response, header};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex as Gate, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

/// What happens after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Its answer is lost, and every watch breaks off.
    Cut,
    /// Nothing is answered for a while.
    Freeze,
    /// Watches lag behind for a while.
    Lag,
    /// Every watch is too old, 410 Gone: all is listed anew.
    Gone,
    /// As [`Fault::Gone`], and what is listed is as old as the list before. What has happened since then comes once more.
    Replay,
    /// No watch tells of the write, until all is listed anew.
    Drop,
}

pub const FAULTS: [Fault; 6] = [
    Fault::Cut,
    Fault::Freeze,
    Fault::Lag,
    Fault::Gone,
    Fault::Replay,
    Fault::Drop,
];

/// How long a freeze, a lag, or a dropped event lasts: long enough for passes over what is out of date.
const LASTS: Duration = Duration::from_secs(2);

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// What the streams of watches have to know.
#[derive(Clone, Copy)]
struct Weather {
    /// Watches that began before the last of these break off, or are told that they are too old.
    cuts: u64,
    gone: u64,
    /// Nothing passes before.
    frozen: Instant,
    /// Nothing passes on watches before.
    lagging: Instant,
}

/// A list that came as the beginning of a watch.
#[derive(Clone, Default)]
struct Listed {
    lines: Vec<String>,
    resource_version: String,
}

/// Writes that changed something.
#[derive(Default)]
struct Writes {
    /// Resource versions by path.
    versions: BTreeMap<String, String>,
    /// All of them, and what happened after each.
    done: Vec<(String, Option<Fault>)>,
}

struct Shared {
    to: Client,
    /// What happens after the write of a number.
    plan: Box<dyn Fn(usize) -> Option<Fault> + Send + Sync>,
    /// One write at a time, and no event of it before what happens after it is settled.
    gate: Gate<()>,
    writes: Mutex<Writes>,
    weather: watch::Sender<Weather>,
    lists: Mutex<BTreeMap<String, Listed>>,
    /// Lists that are to be answered as they were before, by how many times all were to be made anew.
    replayed: Mutex<BTreeSet<u64>>,
    /// How many answers, lists and events were not what the API server said, or not in time.
    felt: Mutex<BTreeMap<Fault, usize>>,
    /// Names and resource versions of events that nobody is told.
    dropped: Mutex<BTreeSet<(String, String)>>,
}

/// A proxy that speaks HTTP, and to the API server as its client does. It ends with its owner.
pub struct ApiProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: AbortOnDropHandle<()>,
}

impl ApiProxy {
    /// Starts one with a plan: what happens after the write of which number, from 0.
    pub async fn before(
        to: Client,
        plan: impl Fn(usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let now = Instant::now();
        let weather = Weather {
            cuts: 0,
            gone: 0,
            frozen: now,
            lagging: now,
        };
        let shared = Arc::new(Shared {
            to,
            plan: Box::new(plan),
            gate: Gate::default(),
            writes: Mutex::default(),
            weather: watch::Sender::new(weather),
            lists: Mutex::default(),
            replayed: Mutex::default(),
            felt: Mutex::default(),
            dropped: Mutex::default(),
        });
        let served = shared.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    continue;
                };
                let shared = served.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| shared.clone().answer(request));
                    // An answer that is an error ends the connection.
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(client), service)
                        .await;
                });
            }
        });
        Self {
            address,
            shared,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }

    /// Writes a kubeconfig that leads here.
    pub fn kubeconfig(&self, to: PathBuf) -> PathBuf {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        });
        std::fs::write(&to, config.to_string()).expect("kubeconfig written");
        to
    }

    /// A client that speaks through it.
    pub fn client(&self) -> Client {
        let url = format!("http://{}", self.address);
        let mut config = kube::Config::new(url.parse().expect("a URL"));
        config.proxy_url = None;
        Client::try_from(config).expect("client")
    }

    /// How many answers, lists and events were not what the API server said, or not in time.
    pub fn felt(&self) -> BTreeMap<Fault, usize> {
        self.shared.felt.lock().clone()
    }

    /// Each write that changed something, and what happened after it.
    pub fn writes(&self) -> Vec<(String, Option<Fault>)> {
        self.shared.writes.lock().done.clone()
    }
}

fn whole(body: Bytes) -> UnsyncBoxBody<Bytes, io::Error> {
    let body = Full::new(body).map_err(|never| match never {});
    body.boxed_unsync()
}

impl Shared {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Answer> {
        // Of a connection, or the proxy's own.
        const OWN: [HeaderName; 5] = [
            header::HOST,
            header::CONNECTION,
            header::CONTENT_LENGTH,
            header::ACCEPT_ENCODING,
            header::AUTHORIZATION,
        ];
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.to_string().parse().map_err(io::Error::other)?;
        let passed = head.headers.iter().filter(|(name, _)| !OWN.contains(name));
        request
            .headers_mut()
            .extend(passed.map(|(name, value)| (name.clone(), value.clone())));
        let uri = head.uri.to_string();
        if head.method == Method::GET && uri.contains("watch=true") {
            return self.watch(request, &uri).await;
        }
        let answer = if head.method == Method::GET {
            self.forward(request).await?
        } else {
            self.write(request, head.uri.path()).await?
        };
        let frozen = self.weather.borrow().frozen;
        self.wait(frozen, Fault::Freeze).await;
        Ok(answer.map(whole))
    }

    async fn forward(&self, request: Request<Body>) -> io::Result<Response<Bytes>> {
        let answer = self.to.send(request).await.map_err(io::Error::other)?;
        let (mut head, body) = answer.into_parts();
        head.headers.remove(header::TRANSFER_ENCODING);
        let body = body.collect_bytes().await.map_err(io::Error::other)?;
        Ok(Response::from_parts(head, body))
    }

    /// A write, and what happens after it.
    async fn write(
        self: &Arc<Self>,
        request: Request<Body>,
        path: &str,
    ) -> io::Result<Response<Bytes>> {
        // What is told in Events has no effect on anything.
        if path.ends_with("/events") {
            return self.forward(request).await;
        }
        let _gate = self.gate.lock().await;
        let what = format!("{} {path}", request.method());
        let answer = self.forward(request).await?;
        let metadata = serde_json::from_slice::<Value>(answer.body()).unwrap_or_default();
        let text = |name: &str| {
            let text = metadata["metadata"][name].as_str();
            text.unwrap_or_default().to_owned()
        };
        let (name, version) = (text("name"), text("resourceVersion"));
        if !answer.status().is_success() || version.is_empty() {
            return Ok(answer);
        }
        let fault = {
            let mut writes = self.writes.lock();
            let object = path.trim_end_matches("/status");
            let object = format!("{} {name}", object.trim_end_matches(&format!("/{name}")));
            let before = writes.versions.insert(object, version.clone());
            if before.as_ref() == Some(&version) {
                return Ok(answer);
            }
            let fault = (self.plan)(writes.done.len());
            writes.done.push((what.clone(), fault));
            fault
        };
        let Some(fault) = fault else {
            return Ok(answer);
        };
        self.strike(fault, (name, version));
        if fault == Fault::Cut {
            self.feel(Fault::Cut);
            return Err(io::Error::other("cut"));
        }
        Ok(answer)
    }

    fn feel(&self, fault: Fault) {
        *self.felt.lock().entry(fault).or_default() += 1;
    }

    async fn wait(&self, until: Instant, fault: Fault) {
        if until > Instant::now() {
            self.feel(fault);
            sleep_until(until).await;
        }
    }

    fn strike(self: &Arc<Self>, fault: Fault, written: (String, String)) {
        let until = Instant::now() + LASTS;
        match fault {
            Fault::Cut => self.weather.send_modify(|weather| weather.cuts += 1),
            Fault::Freeze => self.weather.send_modify(|weather| weather.frozen = until),
            Fault::Lag => self.weather.send_modify(|weather| weather.lagging = until),
            Fault::Gone => self.weather.send_modify(|weather| weather.gone += 1),
            Fault::Replay => self.weather.send_modify(|weather| {
                weather.gone += 1;
                self.replayed.lock().insert(weather.gone);
            }),
            Fault::Drop => {
                self.dropped.lock().insert(written.clone());
                let shared = self.clone();
                tokio::spawn(async move {
                    sleep_until(until).await;
                    shared.dropped.lock().remove(&written);
                    shared.weather.send_modify(|weather| weather.gone += 1);
                });
            }
        }
    }
}
