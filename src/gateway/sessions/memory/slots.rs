//! What the ledger in memory remembers of each conversation, and when it forgets.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::mem;
use std::time::Duration;

use agentcore_invoke::SessionId;
use jiff::{SignedDuration, Timestamp};

use crate::gateway::sessions::ledger::{Birth, Entry, GiveWay, Group, Owner, Record};
use crate::gateway::sessions::policy::is_stale;

/// A conversation in the ledger: its session, or the trace of one that was stopped.
pub(super) struct Slot {
    pub record: Record,
    /// Whether a request has entered this generation.
    pub used: bool,
    /// Whether one has reached it.
    pub reached: bool,
    /// Former sessions that wait for their end.
    pub retired: Vec<Record>,
}

impl Slot {
    /// The conversation goes on in another session, from its next request.
    pub fn succeed(&mut self, now: Timestamp) -> Record {
        self.used = false;
        self.reached = false;
        let next = Record {
            generation: self.record.generation + 1,
            last_used_at: now,
            in_flight: 0,
            busy: false,
            ..self.record.clone()
        };
        mem::replace(&mut self.record, next)
    }

    /// Whether the session makes room for one of another version.
    pub fn gives_way(&self, entry: &Entry, now: Timestamp) -> bool {
        let (Some(rules), record) = (entry.give_way, &self.record) else {
            return false;
        };
        let GiveWay {
            idle,
            in_flight,
            busy,
        } = rules;
        let rests = if record.in_flight == 0 {
            passed(record.last_used_at, idle, now)
        } else {
            in_flight
        };
        rests
            && (busy || !record.busy)
            && is_stale(
                record.birth.version.as_deref(),
                entry.birth.version.as_deref(),
            )
    }

    /// Whether there is a session that AgentCore has not ended.
    pub fn lives(&self, now: Timestamp) -> bool {
        self.used && !is_over(&self.record, now)
    }
}

#[derive(Default)]
pub(super) struct Slots {
    pub by_owner: HashMap<Owner, HashMap<SessionId, Slot>>,
    pub count: usize,
    /// Since when groups are stale.
    pub stale: HashMap<Group, Timestamp>,
    /// Live version of objects, and how many sessions were stopped since it serves.
    pub stopped: HashMap<Group, u32>,
}

impl Slots {
    pub fn get_mut(&mut self, owner: &Owner, conversation: &SessionId) -> Option<&mut Slot> {
        self.by_owner.get_mut(owner)?.get_mut(conversation)
    }

    /// The record, which is made if there is none.
    pub fn slot(
        &mut self,
        owner: &Owner,
        conversation: &SessionId,
        birth: &Birth,
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
            Place::Occupied(slot) => slot.into_mut(),
            Place::Vacant(slot) => {
                self.count += 1;
                slot.insert(Slot {
                    record: Record {
                        conversation: conversation.clone(),
                        generation: 0,
                        birth: birth.clone(),
                        started_at: now,
                        last_used_at: now,
                        in_flight: 0,
                        busy: false,
                    },
                    used: false,
                    reached: false,
                    retired: Vec::new(),
                })
            }
        }
    }

    /// Forgets what AgentCore has ended for certain, then as many of the longest idle as it takes to be below `capacity`.
    pub fn make_room(&mut self, capacity: usize, now: Timestamp) {
        self.retain(|slot| !(has_lived(&slot.record, now) && slot.retired.is_empty()));
        if self.count < capacity {
            return;
        }
        let mut idle: Vec<Timestamp> = self
            .by_owner
            .values()
            .flat_map(HashMap::values)
            .filter(|slot| slot.record.in_flight == 0 && slot.retired.is_empty())
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
        self.retain(|slot| {
            let busy = slot.record.in_flight > 0 || !slot.retired.is_empty();
            busy || slot.record.last_used_at > limit
        });
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&Slot) -> bool) {
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
/// be there all the same, if its agent did not say so in its last answer; its next request reaches it under the same id.
pub(super) fn is_over(record: &Record, now: Timestamp) -> bool {
    let rests = record.in_flight == 0 && !record.busy;
    let rested = rests && passed(record.last_used_at, record.birth.idle_timeout, now);
    rested || has_lived(record, now)
}
