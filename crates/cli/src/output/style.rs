//! Colours: few, each with a meaning, and none where nobody can see them.

use std::fmt::Write as _;

use crate::args::Color;

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// On its way, or worth a look.
    Busy,
    /// Wrong.
    Bad,
    /// Less important.
    Dim,
    /// A name or a heading.
    Strong,
    /// Nothing special.
    Plain,
}

/// How words are coloured, or not.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// With colours or without.
    pub const fn new(on: bool) -> Self {
        Self { on }
    }

    /// A text in its tone.
    pub fn text(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Busy => "33",
            Tone::Bad => "31",
            Tone::Dim => "2",
            Tone::Strong => "1",
            Tone::Plain => "",
        };
        if !self.on || code.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        let mut painted = String::with_capacity(text.len() + 10);
        // Writing to a String cannot fail.
        let _ = write!(painted, "\x1b[{code}m{text}\x1b[0m");
        painted
    }
}

/// Whether there are colours.
pub fn wanted(color: Color, terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            terminal
                && !set("NO_COLOR")
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Takes control characters out of a text that came from elsewhere, so that it cannot drive the terminal; one line.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
