//! Reading a caller's body. A signature needs the hash of the whole, so a body is kept until its end: small ones in memory, larger ones
//! in a file that has no name. For agents with a JWT authorizer nothing is signed, and the body streams.

mod streamed;

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use agentcore_invoke::{Payload, Spooled};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Version, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::gateway::problem::Problem;
pub use streamed::{Progress, streamed};

/// Largest payload, in bytes (AgentCore API).
pub const PAYLOAD_MAX: u64 = 100_000_000;
/// What is kept in memory of one request.
const MEMORY_MAX: usize = 1 << 20;
/// How long a caller may be silent in the middle of a body.
const IDLE: Duration = Duration::from_secs(30);

/// How much of a body that nobody wants is read, and for how long.
const LEFT_MAX: usize = 16 << 20;
const LEFT_TIME: Duration = Duration::from_secs(2);

/// Bodies in memory of all requests together; beyond it small ones are spooled too.
const MEMORY_OF_ALL: u64 = 64 << 20;
/// What room is counted in.
const UNIT: u64 = 1 << 10;

/// How bodies are read.
#[derive(Debug, Clone)]
pub struct Reader {
    spool_dir: PathBuf,
    memory: Arc<Semaphore>,
    spool: Arc<Semaphore>,
}

/// A body and the room that it takes, which is free again when this is dropped.
pub struct Whole {
    /// The body.
    pub payload: Payload,
    /// Its bytes.
    pub length: u64,
    /// Its room.
    pub room: Room,
}

/// Room in memory and in the spool.
#[derive(Debug, Default)]
pub struct Room {
    memory: Option<OwnedSemaphorePermit>,
    spool: Option<OwnedSemaphorePermit>,
}

/// As many permits as there are units in a number of bytes.
fn units(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(UNIT))
        .unwrap_or(usize::MAX)
        .min(Semaphore::MAX_PERMITS)
}

/// Grows `held` to the room of `bytes`; false if there is not as much.
fn grow(of: &Arc<Semaphore>, held: &mut Option<OwnedSemaphorePermit>, bytes: u64) -> bool {
    let has = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let Some(missing) = units(bytes).checked_sub(has).filter(|missing| *missing > 0) else {
        return true;
    };
    let more = u32::try_from(missing).ok();
    let Some(more) = more.and_then(|more| of.clone().try_acquire_many_owned(more).ok()) else {
        return false;
    };
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
    true
}

impl Reader {
    /// Spools to files without a name in `spool_dir`, `spool_limit` bytes at most for all requests together.
    pub fn new(spool_dir: PathBuf, spool_limit: u64) -> Self {
        Self {
            spool_dir,
            memory: Arc::new(Semaphore::new(units(MEMORY_OF_ALL))),
            spool: Arc::new(Semaphore::new(units(spool_limit))),
        }
    }

    /// Reads a body to its end.
    pub async fn whole(&self, head: &Parts, mut body: Incoming) -> Result<Whole, Problem> {
        let read = self.read(&head.headers, &mut body).await;
        if read.is_err() {
            leave(head.version, body);
        }
        read
    }

    async fn read(&self, headers: &HeaderMap, body: &mut Incoming) -> Result<Whole, Problem> {
        let announced = announced(headers, PAYLOAD_MAX)?;
        let mut kept = Kept::default();
        let mut length = 0_u64;
        while let Some(bytes) = next(body).await? {
            length += bytes.len() as u64;
            if length > PAYLOAD_MAX {
                return Err(too_large(PAYLOAD_MAX));
            }
            let pushed = kept.push(self, bytes, announced, length).await;
            pushed.map_err(|error| self.cannot_spool(&error))?;
        }
        let finished = kept.finish(length).await;
        finished.map_err(|error| self.cannot_spool(&error))
    }

    fn cannot_spool(&self, error: &io::Error) -> Problem {
        if error.kind() == io::ErrorKind::QuotaExceeded {
            return Problem::unavailable("SpoolFull", "too many large bodies are under way");
        }
        tracing::error!(%error, folder = %self.spool_dir.display(), "cannot spool a request's body (--spool-dir)");
        Problem::unavailable("SpoolFailed", "the request's body could not be kept")
    }

