//! The line that a person writes: edited, and remembered for the next time.

use std::path::PathBuf;

use rustyline::config::Configurer as _;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;

use crate::error::Error;

/// Most lines that are remembered.
const REMEMBERED: usize = 1000;
/// Before what is written.
const PROMPT: &str = "> ";

type Inner = rustyline::Editor<(), FileHistory>;

/// Reads lines from a terminal.
pub struct Editor {
    inner: Inner,
    history: Option<PathBuf>,
}

/// What a person did.
pub enum Line {
    /// Wrote something.
    Text(String),
    /// Pressed Enter and no more.
    Nothing,
    /// Pressed Ctrl-C.
    Interrupted,
    /// Pressed Ctrl-D.
    End,
}

impl Editor {
    /// With the lines of former chats.
    pub fn new() -> Result<Self, Error> {
        let mut inner = Inner::new().map_err(|error| unusable(&error))?;
        inner.set_auto_add_history(false);
        // A number that fits cannot be refused.
        let _ = inner.set_max_history_size(REMEMBERED);
        let history = history();
        if let Some(file) = &history {
            // The first time there is none.
            let _ = inner.load_history(file);
        }
        Ok(Self { inner, history })
    }

    /// Reads a line. The editor comes back with it: it works on a thread of its own, as reading keys waits.
    pub async fn read(self) -> Result<(Line, Self), Error> {
        let read = tokio::task::spawn_blocking(move || self.blocking());
        read.await
            .map_err(|error| Error::Failed(format!("the line editor broke off: {error}")))?
    }

    fn blocking(mut self) -> Result<(Line, Self), Error> {
        let line = match self.inner.readline(PROMPT) {
            Ok(text) if text.trim().is_empty() => Line::Nothing,
            Ok(text) => {
                let _ = self.inner.add_history_entry(&text);
                if let Some(file) = &self.history {
                    // A chat without a memory is still a chat.
                    let _ = self.inner.append_history(file);
                }
                Line::Text(text)
            }
            Err(ReadlineError::Interrupted) => Line::Interrupted,
            Err(ReadlineError::Eof) => Line::End,
            Err(error) => return Err(unusable(&error)),
        };
        Ok((line, self))
    }
}

fn unusable(error: &ReadlineError) -> Error {
    Error::Failed(format!(
        "lines cannot be read from this terminal: {error}; pipe them in, or use --once"
    ))
}

/// `$XDG_STATE_HOME/kubectl-agentcore/chat-history`.
fn history() -> Option<PathBuf> {
    let given = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let state = given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")))?;
    let folder = state.join("kubectl-agentcore");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("chat-history"))
}
