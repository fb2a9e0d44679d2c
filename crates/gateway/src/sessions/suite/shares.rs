//! How much a ledger keeps of whom, and how it is read in parts.

use std::collections::HashSet;
use std::time::Duration;

use super::{at, birth, enter, id, list, plain, said, settled, turn};
use crate::sessions::ledger::{Birth, Ledger, Listed, Owner};

/// Numbers of the conversations that are known of those up to `most`.
async fn known(ledger: &dyn Ledger, owner: &Owner, most: usize) -> Vec<usize> {
    let there: HashSet<_> = list(ledger, owner)
        .await
        .into_iter()
        .map(|record| record.conversation)
        .collect();
    (0..most).filter(|n| there.contains(&id(*n))).collect()
}

fn within(namespace: &str, subject: &str) -> Owner {
    Owner {
        namespace: namespace.into(),
        ..at("support", subject)
    }
}

pub async fn a_list_is_read_in_pages_to_its_end(ledger: &dyn Ledger) {
    const ALL: usize = 3_100;
    let (me, other) = (at("support", "me"), at("support", "other"));
    for some in (0..ALL).collect::<Vec<_>>().chunks(100) {
        let entering = some.iter().map(|n| enter(ledger, &me, *n, "1"));
        futures::future::join_all(entering).await;
    }
    enter(ledger, &other, 1, "1").await;
    let (mut seen, mut pages, mut after) = (Vec::new(), Vec::new(), 0);
    loop {
        let Listed { records, next } = ledger.list(&me, after, 1_000).await.unwrap();
        assert!(records.len() <= 1_000, "{}", records.len());
        pages.push(records.len());
        seen.extend(records.into_iter().map(|record| record.conversation));
        let Some(next) = next else { break };
        assert!(next > after);
        after = next;
        // Whoever is used meanwhile moves to the end, and nobody is left out.
        enter(ledger, &me, pages.len(), "1").await;
    }
    let all: HashSet<_> = seen.iter().collect();
    assert_eq!(all.len(), ALL, "{pages:?}");
    assert!(seen.len() <= ALL + pages.len(), "{pages:?}");
    assert!(pages.len() >= 4, "{pages:?}");
    let few = ledger.list(&me, 0, 7).await.unwrap();
    assert_eq!((few.records.len(), few.next.is_some()), (7, true));
    // More than a page is never given.
    let many = ledger.list(&me, 0, usize::MAX).await.unwrap();
    assert_eq!(many.records.len(), 1_000);
    assert!(
        ledger
            .list(&me, u64::MAX >> 11, 10)
            .await
            .unwrap()
            .records
            .is_empty()
    );
}

pub async fn a_list_of_what_has_ended_has_an_end(ledger: &dyn Ledger) {
    const ALL: usize = 2_500;
    let me = at("support", "me");
    let short = Birth {
        max_lifetime: Duration::ZERO,
        ..birth("1")
    };
    for some in (0..ALL).collect::<Vec<_>>().chunks(100) {
        let entering = some.iter().map(|n| {
            let (entry, number, me) = (plain(short.clone()), *n, &me);
            async move {
                let conversation = id(number);
                let entered = ledger.enter(me, &conversation, entry).await.unwrap();
                ledger.leave(me, &conversation, &entered, super::left(true));
            }
        });
        futures::future::join_all(entering).await;
    }
    for n in ALL - 100..ALL {
        settled(ledger, &me, n, |in_flight| in_flight == 0).await;
    }
    turn(ledger, &me, ALL, "1").await;
    let first = ledger.list(&me, 0, 1_000).await.unwrap();
    assert!(
        first.records.is_empty() && first.next.is_some(),
        "{first:?}"
    );
    assert_eq!(list(ledger, &me).await.len(), 1);
}

