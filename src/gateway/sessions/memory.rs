//! The ledger of a single replica.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use agentcore_invoke::SessionId;
use futures::future::{self, BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::ledger::{Birth, Entered, Ledger, LedgerUnavailable, Owner, Record};

/// How many conversations are remembered. Beyond it the one that was idle for longest is forgotten: its next request is taken for its
/// first, and reaches the same upstream session unless that was replaced before.
const CAPACITY: usize = 100_000;

/// A session in the ledger, or the trace of one that was stopped.
struct Slot {
    record: Record,
    /// Whether a request has entered this generation.
    used: bool,
    /// Whether one has reached it.
    reached: bool,
}

/// Sessions in memory.
pub struct MemoryLedger {
    slots: Mutex<Slots>,
    capacity: usize,
    now: fn() -> Timestamp,
}

#[derive(Default)]
struct Slots {
    by_owner: HashMap<Owner, HashMap<SessionId, Slot>>,
    count: usize,
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self {
            slots: Mutex::default(),
            capacity: CAPACITY,
            now: Timestamp::now,
        }
    }
}

impl Slots {
    fn get_mut(&mut self, owner: &Owner, conversation: &SessionId) -> Option<&mut Slot> {
        self.by_owner.get_mut(owner)?.get_mut(conversation)
    }

    /// The record, which is made if there is none.
    fn slot(
        &mut self,
        owner: &Owner,
        conversation: &SessionId,
        birth: Birth,
        now: Timestamp,
    ) -> &mut Slot {
        // A lookup first: a clone of the owner for every request would cost more than a second lookup once a conversation.
        if !self.by_owner.contains_key(owner) {
            self.by_owner.insert(owner.clone(), HashMap::new());
        }
        let Some(mine) = self.by_owner.get_mut(owner) else {
            unreachable!("it was just inserted")
        };
        match mine.entry(conversation.clone()) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(slot) => {
                self.count += 1;
                slot.insert(Slot {
                    record: Record {
                        conversation: conversation.clone(),
                        generation: 0,
                        birth,
                        started_at: now,
                        last_used_at: now,
                        in_flight: 0,
                    },
                    used: false,
                    reached: false,
                })
            }
        }
    }

    /// Forgets what AgentCore has ended for certain, then as many of the longest idle as it takes to be below `capacity`.
    fn make_room(&mut self, capacity: usize, now: Timestamp) {
        self.retain(|slot| !has_lived(&slot.record, now));
        if self.count < capacity {
            return;
        }
        let mut idle: Vec<Timestamp> = self
            .by_owner
            .values()
            .flat_map(HashMap::values)
            .filter(|slot| slot.record.in_flight == 0)
            .map(|slot| slot.record.last_used_at)
            .collect();
        idle.sort_unstable();
        // A tenth at once, so that this does not happen at every request.
        let Some(limit) = idle
            .get((capacity / 10).min(idle.len().saturating_sub(1)))
            .copied()
        else {
            return;
        };
        self.retain(|slot| slot.record.in_flight > 0 || slot.record.last_used_at > limit);
    }

    fn retain(&mut self, mut keep: impl FnMut(&Slot) -> bool) {
        self.by_owner.retain(|_, mine| {
            mine.retain(|_, slot| keep(slot));
            !mine.is_empty()
        });
        self.count = self.by_owner.values().map(HashMap::len).sum();
    }
}

/// Whether a time since an instant is over.
fn passed(since: Timestamp, limit: Duration, now: Timestamp) -> bool {
    SignedDuration::try_from(limit).is_ok_and(|limit| now.duration_since(since) >= limit)
}

/// Whether the session has lived its life, which AgentCore enforces.
fn has_lived(record: &Record, now: Timestamp) -> bool {
    record.in_flight == 0 && passed(record.started_at, record.birth.max_lifetime, now)
}

/// Whether AgentCore has ended the session: it has lived its life, or rested for too long. One that works on by itself (HealthyBusy) may
/// be there all the same, which nobody tells the gateway; its next request reaches it under the same id.
fn is_over(record: &Record, now: Timestamp) -> bool {
    let rested =
        record.in_flight == 0 && passed(record.last_used_at, record.birth.idle_timeout, now);
    rested || has_lived(record, now)
}

