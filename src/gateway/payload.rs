//! Reading a caller's body. A signature needs the hash of the whole, so a body is kept until its end: small ones in memory, larger ones
//! in a file that has no name. For agents with a JWT authorizer nothing is signed, and the body streams.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use agentcore_invoke::{Payload, Spooled};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, Sleep, timeout};

use crate::gateway::problem::Problem;

/// Largest payload, in bytes (AgentCore API).
pub const PAYLOAD_MAX: u64 = 100_000_000;
/// What is kept in memory of one request.
const MEMORY_MAX: usize = 1 << 20;
/// How long a caller may be silent in the middle of a body.
const IDLE: Duration = Duration::from_secs(30);

/// How bodies are read.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Folder of the nameless files.
    pub spool_dir: PathBuf,
}

impl Reader {
    /// Reads a body to its end.
    pub async fn whole(
        &self,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<(Payload, u64), Problem> {
        let announced = announced(headers, PAYLOAD_MAX)?;
        let mut body = body;
        let mut kept = Kept::default();
        let mut length = 0_u64;
        while let Some(bytes) = next(&mut body).await? {
            length += bytes.len() as u64;
            if length > PAYLOAD_MAX {
                return Err(too_large(PAYLOAD_MAX));
            }
            kept.push(bytes, announced, &self.spool_dir)
                .await
                .map_err(|error| {
                    tracing::error!(%error, folder = %self.spool_dir.display(), "cannot spool a request's body (--spool-dir)");
                    Problem::unavailable("SpoolFailed", "the request's body could not be kept")
                })?;
        }
        let payload = kept.finish(length).await.map_err(|error| {
            tracing::error!(%error, folder = %self.spool_dir.display(), "cannot spool a request's body (--spool-dir)");
            Problem::unavailable("SpoolFailed", "the request's body could not be kept")
        })?;
        Ok((payload, length))
    }

    /// Reads a body of at most `limit` bytes into memory.
    pub async fn small(headers: &HeaderMap, body: Incoming, limit: u64) -> Result<Bytes, Problem> {
        announced(headers, limit)?;
        let mut body = body;
        let mut whole = BytesMut::new();
        while let Some(bytes) = next(&mut body).await? {
            if (whole.len() + bytes.len()) as u64 > limit {
                return Err(too_large(limit));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    /// Passes a body on as it comes. What became of it is found in `progress` afterwards.
    pub fn streamed(
        headers: &HeaderMap,
        body: Incoming,
        progress: &Progress,
    ) -> Result<Payload, Problem> {
        let length = announced(headers, PAYLOAD_MAX)?;
        Ok(Payload::Stream {
            body: Guarded {
                inner: body,
                idle: Box::pin(tokio::time::sleep(IDLE)),
                progress: progress.clone(),
            }
            .boxed_unsync(),
            length,
        })
    }
}

/// The length that a caller announces, refused when it is too long: before a byte of it is read.
fn announced(headers: &HeaderMap, limit: u64) -> Result<Option<u64>, Problem> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    match length {
        Some(length) if length > limit => Err(too_large(limit)),
        length => Ok(length),
    }
}

/// The next bytes of a body; `None` at its end.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Problem> {
    loop {
        let Ok(frame) = timeout(IDLE, body.frame()).await else {
            return Err(too_slow());
        };
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                // Trailers say nothing that goes on.
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Some(Err(_)) => return Err(broken_off()),
        }
    }
}

fn too_large(limit: u64) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "PayloadTooLarge",
        format!("the body is larger than {limit} bytes"),
    )
}

fn too_slow() -> Problem {
    let detail = format!("nothing of the body came for {} s", IDLE.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "BodyTimeout", detail)
}

fn broken_off() -> Problem {
    Problem::bad_request("BodyBrokeOff", "the body broke off before its end")
}

/// What has come of a body so far.
#[derive(Default)]
struct Kept {
    /// The first bytes: without a copy while there is only one piece.
    first: Bytes,
    more: BytesMut,
    spool: Option<Spool>,
}

struct Spool {
    file: tokio::fs::File,
    hash: Sha256,
}

impl Kept {
    async fn push(
        &mut self,
        bytes: Bytes,
        announced: Option<u64>,
        dir: &Path,
    ) -> std::io::Result<()> {
        if let Some(spool) = &mut self.spool {
            return spool.write(&bytes).await;
        }
        if self.first.is_empty() && self.more.is_empty() {
            self.first = bytes;
        } else {
            if self.more.is_empty() {
                self.more
                    .extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.more.extend_from_slice(&bytes);
        }
        let large = announced.is_some_and(|length| length > MEMORY_MAX as u64);
        if large || self.first.len() + self.more.len() > MEMORY_MAX {
            let dir = dir.to_owned();
            let file = tokio::task::spawn_blocking(move || tempfile::tempfile_in(dir)).await??;
            let mut spool = Spool {
                file: tokio::fs::File::from_std(file),
                hash: Sha256::new(),
            };
            spool.file.set_max_buf_size(MEMORY_MAX / 4);
            spool.write(&std::mem::take(&mut self.first)).await?;
            spool.write(&std::mem::take(&mut self.more)).await?;
            self.spool = Some(spool);
        }
        Ok(())
    }

    async fn finish(self, length: u64) -> std::io::Result<Payload> {
        let Self { first, more, spool } = self;
        match spool {
            None if more.is_empty() => Ok(Payload::Memory(first)),
            None => Ok(Payload::Memory(more.freeze())),
            Some(Spool { mut file, hash }) => {
                file.flush().await?;
                let file = file.into_std().await;
                let hash = hash.finalize().into();
                Ok(Payload::Spooled(Spooled::new(file, length, hash)))
            }
        }
    }
}

impl Spool {
    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hash.update(bytes);
        self.file.write_all(bytes).await
    }
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
    inner: Incoming,
    idle: Pin<Box<Sleep>>,
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
                self.idle.as_mut().reset(Instant::now() + IDLE);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => self.cut(broken_off()),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending if self.idle.as_mut().poll(context).is_ready() => self.cut(too_slow()),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
