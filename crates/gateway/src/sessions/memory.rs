//! The ledger of a single replica.

mod holders;
mod slots;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentcore_invoke::SessionId;
use futures::future::{self, BoxFuture, FutureExt as _};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::ledger::{
    Count, Cursor, Entered, Entry, Group, Ledger, LedgerUnavailable, Left, Listed, Member, Members,
    Owner, PAGE_MAX, RECORDS, Record, shares,
};
use crate::shares::Shares;
use slots::{Slots, is_over};

/// Conversations that are looked at before others get their turn.
const STEP: usize = 1_000;

/// Sessions in memory.
pub struct MemoryLedger {
    slots: Mutex<Slots>,
    known: AtomicUsize,
    now: fn() -> Timestamp,
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::new(shares(RECORDS))
    }
}

impl MemoryLedger {
    /// An empty one, in which nobody has more conversations than their share.
    pub fn new(shares: Shares) -> Self {
        Self {
            slots: Mutex::new(Slots::new(shares)),
            known: AtomicUsize::new(0),
            now: Timestamp::now,
        }
    }

    /// Counts some sessions; gives where to go on, if there are more.
    fn count(&self, from: Option<Cursor>, counts: &mut HashMap<Group, Count>) -> Option<Cursor> {
        let now = (self.now)();
        // Most callers have sessions of one version: a name is copied for each of them once.
        let mut last: Option<(Arc<Owner>, Group, Count)> = None;
        let next = self.slots.lock().walk(from, None, STEP, |owner, slot| {
            let mut count = |record: &Record, retired: u32| {
                let version = record.birth.version.as_ref();
                if last.as_ref().is_none_or(|(before, group, _)| {
                    !Arc::ptr_eq(before, owner) || group.version.as_ref() != version
                }) {
                    let group = Group::of(owner, version);
                    add(
                        counts,
                        last.replace((owner.clone(), group, Count::default())),
                    );
                }
                if let Some((_, _, count)) = &mut last {
                    count.current += 1 - retired;
                    count.retired += retired;
                }
            };
            slot.retired.retain(|record| !is_over(record, now));
            slot.retired.iter().for_each(|record| count(record, 1));
            if slot.lives(now) {
                count(&slot.record, 0);
            }
        });
        add(counts, last);
        next
    }
}

/// Adds what was counted of a group.
fn add(counts: &mut HashMap<Group, Count>, counted: Option<(Arc<Owner>, Group, Count)>) {
    if let Some((_, group, Count { current, retired })) = counted {
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
        let slot = slots.used(owner, conversation, &entry.birth, now);
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
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Listed, LedgerUnavailable>> {
        let now = (self.now)();
        let limit = limit.clamp(1, PAGE_MAX);
        let mut listed = Listed::default();
        let slots = self.slots.lock();
        let mut last = after;
        for (visited, (serial, slot)) in slots.of(owner, after).enumerate() {
            if visited == STEP || listed.records.len() == limit {
                listed.next = Some(last);
                break;
            }
            if slot.lives(now) {
                listed.records.push(slot.record.clone());
            }
            last = serial;
        }
        future::ready(Ok(listed)).boxed()
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

    fn counts(&self) -> BoxFuture<'_, Result<Vec<(Group, Count)>, LedgerUnavailable>> {
        async move {
            let mut counts: HashMap<Group, Count> = HashMap::new();
            let mut next = self.count(None, &mut counts);
            while next.is_some() {
                // Requests enter between two steps.
                tokio::task::yield_now().await;
                next = self.count(next, &mut counts);
            }
            let known = counts.values().map(|count| count.all() as usize).sum();
            self.known.store(known, Ordering::Relaxed);
            let mut slots = self.slots.lock();
            slots.stale.retain(|group, _| counts.contains_key(group));
            for live in slots.stopped.keys() {
                counts.entry(live.clone()).or_default();
            }
            Ok(counts.into_iter().collect())
        }
        .boxed()
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
        from: Option<Cursor>,
    ) -> BoxFuture<'a, Result<Members, LedgerUnavailable>> {
        let now = (self.now)();
        let place = Group {
            version: None,
            ..group.clone()
        };
        let mut members = Vec::new();
        let next = self
            .slots
            .lock()
            .walk(from, Some(&place), STEP, |owner, slot| {
                let current = slot.lives(now).then_some((&slot.record, false));
                let retired = slot.retired.iter().map(|record| (record, true));
                let all = current.into_iter().chain(retired);
                let of_group = all.filter(|(record, _)| record.birth.version == group.version);
                members.extend(of_group.map(|(record, retired)| Member {
                    owner: Owner::clone(owner),
                    record: record.clone(),
                    retired,
                }));
            });
        future::ready(Ok(Members { members, next })).boxed()
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
        self.known.load(Ordering::Relaxed)
    }

    fn forgotten(&self) -> u64 {
        self.slots.lock().forgotten
    }

    fn unreadable(&self) -> u64 {
        0
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
