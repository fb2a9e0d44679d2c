//! Session ids as the data plane takes them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Fewest and most characters of a session id.
const LENGTH: std::ops::RangeInclusive<usize> = 33..=256;

/// Why a text is no session id. It is not repeated: who knows a session's id may speak in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionIdError {
    /// Too short or too long; how long it is, in bytes.
    #[error("session id of {0} characters: expected 33 to 256")]
    Length(usize),
    /// A character that may not be there.
    #[error(
        "session id: expected a letter or digit, then letters, digits, hyphens and underscores"
    )]
    Alphabet,
}

/// The id of a session: 33 to 256 letters, digits, hyphens and underscores, the first a letter or digit. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// The id as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        if !LENGTH.contains(&text.len()) {
            return Err(SessionIdError::Length(text.len()));
        }
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !text.bytes().all(good) || text.starts_with(['-', '_']) {
            return Err(SessionIdError::Alphabet);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.0)
    }
}
