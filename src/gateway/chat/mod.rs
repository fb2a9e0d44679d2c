//! POST chat: a prompt in, a response out, whatever form the agent speaks. Pieces are joined, or handed on as events; an answer that
//! breaks off yields what came of it and says that it is partial.

pub mod pool;
mod socket;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use agentcore_invoke::sse::{Decoder, Event};
use agentcore_invoke::{Answer, Auth, Invoke, Payload};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::gateway::context::{Admitted, Gateway, resend};
use crate::gateway::headers;
use crate::gateway::payload::leave;
use crate::gateway::problem::Problem;
use crate::gateway::routes::{name_session, refuse};
use crate::gateway::sessions::{Inside, owner};
use crate::gateway::trace;
use crate::gateway::turn::Turn;
use crate::gateway::watch::Watchdog;
use text::Said;

/// Largest chat request, and largest answer that is kept to be joined, in bytes.
const CHAT_MAX: usize = 10_000_000;
/// Largest event of an agent, in bytes (AgentCore's limit on a chunk).
const EVENT_MAX: usize = 10_000_000;

/// A chat request.
struct Chat {
    /// What the agent gets: the caller's object without the two members below.
    forwarded: Bytes,
    session_id: Option<String>,
    web_socket: bool,
    prompt_bytes: u64,
}

/// A piece of the answer, or the problem that it broke off with.
type Pieces = BoxStream<'static, Result<String, Problem>>;

/// The members that say something to the gateway; the others are the agent's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    prompt: String,
    session_id: Option<String>,
    transport: Option<Transport>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Transport {
    Http,
    Ws,
}

impl Chat {
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        // The error's own text would quote the body.
        let invalid = |error: &serde_json::Error| {
            let detail = format!(
                "the body must be a JSON object with a string prompt, and may have a string sessionId and a transport of \"http\" or \
                 \"ws\" (line {}, column {})",
                error.line(),
                error.column()
            );
            Problem::bad_request("InvalidBody", detail)
        };
        let known: Known = serde_json::from_slice(body).map_err(|error| invalid(&error))?;
        // Values stay as they were written: a small body of many values would fill the memory otherwise.
        let mut members: BTreeMap<String, &RawValue> =
            serde_json::from_slice(body).map_err(|error| invalid(&error))?;
        members.remove("sessionId");
        members.remove("transport");
        let forwarded = serde_json::to_vec(&members).map_err(|error| invalid(&error))?;
        Ok(Self {
            prompt_bytes: known.prompt.len() as u64,
            forwarded: forwarded.into(),
            session_id: known.session_id,
            web_socket: known.transport == Some(Transport::Ws),
        })
    }
}

