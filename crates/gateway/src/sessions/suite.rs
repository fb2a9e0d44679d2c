//! What every ledger keeps to: one suite, run against each.

mod roll;
mod shares;

pub use roll::*;
pub use shares::*;

use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::SessionId;

use super::ledger;
use super::ledger::{
    Birth, Count, Entered, Entry, Group, Ledger, Left, Listed, Member, Members, Owner, PAGE_MAX,
    Record,
};
use crate::agents::Kind;

/// Runs the suite; the argument makes an empty ledger.
macro_rules! every_ledger {
    ($make:expr) => {
        crate::sessions::suite::every_ledger!($make;
            a_session_keeps_what_it_was_born_with_and_counts_what_is_in_flight,
            a_replaced_session_begins_anew_and_late_leavers_do_not_count,
            what_has_lived_its_life_begins_again,
            what_rested_for_too_long_begins_again,
            an_agent_that_works_on_does_not_rest,
            a_session_that_no_request_reached_has_not_begun,
            a_stale_session_gives_way_by_the_rules_it_is_given,
            what_is_in_flight_goes_on_in_the_old_session,
            a_session_is_retired_only_as_it_was_seen,
            a_retired_session_is_known_until_it_has_ended,
            sessions_are_counted_by_object_and_version,
            a_group_is_stale_since_it_was_first_seen_so,
            stops_are_counted_until_the_next_roll,
            a_request_that_leaves_twice_counts_once_at_most,
            conversations_enter_at_once_without_losing_one,
            a_list_is_read_in_pages_to_its_end,
            a_list_of_what_has_ended_has_an_end,
        );
    };
    ($make:expr; $($name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let make = $make;
                let ledger = make().await;
                crate::sessions::suite::$name(&*ledger).await;
            }
        )+
    };
}
pub(crate) use every_ledger;

/// Runs what is said of shares; the argument makes an empty ledger with [`small`] ones.
macro_rules! every_small_ledger {
    ($make:expr) => {
        crate::sessions::suite::every_ledger!($make;
            a_caller_beyond_its_share_forgets_its_own_longest_unused,
            a_full_namespace_forgets_of_the_caller_that_has_most_there,
            a_full_ledger_forgets_of_the_caller_that_has_most,
            nothing_in_flight_is_forgotten_and_the_share_is_kept_afterwards,
            what_is_forgotten_of_a_replaced_session_leads_back_to_no_former_one,
        );
    };
}
pub(crate) use every_small_ledger;

pub fn owner(subject: &str) -> Owner {
    at("support", subject)
}

/// A caller's sessions at another object.
fn at(name: &str, subject: &str) -> Owner {
    Owner {
        subject: subject.into(),
        kind: Kind::AgentRuntime,
        namespace: "shop".into(),
        name: name.into(),
    }
}

/// Small shares: a caller has at most 10 conversations, a namespace 20, all 40.
pub fn small() -> crate::shares::Shares {
    ledger::shares(40)
}

pub fn birth(version: &str) -> Birth {
    Birth {
        qualifier: Some("blue".to_owned()),
        version: Some(version.into()),
        idle_timeout: Duration::from_mins(15),
        max_lifetime: Duration::from_hours(8),
    }
}

pub fn plain(birth: Birth) -> Entry {
    Entry {
        birth,
        give_way: None,
    }
}

pub fn id(number: usize) -> SessionId {
    format!("conversation-{number:040}").parse().unwrap()
}

/// A request that came as far as the session, or not.
pub fn left(reached: bool) -> Left {
    Left {
        reached,
        busy: reached.then_some(false),
    }
}

pub async fn enter(ledger: &dyn Ledger, owner: &Owner, number: usize, version: &str) -> Entered {
    let entry = plain(birth(version));
    ledger.enter(owner, &id(number), entry).await.unwrap()
}

/// A whole turn.
async fn turn(ledger: &dyn Ledger, owner: &Owner, number: usize, version: &str) -> Entered {
    let entered = enter(ledger, owner, number, version).await;
    ledger.leave(owner, &id(number), &entered, left(true));
    settled(ledger, owner, number, |in_flight| in_flight == 0).await;
    entered
}

/// A shared ledger hears of a request's end a moment later.
pub async fn settled(ledger: &dyn Ledger, owner: &Owner, number: usize, good: fn(u32) -> bool) {
    let settled = async {
        loop {
            let record = ledger.find(owner, &id(number)).await.unwrap();
            if record.is_none_or(|record| good(record.in_flight)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, settled).await.expect("settled");
}

pub fn group(version: &str) -> Group {
    Group::of(&owner(""), Some(&version.into()))
}

pub async fn members(ledger: &dyn Ledger, version: &str) -> Vec<Member> {
    let group = group(version);
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let Members { members, next } = ledger.members(&group, from).await.unwrap();
        found.extend(members);
        if next.is_none() {
            return found;
        }
        from = next;
    }
}

/// All sessions of a caller.
pub async fn list(ledger: &dyn Ledger, owner: &Owner) -> Vec<Record> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let Listed { records, next } = ledger.list(owner, after, PAGE_MAX).await.unwrap();
        found.extend(records);
        match next {
            Some(next) => after = next,
            None => return found,
        }
    }
}

