//! WebSockets to agents, opened over the same pool as all other requests.

use bytes::Bytes;
use futures::SinkExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::body::Payload;
use crate::call::{Resend, Upgrade};
use crate::client::Client;
use crate::error::{Error, Failed, flat};
use crate::exchange::{Exchange, beginning};
use crate::metered::Metered;
use crate::service_error::request_id;
use crate::sign::Cover;

/// An open WebSocket. What it reads can be counted.
pub type WebSocket = WebSocketStream<Metered<TokioIo<Upgraded>>>;

/// Bytes that are gathered before they are written without being asked to.
const WRITE_BUFFER: usize = 4 << 10;

/// Longest payload of a frame, in bytes: the lowest limit that AWS documents for AgentCore. A longer one closes the socket with 1009.
const FRAME_MAX: usize = 32 << 10;

/// Sends a text, in as many frames as AgentCore wants.
///
/// # Errors
/// The socket is closed, or broke off.
pub async fn say(
    socket: &mut WebSocket,
    text: Utf8Bytes,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    if text.len() <= FRAME_MAX {
        return socket.send(Message::Text(text)).await;
    }
    let mut rest = Bytes::from(text);
    let mut kind = Data::Text;
    while !rest.is_empty() {
        let part = rest.split_to(rest.len().min(FRAME_MAX));
        let frame = Frame::message(part, OpCode::Data(kind), rest.is_empty());
        socket.feed(Message::Frame(frame)).await?;
        kind = Data::Continue;
    }
    socket.flush().await
}

/// A WebSocket and the answer that opened it.
pub struct Opened {
    /// The socket.
    pub socket: WebSocket,
    /// Headers of the answer: the session's id, the subprotocol.
    pub headers: HeaderMap,
    /// AWS's id of the request.
    pub request_id: Option<String>,
    /// How often the handshake was sent.
    pub attempts: u32,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("request_id", &self.request_id)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Opens a WebSocket to a runtime. Only what was certainly not processed is sent again, as with [`Resend::Safe`].
    pub async fn web_socket(&self, call: Upgrade<'_>) -> Result<Opened, Failed> {
        let mut headers = call.headers;
        // Extensions would have to be spoken here, and none are.
        for name in ["sec-websocket-extensions", "sec-websocket-accept"] {
            headers.remove(name);
        }
        let wanted = headers.get(header::SEC_WEBSOCKET_PROTOCOL).cloned();
        let key = generate_key();
        let accept = derive_accept_key(key.as_bytes());
        let key = HeaderValue::from_str(&key).map_err(|error| Failed {
            error: Error::Malformed(flat(&error)),
            attempts: 0,
        })?;
        let hop: [(HeaderName, HeaderValue); 4] = [
            (header::CONNECTION, HeaderValue::from_static("Upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (
                header::SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static("13"),
            ),
            (header::SEC_WEBSOCKET_KEY, key),
        ];
        let exchange = Exchange {
            method: Method::GET,
            uri: self.uri(call.target, "ws"),
            region: call.target.arn.region(),
            headers,
            hop: &hop,
            payload: Payload::empty(),
            auth: call.auth,
            cover: Cover::Nothing,
            first_byte: call.first_byte,
            resend: Resend::Safe,
        };
        let (response, attempts) = self.exchange(exchange).await?;
        let failed = |error| Failed { error, attempts };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let (head, body) = response.into_parts();
            return Err(failed(Error::Refused {
                status: head.status,
                headers: head.headers,
                body: beginning(body).await,
            }));
        }
        check(response.headers(), &accept, wanted.as_ref())
            .map_err(|problem| failed(Error::Handshake(problem.to_owned())))?;
        let headers = response.headers().clone();
        let upgraded = hyper::upgrade::on(response)
            .await
            .map_err(|error| failed(Error::Handshake(flat(&error))))?;
        let settings = self.settings();
        let limit = Some(settings.web_socket_message_limit);
        let config = WebSocketConfig::default()
            .read_buffer_size(settings.web_socket_read_buffer)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(limit)
            .max_frame_size(limit);
        let stream = Metered::new(TokioIo::new(upgraded));
        Ok(Opened {
            socket: WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await,
            request_id: request_id(&headers),
            headers,
            attempts,
        })
    }
}

/// Checks an answer of 101 as RFC 6455 wants it, section 4.1.
fn check(
    headers: &HeaderMap,
    accept: &str,
    wanted: Option<&HeaderValue>,
) -> Result<(), &'static str> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let upgrade = text(header::UPGRADE).unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return Err("it does not upgrade to websocket");
    }
    let connection = text(header::CONNECTION).unwrap_or_default();
    if !tokens(connection).any(|token| token.eq_ignore_ascii_case("upgrade")) {
        return Err("its connection is not upgraded");
    }
    if text(header::SEC_WEBSOCKET_ACCEPT) != Some(accept) {
        return Err("it accepts another key");
    }
    if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return Err("it has an extension that was not offered");
    }
    let Some(chosen) = headers.get(header::SEC_WEBSOCKET_PROTOCOL) else {
        return Ok(());
    };
    let offered = wanted.and_then(|value| value.to_str().ok()).unwrap_or("");
    if !tokens(offered).any(|token| chosen == token) {
        return Err("it has a subprotocol that was not offered");
    }
    Ok(())
}

fn tokens(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|token| !token.is_empty())
}
