//! What is told of every call: one attempt each, because the SDK's own retries are off.

use std::time::Duration;

use agentcore_plan::fault::Class;

use super::operation::Operation;
use super::rate_limiter::Priority;

/// One call to AWS that ended.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What was called.
    pub operation: Operation,
    /// Where.
    pub region: &'a str,
    /// The priority with which the call waited.
    pub priority: Priority,
    /// `OK`, AWS's error name, or `Timeout`, `Dispatch`, `Credentials`, `Construction`, `Unreadable`, `Cancelled`. At most 64
    /// characters of an error name's alphabet, so that it can be a metric label.
    pub code: &'a str,
    /// Class of the fault; `None` for a success and for a call that was given up by its caller.
    pub class: Option<Class>,
    /// From the token to the answer.
    pub took: Duration,
    /// From the wish to call to the token.
    pub waited: Duration,
}

/// A look at a repository that ended.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// Name of the repository.
    pub repository: &'a str,
    /// `success`, `incomplete` where there is more than is looked at, or the reason of a failure.
    pub result: &'static str,
    /// Time between looks of who asked, where somebody follows the repository.
    pub interval: Option<Duration>,
}

/// Counts and times calls.
pub trait CallObserver: Send + Sync + 'static {
    /// Called once for each attempt, when it ends. Must not block.
    fn observe(&self, call: &Call<'_>);

    /// Called with 1 when a call begins to wait for a token, and with -1 when it has one or gives up. Must not block.
    fn waits(&self, _: Operation, _: Priority, _change: i64) {}

    /// Called once for each look at a repository, when it ends. Must not block.
    fn scanned(&self, _: &Scan<'_>) {}
}

/// Looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl CallObserver for Unobserved {
    fn observe(&self, _: &Call<'_>) {}
}