    /// Reads a body of at most `limit` bytes into memory.
    pub async fn small(
        &self,
        head: &Parts,
        mut body: Incoming,
        limit: u64,
    ) -> Result<(Bytes, Room), Problem> {
        let read = self.read_small(&head.headers, &mut body, limit).await;
        if read.is_err() {
            leave(head.version, body);
        }
        read
    }

    async fn read_small(
        &self,
        headers: &HeaderMap,
        body: &mut Incoming,
        limit: u64,
    ) -> Result<(Bytes, Room), Problem> {
        announced(headers, limit)?;
        let (mut whole, mut room) = (BytesMut::new(), Room::default());
        while let Some(bytes) = next(body).await? {
            let length = (whole.len() + bytes.len()) as u64;
            if length > limit {
                return Err(too_large(limit));
            }
            if !grow(&self.memory, &mut room.memory, length) {
                return Err(Problem::unavailable(
                    "SpoolFull",
                    "too many bodies are under way",
                ));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok((whole.freeze(), room))
    }
}

/// Gives up a body that nobody reads to its end. On HTTP/1 the connection sees to what is left of it; an HTTP/2 stream that is dropped before
/// the answer is out is cancelled, and the answer with it, so that a little more is read meanwhile.
pub fn leave(version: Version, mut body: Incoming) {
    if version != Version::HTTP_2 || body.is_end_stream() {
        return;
    }
    tokio::spawn(timeout(LEFT_TIME, async move {
        let mut left = LEFT_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    }));
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
    // A body of a known length is over with its last byte: waiting for its end would cost a timer.
    while !body.is_end_stream() {
        let mut coming = pin!(body.frame());
        let frame = match soon(coming.as_mut()).await {
            Some(frame) => frame,
            None => timeout(IDLE, coming).await.map_err(|_| too_slow())?,
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
    Ok(None)
}

/// What is there by a second look: the first one makes hyper hand over what has come already. Most bodies need no timer then.
async fn soon<T>(mut coming: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut looked = false;
    poll_fn(|context| match coming.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if looked => Poll::Ready(None),
        Poll::Pending => {
            looked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
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
    room: Room,
}

struct Spool {
    file: tokio::fs::File,
    hash: Sha256,
}

impl Kept {
    /// Takes the next piece; `length` includes it.
    async fn push(
        &mut self,
        reader: &Reader,
        bytes: Bytes,
        announced: Option<u64>,
        length: u64,
    ) -> io::Result<()> {
        if self.spool.is_none() {
            let large = length.max(announced.unwrap_or_default()) > MEMORY_MAX as u64;
            if !large && grow(&reader.memory, &mut self.room.memory, length) {
                self.remember(bytes);
                return Ok(());
            }
            let dir = reader.spool_dir.clone();
            let file = tokio::task::spawn_blocking(move || tempfile::tempfile_in(dir)).await??;
            let mut file = tokio::fs::File::from_std(file);
            file.set_max_buf_size(MEMORY_MAX / 4);
            let mut spool = Spool {
                file,
                hash: Sha256::new(),
            };
            spool.write(&std::mem::take(&mut self.first)).await?;
            spool.write(&std::mem::take(&mut self.more)).await?;
            self.room.memory = None;
            self.spool = Some(spool);
        }
        if !grow(&reader.spool, &mut self.room.spool, length) {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        match &mut self.spool {
            Some(spool) => spool.write(&bytes).await,
            None => Ok(()),
        }
    }

    fn remember(&mut self, bytes: Bytes) {
        if self.first.is_empty() && self.more.is_empty() {
            self.first = bytes;
            return;
        }
        if self.more.is_empty() {
            self.more
                .extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.more.extend_from_slice(&bytes);
    }

    async fn finish(self, length: u64) -> io::Result<Whole> {
        let Self {
            first,
            more,
            spool,
            room,
        } = self;
        let payload = match spool {
            None if more.is_empty() => Payload::Memory(first),
            None => Payload::Memory(more.freeze()),
            Some(Spool { mut file, hash }) => {
                file.flush().await?;
                let file = file.into_std().await;
                let hash = hash.finalize().into();
                Payload::Spooled(Spooled::new(file, length, hash))
            }
        };
        Ok(Whole {
            payload,
            length,
            room,
        })
    }
}

impl Spool {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.file.write_all(bytes).await
    }
}
