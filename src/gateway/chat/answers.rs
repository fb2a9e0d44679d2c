//! What a caller of chat gets: one JSON document, a stream of events, or the agent's own error.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures::stream::StreamExt as _;
use serde_json::json;

use super::{CHAT_MAX, Pieces, too_long};
use crate::gateway::routes::{name_session, refuse};
use crate::gateway::sessions::Inside;
use crate::gateway::turn::Turn;
use crate::gateway::watch::Watchdog;

/// The agent's own error, as it is.
pub fn agents_own(
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
pub async fn joined(
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
pub fn events(
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