fn said(entered: &Entered) -> (u32, bool) {
    (entered.generation, entered.started)
}

pub async fn a_session_keeps_what_it_was_born_with_and_counts_what_is_in_flight(
    ledger: &dyn Ledger,
) {
    let me = owner("me");
    let first = enter(ledger, &me, 1, "1").await;
    let second = enter(ledger, &me, 1, "2").await;
    assert_eq!((said(&first), said(&second)), ((0, true), (0, false)));
    assert_eq!(second.version.as_deref(), Some("1"));
    let seen = list(ledger, &me).await;
    assert_eq!((seen.len(), seen[0].in_flight), (1, 2));
    assert_eq!(seen[0].birth, birth("1"));
    assert_eq!(seen[0].conversation, id(1));
    ledger.leave(&me, &id(1), &first, left(true));
    ledger.leave(&me, &id(1), &second, left(true));
    settled(ledger, &me, 1, |in_flight| in_flight == 0).await;
    assert_eq!(list(ledger, &me).await[0].in_flight, 0);
    assert!(list(ledger, &owner("other")).await.is_empty());
    assert!(list(ledger, &at("other", "me")).await.is_empty());
}

pub async fn a_replaced_session_begins_anew_and_late_leavers_do_not_count(ledger: &dyn Ledger) {
    let me = owner("me");
    let former = enter(ledger, &me, 1, "1").await;
    ledger.replace(&me, &id(1), 0).await.unwrap();
    assert!(list(ledger, &me).await.is_empty());
    assert_eq!(
        ledger.find(&me, &id(1)).await.unwrap().unwrap().generation,
        1
    );
    // Whoever asks for the same replacement a second time changes nothing.
    ledger.replace(&me, &id(1), 0).await.unwrap();
    let next = enter(ledger, &me, 1, "2").await;
    assert_eq!(said(&next), (1, true));
    ledger.leave(&me, &id(1), &former, left(true));
    turn(ledger, &me, 2, "2").await;
    let seen = list(ledger, &me).await;
    let seen = seen.iter().find(|one| one.conversation == id(1)).unwrap();
    assert_eq!((seen.in_flight, &seen.birth), (1, &birth("2")));
}

pub async fn what_has_lived_its_life_begins_again(ledger: &dyn Ledger) {
    let me = owner("me");
    let short = Birth {
        max_lifetime: Duration::ZERO,
        ..birth("1")
    };
    let entered = ledger.enter(&me, &id(1), plain(short)).await.unwrap();
    ledger.leave(&me, &id(1), &entered, left(true));
    settled(ledger, &me, 1, |in_flight| in_flight == 0).await;
    assert!(list(ledger, &me).await.is_empty());
    assert_eq!(said(&enter(ledger, &me, 1, "2").await), (0, true));
    assert_eq!(list(ledger, &me).await[0].birth, birth("2"));
}

pub async fn what_rested_for_too_long_begins_again(ledger: &dyn Ledger) {
    let me = owner("me");
    let hasty = Birth {
        idle_timeout: Duration::ZERO,
        ..birth("1")
    };
    let entered = ledger.enter(&me, &id(1), plain(hasty)).await.unwrap();
    let there = list(ledger, &me).await;
    assert_eq!(there.len(), 1, "what is in flight does not rest");
    ledger.leave(&me, &id(1), &entered, left(true));
    settled(ledger, &me, 1, |in_flight| in_flight == 0).await;
    assert!(list(ledger, &me).await.is_empty());
    assert_eq!(said(&enter(ledger, &me, 1, "2").await), (0, true));
}

pub async fn an_agent_that_works_on_does_not_rest(ledger: &dyn Ledger) {
    let me = owner("me");
    let hasty = Birth {
        idle_timeout: Duration::ZERO,
        ..birth("1")
    };
    let entered = ledger.enter(&me, &id(1), plain(hasty)).await.unwrap();
    let busy = Left {
        reached: true,
        busy: Some(true),
    };
    ledger.leave(&me, &id(1), &entered, busy);
    settled(ledger, &me, 1, |in_flight| in_flight == 0).await;
    let seen = list(ledger, &me).await;
    assert_eq!((seen.len(), seen[0].busy), (1, true));
    let again = enter(ledger, &me, 1, "2").await;
    assert!(!again.started);
    ledger.leave(&me, &id(1), &again, left(true));
    settled(ledger, &me, 1, |in_flight| in_flight == 0).await;
    assert!(list(ledger, &me).await.is_empty(), "now it rests");
}

