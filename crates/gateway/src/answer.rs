//! The body of an answer on its way to the caller: each piece goes out as it comes, is counted, and holds what must live as long as
//! the answer does. When it breaks off the caller can tell: a stream of events gets a last event ([`voice`]), any other body ends without
//! its final chunk, so that nobody takes it for whole.

pub mod guarded;
mod outline;
pub mod purse;
pub mod voice;

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body as AxumBody;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use crate::problem::Problem;
use crate::request_log::RequestLog;
use crate::sessions::work_signal::Watched;
use crate::watch::Watchdog;
use guarded::{Guarded, LastWords, Source};
use voice::Voice;

/// Ends of lines that have to follow a broken piece so that the next event is one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// At the beginning of an event.
    Clean,
    /// At the beginning of a line.
    Line,
    /// In the middle of a line.
    Text,
}

impl Tail {
    /// Where a stream of events is after these bytes.
    #[must_use]
    pub fn after(self, bytes: &[u8]) -> Self {
        // A carriage return before a line feed changes nothing.
        let mut last = bytes.iter().rev().filter(|byte| **byte != b'\r');
        match (last.next(), last.next()) {
            (None, _) => self,
            (Some(b'\n'), Some(b'\n')) => Self::Clean,
            (Some(b'\n'), None) if self != Self::Text => Self::Clean,
            (Some(b'\n'), _) => Self::Line,
            (Some(_), _) => Self::Text,
        }
    }

    /// A last event with this name and data, whatever came before it.
    pub fn last_event(self, name: Option<&str>, data: &str) -> Bytes {
        let mut event = BytesMut::from(match self {
            Self::Clean => &b""[..],
            Self::Line => b"\n",
            Self::Text => b"\n\n",
        });
        if let Some(name) = name {
            event.extend_from_slice(format!("event: {name}\n").as_bytes());
        }
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(data.as_bytes());
        event.extend_from_slice(b"\n\n");
        event.freeze()
    }
}

/// An agent's answer, passed on as it is.
pub struct Relay {
    /// Read along before its session ends with it.
    upstream: Watched<Incoming>,
    /// For streams of events.
    tail: Option<Tail>,
    voice: Voice,
    log: RequestLog,
    /// Dropped with the relay: the session and the caller's place.
    _held: Box<dyn Send>,
}

impl Relay {
    /// Passes `upstream` on until `watchdog` ends it; `held` lives as long as it does. `events`: for streams of events, how their end is told.
    pub async fn body(
        upstream: Watched<Incoming>,
        events: Option<Voice>,
        log: RequestLog,
        watchdog: Watchdog,
        held: impl Send + 'static,
    ) -> AxumBody {
        let relay = Self {
            upstream,
            tail: events.is_some().then_some(Tail::Clean),
            voice: events.unwrap_or(Voice::Plain),
            log,
            _held: Box::new(held),
        };
        Guarded::body(relay, watchdog).await
    }
}

impl Source for Relay {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Problem>>> {
        let frame = Pin::new(&mut self.upstream).poll_frame(context);
        frame.map_err(|error| Problem::interrupted(&error))
    }

    fn is_end_stream(&self) -> bool {
        self.upstream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.tail {
            None => self.upstream.size_hint(),
            // An event may be added.
            Some(_) => SizeHint::default(),
        }
    }

    fn passed(&mut self, piece: &Bytes) {
        self.log.chunk(piece.len());
        if let Some(tail) = &mut self.tail {
            *tail = tail.after(piece);
        }
    }

    fn ended(&mut self) {
        self.log.end();
    }

    fn broke_off(&mut self, problem: &Problem) -> LastWords {
        self.log.broke_off(problem);
        match self.tail {
            Some(tail) => LastWords::Bytes(self.voice.last_event(tail, problem)),
            None => LastWords::None(problem.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_says_what_a_last_event_needs_before_it() {
        let after = |pieces: &[&[u8]]| {
            pieces
                .iter()
                .fold(Tail::Clean, |tail, piece| tail.after(piece))
        };
        assert!(after(&[]) == Tail::Clean);
        assert!(after(&[b"data: a\n\n"]) == Tail::Clean);
        assert!(after(&[b"data: a\r\n\r\n"]) == Tail::Clean);
        assert!(after(&[b"data: a\n", b"\n"]) == Tail::Clean);
        assert!(after(&[b"data: a\r\n", b"\r\n"]) == Tail::Clean);
        assert!(after(&[b"data: a\n"]) == Tail::Line);
        assert!(after(&[b"data: a"]) == Tail::Text);
        assert!(after(&[b"data: a\n", b"data: b"]) == Tail::Text);
        assert!(after(&[b"data: a", b"\n"]) == Tail::Line);
    }
}