pub async fn a_caller_beyond_its_share_forgets_its_own_longest_unused(ledger: &dyn Ledger) {
    let (me, other) = (at("support", "me"), at("support", "other"));
    turn(ledger, &other, 0, "1").await;
    for n in 0..8 {
        turn(ledger, &me, n, "1").await;
    }
    // Its conversations with all agents count together.
    for n in 8..10 {
        turn(ledger, &at("another", "me"), n, "1").await;
    }
    assert_eq!(ledger.forgotten(), 0);
    turn(ledger, &me, 0, "1").await;
    for n in 10..12 {
        turn(ledger, &me, n, "1").await;
    }
    assert_eq!(known(ledger, &me, 20).await, [0, 3, 4, 5, 6, 7, 10, 11]);
    assert_eq!(known(ledger, &at("another", "me"), 20).await, [8, 9]);
    for n in 12..500 {
        turn(ledger, &me, n, "1").await;
    }
    assert_eq!(list(ledger, &me).await.len(), 10);
    assert_eq!(known(ledger, &other, 20).await, [0], "not its own");
    assert_eq!(ledger.forgotten(), 490);
    ledger.counts().await.unwrap();
    assert_eq!(ledger.len(), 11);
}

pub async fn a_full_namespace_forgets_of_the_caller_that_has_most_there(ledger: &dyn Ledger) {
    for (subject, count) in [("a", 8), ("b", 9), ("c", 3)] {
        for n in 0..count {
            turn(ledger, &within("shop", subject), n, "1").await;
        }
    }
    // Who has more, but elsewhere, does not make room here.
    for n in 0..10 {
        turn(ledger, &within("other", "d"), n, "1").await;
    }
    turn(ledger, &within("shop", "c"), 3, "1").await;
    assert_eq!(
        known(ledger, &within("shop", "b"), 20).await,
        [1, 2, 3, 4, 5, 6, 7, 8]
    );
    assert_eq!(list(ledger, &within("shop", "a")).await.len(), 8);
    assert_eq!(list(ledger, &within("shop", "c")).await.len(), 4);
    assert_eq!(list(ledger, &within("other", "d")).await.len(), 10);
}

pub async fn a_full_ledger_forgets_of_the_caller_that_has_most(ledger: &dyn Ledger) {
    for (namespace, subject, count) in [
        ("w", "a", 10),
        ("w", "b", 9),
        ("x", "c", 9),
        ("y", "d", 9),
        ("z", "e", 3),
    ] {
        for n in 0..count {
            turn(ledger, &within(namespace, subject), n, "1").await;
        }
    }
    assert_eq!(ledger.forgotten(), 0);
    turn(ledger, &within("z", "f"), 0, "1").await;
    assert_eq!(
        known(ledger, &within("w", "a"), 20).await,
        (1..10).collect::<Vec<_>>()
    );
    for (namespace, subject, count) in [
        ("w", "b", 9),
        ("x", "c", 9),
        ("y", "d", 9),
        ("z", "e", 3),
        ("z", "f", 1),
    ] {
        let left = list(ledger, &within(namespace, subject)).await;
        assert_eq!(left.len(), count, "{subject}");
    }
}

pub async fn nothing_in_flight_is_forgotten_and_the_share_is_kept_afterwards(ledger: &dyn Ledger) {
    let me = at("support", "me");
    let mut open = Vec::new();
    for n in 0..30 {
        open.push(enter(ledger, &me, n, "1").await);
    }
    assert_eq!(known(ledger, &me, 40).await, (0..30).collect::<Vec<_>>());
    for (n, entered) in open.iter().enumerate() {
        ledger.leave(&me, &id(n), entered, super::left(true));
        settled(ledger, &me, n, |in_flight| in_flight == 0).await;
    }
    for n in 30..60 {
        turn(ledger, &me, n, "1").await;
    }
    assert_eq!(known(ledger, &me, 60).await.len(), 10);
}

pub async fn what_is_forgotten_of_a_replaced_session_leads_back_to_no_former_one(
    ledger: &dyn Ledger,
) {
    let me = at("support", "me");
    turn(ledger, &me, 0, "1").await;
    let seen = list(ledger, &me).await.remove(0);
    assert!(ledger.retire(&me, &seen, false).await.unwrap());
    for n in 1..30 {
        turn(ledger, &me, n, "1").await;
    }
    // The retired one waits for its end, and no turn begins in it.
    let again = enter(ledger, &me, 0, "1").await;
    assert_eq!(said(&again), (1, true));
    assert!(list(ledger, &me).await.len() <= 11);
}
