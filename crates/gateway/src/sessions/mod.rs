//! Sessions: a caller's conversation, the upstream session that it runs as, and what is known of both.

pub mod drain;
pub mod id;
pub mod ledger;
pub mod memory;
pub mod metrics;
pub mod policy;
pub mod redis;
pub mod report;
pub mod stream_cancel;
#[cfg(test)]
mod suite;
pub mod work_signal;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agentcore_invoke::{Error, Failed, Phase, SessionId};
use axum::http::StatusCode;

use crate::agents::Agent;
use crate::identity::Identity;
use crate::shares::{Full, Holder, Pool, Shares};
use id::Deriver;
use ledger::{Birth, Entered, Entry, Group, Ledger, LedgerUnavailable, Left, Owner, Record};
use stream_cancel::{StreamCancel, StreamCancels};
use work_signal::WorkSignal;

/// Parts of lists that are read at once. Each takes the ledger for some milliseconds.
const LISTS: Shares = Shares {
    caller: 2,
    namespace: 8,
    all: 16,
};

/// All sessions of this gateway.
#[derive(Clone)]
pub struct Sessions {
    deriver: Deriver,
    ledger: Arc<dyn Ledger>,
    stream_cancels: Arc<StreamCancels>,
    lists: Arc<Pool>,
}

/// A request inside a session; it leaves when this is dropped.
pub struct SessionGuard {
    ledger: Arc<dyn Ledger>,
    /// Whose session.
    pub owner: Owner,
    /// The caller's id, made or given.
    pub conversation: SessionId,
    /// AgentCore's id.
    pub upstream: SessionId,
    /// Whether the upstream session begins with this request.
    pub started: bool,
    /// What the agent says of whether it works on.
    pub work_signal: WorkSignal,
    /// None for a declared session, which the ledger does not have.
    entered: Option<Entered>,
    stream_cancels: Arc<StreamCancels>,
    reached: AtomicBool,
}

impl SessionGuard {
    /// The request is on its way: the session may exist from now on, also if nobody waits for the answer any more.
    pub fn sent(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }

    /// The request that was sent did not come as far as the session.
    pub fn turned_away(&self) {
        self.reached.store(false, Ordering::Relaxed);
    }

    /// Which upstream session of its conversation it is in.
    pub fn generation(&self) -> u32 {
        self.entered
            .as_ref()
            .map_or(0, |entered| entered.generation)
    }

    /// What ends its stream at the deadline of a drain.
    pub fn stream_cancel(&self) -> StreamCancel {
        let version = self.entered.as_ref().and_then(|one| one.version.as_ref());
        let group = Group::of(&self.owner, version);
        StreamCancel::new(self.stream_cancels.clone(), group)
    }

    /// The request failed. Whether it reached the session depends on how.
    pub fn failed(&self, failed: &Failed) {
        if was_turned_away(failed) {
            self.turned_away();
        }
    }
}

/// Whether a call that failed did not reach its session for certain: the first attempt was the only one. Where there were more, what became
/// of the earlier ones is not known.
pub fn was_turned_away(failed: &Failed) -> bool {
    let turned_away = match &failed.error {
        Error::Connect(_) | Error::Timeout(Phase::Connect) => true,
        Error::Service(error) => {
            error.status.is_client_error() && error.status != StatusCode::FAILED_DEPENDENCY
        }
        _ => false,
    };
    failed.attempts == 0 || (failed.attempts == 1 && turned_away)
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let Some(entered) = &self.entered else {
            return;
        };
        let left = Left {
            reached: self.reached.load(Ordering::Relaxed),
            busy: self.work_signal.working(),
        };
        self.ledger
            .leave(&self.owner, &self.conversation, entered, left);
    }
}

/// A session as its owner may see it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What the ledger has.
    pub record: Record,
    /// AgentCore's id.
    pub upstream: SessionId,
}

