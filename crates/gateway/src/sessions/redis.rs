//! The ledger that several replicas share, in Valkey or Redis. Each step is one script, which runs alone. What a replica has in flight counts
//! as long as the replica says that it lives, and everything expires by itself.

mod line;
mod scripts;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use agentcore_invoke::SessionId;
use futures::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use redis::Client;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::ledger::{
    Count, Cursor, Entered, Entry, Group, Ledger, LedgerUnavailable, Left, Listed, Member, Members,
    Owner, PAGE_MAX, Record,
};
use crate::args::RedisUrl;
use crate::shares::Shares;
use line::Line;
use scripts::{Call, Row, Text, group, group_key, id_of, millis, owner_key};
use server::{End, EndsUnlessEntered, LEASE, Server, beat, heartbeat, say_ends};

/// Sessions that a script reads: others wait meanwhile.
const PAGE: usize = 200;
/// Conversations that are read for one page of a list: where most have ended, the page is short.
const VISITED: usize = 2_000;
/// Groups that a script counts or judges.
const GROUPS: usize = 100;
/// Requests that wait for the server at once.
const REQUESTS: usize = 512;

/// Sessions in Valkey or Redis.
pub struct RedisLedger {
    server: Server,
    shares: Shares,
    tickets: AtomicU64,
    ends: mpsc::UnboundedSender<End>,
    known: AtomicUsize,
    _tasks: [AbortOnDropHandle<()>; 4],
}

/// Why there is no such ledger.
#[derive(Debug, thiserror::Error)]
pub enum RedisLedgerError {
    /// The address is none. It is not repeated: there may be a password in it.
    #[error("the address of the ledger (--ledger) is not valid: {0}")]
    Address(String),
}

impl RedisLedger {
    /// At this address, with no more conversations of anybody than their share. Whether it answers shows later: a gateway starts without it, and
    /// answers 503 until it is there.
    ///
    /// # Errors
    /// An address that is none.
    pub fn new(url: &RedisUrl, shares: Shares) -> Result<Self, RedisLedgerError> {
        Client::open(url.0.as_str())
            .and_then(|client| Self::at(&client, shares))
            .map_err(|error| RedisLedgerError::Address(error.category().to_owned()))
    }

    fn at(client: &Client, shares: Shares) -> redis::RedisResult<Self> {
        let replica: Arc<str> = format!("{:016x}", rand::random::<u64>()).into();
        let line = |most| Line::new(client.clone(), most, heartbeat(&replica));
        let server = Server {
            requests: line(REQUESTS)?,
            lists: line(1)?,
            scripts: Arc::default(),
            replica,
            counts: Arc::default(),
        };
        let (ends, heard) = mpsc::unbounded_channel();
        let tasks = [
            tokio::spawn(beat(server.clone())),
            tokio::spawn(say_ends(server.clone(), heard)),
            tokio::spawn(server.requests.clone().mend()),
            tokio::spawn(server.lists.clone().mend()),
        ];
        Ok(Self {
            _tasks: tasks.map(AbortOnDropHandle::new),
            server,
            shares,
            tickets: AtomicU64::new(0),
            ends,
            known: AtomicUsize::new(0),
        })
    }

    /// Those that can be read.
    fn read(&self, rows: Vec<Row>) -> impl Iterator<Item = Member> {
        let all = rows.len();
        let members: Vec<Member> = rows.into_iter().filter_map(Row::member).collect();
        self.server.unreadable((all - members.len()) as u64);
        members.into_iter()
    }
}

fn time(at: i64) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or_else(|_| Timestamp::now())
}