pub async fn a_session_that_no_request_reached_has_not_begun(ledger: &dyn Ledger) {
    let me = owner("me");
    let entered = enter(ledger, &me, 1, "1").await;
    ledger.leave(&me, &id(1), &entered, left(false));
    settled(ledger, &me, 1, |in_flight| in_flight == 0).await;
    assert!(list(ledger, &me).await.is_empty());
    assert!(members(ledger, "1").await.is_empty());
    assert_eq!(said(&turn(ledger, &me, 1, "2").await), (0, true));
    let entered = enter(ledger, &me, 1, "2").await;
    assert_eq!(said(&entered), (0, false));
    ledger.leave(&me, &id(1), &entered, left(false));
    settled(ledger, &me, 1, |in_flight| in_flight == 0).await;
    assert_eq!(list(ledger, &me).await[0].birth, birth("2"));
}

pub async fn sessions_are_counted_by_object_and_version(ledger: &dyn Ledger) {
    for (subject, versions) in [("a", ["1", "1", "2"]), ("b", ["2", "3", "2"])] {
        for (number, version) in versions.into_iter().enumerate() {
            turn(ledger, &owner(subject), number, version).await;
        }
    }
    turn(ledger, &at("other", "a"), 1, "2").await;
    let mut counts = ledger.counts().await.unwrap();
    counts.sort_by_key(|(group, _)| (group.name.clone(), group.version.clone()));
    let other = Group::of(&at("other", ""), Some(&"2".into()));
    let of = |current| Count {
        current,
        retired: 0,
    };
    assert_eq!(
        counts,
        [
            (other, of(1)),
            (group("1"), of(2)),
            (group("2"), of(3)),
            (group("3"), of(1))
        ]
    );
    assert_eq!(ledger.len(), 7);
    assert_eq!(members(ledger, "2").await.len(), 3);
}

pub async fn a_group_is_stale_since_it_was_first_seen_so(ledger: &dyn Ledger) {
    turn(ledger, &owner("me"), 1, "1").await;
    let one = [group("1")];
    let first = ledger.judge(&one, &[]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert_eq!(ledger.judge(&one, &[group("2")]).await.unwrap(), first);
    let both = [group("1"), group("2")];
    let since = ledger.stale_since(&both).await.unwrap();
    assert_eq!(since, [Some(first[0]), None]);
    assert!(ledger.judge(&[], &one).await.unwrap().is_empty());
    let later = ledger.judge(&one, &[]).await.unwrap();
    assert!(later[0] > first[0], "a rollback ends it");
}

pub async fn stops_are_counted_until_the_next_roll(ledger: &dyn Ledger) {
    assert_eq!(ledger.stopped(&group("2"), 0).await.unwrap(), 0);
    assert_eq!(ledger.stopped(&group("2"), 2).await.unwrap(), 2);
    assert_eq!(ledger.stopped(&group("2"), 1).await.unwrap(), 3);
    assert_eq!(ledger.stopped(&group("3"), 0).await.unwrap(), 0);
    assert_eq!(ledger.stopped(&group("3"), 1).await.unwrap(), 1);
    let counts = ledger.counts().await.unwrap();
    assert_eq!(counts, [(group("3"), Count::default())], "none is left");
    let other = Group::of(&at("other", ""), Some(&"2".into()));
    assert_eq!(ledger.stopped(&other, 1).await.unwrap(), 1);
    assert_eq!(ledger.stopped(&group("3"), 0).await.unwrap(), 1);
}

pub async fn a_request_that_leaves_twice_counts_once_at_most(ledger: &dyn Ledger) {
    let me = owner("me");
    let first = enter(ledger, &me, 1, "1").await;
    ledger.leave(&me, &id(1), &first, left(true));
    ledger.leave(&me, &id(1), &first, left(true));
    settled(ledger, &me, 1, |in_flight| in_flight == 0).await;
    enter(ledger, &me, 1, "1").await;
    assert_eq!(list(ledger, &me).await[0].in_flight, 1);
}

pub async fn conversations_enter_at_once_without_losing_one(ledger: &dyn Ledger) {
    let me = owner("me");
    let turns = (0..200).map(|n| enter(ledger, &me, n % 20, "1"));
    let entered = futures::future::join_all(turns).await;
    assert_eq!(entered.iter().filter(|entered| entered.started).count(), 20);
    let seen = list(ledger, &me).await;
    assert!(seen.len() == 20 && seen.iter().all(|record| record.in_flight == 10));
    for (n, entered) in entered.iter().enumerate() {
        ledger.leave(&me, &id(n % 20), entered, left(true));
    }
    for n in 0..20 {
        settled(ledger, &me, n, |in_flight| in_flight == 0).await;
    }
    let versions: Vec<Option<Arc<str>>> = entered.into_iter().map(|one| one.version).collect();
    assert!(
        versions
            .iter()
            .all(|version| version.as_deref() == Some("1"))
    );
}