impl Ledger for MemoryLedger {
    fn enter<'a>(
        &'a self,
        owner: &'a Owner,
        conversation: &'a SessionId,
        birth: Birth,
    ) -> BoxFuture<'a, Result<Entered, LedgerUnavailable>> {
        let now = (self.now)();
        let mut slots = self.slots.lock();
        if slots.count >= self.capacity {
            slots.make_room(self.capacity, now);
        }
        let slot = slots.slot(owner, conversation, birth.clone(), now);
        let Slot {
            record,
            used,
            reached,
        } = slot;
        // After its lifetime AgentCore gives the same id a new microVM.
        let started = !*used || is_over(record, now);
        if started {
            record.birth = birth;
            record.started_at = now;
            *reached = false;
        }
        *used = true;
        record.last_used_at = now;
        record.in_flight += 1;
        let generation = record.generation;
        future::ready(Ok(Entered {
            generation,
            started,
        }))
        .boxed()
    }

    fn leave(&self, owner: &Owner, conversation: &SessionId, generation: u32, reached: bool) {
        let now = (self.now)();
        let mut slots = self.slots.lock();
        let Some(slot) = slots.get_mut(owner, conversation) else {
            return;
        };
        if slot.record.generation != generation {
            return;
        }
        slot.record.in_flight = slot.record.in_flight.saturating_sub(1);
        slot.record.last_used_at = now;
        slot.reached |= reached;
        if !slot.reached && slot.record.in_flight == 0 {
            slot.used = false;
        }
    }

    fn list<'a>(
        &'a self,
        owner: &'a Owner,
    ) -> BoxFuture<'a, Result<Vec<Record>, LedgerUnavailable>> {
        let now = (self.now)();
        let slots = self.slots.lock();
        let mine = slots
            .by_owner
            .get(owner)
            .into_iter()
            .flat_map(HashMap::values);
        let mut records: Vec<Record> = mine
            .filter(|slot| slot.used && !is_over(&slot.record, now))
            .map(|slot| slot.record.clone())
            .collect();
        records.sort_by_key(|record| record.started_at);
        future::ready(Ok(records)).boxed()
    }

    fn find<'a>(
        &'a self,
        owner: &'a Owner,
        conversation: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<Record>, LedgerUnavailable>> {
        let record = self
            .slots
            .lock()
            .get_mut(owner, conversation)
            .map(|slot| slot.record.clone());
        future::ready(Ok(record)).boxed()
    }

    fn replace<'a>(
        &'a self,
        owner: &'a Owner,
        conversation: &'a SessionId,
        generation: u32,
    ) -> BoxFuture<'a, Result<(), LedgerUnavailable>> {
        let now = (self.now)();
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get_mut(owner, conversation)
            && slot.record.generation == generation
        {
            slot.record.generation += 1;
            // What is in flight belongs to the former generation.
            slot.record.in_flight = 0;
            slot.record.last_used_at = now;
            slot.used = false;
            slot.reached = false;
        }
        future::ready(Ok(())).boxed()
    }

    fn len(&self) -> usize {
        let now = (self.now)();
        let slots = self.slots.lock();
        slots
            .by_owner
            .values()
            .flat_map(HashMap::values)
            .filter(|slot| slot.used && !is_over(&slot.record, now))
            .count()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed unwrap is a failed test
mod tests {
    use super::*;
    use crate::gateway::agents::Kind;

    fn owner(subject: &str) -> Owner {
        Owner {
            subject: subject.into(),
            kind: Kind::AgentRuntime,
            namespace: "shop".into(),
            name: "support".into(),
        }
    }

    fn birth(version: &str) -> Birth {
        Birth {
            qualifier: None,
            version: Some(version.to_owned()),
            idle_timeout: Duration::from_mins(15),
            max_lifetime: Duration::from_hours(8),
        }
    }

    fn id(number: usize) -> SessionId {
        format!("conversation-{number:040}").parse().unwrap()
    }

    async fn enter(
        ledger: &MemoryLedger,
        owner: &Owner,
        number: usize,
        version: &str,
    ) -> (u32, bool) {
        let entered = ledger
            .enter(owner, &id(number), birth(version))
            .await
            .unwrap();
        (entered.generation, entered.started)
    }

    #[tokio::test]
    async fn a_session_keeps_what_it_was_born_with_and_counts_what_is_in_flight() {
        let (ledger, me) = (MemoryLedger::default(), owner("me"));
        assert_eq!(enter(&ledger, &me, 1, "1").await, (0, true));
        assert_eq!(enter(&ledger, &me, 1, "2").await, (0, false));
        let seen = ledger.list(&me).await.unwrap();
        assert_eq!((seen.len(), seen[0].in_flight), (1, 2));
        assert_eq!(seen[0].birth, birth("1"));
        ledger.leave(&me, &id(1), 0, true);
        ledger.leave(&me, &id(1), 0, true);
        assert_eq!(ledger.list(&me).await.unwrap()[0].in_flight, 0);
        assert!(ledger.list(&owner("other")).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_replaced_session_begins_anew_and_late_leavers_do_not_count() {
        let (ledger, me) = (MemoryLedger::default(), owner("me"));
        enter(&ledger, &me, 1, "1").await;
        ledger.replace(&me, &id(1), 0).await.unwrap();
        assert!(ledger.is_empty());
        // Whoever asks for the same replacement a second time changes nothing.
        ledger.replace(&me, &id(1), 0).await.unwrap();
        assert_eq!(enter(&ledger, &me, 1, "2").await, (1, true));
        ledger.leave(&me, &id(1), 0, true);
        let seen = ledger.list(&me).await.unwrap();
        assert_eq!((seen[0].in_flight, &seen[0].birth), (1, &birth("2")));
    }

    #[tokio::test]
    async fn a_full_ledger_forgets_the_longest_idle_but_nothing_in_flight() {
        let ledger = MemoryLedger {
            capacity: 10,
            ..MemoryLedger::default()
        };
        let me = owner("me");
        for number in 0..10 {
            enter(&ledger, &me, number, "1").await;
            if number > 0 {
                ledger.leave(&me, &id(number), 0, true);
            }
        }
        enter(&ledger, &me, 10, "1").await;
        let seen = ledger.list(&me).await.unwrap();
        let has = |number| seen.iter().any(|record| record.conversation == id(number));
        assert!(seen.len() <= 10, "{}", seen.len());
        assert!(has(0) && !has(1) && has(9) && has(10));
    }

    #[tokio::test]
    async fn what_has_lived_its_life_begins_again() {
        let (ledger, me) = (MemoryLedger::default(), owner("me"));
        let short = Birth {
            max_lifetime: Duration::ZERO,
            ..birth("1")
        };
        ledger.enter(&me, &id(1), short).await.unwrap();
        ledger.leave(&me, &id(1), 0, true);
        assert!(ledger.is_empty());
        assert_eq!(enter(&ledger, &me, 1, "2").await, (0, true));
        assert_eq!(ledger.list(&me).await.unwrap()[0].birth, birth("2"));
    }

    #[tokio::test]
    async fn what_rested_for_too_long_begins_again() {
        let (ledger, me) = (MemoryLedger::default(), owner("me"));
        let hasty = Birth {
            idle_timeout: Duration::ZERO,
            ..birth("1")
        };
        ledger.enter(&me, &id(1), hasty).await.unwrap();
        assert_eq!(ledger.len(), 1, "what is in flight does not rest");
        ledger.leave(&me, &id(1), 0, true);
        assert!(ledger.is_empty());
        assert_eq!(enter(&ledger, &me, 1, "2").await, (0, true));
    }

    #[tokio::test]
    async fn a_session_that_no_request_reached_has_not_begun() {
        let (ledger, me) = (MemoryLedger::default(), owner("me"));
        assert_eq!(enter(&ledger, &me, 1, "1").await, (0, true));
        ledger.leave(&me, &id(1), 0, false);
        assert!(ledger.is_empty());
        assert_eq!(enter(&ledger, &me, 1, "2").await, (0, true));
        ledger.leave(&me, &id(1), 0, true);
        assert_eq!(enter(&ledger, &me, 1, "2").await, (0, false));
        ledger.leave(&me, &id(1), 0, false);
        assert_eq!(ledger.list(&me).await.unwrap()[0].birth, birth("2"));
    }
}
