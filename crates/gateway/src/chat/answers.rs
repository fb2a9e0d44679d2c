//! What a caller of chat gets: one JSON document, a stream of events, or the agent's own error.

use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures::stream::StreamExt as _;
use hyper::body::{Frame, SizeHint};
use serde_json::json;

use super::{CHAT_MAX, Piece, Pieces, too_long};
use crate::answer::Tail;
use crate::answer::guarded::{Guarded, LastWords, Source};
use crate::answer::purse::{Gathered, Purse, on_account, set};
use crate::headers::unbuffered;
use crate::problem::Problem;
use crate::request_log::RequestLog;
use crate::routes::{name_session, refuse};
use crate::sessions::SessionGuard;
use crate::watch::Watchdog;

/// The agent's own error, as it is.
pub fn agents_own(
    mut log: RequestLog,
    guard: &SessionGuard,
    status: StatusCode,
    content_type: Option<HeaderValue>,
    body: Bytes,
) -> Response<Body> {
    log.chunk(body.len());
    log.end();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if let Some(value) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    name_session(response.headers_mut(), guard);
    response
}

/// The whole answer as one JSON document.
pub async fn joined(
    mut log: RequestLog,
    guard: SessionGuard,
    mut pieces: Pieces,
    mut watchdog: Watchdog,
    purse: &Purse,
    held: impl Send + 'static,
) -> Response<Body> {
    let mut document = purse.gather(CHAT_MAX);
    let mut length = 0;
    document.push_last(br#"{"response":""#);
    let broken = loop {
        let piece = tokio::select! {
            piece = pieces.next() => piece,
            problem = &mut watchdog => Some(Err(problem)),
        };
        match piece {
            None => break None,
            Some(Err(problem)) => break Some(problem),
            Some(Ok(_)) if length > CHAT_MAX => break Some(too_long()),
            Some(Ok(Piece { text, .. })) => {
                log.chunk(text.len());
                length += text.len();
                if let Err(problem) = document.push_escaped(&text) {
                    break Some(problem);
                }
            }
        }
    };
    // What the agent still says is for nobody.
    drop(pieces);
    let mut end = json!({"sessionId": guard.conversation.as_str()});
    let mut response = Response::new(Body::empty());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    name_session(response.headers_mut(), &guard);
    match broken {
        // There is nothing that could be partial.
        Some(problem) if length == 0 => return refuse(log, Some(&guard), problem),
        Some(problem) => {
            end["partial"] = json!(true);
            end["error"] = problem.to_json();
            log.broke_off(&problem);
        }
        None => log.end(),
    }
    let end = end.to_string();
    document.push_last(br#"","#);
    document.push_last(end.get(1..).unwrap_or_default().as_bytes());
    *response.body_mut() = whole(document, log, watchdog, (guard, held)).await;
    response
}

/// The body of a document, which its caller may take in slowly.
async fn whole(
    document: Gathered,
    log: RequestLog,
    watchdog: Watchdog,
    held: impl Send + 'static,
) -> Body {
    let whole = Whole {
        document: document.freeze(),
        log,
        _held: Box::new(held),
    };
    Guarded::body(whole, watchdog).await
}

/// A document that is there.
struct Whole {
    document: Bytes,
    log: RequestLog,
    _held: Box<dyn Send>,
}

impl Source for Whole {
    fn poll_frame(
        &mut self,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Problem>>> {
        let document = std::mem::take(&mut self.document);
        Poll::Ready((!document.is_empty()).then(|| Ok(Frame::data(document))))
    }

    fn is_end_stream(&self) -> bool {
        self.document.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.document.len() as u64)
    }

    fn passed(&mut self, _piece: &Bytes) {}

    fn ended(&mut self) {}

    fn broke_off(&mut self, problem: &Problem) -> LastWords {
        self.log.broke_off(problem);
        LastWords::None(problem.reason)
    }
}

/// The answer as a stream of events, each as soon as the agent says it.
pub async fn events(
    log: RequestLog,
    guard: SessionGuard,
    pieces: Pieces,
    watchdog: Watchdog,
    held: impl Send + 'static,
) -> Response<Body> {
    let mut headers = HeaderMap::new();
    let stream = HeaderValue::from_static("text/event-stream; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, stream);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    unbuffered(&mut headers);
    name_session(&mut headers, &guard);
    let events = Events {
        pieces,
        tail: Tail::Clean,
        log,
        guard,
        _held: Box::new(held),
    };
    let mut response = Response::new(Guarded::body(events, watchdog).await);
    *response.headers_mut() = headers;
    response
}

/// Pieces as events.
struct Events {
    pieces: Pieces,
    tail: Tail,
    log: RequestLog,
    guard: SessionGuard,
    _held: Box<dyn Send>,
}

impl Source for Events {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Problem>>> {
        let Some(piece) = ready!(self.pieces.poll_next_unpin(context)) else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(piece.and_then(|Piece { text, mut held }| {
            self.log.chunk(text.len());
            let id = self.guard.conversation.as_str();
            let event = format!("data: {}\n\n", said(&text, id));
            set(&mut held, event.capacity())?;
            Ok(Frame::data(on_account(event.into_bytes(), held)))
        })))
    }

    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }

    fn passed(&mut self, piece: &Bytes) {
        self.tail = self.tail.after(piece);
    }

    fn ended(&mut self) {
        self.log.end();
    }

    fn broke_off(&mut self, problem: &Problem) -> LastWords {
        let id = self.guard.conversation.as_str();
        let data = json!({"partial": true, "sessionId": id, "error": problem.to_json()});
        self.log.broke_off(problem);
        LastWords::Bytes(self.tail.last_event(Some("error"), &data.to_string()))
    }
}

/// One piece as JSON.
fn said(text: &str, id: &str) -> String {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Said<'a> {
        response: &'a str,
        session_id: &'a str,
    }
    let said = Said {
        response: text,
        session_id: id,
    };
    // Two texts can always be written.
    serde_json::to_string(&said).unwrap_or_default()
}
