//! `/invocations`: one request in, one JSON answer or a stream of events out.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::Serialize;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::outcome::{Outcome, RunningTurn, Verdict};
use crate::turns::TurnFailed;

/// POST /invocations.
pub async fn answer(State(agent): State<Agent>, headers: HeaderMap, body: Bytes) -> Response {
    match Outcome::of(&agent, &agent.session_of(&headers), &body) {
        Outcome::Turn(turn) if wants_events(&headers) => stream(turn),
        Outcome::Turn(turn) => whole(turn).await,
        Outcome::Document(verdict, body) => document(verdict, body),
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

async fn whole(mut turn: RunningTurn) -> Response {
    let mut response = String::new();
    while let Some(piece) = turn.pieces.next().await {
        match piece {
            Ok(piece) => response.push_str(&piece),
            Err(TurnFailed) => {
                return document(Verdict::Failed, json!({ "error": TurnFailed::MESSAGE }));
            }
        }
    }
    Json(turn.id.answer(&response)).into_response()
}

fn stream(turn: RunningTurn) -> Response {
    let RunningTurn { id, pieces } = turn;
    let events = pieces.map(move |piece| match piece {
        Ok(piece) => event(&id.answer(&piece)),
        Err(failed) => event(&failed),
    });
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

fn document(verdict: Verdict, body: Value) -> Response {
    let status = match verdict {
        Verdict::Done => StatusCode::OK,
        Verdict::Refused => StatusCode::BAD_REQUEST,
        Verdict::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, Json(body)).into_response()
}

#[cfg(test)]
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
