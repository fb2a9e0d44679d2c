//! What went wrong with an AWS call, in the nine classes that decide what happens next.

/// Class of a fault. It decides when the call is tried again and which reason the condition carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// AWS slows us down (429).
    Throttled,
    /// No answer, or an error of the service's own; the call may have had its effect.
    Transient,
    /// A role, image or service-linked role that was just made is not usable everywhere yet.
    NotYet,
    /// The name is taken, or the resource is in a state that forbids the call.
    Conflict,
    /// The resource is not there (404).
    Gone,
    /// The operator's credentials are missing, wrong or not allowed to do it.
    Denied,
    /// The request is wrong and stays wrong.
    Invalid,
    /// A quota of the account is used up (402).
    Quota,
    /// Anything else.
    Unknown,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Class of the fault.
    pub class: Class,
    /// Reason for the condition, a constant of `agentcore_api::reasons`.
    pub reason: &'static str,
    /// AWS's error name, such as `ValidationException`; `Timeout` and `Dispatch` when no answer came.
    pub code: String,
    /// AWS's own text.
    pub message: String,
    /// AWS request id, where there is one.
    pub request_id: Option<String>,
}

impl Fault {
    /// Whether it is the answer that AWS may give for an endpoint that is gone: AccessDenied, with words that say so.
    pub fn says_gone(&self) -> bool {
        self.class == Class::Denied && self.message.to_lowercase().contains("not found")
    }
}