impl Ledger for RedisLedger {
    fn enter<'a>(
        &'a self,
        owner: &'a Owner,
        conversation: &'a SessionId,
        entry: Entry,
    ) -> BoxFuture<'a, Result<Entered, LedgerUnavailable>> {
        async move {
            // What is not sent does not enter, and needs no end.
            self.server.requests.goes()?;
            let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
            let id = id_of(owner, conversation);
            let Entry { birth, give_way } = entry;
            let way = give_way.as_ref();
            let at = Timestamp::now();
            let mut call = self.server.scripts.enter.prepare_invoke();
            call.arg(&id)
                .arg(owner_key(owner))
                .arg(at.as_millisecond())
                .arg(&*self.server.replica)
                .arg(ticket)
                .arg(&*owner.subject)
                .arg(owner.kind.as_str())
                .arg(&*owner.namespace)
                .arg(&*owner.name)
                .arg(conversation.as_str())
                .arg(birth.qualifier.as_deref().unwrap_or_default())
                .arg(birth.version.as_deref().unwrap_or_default())
                .arg(millis(birth.idle_timeout))
                .arg(millis(birth.max_lifetime))
                .arg(u8::from(way.is_some()))
                .arg(way.map_or(0, |way| millis(way.idle)))
                .arg(u8::from(way.is_some_and(|way| way.in_flight)))
                .arg(u8::from(way.is_some_and(|way| way.busy)))
                .arg(LEASE.as_millis())
                .arg(self.shares.caller)
                .arg(self.shares.namespace)
                .arg(self.shares.all);
            let left = Left::default();
            let mut unless_entered = EndsUnlessEntered {
                ends: &self.ends,
                end: Some(End { ticket, left, at }),
            };
            let entered = self.server.run::<(u32, u8, Text)>(Call(call)).await;
            let (generation, started, version) = entered?;
            unless_entered.end = None;
            let version = version.get().filter(|version| !version.is_empty());
            Ok(Entered {
                generation,
                started: started == 1,
                version: version.map(Into::into),
                ticket,
            })
        }
        .boxed()
    }

    fn leave(&self, _: &Owner, _: &SessionId, entered: &Entered, left: Left) {
        // The channel is closed only where the process ends, and with it everything that is in flight.
        let _ = self.ends.send(End {
            ticket: entered.ticket,
            left,
            at: Timestamp::now(),
        });
    }

    fn list<'a>(
        &'a self,
        owner: &'a Owner,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Listed, LedgerUnavailable>> {
        async move {
            let limit = limit.clamp(1, PAGE_MAX);
            let key = owner_key(owner);
            let (mut listed, mut visited, mut after) = (Listed::default(), 0, after);
            loop {
                let most = PAGE.min(limit - listed.records.len());
                let mut call = self.server.scripts.list.prepare_invoke();
                call.arg(&key)
                    .arg(after)
                    .arg(Timestamp::now().as_millisecond())
                    .arg(most);
                let (count, last, rows): (usize, u64, Vec<Row>) =
                    self.server.query(Call(call)).await?;
                let mine = self.read(rows).map(|member| member.record);
                listed.records.extend(mine);
                if count < most {
                    return Ok(listed);
                }
                visited += count;
                after = last;
                if listed.records.len() >= limit || visited >= VISITED {
                    listed.next = Some(after);
                    return Ok(listed);
                }
            }
        }
        .boxed()
    }

    fn find<'a>(
        &'a self,
        owner: &'a Owner,
        conversation: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<Record>, LedgerUnavailable>> {
        async move {
            let mut call = self.server.scripts.find.prepare_invoke();
            call.arg(id_of(owner, conversation));
            let rows: Vec<Row> = self.server.run(Call(call)).await?;
            Ok(self.read(rows).next().map(|member| member.record))
        }
        .boxed()
    }

    fn replace<'a>(
        &'a self,
        owner: &'a Owner,
        conversation: &'a SessionId,
        generation: u32,
    ) -> BoxFuture<'a, Result<(), LedgerUnavailable>> {
        async move {
            let mut call = self.server.scripts.replace.prepare_invoke();
            call.arg(id_of(owner, conversation))
                .arg(generation)
                .arg(Timestamp::now().as_millisecond());
            self.server.run::<i64>(Call(call)).await.map(drop)
        }
        .boxed()
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<(Group, Count)>, LedgerUnavailable>> {
        async move {
            let (mut counts, mut after) = (Vec::new(), Text::default());
            loop {
                let mut call = self.server.scripts.count.prepare_invoke();
                call.arg(Timestamp::now().as_millisecond())
                    .arg(after.bytes())
                    .arg(GROUPS);
                let (count, last, rows): (usize, Text, Vec<(Text, u32, u32)>) =
                    self.server.query(Call(call)).await?;
                let (all, before) = (rows.len(), counts.len());
                counts.extend(rows.into_iter().filter_map(|(key, current, retired)| {
                    Some((group(key.get()?)?, Count { current, retired }))
                }));
                self.server.unreadable((all + before - counts.len()) as u64);
                if count < GROUPS {
                    break;
                }
                after = last;
            }
            let known = counts.iter().map(|(_, count)| count.all() as usize).sum();
            self.known.store(known, Ordering::Relaxed);
            Ok(counts)
        }
        .boxed()
    }

    fn judge<'a>(
        &'a self,
        stale: &'a [Group],
        current: &'a [Group],
    ) -> BoxFuture<'a, Result<Vec<Timestamp>, LedgerUnavailable>> {
        async move {
            let mut since = Vec::with_capacity(stale.len());
            let none: &[Group] = &[];
            let parts = stale.chunks(GROUPS).map(|stale| (stale, none));
            let parts = parts.chain(current.chunks(GROUPS).map(|current| (none, current)));
            for (stale, current) in parts {
                let mut call = self.server.scripts.judge.prepare_invoke();
                call.arg(Timestamp::now().as_millisecond()).arg(stale.len());
                for group in stale.iter().chain(current) {
                    call.arg(group_key(group));
                }
                let some: Vec<i64> = self.server.query(Call(call)).await?;
                since.extend(some.into_iter().map(time));
            }
            Ok(since)
        }
        .boxed()
    }

    fn stale_since<'a>(
        &'a self,
        groups: &'a [Group],
    ) -> BoxFuture<'a, Result<Vec<Option<Timestamp>>, LedgerUnavailable>> {
        async move {
            let mut since = Vec::with_capacity(groups.len());
            for groups in groups.chunks(GROUPS) {
                let mut call = self.server.scripts.stale_since.prepare_invoke();
                for group in groups {
                    call.arg(group_key(group));
                }
                let some: Vec<i64> = self.server.query(Call(call)).await?;
                since.extend(some.into_iter().map(|at| (at > 0).then(|| time(at))));
            }
            Ok(since)
        }
        .boxed()
    }

    fn members<'a>(
        &'a self,
        group: &'a Group,
        from: Option<Cursor>,
    ) -> BoxFuture<'a, Result<Members, LedgerUnavailable>> {
        async move {
            let Cursor(retired, first) = from.unwrap_or(Cursor(0, 0));
            let list = if retired == 0 { "g:" } else { "q:" };
            let mut call = self.server.scripts.members.prepare_invoke();
            call.arg(format!("{list}{}", group_key(group)))
                .arg(Timestamp::now().as_millisecond())
                .arg(first)
                .arg(first + PAGE as u64 - 1);
            let (count, rows): (usize, Vec<Row>) = self.server.query(Call(call)).await?;
            let next = if count == PAGE {
                // What is over was taken off the list: the others move up.
                Some(Cursor(retired, first + rows.len() as u64))
            } else {
                (retired == 0).then_some(Cursor(1, 0))
            };
            let members = self.read(rows).collect();
            Ok(Members { members, next })
        }
        .boxed()
    }

    fn retire<'a>(
        &'a self,
        owner: &'a Owner,
        record: &'a Record,
        in_flight: bool,
    ) -> BoxFuture<'a, Result<bool, LedgerUnavailable>> {
        async move {
            let mut call = self.server.scripts.retire.prepare_invoke();
            call.arg(id_of(owner, &record.conversation))
                .arg(record.generation)
                .arg(Timestamp::now().as_millisecond())
                .arg(record.last_used_at.as_millisecond())
                .arg(u8::from(in_flight));
            let retired: u8 = self.server.query(Call(call)).await?;
            Ok(retired == 1)
        }
        .boxed()
    }

    fn ended<'a>(
        &'a self,
        owner: &'a Owner,
        record: &'a Record,
    ) -> BoxFuture<'a, Result<(), LedgerUnavailable>> {
        async move {
            let mut call = self.server.scripts.ended.prepare_invoke();
            call.arg(id_of(owner, &record.conversation))
                .arg(record.generation);
            self.server.query::<i64>(Call(call)).await.map(drop)
        }
        .boxed()
    }

    fn stopped<'a>(
        &'a self,
        live: &'a Group,
        more: u32,
    ) -> BoxFuture<'a, Result<u32, LedgerUnavailable>> {
        async move {
            let mut place = live.clone();
            place.version = None;
            let mut call = self.server.scripts.stopped.prepare_invoke();
            call.arg(group_key(&place))
                .arg(live.version.as_deref().unwrap_or_default())
                .arg(more);
            self.server.query(Call(call)).await
        }
        .boxed()
    }

    fn len(&self) -> usize {
        self.known.load(Ordering::Relaxed)
    }

    fn forgotten(&self) -> u64 {
        self.server.counts.forgotten.load(Ordering::Relaxed)
    }

    fn unreadable(&self) -> u64 {
        self.server.counts.unreadable.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[path = "redis_tests.rs"]
mod tests;
