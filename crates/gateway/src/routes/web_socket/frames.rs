//! WebSocket frames, read whole and passed on as they come. A library that reads messages would join the frames of one: AgentCore bounds a
//! frame, not a message, and what comes in time would come at its end.

use std::io::{self, Cursor};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

/// Largest payload of a frame, in bytes: beyond AgentCore's limit (64 KiB at most), so that it is AgentCore who refuses.
pub const FRAME_MAX: usize = 1 << 20;
/// What a socket reads at once, in bytes, held for as long as it is open.
const READ: usize = 4 << 10;
/// Longest payload of a control frame, in bytes (RFC 6455, section 5.5).
const CONTROL_MAX: usize = 125;

/// Why no further frame comes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The connection has ended.
    #[error("{0}")]
    Gone(String),
    /// The next frame is longer than any may be.
    #[error("a frame of more than {FRAME_MAX} bytes")]
    TooLong,
    /// What comes is no frame that may come here.
    #[error("{0}")]
    Violation(&'static str),
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Its frames are masked.
    Client,
    /// Its frames are not.
    Server,
}

/// The reading half of a connection.
#[derive(Debug)]
pub struct Source<R> {
    io: R,
    buffer: BytesMut,
    peer: Peer,
    /// A message has begun, and its last frame is still to come.
    within: bool,
}

impl<R: AsyncRead + Unpin> Source<R> {
    /// Reads what `peer` sends.
    pub fn new(io: R, peer: Peer) -> Self {
        Self {
            io,
            buffer: BytesMut::new(),
            peer,
            within: false,
        }
    }

    /// The next frame, without its mask. Loses nothing when it is dropped before it is done.
    pub async fn next(&mut self) -> Result<Frame, Broken> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(frame);
            }
            if self.buffer.is_empty() && self.buffer.capacity() > 2 * READ {
                self.buffer = BytesMut::new();
            }
            self.buffer.reserve(READ);
            match self.io.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(Broken::Gone("without a close".to_owned())),
                Ok(_) => {}
                Err(error) => return Err(Broken::Gone(error.to_string())),
            }
        }
    }

    /// Reads until the peer ends, and throws it away: with unread bytes the kernel would take back what was written last.
    pub async fn drain(&mut self) {
        loop {
            self.buffer.clear();
            self.buffer.reserve(READ);
            if !matches!(self.io.read_buf(&mut self.buffer).await, Ok(1..)) {
                return;
            }
        }
    }

    /// Takes a frame off the front of the buffer, if it is there as a whole.
    fn take(&mut self) -> Result<Option<Frame>, Broken> {
        let mut cursor = Cursor::new(&self.buffer[..]);
        let parsed = FrameHeader::parse(&mut cursor);
        let Some((mut header, length)) = parsed.map_err(|_| Broken::Violation("no frame"))? else {
            return Ok(None);
        };
        let head = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
        let length = usize::try_from(length).ok().filter(|it| *it <= FRAME_MAX);
        let length = length.ok_or(Broken::TooLong)?;
        self.check(&header, length)?;
        if self.buffer.len() < head + length {
            return Ok(None);
        }
        self.buffer.advance(head);
        let mut payload = self.buffer.split_to(length);
        if let Some(mask) = header.mask.take() {
            for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
                *byte ^= mask;
            }
        }
        if let OpCode::Data(_) = header.opcode {
            self.within = !header.is_final;
        }
        Ok(Some(Frame::from_payload(header, payload.freeze())))
    }

    /// What RFC 6455 wants of a frame (sections 5.1, 5.2, 5.4 and 5.5). No extension is ever agreed on.
    fn check(&self, header: &FrameHeader, length: usize) -> Result<(), Broken> {
        let violation = if header.rsv1 || header.rsv2 || header.rsv3 {
            "a reserved bit is set"
        } else if header.mask.is_some() != (self.peer == Peer::Client) {
            "a frame is masked that must not be, or the other way round"
        } else {
            match header.opcode {
                OpCode::Control(_) if !header.is_final || length > CONTROL_MAX => {
                    "a control frame is in pieces, or too long"
                }
                OpCode::Data(Data::Continue) if !self.within => {
                    "a message goes on that has not begun"
                }
                OpCode::Data(Data::Text | Data::Binary) if self.within => {
                    "a message begins within another"
                }
                _ => return Ok(()),
            }
        };
        Err(Broken::Violation(violation))
    }
}

