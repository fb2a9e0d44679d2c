//! Frames that replace each other on a terminal; elsewhere each that differs is written after the one before.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

use super::Output;
use crate::error::Error;

/// Hides the cursor.
const HIDE: &str = "\x1b[?25l";
/// Shows the cursor.
pub const SHOW: &str = "\x1b[?25h";

/// Where frames are shown.
pub struct Screen {
    output: Output,
    redraw: bool,
    /// Lines of the frame that is there.
    lines: usize,
    last: String,
}

impl Screen {
    pub(super) fn new(output: Output, redraw: bool) -> Self {
        Self {
            output,
            redraw,
            lines: 0,
            last: String::new(),
        }
    }

    /// Shows a frame in the place of the one before.
    pub fn show(&mut self, text: &str) -> Result<(), Error> {
        let Some((columns, rows)) = self.output.size().filter(|_| self.redraw) else {
            if *text == self.last {
                return Ok(());
            }
            let gap = if self.last.is_empty() { "" } else { "\n" };
            text.clone_into(&mut self.last);
            return self.output.print(&format!("{gap}{text}"));
        };
        let (frame, lines) = fitted(text, columns, rows);
        let mut out = String::from(HIDE);
        if self.lines > 0 {
            let _ = write!(out, "\x1b[{}A", self.lines); // into a String: cannot fail
        }
        out.push_str("\r\x1b[J");
        out.push_str(&frame);
        self.lines = lines;
        self.output.print(&out)
    }

    /// Leaves the last frame where it is.
    pub fn end(&mut self) -> Result<(), Error> {
        self.lines = 0;
        if self.redraw {
            self.output.print(SHOW)?;
        }
        Ok(())
    }
}

/// As much of a text as the terminal holds, and its lines: a frame that scrolls cannot be replaced.
fn fitted(text: &str, columns: usize, rows: usize) -> (String, usize) {
    let all: Vec<&str> = text.lines().collect();
    let room = rows.saturating_sub(1).max(1);
    let mut frame = String::new();
    let kept = if all.len() > room {
        room - 1
    } else {
        all.len()
    };
    for line in &all[..kept] {
        frame.push_str(&clipped(line, columns));
        frame.push('\n');
    }
    if kept < all.len() {
        let _ = writeln!(frame, "... {} lines more", all.len() - kept); // into a String: cannot fail
    }
    (frame, kept + usize::from(kept < all.len()))
}

/// A line that does not wrap; colour codes take no room, and end with the line.
fn clipped(line: &str, columns: usize) -> String {
    let (mut out, mut used, mut code) = (String::new(), 0, false);
    for c in line.chars() {
        if c == '\x1b' {
            code = true;
        }
        if code {
            out.push(c);
            code = c != 'm';
            continue;
        }
        used += c.width().unwrap_or(0);
        if used > columns {
            out.push_str("\x1b[0m");
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_never_scrolls_or_wraps() {
        let text = "a\nb\nc\nd\n";
        assert_eq!(fitted(text, 10, 24), ("a\nb\nc\nd\n".to_owned(), 4));
        assert_eq!(
            fitted(text, 10, 4),
            ("a\nb\n... 2 lines more\n".to_owned(), 3)
        );
        assert_eq!(clipped("\x1b[31mabcdef\x1b[0m", 3), "\x1b[31mabc\x1b[0m");
    }
}
