//! The ledger in memory: what every ledger keeps to, and its own limit.

use super::*;
use crate::sessions::suite::{self, enter, id, left, list, owner};

crate::sessions::suite::every_ledger!(async || Box::new(MemoryLedger::default()));
crate::sessions::suite::every_small_ledger!(async || Box::new(MemoryLedger::new(suite::small())));

#[tokio::test]
async fn a_full_ledger_keeps_what_waits_for_its_end() {
    let ledger = MemoryLedger::new(suite::small());
    let me = owner("me");
    for number in 0..30 {
        let entered = enter(&ledger, &me, number, "1").await;
        ledger.leave(&me, &id(number), &entered, left(true));
        if number == 0 {
            let record = ledger.find(&me, &id(0)).await.unwrap().unwrap();
            assert!(ledger.retire(&me, &record, false).await.unwrap());
        }
    }
    let waiting = suite::members(&ledger, "1").await;
    assert_eq!(waiting.iter().filter(|member| member.retired).count(), 1);
}

#[tokio::test]
async fn a_ledger_of_many_conversations_is_looked_at_in_steps_without_missing_one() {
    let ledger = MemoryLedger::default();
    let sum = 2 * STEP + 7;
    for number in 0..sum {
        let me = owner(&format!("caller-{}", number % 3));
        enter(&ledger, &me, number, "1").await;
    }
    let counts = ledger.counts().await.unwrap();
    assert_eq!(counts.len(), 1);
    assert_eq!(counts[0].1.current as usize, sum);
    assert_eq!(suite::members(&ledger, "1").await.len(), sum);
    let of_one = ledger.members(&suite::group("1"), None).await.unwrap();
    assert_eq!((of_one.members.len(), of_one.next.is_some()), (STEP, true));
    assert_eq!(
        list(&ledger, &owner("caller-0")).await.len(),
        sum.div_ceil(3)
    );
}
