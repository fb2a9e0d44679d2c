//! Bodies of requests: in memory, in a file that each attempt reads anew, or streamed once.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};
use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

/// What a streamed body may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that is streamed.
pub type StreamBody = UnsyncBoxBody<Bytes, BoxError>;

/// Bytes of a file that are read at once.
const CHUNK: u64 = 64 << 10;

/// A file that holds a body whose hash is known. It is read by position, so that clones and attempts do not disturb each other; what is
/// written to it afterwards breaks the signature.
#[derive(Clone)]
pub struct Spooled {
    file: Arc<File>,
    length: u64,
    sha256: [u8; 32],
}

impl Spooled {
    /// The first `length` bytes of a file, and their SHA-256.
    pub fn new(file: File, length: u64, sha256: [u8; 32]) -> Self {
        Self {
            file: Arc::new(file),
            length,
            sha256,
        }
    }

    /// Bytes of the body.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads some of the body from a place on, nothing at its end. It waits for the disk.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        self.file.read_at(&mut buffer[..most], at)
    }
}

impl fmt::Debug for Spooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spooled({} bytes)", self.length)
    }
}

/// The body of an invocation.
pub enum Payload {
    /// All of it.
    Memory(Bytes),
    /// In a file.
    Spooled(Spooled),
    /// As it comes: only for requests that are not signed, and never sent again.
    Stream {
        /// The body.
        body: StreamBody,
        /// How long it is, if that is known; it is then sent as Content-Length.
        length: Option<u64>,
    },
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "Memory({} bytes)", bytes.len()),
            Self::Spooled(spooled) => spooled.fmt(f),
            Self::Stream { length, .. } => write!(f, "Stream({length:?} bytes)"),
        }
    }
}

impl Payload {
    /// A body of nothing.
    pub(crate) fn empty() -> Self {
        Self::Memory(Bytes::new())
    }

    /// The hexadecimal hash that a signature holds; none for streams.
    pub(crate) fn sha256(&self) -> Option<String> {
        match self {
            Self::Memory(bytes) => Some(HEXLOWER.encode(&Sha256::digest(bytes))),
            Self::Spooled(spooled) => Some(HEXLOWER.encode(&spooled.sha256)),
            Self::Stream { .. } => None,
        }
    }

    /// The body for one attempt, and what is left for others.
    pub(crate) fn take(self) -> (Outgoing, Option<Self>) {
        match self {
            Self::Memory(bytes) => {
                let body = Outgoing::Memory(Some(bytes.clone()).filter(|bytes| !bytes.is_empty()));
                (body, Some(Self::Memory(bytes)))
            }
            Self::Spooled(spooled) => {
                let body = Outgoing::Spooled(Reading::new(spooled.clone()));
                (body, Some(Self::Spooled(spooled)))
            }
            Self::Stream { body, length } => (Outgoing::Stream { body, length }, None),
        }
    }
}

/// A body on its way.
pub enum Outgoing {
    /// None once it is sent, or if there is nothing.
    Memory(Option<Bytes>),
    Spooled(Reading),
    Stream {
        body: StreamBody,
        length: Option<u64>,
    },
}

/// A body that could not be read: set apart from errors of the connection that carries it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub io::Error);

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Unreadable;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unreadable>>> {
        match self.get_mut() {
            Self::Memory(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Spooled(reading) => {
                let read = ready!(reading.poll(context));
                Poll::Ready(read.map(|read| read.map(Frame::data).map_err(Unreadable)))
            }
            Self::Stream { body, .. } => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                let failed = |error: BoxError| match error.downcast::<io::Error>() {
                    Ok(error) => Unreadable(*error),
                    Err(error) => Unreadable(io::Error::other(error)),
                };
                Poll::Ready(frame.map(|frame| frame.map_err(failed)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Memory(bytes) => bytes.is_none(),
            Self::Spooled(reading) => reading.at == reading.spooled.length,
            Self::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Memory(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Spooled(reading) => SizeHint::with_exact(reading.spooled.length - reading.at),
            Self::Stream { body, length } => {
                length.map_or_else(|| body.size_hint(), SizeHint::with_exact)
            }
        }
    }
}

/// A file being read, a chunk ahead of what is sent.
pub struct Reading {
    spooled: Spooled,
    /// Where the bytes end that were given away.
    at: u64,
    ahead: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Reading {
    fn new(spooled: Spooled) -> Self {
        Self {
            spooled,
            at: 0,
            ahead: None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.at == self.spooled.length {
            return Poll::Ready(None);
        }
        let (spooled, at) = (&self.spooled, self.at);
        let ahead = self.ahead.get_or_insert_with(|| read(spooled, at));
        let done = ready!(Pin::new(ahead).poll(context));
        self.ahead = None;
        let chunk = match done {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(error)) => return Poll::Ready(Some(Err(error))),
            Err(error) => return Poll::Ready(Some(Err(io::Error::other(error)))),
        };
        self.at += chunk.len() as u64;
        if self.at < self.spooled.length {
            self.ahead = Some(read(&self.spooled, self.at));
        }
        Poll::Ready(Some(Ok(chunk)))
    }
}

/// Reads the chunk at a place; it is never empty.
fn read(spooled: &Spooled, at: u64) -> JoinHandle<io::Result<Bytes>> {
    let file = spooled.file.clone();
    let length = usize::try_from((spooled.length - at).min(CHUNK)).expect("64 KiB fit");
    spawn_blocking(move || {
        let mut buffer = BytesMut::zeroed(length);
        file.read_exact_at(&mut buffer, at)?;
        Ok(buffer.freeze())
    })
}
