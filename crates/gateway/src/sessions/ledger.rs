//! What is known of sessions. AgentCore lists none, so this is all that there is: which conversation runs as which upstream session,
//! born when, on which version, and whether something is in flight.
//!
//! One replica keeps it in memory; several need one that they share. Both are behind [`Ledger`].

use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::SessionId;
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::agents::Kind;
use crate::shares::Shares;

/// How many conversations a ledger in memory remembers, where nothing else is said.
pub const RECORDS: u64 = 100_000;
/// How many conversations a shared ledger remembers, where nothing else is said: each takes about a kilobyte of the server.
pub const RECORDS_SHARED: u64 = 1_000_000;
/// Most sessions of one page of a list.
pub const PAGE_MAX: usize = 1_000;

/// The shares of callers and namespaces in so many records: a quarter for one caller, half for all callers of the agents of one namespace.
///
/// Whoever is beyond a share makes room by what was unused for longest, and nothing in flight is forgotten. A caller makes room by records of its
/// own. Where a namespace or the whole ledger is full without one caller being beyond its share, the caller that has most there makes room.
/// A conversation that is forgotten takes its next request for its first: it reaches the same upstream session, unless that was replaced before.
pub const fn shares(records: u64) -> Shares {
    const fn at_least_one(number: u64) -> u64 {
        if number == 0 { 1 } else { number }
    }
    Shares {
        caller: at_least_one(records / 4),
        namespace: at_least_one(records / 2),
        all: at_least_one(records),
    }
}

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

/// A part of a list of sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The sessions, the longest unused first; there may be none although more follow.
    pub records: Vec<Record>,
    /// Where the next part begins; none at the end.
    pub next: Option<u64>,
}

/// A part of the sessions of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// The sessions, in no order; there may be none although more follow.
    pub members: Vec<Member>,
    /// Where the next part begins; none at the end.
    pub next: Option<Cursor>,
}

/// Where to go on among the sessions of a group. Only the ledger that gave it can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub(super) u64, pub(super) u64);

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

    /// At most `limit` sessions of a caller at an endpoint, and no more than [`PAGE_MAX`], from where a part before ended (0: from the beginning). A session
    /// that is used while its caller turns pages may be there twice; none is left out.
    fn list<'a>(
        &'a self,
        owner: &'a Owner,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Listed, LedgerUnavailable>>;

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
    fn counts(&self) -> BoxFuture<'_, Result<Vec<(Group, Count)>, LedgerUnavailable>>;

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

    /// Some sessions of a group, from where a part before ended. What is used meanwhile may be missed or named twice.
    fn members<'a>(
        &'a self,
        group: &'a Group,
        from: Option<Cursor>,
    ) -> BoxFuture<'a, Result<Members, LedgerUnavailable>>;

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

    /// How many sessions are known, at the last count.
    fn len(&self) -> usize;

    /// How many conversations were forgotten to make room, by this replica.
    fn forgotten(&self) -> u64;

    /// How many values of the ledger were met that nobody can read: each counts as absent.
    fn unreadable(&self) -> u64;

    /// Whether none is known.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
