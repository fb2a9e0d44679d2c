//! `/invocations`: one request in, one JSON answer or a stream of events out.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::Serialize;
use serde_json::json;

use crate::agent::Agent;
use crate::request::{Refusal, Request, Turn};
use crate::turns::{self, TurnFailed, TurnLog};

/// An answer, or in a stream one piece of it: the pieces' `response` put together is the whole.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    response: &'a str,
    session_id: &'a str,
    turn: u64,
    pid: u32,
}

/// POST /invocations.
pub async fn answer(State(agent): State<Agent>, headers: HeaderMap, body: Bytes) -> Response {
    let session = agent.session_of(&headers);
    match Request::parse(&body) {
        Ok(Request::Turn(turn)) if wants_events(&headers) => stream(&agent, session, turn),
        Ok(Request::Turn(turn)) => whole(&agent, session, turn).await,
        Ok(Request::Keepalive) => Json(json!({
            "status": "alive",
            "sessionId": session,
            "turns": agent.turns(),
            "pid": std::process::id(),
        }))
        .into_response(),
        Ok(Request::Busy(duration)) => {
            work_in_background(agent, duration);
            Json(json!({
                "status": "busy",
                "sessionId": session,
                "seconds": duration.as_secs(),
                "pid": std::process::id(),
            }))
            .into_response()
        }
        Ok(Request::Env(name)) => {
            let value = environment(&name);
            Json(json!({ "name": name, "value": value })).into_response()
        }
        Ok(Request::Fail(message)) => {
            tracing::warn!(session, "failing as asked");
            error(
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({ "error": message }),
            )
        }
        Ok(Request::Crash) => turns::crash(),
        Err(Refusal::NotJson(details)) => refused("Invalid JSON", &details),
        Err(Refusal::Unknown(details)) => refused("Invalid request", &details),
    }
}

/// Whether the caller asked for a stream. Other media types beside it do not matter.
fn wants_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|media| media.trim().eq_ignore_ascii_case("text/event-stream"))
}

async fn whole(agent: &Agent, session: String, turn: Turn) -> Response {
    let number = agent.begin_turn();
    let mut log = TurnLog::new(&session, number, &turn.prompt);
    let mut response = String::with_capacity(turn.prompt.len());
    let mut pieces = std::pin::pin!(turns::pieces(turn));
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            log.end("failed");
            return error(
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({ "error": TurnFailed::MESSAGE }),
            );
        };
        response.push_str(&piece);
        log.piece();
    }
    log.end("answered");
    Json(Answer {
        response: &response,
        session_id: &session,
        turn: number,
        pid: std::process::id(),
    })
    .into_response()
}

fn stream(agent: &Agent, session: String, turn: Turn) -> Response {
    let number = agent.begin_turn();
    let events = async_stream::stream! {
        let mut log = TurnLog::new(&session, number, &turn.prompt);
        for await piece in turns::pieces(turn) {
            let Ok(piece) = piece else {
                yield event(&json!({
                    "error": TurnFailed::MESSAGE,
                    "error_type": TurnFailed::TYPE,
                    "message": "An error occurred during streaming",
                }));
                log.end("failed");
                return;
            };
            yield event(&Answer {
                response: &piece,
                session_id: &session,
                turn: number,
                pid: std::process::id(),
            });
            log.piece();
        }
        log.end("answered");
    };
    (
        [
            (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        Body::from_stream(events),
    )
        .into_response()
}

/// One event: always a single line of data, for JSON escapes line breaks.
fn event<T: Serialize>(item: &T) -> Result<Bytes, serde_json::Error> {
    let mut bytes = b"data: ".to_vec();
    serde_json::to_writer(&mut bytes, item)?;
    bytes.extend_from_slice(b"\n\n");
    Ok(bytes.into())
}

fn work_in_background(agent: Agent, duration: Duration) {
    agent.health().task_began();
    tokio::spawn(async move {
        tokio::time::sleep(duration).await;
        agent.health().task_ended();
    });
}

/// One variable of the agent's environment. Credentials that the platform puts there stay inside.
fn environment(name: &str) -> Option<String> {
    if name.starts_with("AWS_") && name != "AWS_REGION" {
        return None;
    }
    std::env::var(name).ok()
}

fn refused(what: &str, details: &str) -> Response {
    error(
        StatusCode::BAD_REQUEST,
        json!({ "error": what, "details": details }),
    )
}

fn error(status: StatusCode, body: serde_json::Value) -> Response {
    (status, Json(body)).into_response()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed unwrap is a failed test
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_what_the_accept_header_asks_for() {
        let accept = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, value.parse().unwrap());
            wants_events(&headers)
        };
        assert!(accept("text/event-stream"));
        assert!(accept("application/json, Text/Event-Stream;q=0.9"));
        assert!(!accept("application/json"));
        assert!(!accept("*/*"));
        assert!(!wants_events(&HeaderMap::new()));
    }
}
