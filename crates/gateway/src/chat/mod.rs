//! POST chat: a prompt in, a response out, whatever form the agent speaks. Pieces are joined, or handed on as events; an answer that
//! breaks off yields what came of it and says that it is partial.

mod answers;
pub mod pool;
pub(super) mod request;
mod socket;

use std::sync::Arc;

use agentcore_api::runtime::ServerProtocol;
use agentcore_invoke::agent_message::{self, AgentMessage, Reader};
use agentcore_invoke::sse::{Decoder, Event};
use agentcore_invoke::{Answer, Auth, Invoke, Payload};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::answer::purse::{Gathered, Purse, set};
use crate::context::{Admitted, Gateway, resend};
use crate::headers;
use crate::payload::Unread;
use crate::problem::Problem;
use crate::request_log::RequestLog;
use crate::routes::refuse;
use crate::sessions::id::named;
use crate::sessions::{SessionGuard, owner};
use crate::shares::Held;
use crate::trace;
use answers::{agents_own, events, joined};
use request::Chat;

/// Largest chat request, and largest answer that is kept to be joined, in bytes.
const CHAT_MAX: usize = 10_000_000;
/// Largest event of an agent, in bytes (AgentCore's limit on a chunk), and longest line of one: an endless line is no answer.
const EVENT_MAX: usize = 10_000_000;
const LINE_MAX: usize = 1 << 20;

/// A piece of the answer, and the memory that it takes.
pub struct Piece {
    /// What the agent says.
    pub text: String,
    /// On the caller's account.
    pub held: Held,
}

/// Pieces of the answer, or the problem that it broke off with.
type Pieces = BoxStream<'static, Result<Piece, Problem>>;

impl Piece {
    /// A piece on an account.
    ///
    /// # Errors
    /// The account has no room for it.
    fn new(text: String, purse: &Purse) -> Result<Self, Problem> {
        let held = purse.take(text.capacity())?;
        Ok(Self { text, held })
    }
}

/// Answers a chat request.
pub async fn chat(
    gateway: &Arc<Gateway>,
    mut admitted: Admitted,
    request: Request<Unread>,
    mut log: RequestLog,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let prepared = async {
        let (auth, stream) = gateway.may(&admitted, &parts.headers)?;
        let (reader, limit) = (&gateway.reader, CHAT_MAX as u64);
        let (body, room) = reader.small(&parts, body, limit, &admitted.holder).await?;
        let chat = Chat::parse(&body)?;
        // What goes on is a copy, which the room is for from here on.
        drop(body);
        log.prompt(chat.prompt_bytes);
        admitted.renew(gateway, &mut log)?;
        let named = match &chat.session_id {
            Some(given) => named(given.as_bytes())?,
            None => headers::session(&parts.headers)?,
        };
        let owner = owner(&admitted.who, &admitted.agent);
        let guard = gateway
            .sessions
            .enter(owner, &admitted.agent, named)
            .await?;
        Ok((auth, (stream, room), chat, guard))
    };
    let (auth, stream, chat, guard) = match prepared.await {
        Ok(prepared) => prepared,
        Err(problem) => return refuse(log, None, problem),
    };
    let shown = gateway.sessions.deriver().shown(guard.upstream.as_str());
    log.session(shown.clone());
    let purse = gateway.purse(&admitted);
    let asked = Asked {
        gateway,
        purse: &purse,
        shown: &shown,
        admitted: &admitted,
        request: &parts.headers,
        guard: &guard,
    };
    let sent = match admitted.agent.protocol {
        ServerProtocol::Agui => chat.as_run(guard.conversation.as_str()),
        _ => Ok(chat.forwarded),
    };
    let pieces = match sent {
        Ok(sent) if chat.web_socket => asked.over_web_socket(auth, sent, &mut log).await,
        Ok(sent) => asked.over_http(auth, sent, &mut log).await,
        Err(problem) => Err(problem),
    };
    let pieces = match pieces {
        Ok(Spoken::Pieces(pieces)) => pieces,
        Ok(Spoken::Refusal(status, content_type, body)) => {
            return agents_own(log, &guard, status, content_type, body);
        }
        Err(problem) => return refuse(log, Some(&guard), problem),
    };
    let watchdog = admitted.watchdog().within(Some(&guard));
    if headers::wants_events(&parts.headers) {
        let held = (stream, gateway.metrics.stream(log.route()));
        events(log, guard, pieces, watchdog, held).await
    } else {
        let held = (stream, gateway.metrics.stream(log.route()));
        joined(log, guard, pieces, watchdog, &purse, held).await
    }
}

