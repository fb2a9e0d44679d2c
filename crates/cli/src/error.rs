//! What can go wrong, in one line that says what to do, and the exit code of each.

use crate::exit::Exit;

/// A verb could not do its work. The text is one line in lower case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It failed.
    #[error("{0}")]
    Failed(String),
    /// What was asked for makes no sense; clap cannot know.
    #[error("{0}")]
    Usage(String),
    /// It was not so in time.
    #[error("{0}")]
    TimedOut(String),
    /// The object or its kind is not there.
    #[error("{0}")]
    NotFound(String),
    /// Not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// The cluster, the gateway or AWS cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// Whoever read the output has enough. Nothing is wrong.
    #[error("the output is closed")]
    Closed,
}

impl Error {
    /// Whether a kind cannot be looked at, while others may.
    pub fn hides_a_kind(&self) -> bool {
        matches!(self, Self::Forbidden(_) | Self::NotFound(_))
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Failed(_) => Exit::Failed,
            Self::Usage(_) => Exit::Usage,
            Self::TimedOut(_) => Exit::TimedOut,
            Self::NotFound(_) => Exit::NotFound,
            Self::Forbidden(_) => Exit::Forbidden,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Closed => Exit::Done,
        }
    }
}