/// Answers a chat request.
pub async fn chat(
    gateway: &Arc<Gateway>,
    admitted: Admitted,
    request: Request<Incoming>,
    mut turn: Turn,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let prepared = async {
        let (auth, stream) = match gateway.may(&admitted, &parts.headers) {
            Ok(may) => may,
            Err(problem) => {
                leave(parts.version, body);
                return Err(problem);
            }
        };
        let (body, room) = gateway.reader.small(&parts, body, CHAT_MAX as u64).await?;
        let chat = Chat::parse(&body)?;
        turn.prompt(chat.prompt_bytes);
        let header = parts.headers.get(headers::SESSION);
        let header = header.and_then(|value| value.to_str().ok());
        let owner = owner(&admitted.who, &admitted.agent);
        let given = chat.session_id.as_deref().or(header);
        let inside = gateway
            .sessions
            .enter(owner, &admitted.agent, given)
            .await?;
        Ok((auth, (stream, room), chat, inside))
    };
    let (auth, stream, chat, inside) = match prepared.await {
        Ok(prepared) => prepared,
        Err(problem) => return refuse(turn, None, problem),
    };
    let shown = gateway.sessions.deriver().shown(inside.upstream.as_str());
    turn.session(shown.clone());
    let asked = Asked {
        gateway,
        shown: &shown,
        admitted: &admitted,
        request: &parts.headers,
        inside: &inside,
    };
    let pieces = if chat.web_socket {
        asked.over_web_socket(auth, chat.forwarded, &mut turn).await
    } else {
        asked.over_http(auth, chat.forwarded, &mut turn).await
    };
    let pieces = match pieces {
        Ok(Spoken::Pieces(pieces)) => pieces,
        Ok(Spoken::Refusal(status, content_type, body)) => {
            return agents_own(turn, &inside, status, content_type, body);
        }
        Err(problem) => return refuse(turn, Some(&inside), problem),
    };
    let watchdog = admitted.watchdog();
    if headers::wants_events(&parts.headers) {
        let held = (stream, gateway.metrics.stream(turn.route()));
        events(turn, inside, pieces, watchdog, held)
    } else {
        let _active = gateway.metrics.stream(turn.route());
        joined(turn, &inside, pieces, watchdog).await
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
    shown: &'a str,
    admitted: &'a Admitted,
    request: &'a HeaderMap,
    inside: &'a Inside,
}

impl Asked<'_> {
    fn outgoing(&self) -> HeaderMap {
        let mut to = headers::upstream(self.request, &self.admitted.agent.allowlist);
        let json = HeaderValue::from_static("application/json");
        to.insert(header::CONTENT_TYPE, json);
        to.remove(header::CONTENT_ENCODING);
        // Session ids are ASCII.
        if let Ok(id) = HeaderValue::from_str(self.inside.upstream.as_str()) {
            to.insert(headers::SESSION, id);
        }
        trace::client(&mut to);
        to
    }

    async fn over_http(&self, auth: Auth, body: Bytes, turn: &mut Turn) -> Result<Spoken, Problem> {
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
        let answer = match self.gateway.client.invoke(call).await {
            Ok(answer) => answer,
            Err(failed) => {
                turn.attempts(failed.attempts);
                self.inside.failed(&failed.error);
                return Err(failed.into());
            }
        };
        turn.attempts(answer.attempts);
        self.inside.reached();
        let Answer {
            status,
            headers: given,
            body,
            request_id,
            attempts: _,
        } = answer;
        turn.answered(status, request_id);
        if headers::is_event_stream(&given) && status.is_success() {
            return Ok(Spoken::Pieces(event_stream(body)));
        }
        if !status.is_success() {
            let content_type = given.get(header::CONTENT_TYPE).cloned();
            let whole = tokio::select! {
                whole = collect(body) => whole?,
                problem = self.admitted.watchdog() => return Err(problem),
            };
            return Ok(Spoken::Refusal(status, content_type, whole));
        }
        let piece = async move {
            match text::answer(&collect(body).await?) {
                Said::Text(text) => Ok(text),
                Said::Failed(error) => Err(agent_failed(error)),
                Said::Nothing | Said::Done => Ok(String::new()),
            }
        };
        Ok(Spoken::Pieces(futures::stream::once(piece).boxed()))
    }

    async fn over_web_socket(
        &self,
        auth: Auth,
        frame: Bytes,
        turn: &mut Turn,
    ) -> Result<Spoken, Problem> {
        let asking = pool::Asking {
            target: &self.admitted.agent.target,
            session: &self.inside.upstream,
            shown: self.shown,
            headers: self.outgoing(),
            auth,
        };
        let frames = self.gateway.pool.turn(asking, frame).await?;
        self.inside.reached();
        turn.answered(StatusCode::OK, None);
        Ok(Spoken::Pieces(frames))
    }
}

fn agent_failed(error: String) -> Problem {
    Problem::new(StatusCode::FAILED_DEPENDENCY, "AgentFailed", error).said_by_agent()
}

/// Reads an answer that is not a stream.
async fn collect(mut body: Incoming) -> Result<Bytes, Problem> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::interrupted(&error))?;
        if let Some(bytes) = frame.data_ref() {
            if whole.len() + bytes.len() > CHAT_MAX {
                return Err(too_long());
            }
            whole.extend_from_slice(bytes);
        }
    }
    Ok(whole.into())
}

fn too_long() -> Problem {
    let detail = format!("the agent's answer is longer than {CHAT_MAX} bytes: use invocations");
    Problem::new(StatusCode::BAD_GATEWAY, "AnswerTooLong", detail)
}

/// The texts of a stream of events.
fn event_stream(mut body: Incoming) -> Pieces {
    async_stream::stream! {
        let mut decoder = Some(Decoder::new(EVENT_MAX));
        let mut events: Vec<Event> = Vec::new();
        while let Some(reading) = &mut decoder {
            let mut broken: Option<Problem> = None;
            match body.frame().await {
                Some(Ok(frame)) => {
                    let bytes = frame.data_ref().map_or(&b""[..], |bytes| bytes);
                    let fed = reading.feed(bytes, &mut events);
                    broken = fed.err().map(|error| Problem::broke_off(error.to_string()));
                }
                Some(Err(error)) => broken = Some(Problem::interrupted(&error)),
                None => events.extend(decoder.take().and_then(Decoder::finish)),
            }
            for event in events.drain(..) {
                match text::piece(&event.data) {
                    Said::Text(text) => yield Ok(text),
                    Said::Failed(error) => {
                        yield Err(agent_failed(error));
                        return;
                    }
                    Said::Nothing => {}
                    Said::Done => return,
                }
            }
            if let Some(problem) = broken {
                yield Err(problem);
                return;
            }
        }
    }
    .boxed()
}