/// What an agent answered.
enum Spoken {
    /// Text, piece by piece.
    Pieces(Pieces),
    /// An error of its own, which is forwarded.
    Refusal(StatusCode, Option<HeaderValue>, Bytes),
}

/// A chat request on its way.
struct Asked<'a> {
    gateway: &'a Arc<Gateway>,
    purse: &'a Purse,
    shown: &'a str,
    admitted: &'a Admitted,
    request: &'a HeaderMap,
    guard: &'a SessionGuard,
}

impl Asked<'_> {
    fn outgoing(&self) -> HeaderMap {
        let mut to = headers::upstream(self.request, &self.admitted.agent.allowlist);
        let json = HeaderValue::from_static("application/json");
        to.insert(header::CONTENT_TYPE, json);
        to.remove(header::CONTENT_ENCODING);
        // Session ids are ASCII.
        if let Ok(id) = HeaderValue::from_str(self.guard.upstream.as_str()) {
            to.insert(headers::SESSION, id);
        }
        trace::client(&mut to);
        to
    }

    async fn over_http(
        &self,
        auth: Auth,
        body: Bytes,
        log: &mut RequestLog,
    ) -> Result<Spoken, Problem> {
        let mut outgoing = self.outgoing();
        // Pieces are worth having also where they are joined: of an answer that breaks off they are what is left.
        let accept = HeaderValue::from_static("text/event-stream, application/json");
        outgoing.insert(header::ACCEPT, accept);
        let call = Invoke {
            target: &self.admitted.agent.target,
            headers: outgoing,
            payload: Payload::Memory(body),
            auth,
            first_byte: self.gateway.upstream_timeout,
            resend: resend(self.request),
        };
        self.guard.sent();
        let answer = match self.gateway.client.invoke(call).await {
            Ok(answer) => answer,
            Err(failed) => {
                log.attempts(failed.attempts);
                self.guard.failed(&failed);
                return Err(failed.into());
            }
        };
        log.attempts(answer.attempts);
        let Answer {
            status,
            headers: given,
            body,
            request_id,
            attempts: _,
        } = answer;
        log.answered(status, request_id);
        if headers::is_event_stream(&given) && status.is_success() {
            return Ok(Spoken::Pieces(event_stream(body, self.purse.clone())));
        }
        if !status.is_success() {
            let content_type = given.get(header::CONTENT_TYPE).cloned();
            let whole = tokio::select! {
                whole = collect(body, self.purse) => whole?,
                problem = self.admitted.watchdog() => return Err(problem),
            };
            return Ok(Spoken::Refusal(status, content_type, whole.freeze()));
        }
        let purse = self.purse.clone();
        let piece = async move {
            let whole = collect(body, &purse).await?;
            // A text is never longer than what it is written in, but for the replacement of what is no text.
            match agent_message::answer(whole.bytes()) {
                AgentMessage::Text(text) => Piece::new(text, &purse),
                AgentMessage::Failed(error) => Err(agent_failed(error)),
                AgentMessage::Unknown => Err(not_understood()),
                AgentMessage::Nothing | AgentMessage::Done => Piece::new(String::new(), &purse),
            }
        };
        Ok(Spoken::Pieces(futures::stream::once(piece).boxed()))
    }

    async fn over_web_socket(
        &self,
        auth: Auth,
        frame: Bytes,
        log: &mut RequestLog,
    ) -> Result<Spoken, Problem> {
        let asking = pool::Asking {
            target: &self.admitted.agent.target,
            session: &self.guard.upstream,
            shown: self.shown,
            headers: self.outgoing(),
            auth,
            purse: self.purse,
        };
        self.guard.sent();
        let frames = match self.gateway.pool.turn(asking, frame).await {
            Ok(frames) => frames,
            Err(missed) => {
                if missed.turned_away {
                    self.guard.turned_away();
                }
                return Err(missed.problem);
            }
        };
        log.answered(StatusCode::OK, None);
        Ok(Spoken::Pieces(frames))
    }
}

