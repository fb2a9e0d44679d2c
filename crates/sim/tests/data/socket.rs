//! A WebSocket client for the tests.

use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::client::{Signer, sign};
use crate::stage::{DEADLINE, SESSION, Stage, id};
use agentcore_sim::sigv4::canonical::{self, Parts, PathRules};

/// An open WebSocket, and the head of the answer that opened it.
#[derive(Debug)]
pub struct Socket {
    pub stream: WebSocketStream<TcpStream>,
    pub head: HeaderMap,
}

/// An answer instead of a WebSocket.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    /// The `x-amzn-ErrorType` header.
    pub error: Option<String>,
    pub body: Value,
}

impl Refused {
    fn read(response: Response<Option<Vec<u8>>>) -> Self {
        let (parts, body) = response.into_parts();
        let error = parts.headers.get("x-amzn-errortype");
        Self {
            status: parts.status.as_u16(),
            error: error.map(|value| value.to_str().unwrap().to_owned()),
            body: serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default(),
        }
    }

    #[track_caller]
    pub fn expect(&self, status: u16, name: &str) {
        let found = (self.status, self.error.as_deref());
        assert_eq!(found, (status, Some(name)), "{}", self.body);
    }
}

/// Opens a WebSocket with these headers and no others but those of the handshake.
pub async fn open(stage: &Stage, target: &str, headers: HeaderMap) -> Result<Socket, Refused> {
    let stream = TcpStream::connect(stage.bench.sim.addr()).await.unwrap();
    let mut request = Request::get(format!("ws://{}{target}", stage.bench.sim.addr()))
        .header("host", stage.bench.sim.addr().to_string())
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", generate_key())
        .body(())
        .unwrap();
    request.headers_mut().extend(headers);
    let opened = timeout(DEADLINE, client_async(request, stream))
        .await
        .expect("no answer to the handshake");
    match opened {
        Ok((stream, response)) => Ok(Socket {
            stream,
            head: response.headers().clone(),
        }),
        Err(Error::Http(response)) => Err(Refused::read(*response)),
        // A connection that just ends.
        Err(error) => Err(Refused {
            status: 0,
            error: Some(error.to_string()),
            body: Value::Null,
        }),
    }
}

/// Opens one with signed headers; the session id is not among them.
pub async fn open_signed(stage: &Stage, session: u32) -> Result<Socket, Refused> {
    let target = stage.path("ws", None);
    let host = stage.bench.sim.addr().to_string();
    let mut headers = sign(
        &Signer::default(),
        "GET",
        &target,
        &host,
        &HeaderMap::new(),
        "",
    );
    headers.insert(SESSION, id(session).parse().unwrap());
    open(stage, &target, headers).await
}

/// The target of a presigned URL. `query` comes before the signature's parameters; `host` as it is signed.
pub fn presign(
    signer: &Signer,
    path: &str,
    query: &[(&str, &str)],
    host: &str,
    expires: u32,
) -> String {
    let encode = |text: &str| text.replace('/', "%2F").replace(':', "%3A");
    let at = signer
        .at
        .unwrap_or_else(Timestamp::now)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let scope = format!(
        "{}/{}/{}/aws4_request",
        &at[..8],
        signer.region,
        signer.service
    );
    let (credential, expires) = (format!("{}/{scope}", signer.id), expires.to_string());
    let mut pairs = query.to_vec();
    pairs.extend([
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &at),
        ("X-Amz-Expires", &expires),
        ("X-Amz-SignedHeaders", "host"),
    ]);
    if let Some(token) = &signer.token {
        pairs.push(("X-Amz-Security-Token", token));
    }
    let query: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    let query = query.join("&");
    let parts = Parts {
        method: "GET",
        path,
        query: &query,
        headers: &HeaderMap::new(),
        host,
        signed_headers: &["host"],
        payload_hash: &canonical::sha256_hex(b""),
    };
    let request = canonical::request(parts, PathRules::STANDARD, &[]);
    let to_sign = canonical::string_to_sign(&at, &scope, &request);
    let signature = canonical::signature(&signer.secret, &scope, &to_sign);
    format!("{path}?{query}&X-Amz-Signature={signature}")
}

/// A header map of these.
pub fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect()
}

impl Socket {
    pub async fn send(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Has the agent do something.
    pub async fn wish(&mut self, wish: Value) {
        self.send(Message::text(wish.to_string())).await;
    }

    /// The next message; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        timeout(DEADLINE, self.stream.next())
            .await
            .expect("nothing came")
    }

    pub async fn message(&mut self) -> Message {
        self.next().await.unwrap().unwrap()
    }

    /// What the agent tells of the handshake.
    pub async fn told(&mut self) -> Value {
        self.wish(json!({ "do": "tell" })).await;
        serde_json::from_str(self.message().await.to_text().unwrap()).unwrap()
    }

    /// Waits for the close frame; its code and reason.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (CloseCode::into(frame.code), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None))) => return (1005, String::new()),
                Some(Ok(_)) => {}
                other => panic!("ended without a close frame: {other:?}"),
            }
        }
    }
}
