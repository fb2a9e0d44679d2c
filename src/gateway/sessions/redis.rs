//! The ledger that several replicas share, in Valkey or Redis. Each step is one script, which runs alone. What a replica has in flight counts
//! as long as the replica says that it lives, and everything expires by itself.

mod scripts;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use agentcore_invoke::SessionId;
use futures::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use redis::Client;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::ledger::{
    Count, Entered, Entry, Group, Ledger, LedgerUnavailable, Left, Member, Owner, Record,
};
use crate::args::RedisUrl;
use scripts::{Call, Row, group, group_key, id_of, millis, owner_id};
use server::{AGAIN, End, LEASE, Server, beat, say_ends};

/// Until an answer, and until a connection. A caller waits that long for its 503 while the server is away.
const ANSWER: Duration = Duration::from_secs(2);
/// Sessions that are read at once: other scripts wait meanwhile.
const PAGE: usize = 200;

/// Sessions in Valkey or Redis.
pub struct RedisLedger {
    server: Server,
    tickets: AtomicU64,
    ends: mpsc::UnboundedSender<End>,
    known: AtomicUsize,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// Why there is no such ledger.
#[derive(Debug, thiserror::Error)]
pub enum RedisLedgerError {
    /// The address is none. It is not repeated: there may be a password in it.
    #[error("the address of the ledger (--ledger) is not valid: {0}")]
    Address(String),
}

impl RedisLedger {
    /// At this address. Whether it answers shows later: a gateway starts without it, and answers 503 until it is there.
    ///
    /// # Errors
    /// An address that is none.
    pub fn new(url: &RedisUrl) -> Result<Self, RedisLedgerError> {
        let client = Client::open(url.0.as_str())
            .map_err(|error| RedisLedgerError::Address(error.category().to_owned()))?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(ANSWER))
            .set_connection_timeout(Some(ANSWER))
            // All requests wait for the same connection. A try more would only make them wait longer.
            .set_number_of_retries(1)
            .set_max_delay(AGAIN);
        let connection = ConnectionManager::new_lazy_with_config(client, config)
            .map_err(|error| RedisLedgerError::Address(error.category().to_owned()))?;
        let server = Server {
            connection,
            scripts: Arc::default(),
            replica: format!("{:016x}", rand::random::<u64>()).into(),
        };
        let (ends, heard) = mpsc::unbounded_channel();
        Ok(Self {
            _tasks: [
                AbortOnDropHandle::new(tokio::spawn(beat(server.clone()))),
                AbortOnDropHandle::new(tokio::spawn(say_ends(server.clone(), heard))),
            ],
            server,
            tickets: AtomicU64::new(0),
            ends,
            known: AtomicUsize::new(0),
        })
    }
}

/// Takes a request back that may have entered all the same where nobody heard so: after an error, and where whoever asked went away.
struct EndsUnlessEntered<'a> {
    ends: &'a mpsc::UnboundedSender<End>,
    end: Option<End>,
}

