//! One upgraded connection: messages in, JSON frames out, and an end that the other side gets to see.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::io::{AsyncWriteExt as _, sink};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes, error::ProtocolError};

use crate::agent::MAX_PAYLOAD;

/// How many bytes of requests may wait for a turn to end before the socket is no longer read.
const MAX_WAITING: usize = 1_000_000;
/// What a waiting request takes beside its text, roughly: empty ones count as well.
const WAITING_OVERHEAD: usize = 64;
/// How long the caller has for its part of the closing handshake.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// The server's side of a WebSocket.
pub struct Socket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    waiting: VecDeque<Utf8Bytes>,
    waiting_bytes: usize,
}

/// Why a socket ends.
#[derive(Debug)]
pub enum End {
    /// The caller closed it, or is gone.
    ByCaller,
    /// It is to be closed with this code and this reason (at most 123 bytes).
    With(CloseCode, &'static str),
}

impl End {
    /// The process was asked to stop.
    pub const STOPPING: Self = Self::With(CloseCode::Away, "stopping");
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::Capacity(_) => Self::With(CloseCode::Size, "over 100,000,000 bytes"),
            Error::Utf8(_) => Self::With(CloseCode::Invalid, "text is not UTF-8"),
            Error::Protocol(
                ProtocolError::ResetWithoutClosingHandshake
                | ProtocolError::SendAfterClosing
                | ProtocolError::ReceivedAfterClosing,
            ) => Self::ByCaller,
            Error::Protocol(_) => Self::With(CloseCode::Protocol, "broken frame"),
            _ => Self::ByCaller,
        }
    }
}

impl Socket {
    /// Speaks WebSocket over a connection whose handshake is done.
    pub async fn new(upgraded: Upgraded) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_PAYLOAD))
            .max_frame_size(Some(MAX_PAYLOAD));
        let stream =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config));
        Self {
            stream: stream.await,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    /// The next request, oldest first. Loses none when dropped early.
    pub async fn next_request(&mut self) -> Result<Utf8Bytes, End> {
        if let Some(request) = self.waiting.pop_front() {
            self.waiting_bytes -= weight(&request);
            return Ok(request);
        }
        self.receive().await
    }

    /// Reads on while something else is done: pings are answered, requests wait. Returns only when
    /// the socket is to end. Beyond [`MAX_WAITING`] it leaves what comes to the connection's own
    /// flow control, and with it everything behind.
    pub async fn listen(&mut self) -> Result<Infallible, End> {
        while self.waiting_bytes < MAX_WAITING {
            let request = self.receive().await?;
            self.waiting_bytes += weight(&request);
            self.waiting.push_back(request);
        }
        std::future::pending().await
    }

    /// The next message that holds a request. The library answers pings and closes as it reads on.
    async fn receive(&mut self) -> Result<Utf8Bytes, End> {
        loop {
            match self.stream.next().await.ok_or(End::ByCaller)?? {
                Message::Text(text) => return Ok(text),
                Message::Binary(bytes) => {
                    return Utf8Bytes::try_from(bytes).map_err(|_| {
                        End::With(CloseCode::Unsupported, "binary that is not UTF-8")
                    });
                }
                Message::Close(_) => return Err(End::ByCaller),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Sends one text frame at once.
    pub async fn send<T: Serialize>(&mut self, item: &T) -> Result<(), End> {
        let text = serde_json::to_string(item)
            .map_err(|_| End::With(CloseCode::Error, "cannot write the answer"))?;
        Ok(self.stream.send(Message::text(text)).await?)
    }

    /// Ends the socket, at the latest [`CLOSE_PATIENCE`] from now.
    pub async fn end(mut self, end: End) {
        // Late is as good as done: the connection is dropped either way.
        let _ = tokio::time::timeout(CLOSE_PATIENCE, self.close(end)).await;
    }

    async fn close(&mut self, end: End) -> Result<(), Error> {
        let mut closed_by_caller = matches!(end, End::ByCaller);
        if let End::With(code, reason) = end {
            let reason = reason.into();
            self.stream.close(Some(CloseFrame { code, reason })).await?;
        }
        // Until the caller's close is here, or the answer to it is written. An error ends this too.
        while let Some(Ok(message)) = self.stream.next().await {
            closed_by_caller |= message.is_close();
        }
        if !closed_by_caller {
            // A connection that is dropped with bytes unread is reset, and the reset may overtake the
            // close frame. So what still comes, such as the rest of a message that is too big, is read
            // and thrown away.
            let connection = self.stream.get_mut();
            connection.shutdown().await?;
            tokio::io::copy(connection, &mut sink()).await?;
        }
        Ok(())
    }
}

fn weight(request: &Utf8Bytes) -> usize {
    request.len() + WAITING_OVERHEAD
}
