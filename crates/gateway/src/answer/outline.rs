//! The outermost level of a JSON object: of a request of any length as much as says which one it is.

use std::io;

use agentcore_invoke::Spooled;

/// Most bytes that are kept of a request: with names and ids of ordinary length it is some hundred.
const OUTLINE_MAX: usize = 16 << 10;
/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;

/// JSON with `null` for each object and array below the outermost.
#[derive(Default)]
pub struct Outline {
    kept: Vec<u8>,
    depth: u64,
    in_string: bool,
    escaped: bool,
}

impl Outline {
    /// Of a body in a file; none when the outermost level itself is too long. It waits for the disk.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(spooled: &Spooled) -> io::Result<Option<Vec<u8>>> {
        let (mut outline, mut buffer, mut at) = (Self::default(), vec![0; CHUNK], 0);
        loop {
            let read = spooled.read_at(&mut buffer, at)?;
            if read == 0 {
                return Ok(Some(outline.kept));
            }
            outline.push(&buffer[..read]);
            if outline.kept.len() > OUTLINE_MAX {
                return Ok(None);
            }
            at += read as u64;
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let outermost = self.depth <= 1;
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth == 2 {
                        self.kept.extend_from_slice(b"null");
                        continue;
                    }
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if outermost {
                self.kept.push(byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_level_is_kept_wherever_the_pieces_end() {
        for (whole, outline) in [
            (
                r#"{"params": {"id": 1, "a": [{"id": 2}, "]}"]}, "id": 7, "x": []}"#,
                r#"{"params": null, "id": 7, "x": null}"#,
            ),
            (
                r#"{"a\"{": "\\", "b": {"c": "\"}"}, "id": "[{\"\u0041"}"#,
                r#"{"a\"{": "\\", "b": null, "id": "[{\"\u0041"}"#,
            ),
            (r#"[{"id": 1}, 2]"#, "[null, 2]"),
            ("{} {", "{} {"),
            ("]}7", "]}7"),
        ] {
            for piece in 1..=whole.len() {
                let mut found = Outline::default();
                let pieces = whole.as_bytes().chunks(piece);
                pieces.for_each(|piece| found.push(piece));
                assert_eq!(String::from_utf8_lossy(&found.kept), outline, "{piece}");
            }
        }
    }
}
