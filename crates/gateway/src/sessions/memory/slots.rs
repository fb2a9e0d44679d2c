//! What the ledger in memory remembers of each conversation, in which order, and when it forgets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::SessionId;
use jiff::{SignedDuration, Timestamp};

use super::holders::{Gives, Holders};
use crate::sessions::ledger::{Birth, Cursor, Entry, GiveWay, Group, Owner, Record};
use crate::sessions::policy::is_stale;
use crate::shares::Shares;

/// Records that are forgotten for a new one: more than one, so that a share that was passed by what is in flight is kept again later.
const FORGOTTEN_MAX: usize = 2;
/// Records of a caller that are looked at for one that may be forgotten.
const TRIED_MAX: usize = 8;

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
    fn new(conversation: &SessionId, birth: &Birth, now: Timestamp) -> Self {
        Self {
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
        }
    }

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

    /// Whether nothing is lost but a memory where it is forgotten.
    fn may_go(&self) -> bool {
        self.record.in_flight == 0 && self.retired.is_empty()
    }
}

/// The conversations of an owner. Each use gives a conversation the next serial: they stand in the order of their last use.
struct Mine {
    owner: Arc<Owner>,
    serials: HashMap<SessionId, u64>,
    slots: BTreeMap<u64, Box<Slot>>,
}

/// All conversations.
pub(super) struct Slots {
    shares: Shares,
    /// The last serial that was given.
    serial: u64,
    /// Owners by number, so that a walk over all can go on where it was.
    owners: BTreeMap<u64, Mine>,
    numbers: HashMap<Arc<Owner>, u64>,
    by_caller: HashMap<Arc<str>, BTreeSet<u64>>,
    /// Owners at an object, which is a group of no version.
    by_place: HashMap<Group, BTreeSet<u64>>,
    holders: Holders,
    /// How many were forgotten to make room.
    pub forgotten: u64,
    /// Since when groups are stale.
    pub stale: HashMap<Group, Timestamp>,
    /// Live version of objects, and how many sessions were stopped since it serves.
    pub stopped: HashMap<Group, u32>,
}

impl Slots {
    pub fn new(shares: Shares) -> Self {
        Self {
            shares,
            serial: 0,
            owners: BTreeMap::new(),
            numbers: HashMap::new(),
            by_caller: HashMap::new(),
            by_place: HashMap::new(),
            holders: Holders::default(),
            forgotten: 0,
            stale: HashMap::new(),
            stopped: HashMap::new(),
        }
    }

    pub fn get_mut(&mut self, owner: &Owner, conversation: &SessionId) -> Option<&mut Slot> {
        let mine = self.owners.get_mut(self.numbers.get(owner)?)?;
        let serial = mine.serials.get(conversation)?;
        mine.slots.get_mut(serial).map(|slot| &mut **slot)
    }

    /// The record, which is made if there is none; it is the last used from now on.
    pub fn used(
        &mut self,
        owner: &Owner,
        conversation: &SessionId,
        birth: &Birth,
        now: Timestamp,
    ) -> &mut Slot {
        let before = self.take(owner, conversation);
        let slot = before.unwrap_or_else(|| {
            self.make_room(owner);
            self.holders.add(owner);
            Box::new(Slot::new(conversation, birth, now))
        });
        self.serial += 1;
        let serial = self.serial;
        let number = match self.numbers.get(owner) {
            Some(number) => *number,
            None => self.number(owner, serial),
        };
        let Some(mine) = self.owners.get_mut(&number) else {
            unreachable!("every number has an owner")
        };
        // A key that is there already stays as it is.
        match mine.serials.get_mut(conversation) {
            Some(at) => *at = serial,
            None => drop(mine.serials.insert(conversation.clone(), serial)),
        }
        mine.slots.entry(serial).or_insert(slot)
    }

    /// Takes a record out of its order, for another place there.
    fn take(&mut self, owner: &Owner, conversation: &SessionId) -> Option<Box<Slot>> {
        let mine = self.owners.get_mut(self.numbers.get(owner)?)?;
        mine.slots.remove(mine.serials.get(conversation)?)
    }

