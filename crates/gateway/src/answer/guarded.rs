//! The body of an answer that can be ended from outside, whether or not anybody reads it: who reads nothing (a full connection, an HTTP/2
//! stream with a closed window) keeps neither the session nor the right that it began with, and what it is given after that is the little
//! that the connection had taken already.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};

use axum::body::Body as AxumBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;

use crate::problem::Problem;
use crate::watch::Watchdog;

/// Most bytes that are given to a connection at once. It may hold two such pieces of a stream that takes in nothing.
pub const PIECE: usize = 16 << 10;
/// An answer that is whole from the beginning and no longer than this is given without a watch: most are.
const SHORT: usize = 64 << 10;

/// Where an answer comes from.
pub trait Source: Send + Unpin + 'static {
    /// Its next frame. An error breaks it off.
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Problem>>>;

    /// Whether there is nothing more for certain.
    fn is_end_stream(&self) -> bool;

    /// How much is still to come.
    fn size_hint(&self) -> SizeHint;

    /// So much went out.
    fn passed(&mut self, piece: &Bytes);

    /// All of it went out.
    fn ended(&mut self);

    /// It breaks off.
    fn broke_off(&mut self, problem: &Problem) -> LastWords;
}

/// How the caller of an answer that breaks off is told.
pub enum LastWords {
    /// By these bytes, after which the body ends in order.
    Bytes(Bytes),
    /// By a body that does not end in order.
    None(&'static str),
}

/// The answer ended before its end.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off: {0}")]
pub struct Interrupted(&'static str);

enum State<S> {
    Open {
        source: S,
        /// Taken from the source and not yet given away.
        rest: Bytes,
    },
    Last(Bytes),
    /// It breaks off; whether the connection had time to write what came before.
    Broken(&'static str, bool),
    Over,
}

struct Shared<S> {
    state: State<S>,
    waker: Option<Waker>,
}

/// See the module.
pub struct Guarded<S> {
    shared: Arc<Mutex<Shared<S>>>,
    /// Absent where there is nothing to watch over any more.
    watch: Option<AbortOnDropHandle<()>>,
}

impl<S: Source> Guarded<S> {
    /// The body of an answer that ends with `source` or with `watchdog`, whichever is first.
    pub async fn body(mut source: S, watchdog: Watchdog) -> AxumBody {
        // A body of nothing is never asked for its pieces.
        if source.is_end_stream() {
            source.ended();
            return AxumBody::empty();
        }
        // What came with the answer's head.
        let early = std::future::poll_fn(|context| Poll::Ready(source.poll_frame(context))).await;
        let mut rest = Bytes::new();
        let state = match early {
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(bytes) = frame.into_data() {
                    rest = bytes;
                }
                State::Open { source, rest }
            }
            Poll::Ready(Some(Err(problem))) => State::broken(source, &problem),
            Poll::Ready(None) => {
                source.ended();
                return AxumBody::empty();
            }
            Poll::Pending => State::Open { source, rest },
        };
        let whole = match &state {
            State::Open { source, rest } => source.is_end_stream() && rest.len() <= SHORT,
            _ => true,
        };
        let shared = Arc::new(Mutex::new(Shared { state, waker: None }));
        let watch = (!whole).then(|| {
            let there = Arc::downgrade(&shared);
            AbortOnDropHandle::new(tokio::spawn(cut(there, watchdog)))
        });
        AxumBody::new(Self { shared, watch })
    }
}

/// Ends an answer when its time has come, whoever reads it.
async fn cut<S: Source>(there: Weak<Mutex<Shared<S>>>, watchdog: Watchdog) {
    let problem = watchdog.await;
    let Some(shared) = there.upgrade() else {
        return;
    };
    let waker = {
        let mut shared = shared.lock();
        shared.break_off(&problem);
        shared.waker.take()
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<S: Source> State<S> {
    /// The source goes at once, and what it holds with it.
    fn broken(mut source: S, problem: &Problem) -> Self {
        match source.broke_off(problem) {
            LastWords::Bytes(bytes) => Self::Last(bytes),
            LastWords::None(reason) => Self::Broken(reason, false),
        }
    }
}

impl<S: Source> Shared<S> {
    fn break_off(&mut self, problem: &Problem) {
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Open { source, .. } => State::broken(source, problem),
            other => other,
        };
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Interrupted>>> {
        loop {
            let (source, rest) = match &mut self.state {
                State::Open { source, rest } => (source, rest),
                State::Last(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.state = State::Over;
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                State::Broken(_, waited @ false) => {
                    // An error drops what hyper has not written yet, the head included; it writes whenever a body has nothing to give.
                    *waited = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Broken(reason, true) => {
                    let interrupted = Interrupted(reason);
                    self.state = State::Over;
                    return Poll::Ready(Some(Err(interrupted)));
                }
                State::Over => return Poll::Ready(None),
            };
            if !rest.is_empty() {
                let piece = rest.split_to(rest.len().min(PIECE));
                source.passed(&piece);
                if rest.is_empty() && source.is_end_stream() {
                    source.ended();
                    self.state = State::Over;
                }
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match ready!(source.poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => *rest = bytes,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                Some(Err(problem)) => self.break_off(&problem),
                None => {
                    source.ended();
                    self.state = State::Over;
                }
            }
        }
    }
}

impl<S: Source> Body for Guarded<S> {
    type Data = Bytes;
    type Error = Interrupted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Interrupted>>> {
        let this = &mut *self;
        let mut shared = this.shared.lock();
        let polled = shared.poll(context);
        if polled.is_pending() {
            match &mut shared.waker {
                Some(waker) => waker.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
        }
        let over = matches!(shared.state, State::Over);
        drop(shared);
        if over {
            this.watch = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.shared.lock().state, State::Over)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.shared.lock().state {
            State::Open { source, rest } => match source.size_hint().exact() {
                Some(more) => SizeHint::with_exact(more + rest.len() as u64),
                None => SizeHint::default(),
            },
            State::Last(_) | State::Broken(..) => SizeHint::default(),
            State::Over => SizeHint::with_exact(0),
        }
    }
}

#[cfg(test)]
#[path = "guarded_tests.rs"]
mod tests;
