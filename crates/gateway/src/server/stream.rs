//! The bytes of one connection: cut from outside, ended by itself when a header takes too long, and read to the end after the last answer.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::Held;
use super::activity::Activity;
use super::frames::Frames;

/// How long a peer may go on sending after the last answer, and how long it may be silent meanwhile. A socket that is closed with
/// unread bytes in it takes the answer with it, and many clients read a refusal only once they have sent their whole body.
const LINGER: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(2));

/// A stream that can be cut from outside, whoever reads it: after an upgrade that is not the connection any more. It ends by itself when a
/// header takes too long.
pub(super) struct Guarded<T> {
    inner: T,
    cut: CancellationToken,
    cutting: Pin<Box<WaitForCancellationFutureOwned>>,
    activity: Arc<Activity>,
    patience: Duration,
    /// What came of an HTTP/2 peer.
    frames: Frames,
    /// The header being read.
    header: Option<Header>,
    /// Present once nothing more is to be written.
    lingering: Option<Lingering>,
    _held: Held,
}

/// A header of which something has come.
struct Header {
    /// Requests before it.
    after: u64,
    since: Instant,
    /// Absent until more of it is waited for: most headers come in one piece.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<T> Guarded<T> {
    /// Guards a stream until `cut`; `patience`: time of a header.
    pub(super) fn new(
        inner: T,
        cut: CancellationToken,
        activity: Arc<Activity>,
        patience: Duration,
        held: Held,
    ) -> Self {
        Self {
            inner,
            cutting: Box::pin(cut.clone().cancelled_owned()),
            cut,
            activity,
            patience,
            frames: Frames::default(),
            header: None,
            lingering: None,
            _held: held,
        }
    }

    /// Ready when the header being read has taken too long. `came`: something of it has come just now.
    fn late(&mut self, cx: &mut Context<'_>, came: bool) -> Poll<()> {
        let before = self.activity.before_header();
        let Some(after) = before.or_else(|| self.frames.within_header()) else {
            self.header = None;
            return Poll::Pending;
        };
        if self
            .header
            .as_ref()
            .is_some_and(|header| header.after != after)
        {
            self.header = None;
        }
        if came && self.header.is_none() {
            self.header = Some(Header {
                after,
                since: Instant::now(),
                deadline: None,
            });
        }
        let Some(header) = &mut self.header else {
            return Poll::Pending;
        };
        if came && header.deadline.is_none() {
            return Poll::Pending;
        }
        let end = header.since + self.patience;
        let deadline = header
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        deadline.as_mut().poll(cx)
    }
}

/// Reads what nobody wants any more, for a while.
struct Lingering {
    end: Instant,
    silence: Pin<Box<Sleep>>,
}

impl Lingering {
    fn new() -> Self {
        let (whole, silence) = LINGER;
        Self {
            end: Instant::now() + whole,
            silence: Box::pin(tokio::time::sleep(silence)),
        }
    }

    /// Ready when the peer has closed too, or has had its time.
    fn poll(
        &mut self,
        inner: Pin<&mut (impl AsyncRead + ?Sized)>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut inner = inner;
        let mut scratch = [MaybeUninit::uninit(); 8 << 10];
        loop {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            match inner.as_mut().poll_read(cx, &mut buffer) {
                Poll::Pending => return self.silence.as_mut().poll(cx),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
            }
            let now = Instant::now();
            if now >= self.end {
                return Poll::Ready(());
            }
            self.silence.as_mut().reset(self.end.min(now + LINGER.1));
        }
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the server has ended")
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.frames.feed(&buffer.filled()[before..]);
        let came = buffer.filled().len() > before;
        if self.late(cx, came).is_ready() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "a request's header took too long",
            )));
        }
        if read.is_ready() {
            return read;
        }
        ready!(self.cutting.as_mut().poll(cx));
        Poll::Ready(Err(cut()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.cut.is_cancelled() {
            return Poll::Ready(Err(cut()));
        }
        Pin::new(&mut self.inner).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.cut.is_cancelled() {
            return Poll::Ready(Err(cut()));
        }
        Pin::new(&mut self.inner).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
        }
        let lingering = this.lingering.get_or_insert_with(Lingering::new);
        if lingering.poll(Pin::new(&mut this.inner), cx).is_pending() {
            ready!(this.cutting.as_mut().poll(cx));
        }
        Poll::Ready(Ok(()))
    }
}
