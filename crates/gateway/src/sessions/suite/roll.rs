//! What a ledger does with sessions of an old version.

use std::time::Duration;

use super::{birth, enter, group, id, left, list, members, owner, said, settled, turn};
use crate::sessions::ledger::{Count, Entry, GiveWay, Ledger, Left, Record};

pub async fn a_stale_session_gives_way_by_the_rules_it_is_given(ledger: &dyn Ledger) {
    let me = owner("me");
    let rules = |idle, in_flight, busy| {
        Some(GiveWay {
            idle: Duration::from_secs(idle),
            in_flight,
            busy,
        })
    };
    let works_on = Left {
        reached: true,
        busy: Some(true),
    };
    // Rules, the version that asks, in flight, busy -> whether it gives way.
    let table = [
        (None, "2", false, false, false),
        (rules(0, false, false), "1", false, false, false),
        (rules(0, false, false), "2", false, false, true),
        (rules(60, false, false), "2", false, false, false),
        (rules(0, false, false), "2", true, false, false),
        (rules(60, true, false), "2", true, false, true),
        (rules(0, false, false), "2", false, true, false),
        (rules(0, false, true), "2", false, true, true),
    ];
    ledger.judge(&[group("1")], &[]).await.unwrap();
    for (number, (give_way, version, in_flight, busy, gives)) in table.into_iter().enumerate() {
        let first = enter(ledger, &me, number, "1").await;
        ledger.leave(
            &me,
            &id(number),
            &first,
            if busy { works_on } else { left(true) },
        );
        settled(ledger, &me, number, |in_flight| in_flight == 0).await;
        if in_flight {
            enter(ledger, &me, number, "1").await;
        }
        let entry = Entry {
            birth: birth(version),
            give_way,
        };
        let entered = ledger.enter(&me, &id(number), entry).await.unwrap();
        let wanted = if gives { (1, true) } else { (0, false) };
        assert_eq!(said(&entered), wanted, "case {number}");
        let born = if gives { version } else { "1" };
        assert_eq!(entered.version.as_deref(), Some(born), "case {number}");
    }
}

pub async fn what_is_in_flight_goes_on_in_the_old_session(ledger: &dyn Ledger) {
    let me = owner("me");
    let first = enter(ledger, &me, 1, "1").await;
    ledger.judge(&[group("1")], &[]).await.unwrap();
    let entry = Entry {
        birth: birth("2"),
        give_way: Some(GiveWay {
            idle: Duration::ZERO,
            in_flight: true,
            busy: true,
        }),
    };
    assert_eq!(
        said(&ledger.enter(&me, &id(1), entry).await.unwrap()),
        (1, true)
    );
    let old = members(ledger, "1").await;
    assert_eq!(
        (old.len(), old[0].retired, old[0].record.in_flight),
        (1, true, 1)
    );
    assert!(!ledger.retire(&me, &old[0].record, false).await.unwrap());
    assert!(ledger.retire(&me, &old[0].record, true).await.unwrap());
    ledger.leave(&me, &id(1), &first, left(true));
    let ended = async {
        while members(ledger, "1").await[0].record.in_flight > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended)
        .await
        .expect("left");
    let old = members(ledger, "1").await;
    assert!(ledger.retire(&me, &old[0].record, false).await.unwrap());
    assert_eq!(list(ledger, &me).await[0].in_flight, 1, "the new one");
}

pub async fn a_session_is_retired_only_as_it_was_seen(ledger: &dyn Ledger) {
    let me = owner("me");
    turn(ledger, &me, 1, "1").await;
    let seen = members(ledger, "1").await.remove(0).record;
    // Times are kept to the millisecond.
    tokio::time::sleep(Duration::from_millis(3)).await;
    let entered = enter(ledger, &me, 1, "1").await;
    assert!(
        !ledger.retire(&me, &seen, false).await.unwrap(),
        "in flight"
    );
    ledger.leave(&me, &id(1), &entered, left(true));
    settled(ledger, &me, 1, |in_flight| in_flight == 0).await;
    assert!(
        !ledger.retire(&me, &seen, false).await.unwrap(),
        "used since"
    );
    let seen = members(ledger, "1").await.remove(0).record;
    assert!(ledger.retire(&me, &seen, false).await.unwrap());
    assert!(ledger.retire(&me, &seen, false).await.unwrap(), "as before");
    assert_eq!(said(&enter(ledger, &me, 1, "2").await), (1, true));
    let unknown = Record {
        conversation: id(77),
        ..seen
    };
    assert!(!ledger.retire(&me, &unknown, true).await.unwrap());
}

pub async fn a_retired_session_is_known_until_it_has_ended(ledger: &dyn Ledger) {
    let me = owner("me");
    turn(ledger, &me, 1, "1").await;
    let seen = members(ledger, "1").await.remove(0).record;
    assert!(ledger.retire(&me, &seen, false).await.unwrap());
    assert!(list(ledger, &me).await.is_empty());
    let waiting = members(ledger, "1").await;
    assert_eq!((waiting.len(), waiting[0].retired), (1, true));
    assert_eq!((&waiting[0].owner, waiting[0].record.generation), (&me, 0));
    let count = Count {
        current: 0,
        retired: 1,
    };
    assert_eq!(ledger.counts().await.unwrap(), [(group("1"), count)]);
    ledger.ended(&me, &seen).await.unwrap();
    assert!(members(ledger, "1").await.is_empty());
    assert!(ledger.counts().await.unwrap().is_empty());
    assert!(!ledger.retire(&me, &seen, true).await.unwrap());
    assert_eq!(said(&enter(ledger, &me, 1, "2").await), (1, true));
}
