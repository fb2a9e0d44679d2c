//! Whether an agent says in its answer that it works on by itself. AgentCore's data plane has no ping of a session: a short JSON answer
//! with `"status": "HealthyBusy"`, as `/ping` says it, or `"busy"`, is all that the gateway can see.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use serde::Deserialize;

/// Longest answer that is looked at, in bytes.
const LONGEST: usize = 1024;

/// What the agent said, if it did.
#[derive(Debug, Clone, Default)]
pub struct WorkSignal(Arc<AtomicU8>);

const SILENT: u8 = 0;
const IDLE: u8 = 1;
const WORKING: u8 = 2;

impl WorkSignal {
    /// Whether the agent works on; none if it said nothing.
    pub fn working(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            SILENT => None,
            said => Some(said == WORKING),
        }
    }

    fn set(&self, working: bool) {
        let said = if working { WORKING } else { IDLE };
        self.0.store(said, Ordering::Relaxed);
    }

    /// Watches an answer on its way. Any whole answer without those words says that the agent does not work on.
    pub fn watch<B: Body>(&self, answer: B, headers: &HeaderMap) -> Watched<B> {
        let content = headers.get(header::CONTENT_TYPE);
        let json = content.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
        let short = answer
            .size_hint()
            .exact()
            .is_none_or(|length| length <= LONGEST as u64);
        let looked_at = json && short;
        if !looked_at {
            self.set(false);
        }
        Watched {
            answer,
            seen: looked_at.then(Vec::new),
            signal: self.clone(),
        }
    }
}

/// An answer that is read along, where it may say something.
pub struct Watched<B> {
    answer: B,
    seen: Option<Vec<u8>>,
    signal: WorkSignal,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.answer).poll_frame(context));
        let Some(seen) = &mut this.seen else {
            return Poll::Ready(frame);
        };
        if let Some(Ok(frame)) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            // One byte more than is looked at tells a longer answer.
            let room = (LONGEST + 1).saturating_sub(seen.len());
            seen.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        if frame.is_none() || this.answer.is_end_stream() {
            this.signal.set(says_busy(seen));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}

/// Whether a JSON document says that its agent works on.
fn says_busy(document: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Status<'a> {
        #[serde(borrow, default)]
        status: Option<std::borrow::Cow<'a, str>>,
    }
    let word = |document: &[u8]| document.windows(3).any(|three| three == b"usy");
    // Nearly all answers are done with by a look at their bytes.
    if document.len() > LONGEST || !word(document) {
        return false;
    }
    let status = serde_json::from_slice::<Status<'_>>(document)
        .ok()
        .and_then(|document| document.status);
    matches!(status.as_deref(), Some("HealthyBusy" | "busy"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body as AxumBody;

    async fn said(content_type: &str, text: &str) -> Option<bool> {
        let signal = WorkSignal::default();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        let watched = signal.watch(AxumBody::from(text.to_owned()), &headers);
        let passed = axum::body::to_bytes(AxumBody::new(watched), usize::MAX)
            .await
            .unwrap();
        assert_eq!(passed, text);
        signal.working()
    }

    #[tokio::test]
    async fn an_agent_is_busy_when_its_answer_says_so_in_the_words_of_ping() {
        for text in [
            r#"{"status": "HealthyBusy"}"#,
            r#"{"status":"busy","seconds":5}"#,
            r#"{"x":[1],"status":"HealthyBusy","time_of_last_update":1}"#,
        ] {
            assert_eq!(said("application/json", text).await, Some(true), "{text}");
        }
        for text in [
            "",
            "busy",
            r#"{"status":"Healthy"}"#,
            r#"{"status":1,"busy":true}"#,
            r#"{"response":"I am busy","status":"ok"}"#,
            r#"{"response":"{\"status\":\"busy\"}"}"#,
        ] {
            assert_eq!(said("application/json", text).await, Some(false), "{text}");
        }
        let long = format!(r#"{{"status":"busy","text":"{}"}}"#, "x".repeat(2000));
        assert_eq!(said("application/json", &long).await, Some(false));
        let streamed = "data: {\"status\":\"busy\"}\n\n";
        assert_eq!(said("text/event-stream", streamed).await, Some(false));
        assert_eq!(WorkSignal::default().working(), None);
    }
}