    /// A number for a new owner: the serial of its first use, which nobody else has.
    fn number(&mut self, owner: &Owner, number: u64) -> u64 {
        let owner = Arc::new(owner.clone());
        self.by_caller
            .entry(owner.subject.clone())
            .or_default()
            .insert(number);
        self.by_place
            .entry(Group::of(&owner, None))
            .or_default()
            .insert(number);
        self.numbers.insert(owner.clone(), number);
        self.owners.insert(
            number,
            Mine {
                owner,
                serials: HashMap::new(),
                slots: BTreeMap::new(),
            },
        );
        number
    }

    /// Forgets what it takes for one record more of this owner.
    fn make_room(&mut self, owner: &Owner) {
        for _ in 0..FORGOTTEN_MAX {
            let gives = self.holders.gives(owner, &self.shares);
            if !gives.is_some_and(|gives| self.forget_oldest(&gives)) {
                return;
            }
        }
    }

    /// Forgets the record of a caller that was unused for longest; false where none of those looked at may go. Those stand last from now on, as
    /// they are in use, and the next try looks at others.
    fn forget_oldest(&mut self, gives: &Gives) -> bool {
        for _ in 0..TRIED_MAX {
            let oldest = self
                .by_caller
                .get(&gives.caller)
                .into_iter()
                .flatten()
                .filter_map(|number| {
                    let mine = self.owners.get(number)?;
                    let namespace = gives.namespace.as_ref();
                    if namespace.is_some_and(|namespace| *namespace != mine.owner.namespace) {
                        return None;
                    }
                    Some((*mine.slots.first_key_value()?.0, *number))
                })
                .min();
            let Some((serial, number)) = oldest else {
                return false;
            };
            let Some(mine) = self.owners.get_mut(&number) else {
                return false;
            };
            let Some(slot) = mine.slots.remove(&serial) else {
                return false;
            };
            if slot.may_go() {
                mine.serials.remove(&slot.record.conversation);
                self.gone(number);
                return true;
            }
            self.serial += 1;
            mine.serials
                .insert(slot.record.conversation.clone(), self.serial);
            mine.slots.insert(self.serial, slot);
        }
        false
    }

    /// A record of this owner was taken out.
    fn gone(&mut self, number: u64) {
        self.forgotten += 1;
        let Some(mine) = self.owners.get(&number) else {
            return;
        };
        let owner = mine.owner.clone();
        self.holders.remove(&owner);
        if !mine.slots.is_empty() {
            return;
        }
        self.owners.remove(&number);
        self.numbers.remove(&owner);
        let place = Group::of(&owner, None);
        if let Some(numbers) = self.by_caller.get_mut(&owner.subject) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_caller.remove(&owner.subject);
            }
        }
        if let Some(numbers) = self.by_place.get_mut(&place) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_place.remove(&place);
            }
        }
    }

    /// The conversations of an owner after a serial, the longest unused first.
    pub fn of(&self, owner: &Owner, after: u64) -> impl Iterator<Item = (u64, &Slot)> {
        let mine = self.numbers.get(owner).and_then(|at| self.owners.get(at));
        mine.into_iter()
            .flat_map(move |mine| mine.slots.range(after.saturating_add(1)..))
            .map(|(serial, slot)| (*serial, &**slot))
    }

    /// Shows at most `most` conversations, of all or of one object; gives where to go on, if there are more.
    pub fn walk(
        &mut self,
        from: Option<Cursor>,
        place: Option<&Group>,
        most: usize,
        mut see: impl FnMut(&Arc<Owner>, &mut Slot),
    ) -> Option<Cursor> {
        let Cursor(mut number, mut after) = from.unwrap_or(Cursor(0, 0));
        let mut left = most;
        while let Some(at) = self.owner_from(number, place) {
            if at != number {
                after = 0;
            }
            if let Some(mine) = self.owners.get_mut(&at) {
                for (serial, slot) in mine.slots.range_mut(after.saturating_add(1)..) {
                    if left == 0 {
                        return Some(Cursor(at, after));
                    }
                    see(&mine.owner, slot);
                    left -= 1;
                    after = *serial;
                }
            }
            number = at + 1;
            after = 0;
        }
        None
    }

    fn owner_from(&self, number: u64, place: Option<&Group>) -> Option<u64> {
        match place {
            Some(place) => self.by_place.get(place)?.range(number..).next().copied(),
            None => self.owners.range(number..).next().map(|(at, _)| *at),
        }
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
