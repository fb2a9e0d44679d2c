//! A stream whose reader may be told to stop: what was read and not yet used is memory that somebody has to answer for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Told how many bytes were read; says whether there is room for them.
pub type Meter = Arc<dyn Fn(usize) -> bool + Send + Sync>;

/// A stream, and who is told what is read from it.
pub struct Metered<T> {
    inner: T,
    meter: Option<Meter>,
}

impl<T> Metered<T> {
    /// A stream that nobody counts yet.
    pub const fn new(inner: T) -> Self {
        Self { inner, meter: None }
    }

    /// From here on `meter` is told. Where it says no, reading fails, and the bytes are lost.
    pub fn set(&mut self, meter: Meter) {
        self.meter = Some(meter);
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Metered<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metered")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        let full = self.meter.as_ref().is_some_and(|meter| !meter(read));
        Poll::Ready(if full {
            Err(io::Error::other("no room for the message"))
        } else {
            Ok(())
        })
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
