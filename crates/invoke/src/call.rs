//! What is asked of the client, and what comes back.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::body::Incoming;

use crate::arn::RuntimeArn;
use crate::body::Payload;

/// The header that carries a session's id, in and out.
pub const SESSION_HEADER: HeaderName =
    HeaderName::from_static("x-amzn-bedrock-agentcore-runtime-session-id");

/// A runtime, and which of its endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The runtime.
    pub arn: RuntimeArn,
    /// The endpoint's name; `DEFAULT` is meant where there is none.
    pub qualifier: Option<String>,
}

/// How a request proves who asks.
#[derive(Clone)]
pub enum Auth {
    /// Signed with the client's credentials.
    SigV4,
    /// The whole value of the Authorization header, for runtimes with a JWT authorizer.
    Bearer(HeaderValue),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SigV4 => "SigV4",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}

/// What may be sent a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resend {
    /// Only what was certainly not processed: no connection came about, AWS said 429 or RetryableConflictException, or it did not know
    /// the credentials, which are then renewed once.
    Safe,
    /// Also after 424 (once), errors of AWS of the 5xx kind and connections that broke before an answer: the agent may see it twice.
    Idempotent,
}

/// An invocation.
#[derive(Debug)]
pub struct Invoke<'a> {
    /// Who is invoked.
    pub target: &'a Target,
    /// Headers for the agent, filtered already. Host, connection, framing and authentication are the client's and are replaced; the rest
    /// is sent as it is.
    pub headers: HeaderMap,
    /// The body.
    pub payload: Payload,
    /// Who asks.
    pub auth: Auth,
    /// Until the head of the answer, over all attempts and the waits between them.
    pub first_byte: Duration,
    /// What may be sent again.
    pub resend: Resend,
}

/// A WebSocket to open.
#[derive(Debug)]
pub struct Upgrade<'a> {
    /// Who is called.
    pub target: &'a Target,
    /// As in [`Invoke`]; `Sec-WebSocket-Protocol` is passed on, the rest of the handshake is the client's.
    pub headers: HeaderMap,
    /// Who asks.
    pub auth: Auth,
    /// Until the answer to the handshake.
    pub first_byte: Duration,
}

/// The agent's answer, whatever its status: AWS's own errors are never one.
#[derive(Debug)]
pub struct Answer {
    /// The status that the agent gave.
    pub status: StatusCode,
    /// All headers, hop-by-hop ones too.
    pub headers: HeaderMap,
    /// The body as it comes. Dropping it ends the request.
    pub body: Incoming,
    /// AWS's id of the request.
    pub request_id: Option<String>,
    /// How often it was sent.
    pub attempts: u32,
}
