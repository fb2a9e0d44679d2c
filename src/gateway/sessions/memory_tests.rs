//! The ledger in memory: what every ledger keeps to, and its own limit.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::time::Duration;

use super::*;
use crate::gateway::sessions::suite::{self, enter, id, left, owner};

crate::gateway::sessions::suite::every_ledger!(async || Box::new(MemoryLedger::default()));

#[tokio::test]
async fn a_full_ledger_forgets_the_longest_idle_but_nothing_in_flight() {
    let ledger = MemoryLedger {
        capacity: 10,
        ..MemoryLedger::default()
    };
    let me = owner("me");
    for number in 0..10 {
        let entered = enter(&ledger, &me, number, "1").await;
        if number > 0 {
            ledger.leave(&me, &id(number), &entered, left(true));
        }
    }
    enter(&ledger, &me, 10, "1").await;
    let seen = ledger.list(&me).await.unwrap();
    let has = |number| seen.iter().any(|record| record.conversation == id(number));
    assert!(seen.len() <= 10, "{}", seen.len());
    assert!(has(0) && !has(1) && has(9) && has(10));
}

#[tokio::test]
async fn a_full_ledger_keeps_what_waits_for_its_end() {
    let ledger = MemoryLedger {
        capacity: 10,
        ..MemoryLedger::default()
    };
    let me = owner("me");
    for number in 0..30 {
        let entered = enter(&ledger, &me, number, "1").await;
        ledger.leave(&me, &id(number), &entered, left(true));
        if number == 0 {
            let record = ledger.find(&me, &id(0)).await.unwrap().unwrap();
            assert!(ledger.retire(&me, &record, false).await.unwrap());
        }
        // So that the order of use can be told.
        while Timestamp::now().duration_since(suite::last_used(&ledger, &me, number).await)
            < jiff::SignedDuration::from_micros(10)
        {
            tokio::time::sleep(Duration::from_micros(50)).await;
        }
    }
    let waiting = suite::members(&ledger, "1").await;
    assert_eq!(waiting.iter().filter(|member| member.retired).count(), 1);
}
