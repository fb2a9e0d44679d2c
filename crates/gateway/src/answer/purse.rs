//! Whose memory an answer takes while the gateway holds it: every byte is on its caller's account until nobody refers to it any more.

use std::sync::Arc;

use agentcore_invoke::Meter;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::problem::Problem;
use crate::shares::{Full, Held, Holder, Pool};

/// Bytes of one WebSocket message that are not accounted: nearly all messages are shorter, and cost nothing here.
const FREE: u64 = 16 << 10;

/// A caller's account.
#[derive(Clone)]
pub struct Purse {
    pool: Arc<Pool>,
    holder: Holder,
}

impl Purse {
    /// The account of `holder` in `pool`.
    pub const fn new(pool: Arc<Pool>, holder: Holder) -> Self {
        Self { pool, holder }
    }

    /// Whose it is.
    pub const fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Room for so many bytes.
    pub fn take(&self, bytes: usize) -> Result<Held, Problem> {
        self.pool
            .take(&self.holder, bytes as u64)
            .map_err(Problem::from)
    }

    /// Nothing yet, to be filled up to `limit` bytes.
    pub fn gather(&self, limit: usize) -> Gathered {
        Gathered {
            bytes: Vec::new(),
            held: self.nothing(),
            limit,
        }
    }

    /// An account of one WebSocket's messages.
    pub fn messages(&self) -> Messages {
        Messages(Arc::new(Mutex::new(Reading {
            read: 0,
            held: self.nothing(),
            full: None,
        })))
    }

    /// Nothing yet, which can grow.
    pub fn nothing(&self) -> Held {
        self.pool.open(&self.holder)
    }
}

/// As much as a caller's account has room for.
pub fn set(held: &mut Held, bytes: usize) -> Result<(), Problem> {
    let (bytes, had) = (bytes as u64, held.amount());
    if bytes > had {
        held.grow(bytes - had).map_err(Problem::from)
    } else {
        held.shrink(bytes);
        Ok(())
    }
}

/// Bytes that are on somebody's account as long as anything refers to them, the buffers of a connection included.
pub fn on_account(bytes: Vec<u8>, held: Held) -> Bytes {
    struct Owner(Vec<u8>, #[allow(dead_code)] Held);

    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    Bytes::from_owner(Owner(bytes, held))
}

/// Bytes that are gathered, accounted before they are kept.
pub struct Gathered {
    bytes: Vec<u8>,
    held: Held,
    limit: usize,
}

impl Gathered {
    /// What there is.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// The account has no room for them, and nothing is added.
    pub fn push(&mut self, more: &[u8]) -> Result<(), Problem> {
        let length = self.bytes.len() + more.len();
        if length > self.bytes.capacity() {
            // By halves, as a vector grows, but never far beyond what may come.
            let grown = self.bytes.capacity() + self.bytes.capacity() / 2;
            let capacity = length.max(grown.min(self.limit));
            let capacity = match set(&mut self.held, capacity) {
                Ok(()) => capacity,
                Err(_) => set(&mut self.held, length).map(|()| length)?,
            };
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// Adds the last few bytes, for which there is always room.
    pub fn push_last(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }

    /// Adds a text as it stands within a JSON string.
    ///
    /// # Errors
    /// The account has no room for it; a part of it may have been added.
    pub fn push_escaped(&mut self, text: &str) -> Result<(), Problem> {
        /// So that no second copy of a long text is made.
        const PART: usize = 16 << 10;
        let mut rest = text;
        while !rest.is_empty() {
            let (part, more) = rest.split_at(rest.floor_char_boundary(PART));
            // A text can always be written.
            let quoted = serde_json::to_string(part).unwrap_or_default();
            self.push(
                quoted
                    .get(1..quoted.len().max(2) - 1)
                    .unwrap_or_default()
                    .as_bytes(),
            )?;
            rest = more;
        }
        Ok(())
    }

    /// The bytes, which stay on the account.
    pub fn freeze(self) -> Bytes {
        on_account(self.bytes, self.held)
    }
}

/// What one WebSocket has read of a message that is not passed on yet.
#[derive(Clone)]
pub struct Messages(Arc<Mutex<Reading>>);

struct Reading {
    read: u64,
    held: Held,
    full: Option<Full>,
}

impl Messages {
    /// Counts what is read; where there is no room, reading ends.
    pub fn meter(&self) -> Meter {
        let reading = self.0.clone();
        Arc::new(move |bytes| {
            let Reading { read, held, full } = &mut *reading.lock();
            *read += bytes as u64;
            if *read <= FREE {
                return true;
            }
            let grown = held.grow(*read - held.amount());
            *full = grown.err();
            full.is_none()
        })
    }

    /// A message was passed on.
    pub fn passed(&self) {
        let Reading { read, held, .. } = &mut *self.0.lock();
        *read = 0;
        held.shrink(0);
    }

    /// Why reading ended, if this was why.
    pub fn full(&self) -> Option<Full> {
        self.0.lock().full
    }
}

#[cfg(test)]
#[path = "purse_tests.rs"]
mod tests;
