//! The body of an answer on its way to the caller: each piece goes out as it comes, is counted, and holds what must live as long as
//! the answer does. When it breaks off the caller can tell: a stream of events gets a last event `error`, any other body ends without its
//! final chunk, so that nobody takes it for whole.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body as AxumBody;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::gateway::problem::Problem;
use crate::gateway::turn::Turn;
use crate::gateway::watch::Watchdog;

/// Ends of lines that have to follow a broken piece so that the next event is one of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// At the beginning of an event.
    Clean,
    /// At the beginning of a line.
    Line,
    /// In the middle of a line.
    Text,
}

/// An agent's answer.
pub struct Relay {
    upstream: Option<Incoming>,
    /// For streams of events.
    tail: Option<Tail>,
    turn: Turn,
    /// Whether it was asked for a piece before.
    begun: bool,
    /// Why it breaks off, while what came before is on its way.
    broken: Option<&'static str>,
    watchdog: Watchdog,
    /// Dropped with the relay: the session and the caller's quota.
    _held: Box<dyn Send>,
}

impl Relay {
    /// Passes `upstream` on; `held` lives as long as it does.
    pub fn body(
        upstream: Incoming,
        events: bool,
        mut turn: Turn,
        watchdog: Watchdog,
        held: impl Send + 'static,
    ) -> AxumBody {
        // A body of nothing is never asked for its pieces.
        if upstream.is_end_stream() {
            turn.end();
        }
        AxumBody::new(Self {
            upstream: Some(upstream),
            tail: events.then_some(Tail::Clean),
            turn,
            begun: false,
            broken: None,
            watchdog,
            _held: Box::new(held),
        })
    }

    fn pass(&mut self, bytes: &Bytes) {
        self.turn.chunk(bytes.len());
        if let Some(tail) = &mut self.tail {
            *tail = tail.after(bytes);
        }
    }

    /// The answer breaks off: the last event, or an error that closes the connection.
    fn break_off(
        &mut self,
        problem: &Problem,
        context: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Interrupted>>> {
        self.upstream = None;
        self.turn.broke_off(problem);
        let Some(tail) = self.tail else {
            // An error drops what hyper has not written yet, the head included; it writes whenever a body has nothing to give.
            self.broken = Some(problem.reason);
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        let mut event = BytesMut::from(match tail {
            Tail::Clean => &b""[..],
            Tail::Line => b"\n",
            Tail::Text => b"\n\n",
        });
        event.extend_from_slice(b"event: error\ndata: ");
        event.extend_from_slice(problem.to_text().as_bytes());
        event.extend_from_slice(b"\n\n");
        Poll::Ready(Some(Ok(Frame::data(event.freeze()))))
    }
}

/// The answer ended before its end.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off: {0}")]
pub struct Interrupted(&'static str);

impl Tail {
    fn after(self, bytes: &[u8]) -> Self {
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
}

impl Body for Relay {
    type Data = Bytes;
    type Error = Interrupted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Interrupted>>> {
        let this = &mut *self;
        if let Some(reason) = this.broken.take() {
            return Poll::Ready(Some(Err(Interrupted(reason))));
        }
        let Some(upstream) = &mut this.upstream else {
            return Poll::Ready(None);
        };
        // What came with the answer's head goes out at once. Most answers are whole then, and need no watch.
        let early = if std::mem::replace(&mut this.begun, true) {
            Poll::Pending
        } else {
            Pin::new(&mut *upstream).poll_frame(context)
        };
        let frame = match early {
            Poll::Ready(_) => early,
            Poll::Pending => match this.watchdog.poll(context) {
                Poll::Ready(problem) => return this.break_off(&problem, context),
                Poll::Pending => Pin::new(upstream).poll_frame(context),
            },
        };
        match ready!(frame) {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    let bytes = bytes.clone();
                    this.pass(&bytes);
                    if this.upstream.as_ref().is_some_and(Body::is_end_stream) {
                        this.turn.end();
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                let problem = Problem::interrupted(&error);
                this.break_off(&problem, context)
            }
            None => {
                this.upstream = None;
                this.turn.end();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.upstream.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.upstream, self.tail) {
            (Some(upstream), None) => upstream.size_hint(),
            // An event may be added.
            (Some(_), Some(_)) => SizeHint::default(),
            (None, _) if self.broken.is_some() => SizeHint::default(),
            (None, _) => SizeHint::with_exact(0),
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