/// The writing half of a connection.
#[derive(Debug)]
pub struct Sink<W> {
    io: W,
    /// To whom.
    peer: Peer,
    /// What is left of a frame whose writing was interrupted.
    pending: Bytes,
}

impl<W: AsyncWrite + Unpin> Sink<W> {
    /// Writes to `peer`.
    pub const fn new(io: W, peer: Peer) -> Self {
        Self {
            io,
            peer,
            pending: Bytes::new(),
        }
    }

    /// Writes a frame. Dropped before it is done, it leaves the rest to the next one.
    pub async fn write(&mut self, mut frame: Frame) -> io::Result<()> {
        self.finish().await?;
        frame.header_mut().mask = (self.peer == Peer::Server).then(rand::random);
        let mut bytes = Vec::with_capacity(frame.len());
        frame.format(&mut bytes).map_err(io::Error::other)?;
        self.pending = bytes.into();
        self.finish().await
    }

    async fn finish(&mut self) -> io::Result<()> {
        while self.pending.has_remaining() {
            if self.io.write_buf(&mut self.pending).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.io.flush().await
    }

    /// No more will be written.
    pub async fn end(&mut self) {
        // The peer may have gone already.
        let _ = self.io.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server reads of these bytes, a byte at a time.
    async fn read(bytes: &[u8]) -> Result<Vec<(OpCode, bool, Vec<u8>)>, Broken> {
        let (mut client, server) = tokio::io::duplex(1);
        let bytes = bytes.to_vec();
        let writing = tokio::spawn(async move { client.write_all(&bytes).await });
        let mut source = Source::new(server, Peer::Client);
        let mut frames = Vec::new();
        let end = loop {
            match source.next().await {
                Ok(frame) => {
                    let header = frame.header();
                    frames.push((header.opcode, header.is_final, frame.payload().to_vec()));
                }
                Err(end) => break end,
            }
        };
        writing.abort();
        match end {
            Broken::Gone(_) => Ok(frames),
            other => Err(other),
        }
    }

    /// A frame as a client sends it.
    async fn written(opcode: OpCode, last: bool, payload: &[u8]) -> Vec<u8> {
        let header = FrameHeader {
            is_final: last,
            opcode,
            ..FrameHeader::default()
        };
        let mut bytes = Vec::new();
        let mut sink = Sink::new(&mut bytes, Peer::Server);
        let frame = Frame::from_payload(header, payload.to_vec().into());
        sink.write(frame).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn frames_come_as_they_were_sent() {
        use tokio_tungstenite::tungstenite::protocol::frame::coding::Control;
        let sent = [
            (OpCode::Data(Data::Text), false, b"one".to_vec()),
            (OpCode::Control(Control::Ping), true, b"!".to_vec()),
            (OpCode::Data(Data::Continue), true, vec![7; 70_000]),
            (OpCode::Data(Data::Binary), true, Vec::new()),
        ];
        let mut bytes = Vec::new();
        for (opcode, last, payload) in &sent {
            bytes.extend(written(*opcode, *last, payload).await);
        }
        assert_eq!(read(&bytes).await.unwrap(), sent);
    }

    #[tokio::test]
    async fn what_the_protocol_forbids_is_told() {
        // Each with a mask of nothing.
        for (bytes, wanted) in [
            (vec![0x81, 0x01, b'a'], "masked"),
            (vec![0xC1, 0x80, 0, 0, 0, 0], "reserved"),
            (vec![0x80, 0x80, 0, 0, 0, 0], "not begun"),
            (
                vec![0x01, 0x80, 0, 0, 0, 0, 0x81, 0x80, 0, 0, 0, 0],
                "within another",
            ),
            (vec![0x09, 0x80, 0, 0, 0, 0], "in pieces"),
            (vec![0x89, 0xFE, 0, 126, 0, 0, 0, 0], "too long"),
            (vec![0x83, 0x80, 0, 0, 0, 0], "no frame"),
        ] {
            let error = read(&bytes).await.unwrap_err().to_string();
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
        let long = [0x82, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0];
        assert_eq!(read(&long).await, Err(Broken::TooLong));
    }
}
