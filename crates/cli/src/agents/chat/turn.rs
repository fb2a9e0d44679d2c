//! A turn of a chat: a prompt in, text out, piece by piece, whichever way it goes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agentcore_invoke::agent_message::{self, AgentMessage, Reader};
use agentcore_invoke::sse::Decoder;
use agentcore_invoke::{SESSION_HEADER, SessionId, WebSocket, say};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::agents::args::Transport;
use crate::agents::direct::Direct;
use crate::agents::gateway::Gateway;
use crate::agents::gateway::problem::Problem;
use crate::agents::plain;
use crate::agents::way::Way;
use crate::context::causes;
use crate::error::Error;

/// The gateway began a session of AgentCore.
const STARTED: HeaderName = HeaderName::from_static("x-agentcore-session-started");
/// Largest event, in bytes (AgentCore's limit on a chunk).
const EVENT_MAX: usize = 10_000_000;
/// Longest answer that is no stream, in bytes.
const ANSWER_MAX: usize = 10_000_000;
/// Longest text of an agent's own error that is shown, in characters.
const SHOWN: usize = 500;

/// Pieces of an answer.
pub type Pieces<'a> = BoxStream<'a, Result<String, Error>>;

/// One's side of a conversation.
pub struct Speaker {
    way: Way,
    transport: Transport,
    session: Option<SessionId>,
    /// Turns go over it, one after the other.
    socket: Option<WebSocket>,
    /// The session is older than this conversation.
    resumed: bool,
}

/// An answer that has begun.
pub struct Turn<'a> {
    /// A new session of AgentCore had to begin, though the conversation is older: what the agent had in its memory is gone.
    pub begun_anew: bool,
    /// The text.
    pub pieces: Pieces<'a>,
}

impl Speaker {
    /// A conversation, in a session that there was before or in a new one.
    pub fn new(way: Way, transport: Transport, session: Option<SessionId>) -> Self {
        Self {
            resumed: session.is_some(),
            way,
            transport,
            session,
            socket: None,
        }
    }

    /// The session, once it is known.
    pub fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// Says something. Whoever drops the answer before its end cancels it.
    pub async fn say(&mut self, prompt: &str) -> Result<Turn<'_>, Error> {
        match &self.way {
            Way::Gateway(gateway) => {
                let (session, transport) = (self.session.as_ref(), self.transport);
                let asked = ask_gateway(gateway, session, transport, prompt).await?;
                let begun_anew = asked.started && self.resumed;
                self.session = asked.session.or(self.session.take());
                self.resumed = true;
                Ok(Turn {
                    begun_anew,
                    pieces: asked.pieces,
                })
            }
            Way::Direct(direct) => {
                let session = match (&self.session, direct.declared()) {
                    (Some(session), _) | (None, Some(session)) => session.clone(),
                    (None, None) => new_session()?,
                };
                self.session = Some(session.clone());
                let pieces = match self.transport {
                    Transport::Http => ask_agent(direct, &session, prompt).await?,
                    Transport::Ws => {
                        // Taken out: an answer that is dropped leaves frames behind, which must not be taken for the next one's.
                        let socket = match self.socket.take() {
                            Some(socket) => socket,
                            None => direct.web_socket(&session).await?,
                        };
                        over_web_socket(&mut self.socket, socket, prompt).await?
                    }
                };
                Ok(Turn {
                    begun_anew: false,
                    pieces,
                })
            }
        }
    }
}

/// An id for a session that AgentCore is to begin.
fn new_session() -> Result<SessionId, Error> {
    let id = format!("chat-{}", Uuid::new_v4());
    id.parse()
        .map_err(|error| Error::Failed(format!("invalid session id: {error}")))
}

/// What the gateway began to answer.
struct Asked {
    session: Option<SessionId>,
    started: bool,
    pieces: Pieces<'static>,
}

async fn ask_gateway(
    gateway: &Gateway,
    session: Option<&SessionId>,
    transport: Transport,
    prompt: &str,
) -> Result<Asked, Error> {
    let mut body = json!({ "prompt": prompt });
    if transport == Transport::Ws {
        body["transport"] = json!("ws");
    }
    let mut headers = turn_headers("text/event-stream");
    if let Some(session) = session {
        headers.extend(value(session.as_str()).map(|value| (SESSION_HEADER, value)));
    }
    let sent = gateway.send(Method::POST, "chat", headers, body.to_string().into());
    let (head, body) = sent.await?.into_parts();
    let text = |name: &HeaderName| head.headers.get(name).and_then(|it| it.to_str().ok());
    let session = text(&SESSION_HEADER).and_then(|id| id.parse().ok());
    let started = text(&STARTED) == Some("true");
    if !head.status.is_success() {
        return Err(own_error(head.status, body).await);
    }
    let pieces = events(body, |event, data| {
        let said = serde_json::from_str::<Value>(data).unwrap_or_default();
        if event != Some("error") {
            let text = said["response"].as_str().unwrap_or_default();
            return Ok(AgentMessage::Text(text.to_owned()));
        }
        let problem = Bytes::from(said["error"].to_string());
        Err(Problem::of(&HeaderMap::new(), &problem).map_or_else(
            || Error::Failed(format!("the answer broke off: {}", plain(data))),
            Error::from,
        ))
    });
    Ok(Asked {
        session,
        started,
        pieces,
    })
}

