//! What the gateway's tests share: problems read and checked, raw sockets, AgentCore played by hand, an agent that tells what it saw, a way
//! to the API server that can be shut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::front::{Front, Gateway};
use crate::rig::{DEADLINE, Rig};

pub const SESSION: &str = "x-amzn-bedrock-agentcore-runtime-session-id";
pub const UPSTREAM: &str = "x-agentcore-upstream-session-id";
pub const STARTED: &str = "x-agentcore-session-started";

/// A refusal as its caller sees it.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

/// Sends a request that is to be refused; whatever refuses it does so with a problem.
pub async fn refused(request: RequestBuilder) -> Refusal {
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.expect("a whole answer");
    assert_eq!(
        headers["content-type"], "application/problem+json",
        "{status}: {text}"
    );
    let body: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(body["status"], status);
    for member in ["type", "title", "reason", "detail"] {
        assert!(body[member].is_string(), "{member} of {body}");
    }
    Refusal {
        status,
        headers,
        body,
    }
}

impl Refusal {
    /// Status and reason at once.
    pub fn said(&self) -> (u16, &str) {
        (self.status, self.body["reason"].as_str().expect("a reason"))
    }

    /// Seconds of Retry-After.
    pub fn retry_after(&self) -> Option<u64> {
        let value = self.headers.get("retry-after")?.to_str().ok()?;
        Some(value.parse().expect("seconds"))
    }
}

/// An answer of 200 as JSON.
pub async fn good(request: RequestBuilder) -> (HeaderMap, Value) {
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.expect("a whole answer");
    assert_eq!(status, 200, "{text}");
    (headers, serde_json::from_str(&text).expect("JSON"))
}

/// Connects to a gateway without any HTTP client.
pub async fn connect(gateway: &Gateway) -> TcpStream {
    let address = gateway.url.trim_start_matches("http://");
    TcpStream::connect(address).await.expect("it listens")
}

/// What comes until the other side closes; an unclean close counts as one.
pub async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let read = async {
        while let Ok(1..) = stream.read(&mut buffer).await.inspect(|&n| {
            all.extend_from_slice(&buffer[..n]);
        }) {}
    };
    tokio::time::timeout(DEADLINE, read)
        .await
        .expect("the connection closes");
    String::from_utf8_lossy(&all).into_owned()
}

/// Writes raw bytes and reads until the other side closes.
pub async fn raw(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut stream = connect(gateway).await;
    stream.write_all(bytes).await.expect("written");
    rest(&mut stream).await
}

/// What an address says over an open connection until this text came.
pub async fn until(stream: &mut TcpStream, text: &str) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let read = async {
        while !String::from_utf8_lossy(&all).contains(text) {
            let n = stream.read(&mut buffer).await.expect("more");
            assert!(n > 0, "closed after {}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&buffer[..n]);
        }
    };
    tokio::time::timeout(DEADLINE, read).await.expect("in time");
    String::from_utf8_lossy(&all).into_owned()
}

/// AgentCore's data plane played by hand: it keeps each request and gives a prepared answer, then closes.
pub struct Tape {
    pub url: String,
    requests: Arc<Mutex<Vec<(String, u64)>>>,
    answer: Arc<Mutex<Vec<u8>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Tape {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".to_vec(),
        ));
        let (heard, said) = (requests.clone(), answer.clone());
        let serving = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                tokio::spawn(play(stream, heard.clone(), said.clone()));
            }
        });
        Self {
            url,
            requests,
            answer,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    /// What the next requests are answered with, as it stands on the wire.
    pub fn answer(&self, answer: &[u8]) {
        *self.answer.lock() = answer.to_vec();
    }

    /// Heads of the requests, names in lower case, and how long their bodies were.
    pub fn take(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut *self.requests.lock())
    }
}

