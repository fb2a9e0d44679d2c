//! The ledger of a single replica.

mod slots;

use std::collections::HashMap;

use agentcore_invoke::SessionId;
use futures::future::{self, BoxFuture, FutureExt as _};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::ledger::{
    Count, Entered, Entry, Group, Ledger, LedgerUnavailable, Left, Member, Owner, Record,
};
use slots::{Slots, is_over};

/// How many conversations are remembered. Beyond it the one that was idle for longest is forgotten: its next request is taken for its
/// first, and reaches the same upstream session unless that was replaced before.
const CAPACITY: usize = 100_000;

/// Sessions in memory.
pub struct MemoryLedger {
    slots: Mutex<Slots>,
    capacity: usize,
    now: fn() -> Timestamp,
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

/// Adds what was counted of a group.
fn add(counts: &mut HashMap<Group, Count>, counted: Option<(Group, Count)>) {
    if let Some((group, Count { current, retired })) = counted {
        let count = counts.entry(group).or_default();
        count.current += current;
        count.retired += retired;
    }
}

impl Ledger for MemoryLedger {
    fn enter<'a>(
        &'a self,
        owner: &'a Owner,
        conversation: &'a SessionId,
        entry: Entry,
    ) -> BoxFuture<'a, Result<Entered, LedgerUnavailable>> {
        let now = (self.now)();
        let mut slots = self.slots.lock();
        if slots.count >= self.capacity {
            slots.make_room(self.capacity, now);
        }
        let slot = slots.slot(owner, conversation, &entry.birth, now);
        if slot.lives(now) && slot.gives_way(&entry, now) {
            let former = slot.succeed(now);
            slot.retired.push(former);
        }
        let started = !slot.lives(now);
        let record = &mut slot.record;
        // After its lifetime AgentCore gives the same id a new microVM.
        if started {
            record.birth = entry.birth;
            record.started_at = now;
            record.busy = false;
            slot.reached = false;
        }
        slot.used = true;
        record.last_used_at = now;
        record.in_flight += 1;
        let entered = Entered {
            generation: record.generation,
            started,
            version: record.birth.version.clone(),
            ticket: 0,
        };
        future::ready(Ok(entered)).boxed()
    }

    fn leave(&self, owner: &Owner, conversation: &SessionId, entered: &Entered, left: Left) {
        let now = (self.now)();
        let mut slots = self.slots.lock();
        let Some(slot) = slots.get_mut(owner, conversation) else {
            return;
        };
        if slot.record.generation != entered.generation {
            let of = |record: &&mut Record| record.generation == entered.generation;
            if let Some(record) = slot.retired.iter_mut().find(of) {
                record.in_flight = record.in_flight.saturating_sub(1);
                record.last_used_at = now;
            }
            return;
        }
        let record = &mut slot.record;
        record.in_flight = record.in_flight.saturating_sub(1);
        record.last_used_at = now;
        record.busy = left.busy.unwrap_or(record.busy);
        slot.reached |= left.reached;
        if !slot.reached && record.in_flight == 0 {
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
            .filter(|slot| slot.lives(now))
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
            slot.succeed(now);
        }
        future::ready(Ok(())).boxed()
    }

    fn survey(&self) -> BoxFuture<'_, Result<Vec<(Group, Count)>, LedgerUnavailable>> {
        let now = (self.now)();
        let mut slots = self.slots.lock();
        let mut counts: HashMap<Group, Count> = HashMap::new();
        for (owner, mine) in &mut slots.by_owner {
            // Most callers have sessions of one version: a name is copied for each of them once.
            let mut last: Option<(Group, Count)> = None;
            let mut count = |record: &Record, retired: u32| {
                let version = record.birth.version.as_ref();
                if last
                    .as_ref()
                    .is_none_or(|(group, _)| group.version.as_ref() != version)
                {
                    let group = Group::of(owner, version);
                    add(&mut counts, last.replace((group, Count::default())));
                }
                if let Some((_, count)) = &mut last {
                    count.current += 1 - retired;
                    count.retired += retired;
                }
            };
            for slot in mine.values_mut() {
                slot.retired.retain(|record| !is_over(record, now));
                slot.retired.iter().for_each(|record| count(record, 1));
                if slot.lives(now) {
                    count(&slot.record, 0);
                }
            }
            add(&mut counts, last);
        }
        slots.stale.retain(|group, _| counts.contains_key(group));
        for live in slots.stopped.keys() {
            counts.entry(live.clone()).or_default();
        }
        future::ready(Ok(counts.into_iter().collect())).boxed()
    }

    fn judge<'a>(
        &'a self,
        stale: &'a [Group],
        current: &'a [Group],
    ) -> BoxFuture<'a, Result<Vec<Timestamp>, LedgerUnavailable>> {
        let now = (self.now)();
        let since = &mut self.slots.lock().stale;
        for group in current {
            since.remove(group);
        }
        let found = stale
            .iter()
            .map(|group| *since.entry(group.clone()).or_insert(now))
            .collect();
        future::ready(Ok(found)).boxed()
    }

    fn stale_since<'a>(
        &'a self,
        groups: &'a [Group],
    ) -> BoxFuture<'a, Result<Vec<Option<Timestamp>>, LedgerUnavailable>> {
        let since = &self.slots.lock().stale;
        let found = groups.iter().map(|group| since.get(group).copied());
        future::ready(Ok(found.collect())).boxed()
    }

    fn members<'a>(
        &'a self,
        group: &'a Group,
    ) -> BoxFuture<'a, Result<Vec<Member>, LedgerUnavailable>> {
        let now = (self.now)();
        let slots = self.slots.lock();
        let mut members = Vec::new();
        for (owner, mine) in &slots.by_owner {
            if (owner.kind, &owner.namespace, &owner.name)
                != (group.kind, &group.namespace, &group.name)
            {
                continue;
            }
            for slot in mine.values() {
                let current = slot.lives(now).then_some((&slot.record, false));
                let retired = slot.retired.iter().map(|record| (record, true));
                members.extend(
                    current
                        .into_iter()
                        .chain(retired)
                        .filter(|(record, _)| record.birth.version == group.version)
                        .map(|(record, retired)| Member {
                            owner: owner.clone(),
                            record: record.clone(),
                            retired,
                        }),
                );
            }
        }
        future::ready(Ok(members)).boxed()
    }

    fn retire<'a>(
        &'a self,
        owner: &'a Owner,
        record: &'a Record,
        in_flight: bool,
    ) -> BoxFuture<'a, Result<bool, LedgerUnavailable>> {
        let now = (self.now)();
        let mut slots = self.slots.lock();
        let Some(slot) = slots.get_mut(owner, &record.conversation) else {
            return future::ready(Ok(false)).boxed();
        };
        let mut retired = false;
        if slot.record.generation == record.generation {
            let rests =
                slot.record.in_flight == 0 && slot.record.last_used_at == record.last_used_at;
            if slot.used && (rests || in_flight) {
                let former = slot.succeed(now);
                slot.retired.push(former);
                retired = true;
            }
        } else {
            let of = |former: &&Record| former.generation == record.generation;
            let former = slot.retired.iter().find(of);
            retired = former.is_some_and(|former| former.in_flight == 0 || in_flight);
        }
        future::ready(Ok(retired)).boxed()
    }

    fn ended<'a>(
        &'a self,
        owner: &'a Owner,
        record: &'a Record,
    ) -> BoxFuture<'a, Result<(), LedgerUnavailable>> {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get_mut(owner, &record.conversation) {
            slot.retired
                .retain(|former| former.generation != record.generation);
        }
        future::ready(Ok(())).boxed()
    }

    fn stopped<'a>(
        &'a self,
        live: &'a Group,
        more: u32,
    ) -> BoxFuture<'a, Result<u32, LedgerUnavailable>> {
        let stopped = &mut self.slots.lock().stopped;
        if !stopped.contains_key(live) {
            stopped.retain(|other, _| {
                (other.kind, &other.namespace, &other.name)
                    != (live.kind, &live.namespace, &live.name)
            });
        }
        let count = stopped.entry(live.clone()).or_default();
        *count += more;
        future::ready(Ok(*count)).boxed()
    }

    fn len(&self) -> usize {
        let now = (self.now)();
        let slots = self.slots.lock();
        let slots = slots.by_owner.values().flat_map(HashMap::values);
        slots
            .map(|slot| usize::from(slot.lives(now)) + slot.retired.len())
            .sum()
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
