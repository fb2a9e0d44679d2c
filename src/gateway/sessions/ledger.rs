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
    /// [Edition](agentcore_api::report::edition) of the version that the endpoint served then, where it is known.
    pub version: Option<Arc<str>>,
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
    /// Whether the agent's last answer said that it works on by itself.
    pub busy: bool,
}

/// The sessions of one object that were born on one version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    /// Kind of the object called.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The version, or rather its edition; none where it was not known.
    pub version: Option<Arc<str>>,
}

impl Group {
    /// The group of a session.
    pub fn of(owner: &Owner, version: Option<&Arc<str>>) -> Self {
        Self {
            kind: owner.kind,
            namespace: owner.namespace.clone(),
            name: owner.name.clone(),
            version: version.cloned(),
        }
    }
}

/// How many sessions a group has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Those of their conversations.
    pub current: u32,
    /// Those that only wait for their end.
    pub retired: u32,
}

impl Count {
    /// Both.
    pub const fn all(self) -> u32 {
        self.current.saturating_add(self.retired)
    }
}

/// One session among all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Whose it is.
    pub owner: Owner,
    /// What is known of it.
    pub record: Record,
    /// Its conversation has gone on in another session: it only waits for its end.
    pub retired: bool,
}

/// When a stale session makes room for a new one by the turn that comes for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiveWay {
    /// Once nothing was in flight for this long.
    pub idle: Duration,
    /// Also while something is in flight, which goes on in the old session.
    pub in_flight: bool,
    /// Also where the agent's last answer said that it works on.
    pub busy: bool,
}

/// A request that enters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What its session is born with, if it begins with this request.
    pub birth: Birth,
    /// When a session of another version makes room; none: never.
    pub give_way: Option<GiveWay>,
}

/// What was seen of a request at its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Whether it came as far as the session. A session that no request reached has not begun.
    pub reached: bool,
    /// Whether the agent said that it works on by itself; none where it did not answer.
    pub busy: Option<bool>,
}

/// The answer to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// Which upstream session of the conversation to use.
    pub generation: u32,
    /// Whether it begins with this request, as far as the ledger knows.
    pub started: bool,
    /// Edition that it was born on, where it is known.
    pub version: Option<Arc<str>>,
    /// Tells this request from others, for its end.
    pub ticket: u64,
}

/// The ledger cannot be reached.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the session ledger is unavailable: {0}")]
pub struct LedgerUnavailable(pub String);

/// Who runs what.
pub trait Ledger: Send + Sync {
    /// A request enters a session: finds or makes its record and counts it in flight until [`Ledger::leave`]. A stale session may give
    /// way: it is retired, and the conversation's next generation begins. Where replicas share the ledger, that takes more than the word
    /// of the one that asks, which may lag behind: the session's group was judged stale.
    fn enter<'a>(
        &'a self,
        owner: &'a Owner,
        conversation: &'a SessionId,
        entry: Entry,
    ) -> BoxFuture<'a, Result<Entered, LedgerUnavailable>>;

    /// A request that entered is over. Never waits.
    fn leave(&self, owner: &Owner, conversation: &SessionId, entered: &Entered, left: Left);

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

    /// How many sessions there are, by object and version of birth. An object whose sessions were all stopped is there with none.
    fn survey(&self) -> BoxFuture<'_, Result<Vec<(Group, Count)>, LedgerUnavailable>>;

    /// Notes which groups are stale now and which are current; gives for each stale one since when it is, by whichever replica saw it first.
    fn judge<'a>(
        &'a self,
        stale: &'a [Group],
        current: &'a [Group],
    ) -> BoxFuture<'a, Result<Vec<Timestamp>, LedgerUnavailable>>;

    /// Since when groups are stale by the last judgement; none for those that are not.
    fn stale_since<'a>(
        &'a self,
        groups: &'a [Group],
    ) -> BoxFuture<'a, Result<Vec<Option<Timestamp>>, LedgerUnavailable>>;

    /// The sessions of a group, in no order.
    fn members<'a>(
        &'a self,
        group: &'a Group,
    ) -> BoxFuture<'a, Result<Vec<Member>, LedgerUnavailable>>;

    /// Takes a session out of its conversation, whose next request gets another: true if it is retired now, or was before. Not where it
    /// was used since `record` was read, or has something in flight, unless `in_flight` says that this does not matter.
    fn retire<'a>(
        &'a self,
        owner: &'a Owner,
        record: &'a Record,
        in_flight: bool,
    ) -> BoxFuture<'a, Result<bool, LedgerUnavailable>>;

    /// A retired session has ended: it is forgotten.
    fn ended<'a>(
        &'a self,
        owner: &'a Owner,
        record: &'a Record,
    ) -> BoxFuture<'a, Result<(), LedgerUnavailable>>;

    /// Counts stale sessions of an object that were stopped since `live` serves; gives the count after adding `more`.
    fn stopped<'a>(
        &'a self,
        live: &'a Group,
        more: u32,
    ) -> BoxFuture<'a, Result<u32, LedgerUnavailable>>;

    /// How many sessions are known; of a shared ledger, at the last survey.
    fn len(&self) -> usize;

    /// Whether none is known.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