/// Why there is no list of sessions.
#[derive(Debug, thiserror::Error)]
pub enum NoList {
    /// The caller, or everybody, asks for too many at once.
    #[error(transparent)]
    Full(#[from] Full),
    /// The ledger does not answer.
    #[error(transparent)]
    Unavailable(#[from] LedgerUnavailable),
}

/// Whose sessions a caller's are, at an agent.
pub fn owner(who: &Identity, agent: &Agent) -> Owner {
    Owner {
        subject: subject(who),
        kind: agent.kind,
        namespace: agent.namespace.clone(),
        name: agent.name.clone(),
    }
}

/// A caller that was deleted and made anew under the same name is another one, where Kubernetes says so by a UID.
fn subject(who: &Identity) -> Arc<str> {
    match &who.uid {
        Some(uid) => format!("{}\n{uid}", who.user).into(),
        None => who.user.as_str().into(),
    }
}

impl Sessions {
    /// With the secret that all replicas share.
    pub fn new(key: &[u8], ledger: Arc<dyn Ledger>) -> Self {
        Self {
            deriver: Deriver::new(key),
            ledger,
            stream_cancels: Arc::default(),
            lists: Pool::new("lists of sessions at once", LISTS),
        }
    }

    /// Seals and log names.
    pub fn deriver(&self) -> &Deriver {
        &self.deriver
    }

    /// What is known of sessions.
    pub fn ledger(&self) -> &dyn Ledger {
        &*self.ledger
    }

    /// What ends streams of stale sessions.
    pub fn stream_cancels(&self) -> &StreamCancels {
        &self.stream_cancels
    }

    /// How many sessions are known.
    pub fn len(&self) -> usize {
        self.ledger.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.ledger.is_empty()
    }

    /// Enters the session that a caller names, or a new one.
    pub async fn enter(
        &self,
        owner: Owner,
        agent: &Agent,
        named: Option<SessionId>,
    ) -> Result<SessionGuard, LedgerUnavailable> {
        if let Some(session) = &agent.session {
            return Ok(self.enter_declared(owner, session));
        }
        let conversation = named.unwrap_or_else(id::fresh);
        let entry = Entry {
            birth: Birth {
                qualifier: agent.target.qualifier.clone(),
                version: agent.edition.clone(),
                idle_timeout: agent.idle_timeout,
                max_lifetime: agent.max_lifetime,
            },
            give_way: agent.sessions.give_way(),
        };
        let entered = self.ledger.enter(&owner, &conversation, entry).await?;
        let upstream = self
            .deriver
            .upstream(&owner, &conversation, entered.generation);
        Ok(SessionGuard {
            ledger: self.ledger.clone(),
            owner,
            conversation,
            upstream,
            started: entered.started,
            work_signal: WorkSignal::default(),
            entered: Some(entered),
            stream_cancels: self.stream_cancels.clone(),
            reached: AtomicBool::new(false),
        })
    }

    /// Enters a declared session: its id is the controller's, whoever calls and whatever id they give.
    fn enter_declared(&self, owner: Owner, session: &SessionId) -> SessionGuard {
        SessionGuard {
            ledger: self.ledger.clone(),
            owner,
            conversation: session.clone(),
            upstream: session.clone(),
            started: false,
            work_signal: WorkSignal::default(),
            entered: None,
            stream_cancels: self.stream_cancels.clone(),
            reached: AtomicBool::new(false),
        }
    }

    /// A part of the sessions of a caller at an agent, the longest unused first; and where the next part begins, if there is one. `after`, `limit`:
    /// as [`Ledger::list`] takes them.
    ///
    /// # Errors
    /// The ledger does not answer, or too many lists are asked for at once.
    pub async fn list(
        &self,
        owner: &Owner,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<Seen>, Option<u64>), NoList> {
        let holder = Holder {
            caller: owner.subject.clone(),
            namespace: owner.namespace.clone(),
        };
        let _held = self.lists.take(&holder, 1)?;
        let listed = self.ledger.list(owner, after, limit).await?;
        let seen = |record: Record| Seen {
            upstream: self
                .deriver
                .upstream(owner, &record.conversation, record.generation),
            record,
        };
        Ok((listed.records.into_iter().map(seen).collect(), listed.next))
    }

    /// AgentCore's id of a conversation's session, its generation, and what the ledger knows of it.
    pub async fn find(
        &self,
        owner: &Owner,
        conversation: &SessionId,
    ) -> Result<(SessionId, u32, Option<Record>), LedgerUnavailable> {
        let record = self.ledger.find(owner, conversation).await?;
        let generation = record.as_ref().map_or(0, |record| record.generation);
        let upstream = self.deriver.upstream(owner, conversation, generation);
        Ok((upstream, generation, record))
    }

    /// The upstream session is over: the next request gets another.
    pub async fn replace(
        &self,
        owner: &Owner,
        conversation: &SessionId,
        generation: u32,
    ) -> Result<(), LedgerUnavailable> {
        self.ledger.replace(owner, conversation, generation).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memory::MemoryLedger;

    /// What the ledger knows of a session after a request that ended like this.
    async fn known(end: impl FnOnce(&SessionGuard)) -> bool {
        let ledger = Arc::new(MemoryLedger::default());
        let sessions = Sessions::new(b"a key of the test", ledger.clone());
        let owner = suite::owner("me");
        let conversation = suite::id(1);
        let entered = suite::enter(&*ledger, &owner, 1, "1").await;
        let mut guard = sessions.enter_declared(owner.clone(), &conversation);
        guard.entered = Some(entered);
        end(&guard);
        drop(guard);
        !sessions.list(&owner, 0, 1).await.unwrap().0.is_empty()
    }

    fn failed(error: Error, attempts: u32) -> Failed {
        Failed { error, attempts }
    }

    #[tokio::test]
    async fn a_caller_that_asks_for_many_lists_at_once_leaves_room_for_others() {
        let sessions = Sessions::new(b"a key of the test", Arc::new(MemoryLedger::default()));
        let (greedy, other) = (suite::owner("greedy"), suite::owner("other"));
        let holder = Holder {
            caller: greedy.subject.clone(),
            namespace: greedy.namespace.clone(),
        };
        let _held = sessions.lists.take(&holder, LISTS.caller).unwrap();
        let refused = sessions.list(&greedy, 0, 1).await;
        assert!(
            matches!(refused, Err(NoList::Full(Full::Caller { .. }))),
            "{refused:?}"
        );
        assert!(sessions.list(&other, 0, 1).await.is_ok());
    }

    #[tokio::test]
    async fn a_session_is_known_once_a_request_was_sent_unless_it_was_turned_away_at_once() {
        let away = || Error::Connect("refused".to_owned());
        let broken = || Error::BrokenOff("reset".to_owned());
        assert!(!known(|_| ()).await, "never sent");
        assert!(known(SessionGuard::sent).await, "its caller went away");
        for (error, attempts, wanted) in [
            (away(), 1, false),
            (away(), 2, true),
            (broken(), 1, true),
            (broken(), 0, false),
        ] {
            let failed = failed(error, attempts);
            let known = known(|guard| {
                guard.sent();
                guard.failed(&failed);
            });
            assert_eq!(known.await, wanted, "{failed:?}");
        }
    }
}
