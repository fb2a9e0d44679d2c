//! A caller's body, which handlers need not read to its end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Version;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How much of a body that nobody wants is read, and for how long.
const LEFT_MAX: usize = 16 << 20;
const LEFT_TIME: Duration = Duration::from_secs(2);

/// A request's body that a handler may drop at any time. On HTTP/1 hyper deals with bytes that nobody has read. On HTTP/2, dropping a stream before
/// its response is sent cancels both, so `drop` goes on reading for a moment.
pub struct Unread {
    version: Version,
    body: Option<Incoming>,
}

impl Unread {
    /// The body of a request of this version of HTTP.
    pub fn new(version: Version, body: Incoming) -> Self {
        Self {
            version,
            body: Some(body),
        }
    }
}

impl Body for Unread {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take() else {
            return;
        };
        if self.version != Version::HTTP_2 || body.is_end_stream() {
            return;
        }
        // Without a runtime the program is ending.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(timeout(LEFT_TIME, async move {
            let mut left = LEFT_MAX;
            while let Some(Ok(frame)) = body.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    return;
                }
            }
        }));
    }
}
