//! Who holds the Lease, and until when its holder may change AWS.
//!
//! Decisions only. A [`Candidate`] says what to ask the API server, or how long to wait, and is told what was answered and what time it is;
//! [`Lead`] says whether a change of AWS may begin or go on. The operator's `crates/cluster/src/lease` asks, waits and obeys. Each replica judges by its own
//! clock alone: nothing that another one's clock said gets this far.

mod candidate;
mod lead;
#[cfg(test)]
mod model;
mod seen;

use std::time::Duration;

use jiff::Timestamp;

pub use candidate::{Answer, Candidate, End, Request, Step};
pub use lead::Lead;

/// A moment by a clock that nobody can set, and that counts while the machine sleeps. Those of two machines cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// This long after the clock began to count.
    #[must_use]
    pub const fn at(time: Duration) -> Self {
        Self(time)
    }

    /// This much later.
    #[must_use]
    pub const fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// How long it is from `earlier` to this; nothing if it is before that.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The times that replicas keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// After so long without a change a lease may be taken.
    pub duration: Duration,
    /// So long after its last renewal began its holder stops.
    pub renew_deadline: Duration,
    /// Pause between renewals, and between looks at somebody else's lease.
    pub retry: Duration,
    /// Longest wait for an answer of the API server.
    pub request: Duration,
    /// No change of AWS begins with less than this left: what was begun must have been sent, and mostly answered, before the end.
    pub margin: Duration,
}

impl Terms {
    /// Those of the operator, from `docs/adr/0014-own-elector.md`.
    pub const OPERATOR: Self = Self {
        duration: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry: Duration::from_secs(2),
        request: Duration::from_secs(4),
        margin: Duration::from_secs(3),
    };
}

/// What stands in the Lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// `resourceVersion`: another one for each write.
    pub version: String,
    /// `holderIdentity`; absent or empty where nobody holds it.
    pub holder: Option<String>,
    /// `acquireTime`, by which a replica knows its own lease again. It is compared with what that replica wrote, never with a clock.
    pub acquired: Option<Timestamp>,
    /// `leaseTransitions`.
    pub transitions: i32,
}

/// A lease that this replica took.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// `resourceVersion` of its last write.
    pub version: String,
    /// `acquireTime` that it wrote.
    pub acquired: Timestamp,
}

impl Hold {
    /// What is held if this is still what `identity` took: a write whose answer was lost changed the version alone.
    fn still(&self, identity: &str, record: &Record) -> Option<Self> {
        let same =
            record.holder.as_deref() == Some(identity) && record.acquired == Some(self.acquired);
        same.then(|| Self {
            version: record.version.clone(),
            acquired: self.acquired,
        })
    }
}
