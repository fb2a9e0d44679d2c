//! Reading a caller's body. A signature needs the hash of the whole, so a body is kept until its end: small ones in memory, larger ones
//! in a file that has no name. For agents with a JWT authorizer nothing is signed, and the body streams.

mod kept;
mod pace;
mod streamed;
mod unread;

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use agentcore_invoke::Payload;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

use crate::problem::Problem;
use crate::shares::{Held, Holder, Pool, Shares};
use kept::{CannotKeep, Kept, grow};
use pace::{Pace, too_slow};
pub use streamed::{Progress, streamed};
pub use unread::Unread;

/// Largest payload, in bytes (AgentCore API).
pub const PAYLOAD_MAX: u64 = 100_000_000;
/// What is kept in memory of one request that is to be signed.
const MEMORY_MAX: u64 = 1 << 20;

/// How bodies are read.
#[derive(Debug, Clone)]
pub struct Reader {
    spool_dir: PathBuf,
    /// Bodies in memory of all requests together; beyond a share of it small ones are spooled too.
    memory: Arc<Pool>,
    spool: Arc<Pool>,
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
    memory: Option<Held>,
    spool: Option<Held>,
}

impl Reader {
    /// Spools to files without a name in `spool_dir`, `spool` bytes at most for all requests together; `memory` bytes stay in memory.
    pub fn new(spool_dir: PathBuf, memory: u64, spool: u64) -> Self {
        Self {
            spool_dir,
            memory: Pool::new("the memory for request bodies", Shares::of(memory)),
            spool: Pool::new("the disk space for request bodies", Shares::of(spool)),
        }
    }

    /// What callers share, and as what metrics show it.
    pub fn pools(&self) -> [(&'static str, &Arc<Pool>); 2] {
        [("bodies", &self.memory), ("spool", &self.spool)]
    }

    /// Reads a body to its end; its room is `holder`'s.
    ///
    /// # Errors
    /// 413 for a body that is too large, 408 for one that comes too slowly, 429 and 503 where a share is used up.
    pub async fn whole(
        &self,
        head: &Parts,
        mut body: Unread,
        holder: Holder,
    ) -> Result<Whole, Problem> {
        let announced = announced(&head.headers, PAYLOAD_MAX)?;
        let (mut kept, mut pace) = (Kept::new(self, holder), Pace::default());
        while let Some(bytes) = next(&mut body, &mut pace).await? {
            if kept.length() + bytes.len() as u64 > PAYLOAD_MAX {
                return Err(too_large(PAYLOAD_MAX));
            }
            let pushed = kept.push(bytes, announced).await;
            pushed.map_err(|error| self.cannot_keep(error))?;
        }
        let finished = kept.finish().await;
        finished.map_err(|error| self.cannot_keep(error.into()))
    }

    fn cannot_keep(&self, error: CannotKeep) -> Problem {
        match error {
            CannotKeep::Full(full) => full.into(),
            CannotKeep::Spool(error) => {
                tracing::error!(%error, folder = %self.spool_dir.display(), "cannot spool a request's body (--spool-dir)");
                Problem::unavailable("SpoolFailed", "the request's body could not be kept")
            }
        }
    }

    /// Reads a body of at most `limit` bytes into memory.
    ///
    /// # Errors
    /// As [`Reader::whole`].
    pub async fn small(
        &self,
        head: &Parts,
        mut body: Unread,
        limit: u64,
        holder: &Holder,
    ) -> Result<(Bytes, Room), Problem> {
        announced(&head.headers, limit)?;
        let (mut whole, mut room) = (Vec::new(), Room::default());
        let mut pace = Pace::default();
        while let Some(bytes) = next(&mut body, &mut pace).await? {
            let length = (whole.len() + bytes.len()) as u64;
            if length > limit {
                return Err(too_large(limit));
            }
            if length > whole.capacity() as u64 {
                // As it will be allocated.
                let grown = length.next_power_of_two().min(limit);
                grow(&self.memory, holder, &mut room.memory, grown)?;
                let more = grown.saturating_sub(whole.len() as u64);
                whole.reserve_exact(usize::try_from(more).unwrap_or(bytes.len()));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok((whole.into(), room))
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
async fn next(body: &mut Unread, pace: &mut Pace) -> Result<Option<Bytes>, Problem> {
    // A body of a known length is over with its last byte: waiting for its end would cost a timer.
    while !body.is_end_stream() {
        let mut coming = pin!(body.frame());
        let frame = match soon(coming.as_mut()).await {
            Some(frame) => frame,
            None => timeout_at(pace.deadline(Instant::now()), coming)
                .await
                .map_err(|_| too_slow())?,
        };
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                // Trailers say nothing that goes on.
                if let Ok(bytes) = frame.into_data() {
                    pace.came(bytes.len() as u64, Instant::now());
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

fn broken_off() -> Problem {
    Problem::bad_request("BodyBrokeOff", "the body broke off before its end")
}

#[cfg(test)]
mod tests;
