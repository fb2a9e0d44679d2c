//! What a pass ends in, for every kind.

use std::time::Duration;

use jiff::Timestamp;

use crate::fault::Fault;

/// Answer to a read: found, not there (404), or failed.
pub type Answer<T> = Result<Option<T>, Fault>;

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<R, A> {
    /// Read this and ask again, with the same view and the answer.
    Read(R),
    /// Write the status if it changed, do this, and ask again with the outcome.
    Act(A),
    /// Write the status if it changed, and leave the object alone until then.
    Rest(Rest),
}

/// When to look again. A change of the object, of one that it depends on or of its entry in the inventory always wakes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing to wait for.
    Settled,
    /// AWS is working: look at it at the pace of transitions (2 s, then 5 s, then 15 s). `since` is when the transition began.
    Transition {
        /// Beginning of the transition.
        since: Timestamp,
    },
    /// Look again after this time.
    After(Duration),
    /// A fault: look again after a random part of this time, at least 1 s (full jitter).
    Backoff(Duration),
    /// The finalizer is gone: forget the object.
    Forget,
}

/// What one call of the planner says.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<S, R, A> {
    /// Status to report. It is written before an action and before a rest, where it differs from the one that is there.
    pub status: S,
    /// What to do.
    pub step: Step<R, A>,
    /// Events to publish, once each: the caller publishes them when it acts or rests.
    pub events: Vec<Event>,
}

/// A Kubernetes Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether it is a warning.
    pub warning: bool,
    /// Constant of `agentcore_api::reasons`.
    pub reason: &'static str,
    /// Text for people.
    pub note: String,
}

/// Why the object is looked at, beyond a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The pace of transitions says that the object itself is to be read now.
    pub poll: bool,
    /// The slow sweep has come to this check of the object.
    pub sweep: Option<Sweep>,
}

/// Checks of the slow sweep, one call each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sweep {
    /// Tags of a runtime or an endpoint.
    Tags,
    /// Resource policy of a runtime.
    ResourcePolicy,
    /// An endpoint, DEFAULT included.
    Endpoint,
    /// Versions of a runtime that are not needed any more.
    Versions,
}
