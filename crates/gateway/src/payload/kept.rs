//! What has come of a body so far: in memory while it is small and the caller has a share left there, else in a file without a name.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;

use agentcore_invoke::{Payload, Spooled};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{MEMORY_MAX, Reader, Room, Whole};
use crate::shares::{Full, Held, Holder, Pool};

/// Why a body cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum CannotKeep {
    /// Somebody's share is used up.
    #[error(transparent)]
    Full(#[from] Full),
    /// The file cannot be made or written.
    #[error("cannot write a body's file")]
    Spool(#[from] io::Error),
}

/// Bytes of a body that are kept, and the caller that they belong to.
pub(super) struct Kept<'a> {
    reader: &'a Reader,
    holder: Holder,
    /// The first bytes: without a copy while there is only one piece.
    first: Bytes,
    more: Vec<u8>,
    spool: Option<Spool>,
    length: u64,
    room: Room,
}

/// Grows what is held to this amount.
pub(super) fn grow(
    pool: &Arc<Pool>,
    holder: &Holder,
    held: &mut Option<Held>,
    amount: u64,
) -> Result<(), Full> {
    if let Some(held) = held {
        return held.grow(amount.saturating_sub(held.amount()));
    }
    *held = Some(pool.take(holder, amount)?);
    Ok(())
}

impl<'a> Kept<'a> {
    pub(super) fn new(reader: &'a Reader, holder: Holder) -> Self {
        Self {
            reader,
            holder,
            first: Bytes::new(),
            more: Vec::new(),
            spool: None,
            length: 0,
            room: Room::default(),
        }
    }

    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Takes the next piece. A body that is announced to be large goes to the file at once; it takes there what has come of it, whatever was
    /// announced.
    pub(super) async fn push(
        &mut self,
        bytes: Bytes,
        announced: Option<u64>,
    ) -> Result<(), CannotKeep> {
        self.length += bytes.len() as u64;
        let large = self.length.max(announced.unwrap_or_default()) > MEMORY_MAX;
        if self.spool.is_none() && !large && self.remembers(bytes.len()) {
            self.remember(bytes);
            return Ok(());
        }
        let (pool, room) = (&self.reader.spool, &mut self.room.spool);
        grow(pool, &self.holder, room, self.length)?;
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(Spool::new(self.reader).await?),
        };
        for piece in [
            std::mem::take(&mut self.first),
            std::mem::take(&mut self.more).into(),
            bytes,
        ] {
            spool.write(piece).await?;
        }
        self.room.memory = None;
        Ok(())
    }

    /// Whether there is memory for another piece. It is counted as it will be allocated.
    fn remembers(&mut self, more: usize) -> bool {
        let now = self.first.len() + self.more.len();
        if now > 0 && self.more.capacity() < now + more {
            let grown = (now + more).next_power_of_two();
            let (pool, room) = (&self.reader.memory, &mut self.room.memory);
            if grow(pool, &self.holder, room, grown as u64).is_err() {
                return false;
            }
            self.more.reserve_exact(grown - self.more.len());
            return true;
        }
        let (pool, room) = (&self.reader.memory, &mut self.room.memory);
        grow(pool, &self.holder, room, (now + more) as u64).is_ok()
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

    pub(super) async fn finish(self) -> io::Result<Whole> {
        let Self {
            first,
            more,
            spool,
            length,
            room,
            ..
        } = self;
        let payload = match spool {
            None if more.is_empty() => Payload::Memory(first),
            None => Payload::Memory(more.into()),
            Some(spool) => {
                let Written { file, hash } = spool.end().await?;
                Payload::Spooled(Spooled::new(file, length, hash.finalize().into()))
            }
        };
        Ok(Whole {
            payload,
            length,
            room,
        })
    }
}

/// A file that is written by one thread at a time, while the next piece is waited for.
struct Spool(JoinHandle<io::Result<Written>>);

struct Written {
    file: File,
    hash: Sha256,
}

impl Spool {
    async fn new(reader: &Reader) -> io::Result<Self> {
        let dir = reader.spool_dir.clone();
        let file = spawn_blocking(move || tempfile::tempfile_in(dir)).await??;
        let hash = Sha256::new();
        Ok(Self(spawn_blocking(move || Ok(Written { file, hash }))))
    }

    async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let Written { mut file, mut hash } = (&mut self.0).await??;
        self.0 = spawn_blocking(move || {
            hash.update(&bytes);
            file.write_all(&bytes)?;
            Ok(Written { file, hash })
        });
        Ok(())
    }

    async fn end(self) -> io::Result<Written> {
        self.0.await?
    }
}
