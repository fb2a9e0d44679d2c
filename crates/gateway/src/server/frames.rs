//! Where the headers of an HTTP/2 peer begin and end: read beside the protocol's own reader, which bounds a header's bytes and not its time.

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length of a frame's head (section 4.1).
const HEAD: usize = 9;
/// Types of frames that carry a header (sections 6.2 and 6.10).
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
/// The flag of a header's last frame.
const END_HEADERS: u8 = 4;

/// What has come of a connection.
#[derive(Debug, Default)]
pub(super) struct Frames {
    at: At,
    /// Headers that have begun.
    begun: u64,
    /// Within a header, its last frame is still to come.
    more: bool,
}

#[derive(Debug)]
enum At {
    /// As much of the preface.
    Preface(usize),
    /// As much of a frame's head.
    Head([u8; HEAD], usize),
    /// So many bytes of a frame are to come, of a header or not.
    Payload { left: usize, header: bool },
    /// It does not speak HTTP/2.
    Other,
}

impl Default for At {
    fn default() -> Self {
        Self::Preface(0)
    }
}

impl Frames {
    /// While a header is being read: how many came before it.
    pub(super) fn within_header(&self) -> Option<u64> {
        let within = self.more || matches!(self.at, At::Payload { header: true, .. });
        within.then_some(self.begun)
    }

    /// The next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.at {
                At::Other => return,
                At::Preface(had) => {
                    let taken = bytes.len().min(PREFACE.len() - *had);
                    if bytes[..taken] != PREFACE[*had..*had + taken] {
                        self.at = At::Other;
                        return;
                    }
                    *had += taken;
                    if *had == PREFACE.len() {
                        self.at = At::Head([0; HEAD], 0);
                    }
                    taken
                }
                At::Head(head, filled) => {
                    let taken = bytes.len().min(HEAD - *filled);
                    head[*filled..*filled + taken].copy_from_slice(&bytes[..taken]);
                    *filled += taken;
                    if *filled == HEAD {
                        let head = *head;
                        self.frame(head);
                    }
                    taken
                }
                At::Payload { left, .. } => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    if *left == 0 {
                        self.at = At::Head([0; HEAD], 0);
                    }
                    taken
                }
            };
            bytes = &bytes[taken..];
        }
    }

    fn frame(&mut self, head: [u8; HEAD]) {
        let [a, b, c, kind, flags, ..] = head;
        let left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let header = kind == HEADERS || kind == CONTINUATION;
        if kind == HEADERS {
            self.begun += 1;
        }
        if header {
            self.more = flags & END_HEADERS == 0;
        }
        self.at = match left {
            0 => At::Head([0; HEAD], 0),
            left => At::Payload { left, header },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("short");
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    /// What there is to say after each byte.
    fn told(bytes: &[u8]) -> Vec<Option<u64>> {
        let mut frames = Frames::default();
        frames.feed(PREFACE);
        let each = bytes.chunks(1).map(|byte| {
            frames.feed(byte);
            frames.within_header()
        });
        each.collect()
    }

    #[test]
    fn a_header_lasts_from_its_first_frames_head_to_the_last_byte_of_its_last_frame() {
        let bytes = [
            frame(4, 0, &[0; 6]),
            frame(HEADERS, 0, b"ab"),
            frame(CONTINUATION, END_HEADERS, b"c"),
            frame(0, 1, b"body"),
            frame(HEADERS, END_HEADERS, b"d"),
        ];
        let expected = [
            vec![None; 15],
            [vec![None; 8], vec![Some(1); 3]].concat(),
            [vec![Some(1); 9], vec![None]].concat(),
            vec![None; 13],
            [vec![None; 8], vec![Some(2)], vec![None]].concat(),
        ];
        assert_eq!(told(&bytes.concat()), expected.concat());
    }

    #[test]
    fn pieces_of_any_size_say_the_same() {
        let bytes = [frame(HEADERS, 0, b"abc"), frame(CONTINUATION, 0, b"")].concat();
        for size in 1..bytes.len() {
            let mut frames = Frames::default();
            let all = [PREFACE, &bytes].concat();
            all.chunks(size).for_each(|piece| frames.feed(piece));
            assert_eq!(frames.within_header(), Some(1), "in pieces of {size}");
        }
    }

    #[test]
    fn another_protocol_has_no_headers_here() {
        let mut frames = Frames::default();
        frames.feed(b"PRI / HTTP/1.1\r\n");
        frames.feed(&frame(HEADERS, 0, b"ab"));
        assert_eq!(frames.within_header(), None);
    }
}
