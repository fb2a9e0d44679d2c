//! The shared ledger against a real redis-server: what every ledger keeps to, and what only a shared one can meet.

use std::time::Duration;

use redis_server::RedisServer;

use super::*;
use crate::sessions::ledger::{GiveWay, RECORDS_SHARED, shares};
use crate::sessions::suite::{self, birth, enter, group, id, left, list, members, owner, plain};

#[path = "redis/bounds_tests.rs"]
mod bounds;
#[path = "redis/cluster_tests.rs"]
mod cluster;
#[path = "redis/failover_tests.rs"]
mod failover;
#[path = "../../../../tests/gateway/redis_server.rs"]
mod redis_server;

/// A ledger with a server of its own.
struct Alone {
    ledger: RedisLedger,
    server: RedisServer,
}

impl std::ops::Deref for Alone {
    type Target = RedisLedger;

    fn deref(&self) -> &RedisLedger {
        &self.ledger
    }
}

fn ledger_at(server: &RedisServer) -> RedisLedger {
    with_shares(server, shares(RECORDS_SHARED))
}

fn with_shares(server: &RedisServer, shares: Shares) -> RedisLedger {
    RedisLedger::new(&RedisUrl(server.url()), shares).unwrap()
}

fn alone() -> Alone {
    let server = RedisServer::start();
    Alone {
        ledger: ledger_at(&server),
        server,
    }
}

crate::sessions::suite::every_small_ledger!(async || {
    let server = RedisServer::start();
    Alone {
        ledger: with_shares(&server, suite::small()),
        server,
    }
});
crate::sessions::suite::every_ledger!(async || {
    let alone = alone();
    // What a look does: the number of sessions comes from there.
    alone.counts().await.unwrap();
    alone
});