async fn ask_agent(
    direct: &Direct,
    session: &SessionId,
    prompt: &str,
) -> Result<Pieces<'static>, Error> {
    let body = json!({ "prompt": prompt }).to_string();
    let headers = turn_headers("text/event-stream, application/json");
    let answer = direct.invoke(headers, Some(session), body.into()).await?;
    if !answer.status.is_success() {
        return Err(own_error(answer.status, answer.body).await);
    }
    let kind = answer
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
        let reader = Arc::new(Mutex::new(Reader::default()));
        let reading = reader.clone();
        let pieces = events(answer.body, move |_, data| Ok(locked(&reading).piece(data)));
        let end = stream::once(async move { understood(&locked(&reader)) });
        let end = end.filter_map(|end| std::future::ready(end.err().map(Err)));
        return Ok(pieces.chain(end).boxed());
    }
    let whole = collect(answer.body).await?;
    let text = text_of(agent_message::answer(&whole));
    Ok(stream::iter(text.transpose()).boxed())
}

async fn over_web_socket<'a>(
    keep: &'a mut Option<WebSocket>,
    mut socket: WebSocket,
    prompt: &str,
) -> Result<Pieces<'a>, Error> {
    let prompt = json!({ "prompt": prompt }).to_string();
    let sent = say(&mut socket, prompt.into()).await;
    sent.map_err(|error| broke_off(&error))?;
    let said = std::collections::VecDeque::new();
    let state = Some((keep, socket, said, Reader::default()));
    let pieces = stream::try_unfold(state, |state| async move {
        let Some((keep, mut socket, mut said, mut reader)) = state else {
            return Ok(None);
        };
        loop {
            match said.pop_front() {
                Some(AgentMessage::Done) => {
                    *keep = Some(socket);
                    return understood(&reader).map(|()| None);
                }
                Some(one) => {
                    if let Some(text) = text_of(one)? {
                        return Ok(Some((text, Some((keep, socket, said, reader)))));
                    }
                    continue;
                }
                None => {}
            }
            match socket.next().await {
                Some(Ok(Message::Text(frame))) => said.extend(reader.frame(&frame)),
                Some(Ok(Message::Binary(frame))) => {
                    said.extend(reader.frame(&String::from_utf8_lossy(&frame)));
                }
                Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) != 1000 => {
                    let code = frame.code;
                    return Err(Error::Failed(format!(
                        "the agent closed its WebSocket with {code}"
                    )));
                }
                // An agent may end its answer by the close.
                Some(Ok(Message::Close(_))) | None => {
                    return understood(&reader).map(|()| None);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broke_off(&error)),
            }
        }
    });
    Ok(pieces.boxed())
}

/// Nobody panics while reading.
fn locked(reader: &Mutex<Reader>) -> MutexGuard<'_, Reader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an answer that is over has to have been.
fn understood(reader: &Reader) -> Result<(), Error> {
    if reader.is_lost() {
        return Err(not_understood());
    }
    Ok(())
}

fn not_understood() -> Error {
    Error::Failed(
        "the agent's answer has no text in a format that chat supports: use invoke".to_owned(),
    )
}

fn broke_off(error: &dyn std::error::Error) -> Error {
    Error::Failed(format!(
        "the agent's WebSocket broke off: {}",
        causes(error)
    ))
}

fn turn_headers(accept: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers
}

fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

/// The text in what an agent says, if there is any.
fn text_of(said: AgentMessage) -> Result<Option<String>, Error> {
    match said {
        AgentMessage::Text(text) => Ok(Some(text)),
        AgentMessage::Nothing | AgentMessage::Done => Ok(None),
        AgentMessage::Unknown => Err(not_understood()),
        AgentMessage::Failed(error) => Err(Error::Failed(format!(
            "the agent failed: {}",
            plain(&error)
        ))),
    }
}

/// The texts of a stream of events.
fn events(
    body: Incoming,
    read: impl Fn(Option<&str>, &str) -> Result<AgentMessage, Error> + Send + Sync + 'static,
) -> Pieces<'static> {
    let pieces = body
        .into_data_stream()
        .map(Some)
        .chain(stream::iter([None]));
    let decoder = Some(Decoder::new(EVENT_MAX));
    let events = pieces.scan(decoder, |decoder, piece| {
        let mut events = Vec::new();
        let error = match piece {
            Some(Ok(piece)) => decoder
                .as_mut()
                .and_then(|decoder| decoder.feed(&piece, &mut events).err())
                .map(|error| error.to_string()),
            Some(Err(error)) => Some(causes(&error)),
            None => {
                events.extend(decoder.take().and_then(Decoder::finish));
                None
            }
        };
        let error = error.map(|text| Err(Error::Failed(format!("the answer broke off: {text}"))));
        let events: Vec<_> = events.into_iter().map(Ok).chain(error).collect();
        std::future::ready(Some(stream::iter(events)))
    });
    events
        .flatten()
        .and_then(move |event| std::future::ready(read(event.event.as_deref(), &event.data)))
        // What comes after the end is nobody's.
        .try_take_while(|said| std::future::ready(Ok(*said != AgentMessage::Done)))
        .try_filter_map(|said| std::future::ready(text_of(said)))
        .boxed()
}

/// Reads an answer that is not a stream.
async fn collect(body: Incoming) -> Result<Bytes, Error> {
    let whole = http_body_util::Limited::new(body, ANSWER_MAX)
        .collect()
        .await;
    let whole = whole.map_err(|error| Error::Failed(format!("the answer broke off: {error}")))?;
    Ok(whole.to_bytes())
}

/// The agent's own error.
async fn own_error(status: StatusCode, body: Incoming) -> Error {
    let body = collect(body).await.unwrap_or_default();
    let text: String = plain(&String::from_utf8_lossy(&body))
        .chars()
        .take(SHOWN)
        .collect();
    Error::Failed(format!("the agent answers {status}: {text}"))
}