async fn play(
    mut stream: TcpStream,
    requests: Arc<Mutex<Vec<(String, u64)>>>,
    said: Arc<Mutex<Vec<u8>>>,
) {
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let end = loop {
        match stream.read(&mut buffer).await {
            Ok(n @ 1..) => all.extend_from_slice(&buffer[..n]),
            _ => return,
        }
        if let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&all[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |text| text.trim().parse().expect("a length"));
    let mut read = (all.len() - end) as u64;
    while read < length {
        match stream.read(&mut buffer).await {
            Ok(n @ 1..) => read += n as u64,
            _ => break,
        }
    }
    requests.lock().push((head, read));
    let answer = said.lock().clone();
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

/// A way to a TCP address that can be shut, open connections included, and opened again.
pub struct Forwarder {
    pub address: String,
    shut: Arc<AtomicBool>,
    cut: Arc<Mutex<CancellationToken>>,
    _serving: AbortOnDropHandle<()>,
}

impl Forwarder {
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("address").to_string();
        let shut = Arc::new(AtomicBool::new(false));
        let cut = Arc::new(Mutex::new(CancellationToken::new()));
        let (is_shut, cutting) = (shut.clone(), cut.clone());
        let serving = tokio::spawn(async move {
            loop {
                let Ok((mut near, _)) = listener.accept().await else {
                    continue;
                };
                if is_shut.load(Ordering::SeqCst) {
                    continue;
                }
                let (target, cut) = (target.clone(), cutting.lock().clone());
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = cut.cancelled() => {}
                    }
                });
            }
        });
        Self {
            address,
            shut,
            cut,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    /// Nothing goes through any more.
    pub fn shut(&self) {
        self.shut.store(true, Ordering::SeqCst);
        self.cut.lock().cancel();
    }

    /// Everything does again.
    pub fn open(&self) {
        *self.cut.lock() = CancellationToken::new();
        self.shut.store(false, Ordering::SeqCst);
    }

    /// A kubeconfig that leads to the API server of the tests through a new forwarder.
    pub async fn before_api_server() -> (Self, tempfile::NamedTempFile) {
        let text = std::fs::read_to_string(Rig::kubeconfig()).expect("kubeconfig");
        let (_, rest) = text.split_once("https://").expect("a server");
        let outside = |c: char| !c.is_ascii_alphanumeric() && c != '.' && c != ':' && c != '-';
        let target = rest.split(outside).next().expect("its address");
        let forwarder = Self::to(target.to_owned()).await;
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), text.replace(target, &forwarder.address)).expect("written");
        (forwarder, file)
    }
}

impl Front {
    /// Makes a Ready AgentRuntime that runs `echo.py`, with these changes to its spec.
    pub async fn echo(&self, name: &str, changes: Value) {
        self.script(name, include_str!("echo.py"), changes).await;
    }

    /// Makes a Ready AgentRuntime, which the gateway knows, that runs a script, with these changes to its spec.
    pub async fn script(&self, name: &str, text: &str, changes: Value) {
        let script = self.rig.dir.path().join(format!("{name}.py"));
        std::fs::write(&script, text).expect("written");
        let program = json!({"argv": ["/usr/bin/env", "python3", script, "{port}"], "env": {}});
        self.rig.push_argv(name, "prod", &program).await;
        let mut spec = self.rig.spec_with(changes);
        spec["artifact"]["container"]["image"] = json!(Rig::image(&format!("{name}:prod")));
        self.rig.apply_runtime(name, spec).await;
        self.rig.runtime_ready(name).await;
        self.callable("agentruntimes", name).await;
    }

    /// Waits until the gateway knows that an object is Ready: its watch may be behind that of the test.
    pub async fn callable(&self, kind: &str, name: &str) {
        let token = self.token("caller").await;
        let ping = self.path_at(kind, name, "ping");
        self.rig
            .until("callable", async || {
                let asked = self.http.get(&ping).bearer_auth(&token).send();
                let status = asked.await.expect("an answer").status();
                (status == 200).then_some(()).ok_or(status.to_string())
            })
            .await;
    }

    /// A path of another object than the AgentRuntime `support`.
    pub fn path_at(&self, kind: &str, name: &str, what: &str) -> String {
        format!(
            "{}/v1/namespaces/{}/{kind}/{name}/{what}",
            self.gateway.url, self.rig.namespace
        )
    }

    /// POST to another object than the AgentRuntime `support`.
    pub fn post_to(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        token: &str,
        body: &Value,
    ) -> RequestBuilder {
        self.http
            .post(self.path_at(kind, name, what))
            .bearer_auth(token)
            .json(body)
    }
}

/// Opens a WebSocket to an agent.
pub async fn web_socket(
    front: &Front,
    path: &str,
    token: &str,
) -> tokio_tungstenite::WebSocketStream<TcpStream> {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let url = path.replace("http://", "ws://");
    let mut request = url.into_client_request().expect("request");
    let bearer = format!("Bearer {token}").parse().expect("header");
    request.headers_mut().insert("authorization", bearer);
    let stream = connect(&front.gateway).await;
    let opened = tokio_tungstenite::client_async(request, stream).await;
    opened.expect("a WebSocket").0
}

/// The code that a WebSocket is closed with; what comes before that is nobody's business.
pub async fn close_code(
    socket: &mut (
             impl futures::Stream<
        Item = Result<
            tokio_tungstenite::tungstenite::Message,
            tokio_tungstenite::tungstenite::Error,
        >,
    > + Unpin
         ),
) -> u16 {
    use futures::StreamExt as _;
    use tokio_tungstenite::tungstenite::Message;
    let closing = async {
        loop {
            let message = socket.next().await.expect("a close");
            if let Message::Close(frame) = message.expect("a message") {
                return u16::from(frame.expect("a code").code);
            }
        }
    };
    tokio::time::timeout(DEADLINE, closing)
        .await
        .expect("a close in time")
}

/// The data of the last event, which is an error, and what came before it.
pub fn last_error(stream: &str) -> (&str, Value) {
    let (before, data) = stream
        .rsplit_once("event: error\ndata: ")
        .unwrap_or_else(|| panic!("no error in {stream:?}"));
    let data = data.strip_suffix("\n\n").expect("the end of an event");
    (before, serde_json::from_str(data).expect("JSON"))
}