async fn until<T>(what: &str, probe: impl AsyncFn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let limit = Duration::from_mins(1);
    tokio::time::timeout(limit, found).await.expect(what)
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_see_each_others_sessions() {
    let one = alone();
    let (two, me) = (ledger_at(&one.server), owner("me"));
    let first = enter(&*one, &me, 1, "1").await;
    let second = enter(&two, &me, 1, "1").await;
    assert_eq!((first.started, second.started), (true, false));
    assert_eq!(list(&two, &me).await[0].in_flight, 2);
    two.leave(&me, &id(1), &second, left(true));
    until("one left", async || {
        (list(&*one, &me).await[0].in_flight == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_replica_had_in_flight_vanishes_with_its_lease() {
    let one = alone();
    let me = owner("me");
    let two = ledger_at(&one.server);
    enter(&two, &me, 1, "1").await;
    assert_eq!(list(&*one, &me).await[0].in_flight, 1);
    let key = scripts::replica_key(&two.server.replica);
    // Its sign of life ends with it.
    drop(two);
    let mut connection = one.server_connection();
    let left: i64 = redis::cmd("PTTL")
        .arg(&key)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert!(left > 0 && left <= 15_000, "{left}");
    until("a lease that ran out", async || {
        (list(&*one, &me).await[0].in_flight == 0).then_some(())
    })
    .await;
    let stale = members(&*one, "1").await;
    assert!(one.retire(&me, &stale[0].record, false).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_caller_goes_away_while_it_enters_is_not_in_flight() {
    let one = alone();
    let me = owner("me");
    let first = enter(&*one, &me, 1, "1").await;
    for patience in 0..200 {
        let mut entering = Box::pin(enter(&*one, &me, 1, "1"));
        let waited = Duration::from_micros(patience);
        if let Ok(entered) = tokio::time::timeout(waited, &mut entering).await {
            one.leave(&me, &id(1), &entered, left(true));
        }
    }
    one.leave(&me, &id(1), &first, left(true));
    until("an end of all", async || {
        (list(&*one, &me).await[0].in_flight == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_names_no_session_is_found_in_the_one_before() {
    let one = alone();
    let me = owner("me");
    let entered = enter(&*one, &me, 1, "1").await;
    let seen = members(&*one, "1").await.remove(0).record;
    assert!(one.retire(&me, &seen, true).await.unwrap());
    one.ends
        .send(End {
            ticket: entered.ticket,
            left: Left::default(),
            at: Timestamp::now(),
        })
        .expect("somebody who listens");
    until("an end", async || {
        (members(&*one, "1").await[0].record.in_flight == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lags_behind_ends_no_session_of_the_version_that_serves() {
    let one = alone();
    let me = owner("me");
    enter(&*one, &me, 1, "2").await;
    let asks = async || {
        let entry = Entry {
            birth: birth("1"),
            give_way: Some(GiveWay {
                idle: Duration::ZERO,
                in_flight: true,
                busy: true,
            }),
        };
        one.ledger.enter(&me, &id(1), entry).await.unwrap().started
    };
    assert!(!asks().await, "nobody judged");
    one.judge(&[group("1")], &[group("2")]).await.unwrap();
    assert!(!asks().await, "it serves");
    one.judge(&[group("2")], &[group("1")]).await.unwrap();
    assert!(asks().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_leaves_the_list_and_no_other_is_missed() {
    let one = alone();
    let me = owner("me");
    for number in 0..PAGE + 50 {
        enter(&*one, &me, number, "1").await;
    }
    let mut connection = one.server_connection();
    // Lost, such as to a server that was short of memory.
    for number in 0..100 {
        let key = format!("{{agentcore}}:2:s:{}:0", id_of(&me, &id(number)));
        let _: i64 = redis::cmd("DEL")
            .arg(key)
            .query_async(&mut connection)
            .await
            .unwrap();
    }
    assert_eq!(members(&*one, "1").await.len(), PAGE - 50);
    let counts = one.counts().await.unwrap();
    assert_eq!(counts[0].1.current as usize, PAGE - 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_said_and_comes_back_by_itself() {
    let mut one = alone();
    let me = owner("me");
    let entered = enter(&*one, &me, 1, "1").await;
    one.server.stop();
    let begun = std::time::Instant::now();
    let failed = one.ledger.list(&me, 0, 10).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(!failed.to_string().contains("127.0.0.1"), "{failed}");
    // Said to nobody now, it is said later.
    one.ledger.leave(&me, &id(1), &entered, left(true));
    one.server.restart();
    // Each way to it comes back by itself.
    until("an answer", async || one.ledger.list(&me, 0, 10).await.ok()).await;
    until("an answer", async || {
        one.ledger.find(&me, &id(1)).await.ok()
    })
    .await;
    assert!(enter(&*one, &me, 1, "1").await.started, "all was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_expires_by_itself() {
    let one = alone();
    let me = owner("me");
    let entered = enter(&*one, &me, 1, "1").await;
    one.leave(&me, &id(1), &entered, left(true));
    let mut connection = one.server_connection();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut connection)
        .await
        .unwrap();
    let kinds = ["c:", "s:", "o:", "r:"].map(|kind| format!("{{agentcore}}:2:{kind}"));
    for kind in kinds {
        let key = keys
            .iter()
            .find(|key| key.starts_with(&kind))
            .expect("a key");
        let left: i64 = redis::cmd("PTTL")
            .arg(key)
            .query_async(&mut connection)
            .await
            .unwrap();
        // Eight hours of life, and two of slack.
        assert!(left > 0 && left <= 36_000_000, "{key}: {left}");
    }
}

#[test]
fn an_address_is_not_repeated() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let wrong = RedisUrl("redis://:s3cret@host:port".to_owned());
    let error = RedisLedger::new(&wrong, suite::small())
        .err()
        .expect("an error");
    assert!(!error.to_string().contains("s3cret"), "{error}");
    assert!(!format!("{wrong:?}").contains("s3cret"));
}

impl RedisLedger {
    fn server_connection(&self) -> redis::aio::ConnectionManager {
        self.server.requests.connection()
    }
}
