//! An incremental decoder of server-sent events, by the WHATWG's rules, with a bound.

use std::sync::Arc;

use memchr::memchr2;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its type, where it has one: without it is a `message`.
    pub event: Option<String>,
    /// Its data; several lines are joined with line feeds. Bytes that are not UTF-8 are replaced.
    pub data: String,
    /// The last id that the stream gave, with this event or before it. Events share it: a small event costs little, however long it is.
    pub id: Option<Arc<str>>,
}

/// An event, or a line of one, that grew beyond the decoder's bound. The decoder reads no more after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("server-sent {what} of more than {limit} bytes")]
pub struct TooLong {
    /// `event` or `line`.
    pub what: &'static str,
    /// The bound, in bytes.
    pub limit: usize,
}

/// Reads events out of pieces of a stream, wherever it was cut. Memory is bounded by the limit given.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    line_limit: usize,
    /// The line that has begun.
    line: Vec<u8>,
    event: Option<String>,
    /// With a line feed after each of its lines.
    data: Vec<u8>,
    id: Option<Arc<str>>,
    /// A carriage return was last: a line feed now belongs to it.
    after_return: bool,
    first_line: bool,
    too_long: Option<TooLong>,
}

impl Decoder {
    /// A decoder of events of up to `limit` bytes: type, data, id and the line being read.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line_limit: limit,
            line: Vec::new(),
            event: None,
            data: Vec::new(),
            id: None,
            after_return: false,
            first_line: true,
            too_long: None,
        }
    }

    /// The same with lines of up to `limit` bytes.
    #[must_use]
    pub fn with_lines_of(self, limit: usize) -> Self {
        Self {
            line_limit: limit,
            ..self
        }
    }

    /// Bytes that it holds: of an event that has begun, and of the last id.
    pub fn held(&self) -> usize {
        self.named() + self.data.capacity() + self.line.capacity()
    }

    /// Bytes of type and id.
    fn named(&self) -> usize {
        let event = self.event.as_ref().map_or(0, String::len);
        event + self.id.as_ref().map_or(0, |id| id.len())
    }

    /// Reads the next piece of the stream and adds the events that it completes to `events`, also those before an error.
    pub fn feed(&mut self, mut piece: &[u8], events: &mut Vec<Event>) -> Result<(), TooLong> {
        if let Some(too_long) = self.too_long {
            return Err(too_long);
        }
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_return) && piece[0] == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let end = memchr2(b'\n', b'\r', piece);
            let part = &piece[..end.unwrap_or(piece.len())];
            let held = self.named() + self.data.len();
            // Of the two bounds the one that the line reaches first, wherever the stream was cut.
            let room = self.limit.saturating_sub(held);
            let (what, limit) = if room <= self.line_limit {
                ("event", self.limit)
            } else {
                ("line", self.line_limit)
            };
            if self.line.len() + part.len() > room.min(self.line_limit) {
                let too_long = TooLong { what, limit };
                self.too_long = Some(too_long);
                self.line = Vec::new();
                self.data = Vec::new();
                return Err(too_long);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else {
                return Ok(());
            };
            self.after_return = piece[end] == b'\r';
            piece = &piece[end + 1..];
            events.extend(self.end_line());
        }
        Ok(())
    }

    /// What a stream that ended still held: an event without the empty line that should end it. Browsers drop it; agents that forget that
    /// line exist. A line that was not ended is part of it.
    pub fn finish(mut self) -> Option<Event> {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.dispatch()
    }

    fn end_line(&mut self) -> Option<Event> {
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.first_line) && line.starts_with(b"\xEF\xBB\xBF") {
            line.drain(..3);
        }
        if line.is_empty() {
            self.line = line;
            return self.dispatch();
        }
        self.field(&line);
        line.clear();
        self.line = line;
        None
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => {
                let text = String::from_utf8_lossy(value).into_owned();
                self.event = Some(text).filter(|text| !text.is_empty());
            }
            b"id" if !value.contains(&0) => {
                let text = String::from_utf8_lossy(value);
                self.id = (!text.is_empty()).then(|| text.into());
            }
            // A comment (no name at all), a time to reconnect after, or something of the future.
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        let event = self.event.take();
        let mut data = std::mem::take(&mut self.data);
        // Without its last line feed. Events without data are none.
        data.pop()?;
        let data = String::from_utf8(data)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Some(Event {
            event,
            data,
            id: self.id.clone(),
        })
    }
}
