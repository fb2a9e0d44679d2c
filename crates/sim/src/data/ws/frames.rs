//! WebSocket frames as they are on the wire: read whole, passed on untouched.
//!
//! A library that reads messages would answer pings itself and join fragments; what lies between a caller and an agent
//! must do neither.

use std::io::{self, Cursor};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

/// Least space that is offered to a read, in bytes.
const READ: usize = 4096;

/// Why no further frame comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The connection has ended.
    Gone,
    /// The next frame's payload is longer than allowed.
    TooLong,
    /// What comes is no frame.
    NoFrame,
}

/// The reading half of a connection.
#[derive(Debug)]
pub struct Source<R> {
    io: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Source<R> {
    /// Reads frames from `io`.
    pub fn new(io: R) -> Self {
        Self {
            io,
            buffer: BytesMut::new(),
        }
    }

    /// The next frame's bytes, header included, and whether it is a close frame. Loses nothing when it is dropped
    /// before it is done.
    pub async fn next(&mut self, limit: usize) -> Result<(Bytes, bool), Broken> {
        loop {
            if let Some(frame) = take(&mut self.buffer, limit)? {
                return Ok(frame);
            }
            self.buffer.reserve(READ);
            match self.io.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return Err(Broken::Gone),
                Ok(_) => {}
            }
        }
    }

    /// Reads until the other side ends, and throws it away: unread bytes would make the kernel take back what was
    /// written last.
    pub async fn drain(&mut self) {
        loop {
            self.buffer.clear();
            self.buffer.reserve(READ);
            if !matches!(self.io.read_buf(&mut self.buffer).await, Ok(1..)) {
                return;
            }
        }
    }
}

/// Takes a frame off the front of `buffer`, if it is there as a whole.
fn take(buffer: &mut BytesMut, limit: usize) -> Result<Option<(Bytes, bool)>, Broken> {
    let mut cursor = Cursor::new(&buffer[..]);
    let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Broken::NoFrame)?;
    let Some((header, length)) = parsed else {
        return Ok(None);
    };
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= limit)
        .ok_or(Broken::TooLong)?;
    let whole = usize::try_from(cursor.position()).unwrap_or(usize::MAX) + length;
    if buffer.len() < whole {
        return Ok(None);
    }
    let is_close = header.opcode == OpCode::Control(Control::Close);
    Ok(Some((buffer.split_to(whole).freeze(), is_close)))
}

/// The writing half of a connection.
#[derive(Debug)]
pub struct Sink<W> {
    io: W,
    /// What is left of a frame whose writing was interrupted.
    pending: Bytes,
}

impl<W: AsyncWrite + Unpin> Sink<W> {
    /// Writes frames to `io`.
    pub fn new(io: W) -> Self {
        Self {
            io,
            pending: Bytes::new(),
        }
    }

    /// Writes a frame. Dropped before it is done, it leaves the rest to [`Sink::finish`].
    pub async fn write(&mut self, frame: Bytes) -> io::Result<()> {
        self.finish().await?;
        self.pending = frame;
        self.finish().await
    }

    /// Writes the rest of an interrupted frame.
    pub async fn finish(&mut self) -> io::Result<()> {
        while self.pending.has_remaining() {
            if self.io.write_buf(&mut self.pending).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.io.flush().await
    }

    /// No more will be written.
    pub async fn end(&mut self) {
        // The other side may have gone already.
        let _ = self.io.shutdown().await;
    }
}

/// A close frame; masked, as clients must, when it is for the agent.
pub fn close_frame(code: u16, reason: &'static str, mask: Option<[u8; 4]>) -> Bytes {
    let mut frame = Frame::close(Some(CloseFrame {
        code: code.into(),
        reason: reason.into(),
    }));
    frame.header_mut().mask = mask;
    let mut out = Vec::new();
    match frame.format(&mut out) {
        Ok(()) => out.into(),
        // Writing to memory does not fail; without a frame the connection just ends.
        Err(_) => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_only_when_it_is_whole_and_as_it_came() {
        let bytes = [0x81, 0x83, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3, 0x88];
        for cut in 0..9 {
            let mut buffer = BytesMut::from(&bytes[..cut]);
            assert_eq!(take(&mut buffer, 3), Ok(None), "{cut} bytes");
            assert_eq!(&buffer[..], &bytes[..cut]);
        }
        let mut buffer = BytesMut::from(&bytes[..]);
        let frame = Bytes::copy_from_slice(&bytes[..9]);
        assert_eq!(take(&mut buffer, 3), Ok(Some((frame, false))));
        assert_eq!(&buffer[..], &[0x88]);
    }

    #[test]
    fn a_frame_that_is_too_long_is_known_by_its_header() {
        let header = |bytes: &[u8], limit| take(&mut BytesMut::from(bytes), limit);
        assert_eq!(header(&[0x82, 126, 0x80, 0], 32_768), Ok(None));
        assert_eq!(header(&[0x82, 126, 0x80, 1], 32_768), Err(Broken::TooLong));
        assert_eq!(header(&[0x83, 0], 32_768), Err(Broken::NoFrame));
    }
}