fn agent_failed(error: String) -> Problem {
    Problem::new(StatusCode::FAILED_DEPENDENCY, "AgentFailed", error).said_by_agent()
}

/// Nothing of an answer is text in a form that chat knows.
fn not_understood() -> Problem {
    let detail = "the agent's answer has no text in a format that chat supports: use invocations";
    Problem::new(StatusCode::BAD_GATEWAY, "AnswerNotUnderstood", detail)
}

/// Reads an answer that is not a stream.
async fn collect(mut body: Incoming, purse: &Purse) -> Result<Gathered, Problem> {
    let mut whole = purse.gather(CHAT_MAX);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::interrupted(&error))?;
        if let Some(bytes) = frame.data_ref() {
            if whole.bytes().len() + bytes.len() > CHAT_MAX {
                return Err(too_long());
            }
            whole.push(bytes)?;
        }
    }
    Ok(whole)
}

fn too_long() -> Problem {
    let detail = format!("the agent's answer is longer than {CHAT_MAX} bytes: use invocations");
    Problem::new(StatusCode::BAD_GATEWAY, "AnswerTooLong", detail)
}

/// The texts of a stream of events.
fn event_stream(mut body: Incoming, purse: Purse) -> Pieces {
    async_stream::stream! {
        let mut decoder = Some(Decoder::new(EVENT_MAX).with_lines_of(LINE_MAX));
        let mut begun = purse.nothing();
        let mut events: Vec<Event> = Vec::new();
        let mut reader = Reader::default();
        while let Some(reading) = &mut decoder {
            let mut broken: Option<Problem> = None;
            match body.frame().await {
                Some(Ok(frame)) => {
                    let bytes = frame.data_ref().map_or(&b""[..], |bytes| bytes);
                    let fed = reading.feed(bytes, &mut events);
                    broken = fed.err().map(|error| Problem::broke_off(error.to_string()));
                    broken = broken.or_else(|| set(&mut begun, reading.held()).err());
                }
                Some(Err(error)) => broken = Some(Problem::interrupted(&error)),
                None => events.extend(decoder.take().and_then(Decoder::finish)),
            }
            for event in events.drain(..) {
                let said = reader.piece(&event.data);
                // While nobody takes the text, nothing else of the event is kept.
                drop(event);
                match said {
                    AgentMessage::Text(text) => match Piece::new(text, &purse) {
                        Ok(piece) => yield Ok(piece),
                        Err(problem) => {
                            yield Err(problem);
                            return;
                        }
                    },
                    AgentMessage::Failed(error) => {
                        yield Err(agent_failed(error));
                        return;
                    }
                    AgentMessage::Nothing | AgentMessage::Unknown => {}
                    AgentMessage::Done => {
                        decoder = None;
                        break;
                    }
                }
            }
            if let Some(problem) = broken.filter(|_| decoder.is_some()) {
                yield Err(problem);
                return;
            }
        }
        if reader.is_lost() {
            yield Err(not_understood());
        }
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_own_words_stay_out_of_the_log() {
        let problem = agent_failed("secret answer".to_owned());
        assert!(!problem.cause().contains("secret") && problem.detail.contains("secret"));
    }
}