impl Drop for EndsUnlessEntered<'_> {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            // The channel is closed only where the process ends.
            let _ = self.ends.send(end);
        }
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
            let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
            let id = id_of(owner, conversation);
            let Entry { birth, give_way } = entry;
            let way = give_way.as_ref();
            let at = Timestamp::now();
            let mut call = self.server.scripts.enter.prepare_invoke();
            call.arg(&id)
                .arg(owner_id(owner))
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
                .arg(LEASE.as_millis());
            let mut unless_entered = EndsUnlessEntered {
                ends: &self.ends,
                end: Some(End {
                    id: id.clone(),
                    generation: None,
                    ticket,
                    left: Left::default(),
                    at,
                }),
            };
            let entered = self.server.run::<(u32, u8, String)>(Call(call)).await;
            let (generation, started, version) = entered?;
            unless_entered.end = None;
            Ok(Entered {
                generation,
                started: started == 1,
                version: Some(version)
                    .filter(|version| !version.is_empty())
                    .map(Into::into),
                ticket,
            })
        }
        .boxed()
    }

    fn leave(&self, owner: &Owner, conversation: &SessionId, entered: &Entered, left: Left) {
        // The channel is closed only where the process ends, and with it everything that is in flight.
        let _ = self.ends.send(End {
            id: id_of(owner, conversation),
            generation: Some(entered.generation),
            ticket: entered.ticket,
            left,
            at: Timestamp::now(),
        });
    }

    fn list<'a>(
        &'a self,
        owner: &'a Owner,
    ) -> BoxFuture<'a, Result<Vec<Record>, LedgerUnavailable>> {
        async move {
            let mut call = self.server.scripts.list.prepare_invoke();
            call.arg(owner_id(owner))
                .arg(Timestamp::now().as_millisecond());
            let rows: Vec<Row> = self.server.run(Call(call)).await?;
            let members = rows.into_iter().filter_map(Row::member);
            let mut records: Vec<Record> = members.map(|member| member.record).collect();
            records.sort_by_key(|record| record.started_at);
            Ok(records)
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
            let member = rows.into_iter().next().and_then(Row::member);
            Ok(member.map(|member| member.record))
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

    fn survey(&self) -> BoxFuture<'_, Result<Vec<(Group, Count)>, LedgerUnavailable>> {
        async move {
            let mut call = self.server.scripts.survey.prepare_invoke();
            call.arg(Timestamp::now().as_millisecond());
            let rows: Vec<(String, u32, u32)> = self.server.run(Call(call)).await?;
            let counts: Vec<(Group, Count)> = rows
                .into_iter()
                .filter_map(|(key, current, retired)| {
                    Some((group(&key)?, Count { current, retired }))
                })
                .collect();
            let known: u32 = counts.iter().map(|(_, count)| count.all()).sum();
            self.known.store(known as usize, Ordering::Relaxed);
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
            if stale.is_empty() && current.is_empty() {
                return Ok(Vec::new());
            }
            let mut call = self.server.scripts.judge.prepare_invoke();
            call.arg(Timestamp::now().as_millisecond()).arg(stale.len());
            for group in stale.iter().chain(current) {
                call.arg(group_key(group));
            }
            let since: Vec<i64> = self.server.run(Call(call)).await?;
            Ok(since.into_iter().map(time).collect())
        }
        .boxed()
    }

    fn stale_since<'a>(
        &'a self,
        groups: &'a [Group],
    ) -> BoxFuture<'a, Result<Vec<Option<Timestamp>>, LedgerUnavailable>> {
        async move {
            let mut call = self.server.scripts.stale_since.prepare_invoke();
            for group in groups {
                call.arg(group_key(group));
            }
            let since: Vec<Option<i64>> = self.server.run(Call(call)).await?;
            Ok(since.into_iter().map(|at| at.map(time)).collect())
        }
        .boxed()
    }

    fn members<'a>(
        &'a self,
        group: &'a Group,
    ) -> BoxFuture<'a, Result<Vec<Member>, LedgerUnavailable>> {
        async move {
            let mut members = Vec::new();
            for list in ["g:", "q:"] {
                let mut first = 0;
                loop {
                    let mut call = self.server.scripts.members.prepare_invoke();
                    call.arg(format!("{list}{}", group_key(group)))
                        .arg(Timestamp::now().as_millisecond())
                        .arg(first)
                        .arg(first + PAGE - 1);
                    let (count, rows): (usize, Vec<Row>) = self.server.run(Call(call)).await?;
                    // What is over was taken off the list: the others move up.
                    first += rows.len();
                    members.extend(rows.into_iter().filter_map(Row::member));
                    if count < PAGE {
                        break;
                    }
                }
            }
            Ok(members)
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
            let retired: u8 = self.server.run(Call(call)).await?;
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
            self.server.run::<i64>(Call(call)).await.map(drop)
        }
        .boxed()
    }

    fn stopped<'a>(
        &'a self,
        live: &'a Group,
        more: u32,
    ) -> BoxFuture<'a, Result<u32, LedgerUnavailable>> {
        async move {
            let place = Group {
                version: None,
                ..live.clone()
            };
            let mut call = self.server.scripts.stopped.prepare_invoke();
            call.arg(group_key(&place))
                .arg(live.version.as_deref().unwrap_or_default())
                .arg(more);
            self.server.run(Call(call)).await
        }
        .boxed()
    }

    fn len(&self) -> usize {
        self.known.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[path = "redis_tests.rs"]
mod tests;
