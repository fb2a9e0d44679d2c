//! Bodies that nobody has to sign: they pass on as they come, and keep to the limits all the same.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use agentcore_invoke::Payload;
use axum::http::HeaderMap;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::pace::{Pace, too_slow};
use super::{PAYLOAD_MAX, Unread, announced, broken_off, too_large};
use crate::problem::Problem;

/// Passes a body on as it comes. What became of it is found in `progress` afterwards.
pub fn streamed(
    headers: &HeaderMap,
    body: Unread,
    progress: &Progress,
) -> Result<Payload, Problem> {
    let length = announced(headers, PAYLOAD_MAX)?;
    Ok(Payload::Stream {
        body: Guarded {
            inner: body,
            pace: Pace::default(),
            late: Box::pin(sleep_until(Instant::now())),
            progress: progress.clone(),
        }
        .boxed_unsync(),
        length,
    })
}

/// What becomes of a streamed body.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Streamed>);

#[derive(Debug, Default)]
struct Streamed {
    bytes: AtomicU64,
    cut: OnceLock<Problem>,
}

impl Progress {
    /// Why it was cut short, if it was.
    pub fn cut(&self) -> Option<Problem> {
        self.0.cut.get().cloned()
    }

    /// How much has passed.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

/// A streamed body that keeps to the limits.
struct Guarded {
    inner: Unread,
    pace: Pace,
    /// When the caller has taken too long.
    late: Pin<Box<Sleep>>,
    progress: Progress,
}

impl Guarded {
    fn cut(
        &self,
        problem: Problem,
    ) -> Poll<Option<Result<Frame<Bytes>, agentcore_invoke::BoxError>>> {
        let error = problem.detail.clone().into();
        let _ = self.progress.0.cut.set(problem);
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = agentcore_invoke::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
                let before = self.progress.0.bytes.fetch_add(length, Ordering::Relaxed);
                if before + length > PAYLOAD_MAX {
                    return self.cut(too_large(PAYLOAD_MAX));
                }
                self.pace.came(length, Instant::now());
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => self.cut(broken_off()),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let deadline = self.pace.deadline(Instant::now());
                if self.late.deadline() != deadline {
                    self.late.as_mut().reset(deadline);
                }
                match self.late.as_mut().poll(context) {
                    Poll::Ready(()) => self.cut(too_slow()),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
