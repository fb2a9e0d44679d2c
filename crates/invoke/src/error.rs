//! All that can go wrong with a call. Texts hold their causes, and never a payload, a query or a token.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::credentials::CredentialsError;
use crate::service_error::ServiceError;

/// A call that came to nothing.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// Why, the last time.
    pub error: Error,
    /// How often it was sent, or tried to be. None if there were no credentials to send it with.
    pub attempts: u32,
}

/// What a time-out was waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// A connection.
    Connect,
    /// The head of an answer.
    FirstByte,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "a connection",
            Self::FirstByte => "the beginning of an answer",
        })
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no credentials to sign with.
    #[error("{0}")]
    Credentials(CredentialsError),
    /// No connection came about: nothing was sent.
    #[error("cannot connect to AgentCore: {0}")]
    Connect(String),
    /// It took too long.
    #[error("timed out waiting for {0}")]
    Timeout(Phase),
    /// The connection broke before the head of an answer: whether the agent worked on the request is not known.
    #[error("connection to AgentCore broke off: {0}")]
    BrokenOff(String),
    /// AWS said no.
    #[error("{0}")]
    Service(ServiceError),
    /// The request's own body could not be read to its end.
    #[error("cannot read the request's payload: {0}")]
    Payload(io::Error),
    /// The agent did not want a WebSocket.
    #[error("agent refused the WebSocket with status {status}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// Its headers.
        headers: HeaderMap,
        /// The beginning of its body, up to 64 KiB.
        body: Bytes,
    },
    /// The upgrade was answered with 101, but not as the protocol says.
    #[error("answer to the WebSocket handshake is wrong: {0}")]
    Handshake(String),
    /// A request that cannot be signed, such as one with a body that is not known to its end.
    #[error("cannot sign the request: {0}")]
    Unsignable(String),
    /// A request that cannot be sent over HTTP.
    #[error("cannot write the request: {0}")]
    Malformed(String),
}

impl Error {
    /// One word for logs and metrics, the same for all errors of a kind; AWS's errors are under their own names in
    /// [`ServiceError::name`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Credentials(_) => "credentials",
            Self::Connect(_) => "connect",
            Self::Timeout(Phase::Connect) => "connect_timeout",
            Self::Timeout(Phase::FirstByte) => "first_byte_timeout",
            Self::BrokenOff(_) => "broken_off",
            Self::Service(_) => "service",
            Self::Payload(_) => "payload",
            Self::Refused { .. } => "refused",
            Self::Handshake(_) => "handshake",
            Self::Unsignable(_) => "unsignable",
            Self::Malformed(_) => "malformed",
        }
    }
}

/// Why a URL could not be presigned.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PresignError {
    /// There are no credentials to sign with.
    #[error("{0}")]
    Credentials(CredentialsError),
    /// AgentCore takes 1 to 300 seconds.
    #[error("presigned URL for {0} seconds: expected 1 to 300")]
    Expiry(u64),
    /// The URL cannot be signed.
    #[error("cannot sign the URL: {0}")]
    Unsignable(String),
}

/// An error and its causes in one line, none said twice.
pub(crate) fn flat(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}
