//! Request bodies: read whole and hashed on the way, large ones kept in a file instead of memory.

use std::io::{self, SeekFrom};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

/// How much of a body is kept in memory where it may be kept in a file, in bytes.
const IN_MEMORY: usize = 1 << 20;
/// How much beyond a limit is read and thrown away, so that the caller gets to read the answer.
const MAX_DRAINED: usize = 64 << 20;

/// A request body.
#[derive(Debug)]
pub struct Received {
    /// The body, if it is kept in memory; else nothing.
    pub bytes: Bytes,
    /// The body, if it is kept in a file.
    pub spooled: Option<Spooled>,
    /// Hex SHA-256 of the body.
    pub sha256: String,
}

/// A body in a file that nobody else sees and that goes with it.
#[derive(Debug)]
pub struct Spooled {
    file: File,
    /// Length in bytes.
    pub length: usize,
}

impl Spooled {
    /// The body from its beginning, piece by piece.
    pub fn into_stream(self) -> ReaderStream<File> {
        ReaderStream::with_capacity(self.file, 64 << 10)
    }
}

/// Reads a body; `None` when it is longer than `limit`. Where it may `spool`, only its beginning is kept in memory.
///
/// # Errors
/// When the caller breaks off, or the file cannot be written.
pub async fn read(mut body: Body, limit: usize, spool: bool) -> io::Result<Option<Received>> {
    let mut hash = Sha256::new();
    let mut kept = Vec::new();
    let mut file: Option<File> = None;
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(io::Error::other)?.into_data() else {
            continue;
        };
        length += data.len();
        if length > limit {
            if length > limit + MAX_DRAINED {
                break;
            }
            continue;
        }
        hash.update(&data);
        match &mut file {
            Some(file) => file.write_all(&data).await?,
            None => kept.extend_from_slice(&data),
        }
        if spool && file.is_none() && kept.len() > IN_MEMORY {
            let mut made = File::from_std(tempfile::tempfile()?);
            made.write_all(&kept).await?;
            kept = Vec::new();
            file = Some(made);
        }
    }
    if length > limit {
        return Ok(None);
    }
    let spooled = match file {
        Some(mut file) => {
            file.flush().await?;
            file.seek(SeekFrom::Start(0)).await?;
            Some(Spooled { file, length })
        }
        None => None,
    };
    Ok(Some(Received {
        bytes: kept.into(),
        spooled,
        sha256: hex::encode(hash.finalize()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt as _;

    #[tokio::test]
    async fn what_is_spooled_comes_back_whole_and_hashed() -> io::Result<()> {
        let sent = vec![7_u8; IN_MEMORY + 1];
        let hash = crate::sigv4::canonical::sha256_hex(&sent);
        for spool in [true, false] {
            let received = read(Body::from(sent.clone()), sent.len(), spool).await?;
            let received = received.ok_or(io::ErrorKind::InvalidData)?;
            assert_eq!(received.sha256, hash);
            let back: Vec<u8> = match received.spooled {
                Some(spooled) => {
                    assert_eq!((spool, spooled.length), (true, sent.len()));
                    let pieces: Vec<Bytes> = spooled.into_stream().try_collect().await?;
                    pieces.concat()
                }
                None => received.bytes.to_vec(),
            };
            assert!(back == sent && spool == received.bytes.is_empty());
        }
        assert!(read(Body::from(sent), IN_MEMORY, true).await?.is_none());
        Ok(())
    }
}