/// The agent's own error, as it is.
fn agents_own(
    mut turn: Turn,
    inside: &Inside,
    status: StatusCode,
    content_type: Option<HeaderValue>,
    body: Bytes,
) -> Response<Body> {
    turn.chunk(body.len());
    turn.end();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if let Some(value) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    name_session(response.headers_mut(), inside);
    response
}

/// The whole answer as one JSON document.
async fn joined(
    mut turn: Turn,
    inside: &Inside,
    mut pieces: Pieces,
    mut watchdog: Watchdog,
) -> Response<Body> {
    let mut response = String::new();
    let broken = loop {
        let piece = tokio::select! {
            piece = pieces.next() => piece,
            problem = &mut watchdog => Some(Err(problem)),
        };
        match piece {
            None => break None,
            Some(Err(problem)) => break Some(problem),
            Some(Ok(_)) if response.len() > CHAT_MAX => break Some(too_long()),
            Some(Ok(piece)) => {
                turn.chunk(piece.len());
                response.push_str(&piece);
            }
        }
    };
    let mut answer = json!({"response": response, "sessionId": inside.conversation.as_str()});
    match broken {
        // There is nothing that could be partial.
        Some(problem) if response.is_empty() => return refuse(turn, Some(inside), problem),
        Some(problem) => {
            answer["partial"] = json!(true);
            answer["error"] = problem.to_json();
            turn.broke_off(&problem);
        }
        None => turn.end(),
    }
    let mut response = Response::new(Body::from(answer.to_string()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    name_session(response.headers_mut(), inside);
    response
}

/// The answer as a stream of events, each as soon as the agent says it.
fn events(
    mut turn: Turn,
    inside: Inside,
    mut pieces: Pieces,
    mut watchdog: Watchdog,
    held: impl Send + 'static,
) -> Response<Body> {
    let mut headers = HeaderMap::new();
    let stream = HeaderValue::from_static("text/event-stream; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, stream);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    name_session(&mut headers, &inside);
    let events = async_stream::stream! {
        let _held = held;
        let id = inside.conversation.as_str();
        loop {
            let piece = tokio::select! {
                piece = pieces.next() => piece,
                problem = &mut watchdog => Some(Err(problem)),
            };
            let event = match piece {
                None => {
                    turn.end();
                    return;
                }
                Some(Ok(text)) => {
                    turn.chunk(text.len());
                    format!("data: {}\n\n", json!({"response": text, "sessionId": id}))
                }
                Some(Err(problem)) => {
                    let data = json!({"partial": true, "sessionId": id, "error": problem.to_json()});
                    turn.broke_off(&problem);
                    yield Ok::<_, std::convert::Infallible>(Bytes::from(format!("event: error\ndata: {data}\n\n")));
                    return;
                }
            };
            yield Ok(Bytes::from(event));
        }
    };
    let mut response = Response::new(Body::from_stream(events));
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed unwrap is a failed test
mod tests {
    use super::*;

    #[test]
    fn the_agent_gets_what_is_not_the_gateways_as_it_was_written() {
        let body = br#"{"transport": "ws", "n": 1.50, "prompt": "hi", "sessionId": null, "list": [ 1,2 ]}"#;
        let chat = Chat::parse(body).unwrap();
        assert_eq!(
            chat.forwarded,
            br#"{"list":[ 1,2 ],"n":1.50,"prompt":"hi"}"#[..]
        );
        assert_eq!(
            (chat.web_socket, chat.session_id, chat.prompt_bytes),
            (true, None, 2)
        );
    }

    #[test]
    fn a_refusal_does_not_repeat_what_it_refuses() {
        for body in [
            r#""secret prompt""#,
            r#"{"prompt": ["secret prompt"]}"#,
            r#"{"prompt": "a", "transport": "secret prompt"}"#,
            r#"{"prompt": "secret prompt", "prompt""#,
        ] {
            let Err(problem) = Chat::parse(body.as_bytes()) else {
                panic!("{body} is taken");
            };
            assert_eq!(problem.reason, "InvalidBody");
            assert!(!problem.detail.contains("secret"), "{}", problem.detail);
        }
        let problem = agent_failed("secret answer".to_owned());
        assert!(!problem.cause().contains("secret") && problem.detail.contains("secret"));
    }
}
