//! Where results go: standard output, with colours where they are wanted, quiet when nobody reads on.

mod screen;
mod style;
mod symbols;
mod table;
mod time;

pub use screen::Screen;
pub use style::{Paint, Tone, harmless};
pub use symbols::Symbols;
pub use table::Table;
pub use time::{ago, span};

use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::args::{Color, Format};
use crate::error::Error;

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// How words are coloured.
    pub paint: Paint,
    /// Whether a person looks at it.
    pub terminal: bool,
}

impl Output {
    /// Standard output, as it is.
    pub fn of_terminal(color: Color) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            paint: Paint::new(style::wanted(color, terminal)),
            terminal,
        }
    }

    /// Columns and lines of the terminal, if it is one.
    pub fn size(self) -> Option<(usize, usize)> {
        if !self.terminal {
            return None;
        }
        let (columns, lines) = terminal_size::terminal_size_of(io::stdout())?;
        (columns.0 > 0 && lines.0 > 0).then(|| (usize::from(columns.0), usize::from(lines.0)))
    }

    /// A place for frames. `redraw`: on a terminal they replace each other.
    pub fn screen(self, redraw: bool) -> Screen {
        Screen::new(self, redraw && self.terminal)
    }

    /// Writes text that ends its own lines.
    #[allow(clippy::unused_self)] // every result goes through the place where it belongs
    pub fn print(self, text: &str) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| closed(&error))
    }

    /// Writes a line.
    pub fn line(self, text: &str) -> Result<(), Error> {
        self.print(&format!("{text}\n"))
    }

    /// Writes a value as JSON or YAML.
    pub fn value(self, format: Format, value: &impl Serialize) -> Result<(), Error> {
        self.print(&written(format, value)?)
    }

    /// Puts a terminal back as it was before something live was shown.
    pub fn restore(self) {
        if self.terminal {
            // Nobody is left to tell if this fails.
            let _ = self.print(screen::SHOW);
        }
        // The next prompt does not stand behind a `^C`.
        if io::stderr().is_terminal() {
            let _ = writeln!(io::stderr());
        }
    }
}

/// A line for each item.
pub fn lines(items: impl IntoIterator<Item = impl Display>) -> String {
    let mut text = String::new();
    for item in items {
        // Into a String: cannot fail.
        let _ = writeln!(text, "{item}");
    }
    text
}

/// A value as YAML, or else as JSON.
pub fn written(format: Format, value: &impl Serialize) -> Result<String, Error> {
    let text = if format == Format::Yaml {
        serde_yaml::to_string(value).map_err(|error| error.to_string())
    } else {
        serde_json::to_string_pretty(value)
            .map(|text| text + "\n")
            .map_err(|error| error.to_string())
    };
    text.map_err(|error| Error::Failed(format!("the result cannot be written: {error}")))
}

/// A closed pipe is no failure: `| head` has enough.
pub fn closed(error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Error::Closed
    } else {
        Error::Failed(format!("the output cannot be written: {error}"))
    }
}

/// One line on standard error, as kubectl writes its own.
pub fn complain(error: &Error) {
    if !matches!(error, Error::Closed) {
        // Where standard error is closed there is no one to tell.
        let _ = writeln!(io::stderr(), "error: {}", harmless(&error.to_string()));
    }
}

/// A remark on standard error: not part of the result.
pub fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "{}", harmless(text));
}
