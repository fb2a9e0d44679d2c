//! What is known of sessions. AgentCore lists none, so this is all that there is: which conversation runs as which upstream session,
//! born when, on which version, and whether something is in flight.
//!
//! One replica keeps it in memory; several need one that they share. Both are behind [`Ledger`].

use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::SessionId;
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::gateway::agents::Kind;

/// Whose session: a verified caller, and the object that it called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The caller: its user name, and its UID where it has one.
    pub subject: Arc<str>,
    /// Kind of the object called.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// What a session is born with and keeps for life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Birth {
    /// Endpoint that it was first called through; none means DEFAULT.
    pub qualifier: Option<String>,
    /// Version that the endpoint served then, where it is known.
    pub version: Option<String>,
    /// How long AgentCore lets a session rest.
    pub idle_timeout: Duration,
    /// How long AgentCore lets a session live at most.
    pub max_lifetime: Duration,
}

/// A session as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The caller's id.
    pub conversation: SessionId,
    /// Rises each time that the conversation gets another upstream session.
    pub generation: u32,
    /// What it was born with.
    pub birth: Birth,
    /// First use of this generation.
    pub started_at: Timestamp,
    /// Last use.
    pub last_used_at: Timestamp,
    /// Requests and streams under way.
    pub in_flight: u32,
}

/// The answer to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entered {
    /// Which upstream session of the conversation to use.
    pub generation: u32,
    /// Whether it begins with this request, as far as the ledger knows.
    pub started: bool,
}

/// The ledger cannot be reached.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the session ledger is unavailable: {0}")]
pub struct LedgerUnavailable(pub String);

/// Who runs what.
pub trait Ledger: Send + Sync {
    /// A request enters a session: finds or makes its record and counts it in flight until [`Ledger::leave`].
    fn enter<'a>(
        &'a self,
        owner: &'a Owner,
        conversation: &'a SessionId,
        birth: Birth,
    ) -> BoxFuture<'a, Result<Entered, LedgerUnavailable>>;

    /// A request that entered is over; `reached` says whether it came as far as the session. A session that no request reached has not
    /// begun. Never waits.
    fn leave(&self, owner: &Owner, conversation: &SessionId, generation: u32, reached: bool);

    /// The sessions of a caller at an endpoint, oldest first.
    fn list<'a>(
        &'a self,
        owner: &'a Owner,
    ) -> BoxFuture<'a, Result<Vec<Record>, LedgerUnavailable>>;

    /// One session, if it is known.
    fn find<'a>(
        &'a self,
        owner: &'a Owner,
        conversation: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<Record>, LedgerUnavailable>>;

    /// The upstream session of `generation` is over: the conversation's next request gets another. Says nothing if it already did.
    fn replace<'a>(
        &'a self,
        owner: &'a Owner,
        conversation: &'a SessionId,
        generation: u32,
    ) -> BoxFuture<'a, Result<(), LedgerUnavailable>>;

    /// How many sessions are known.
    fn len(&self) -> usize;

    /// Whether none is known.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
