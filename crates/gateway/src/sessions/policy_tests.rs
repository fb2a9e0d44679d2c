//! The decision, case by case and at random.

use agentcore_api::sessions::{Drain, OnUpdate, Sessions};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::sessions::ledger::Birth;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn record(last_used: i64, in_flight: u32, busy: bool) -> Record {
    Record {
        conversation: "conversation-of-a-caller-0123456789".parse().unwrap(),
        generation: 0,
        birth: Birth {
            qualifier: None,
            version: Some("1".into()),
            idle_timeout: Duration::from_mins(15),
            max_lifetime: Duration::from_hours(8),
        },
        started_at: at(-10_000),
        last_used_at: at(last_used),
        in_flight,
        busy,
    }
}

fn policy(on_update: OnUpdate) -> Policy {
    Policy {
        on_update,
        ..Policy::default()
    }
}

#[test]
fn an_object_that_says_nothing_drains_by_the_documented_defaults() {
    let defaults = Policy {
        on_update: OnUpdate::Drain,
        idle_after: Duration::from_mins(1),
        deadline: Duration::from_hours(1),
        respect_busy: true,
        max_per_minute: 300,
        unnamed: Unnamed::PerCaller,
    };
    assert_eq!(Policy::of(None, false), defaults);
    assert_eq!(Policy::of(Some(&Sessions::default()), false), defaults);
    let said = Sessions {
        on_update: None,
        drain: Some(Drain {
            idle_after: Some("0s".to_owned()),
            deadline: Some("1h30m".to_owned()),
            respect_busy: Some(false),
            max_per_minute: Some(7),
        }),
        unnamed: Some(Unnamed::PerRequest),
    };
    let read = Policy::of(Some(&said), false);
    assert_eq!(
        (
            read.idle_after,
            read.deadline,
            read.respect_busy,
            read.max_per_minute
        ),
        (Duration::ZERO, Duration::from_mins(90), false, 7)
    );
    assert_eq!(read.unnamed, Unnamed::PerRequest);
    assert_eq!(Policy::of(None, true).on_update, OnUpdate::Leave);
}

#[test]
fn each_case_of_a_session_has_its_verdict() {
    use OnUpdate::{Drain, Leave, Stop};
    let (keep, stop) = (Verdict::Keep, Verdict::Stop);
    let deadline = Verdict::Wait(at(3_602));
    // Policy, retired, stale since, last use, in flight, busy, now -> verdict.
    let table = [
        // A current session is nobody's business.
        (Drain, false, None, 0, 0, false, 9_000, keep),
        (Stop, false, None, 0, 0, false, 9_000, keep),
        // Leave leaves, whatever it is.
        (Leave, false, Some(0), 0, 0, false, 9_000, keep),
        (Leave, true, Some(0), 0, 0, false, 9_000, keep),
        // Drain: idleness, counted from the last use, also one before the roll.
        (
            Drain,
            false,
            Some(0),
            -59,
            0,
            false,
            0,
            Verdict::Wait(at(1)),
        ),
        (Drain, false, Some(0), -60, 0, false, 0, stop(Reason::Idle)),
        (
            Drain,
            false,
            Some(0),
            10,
            0,
            false,
            20,
            Verdict::Wait(at(70)),
        ),
        (Drain, false, Some(0), 3_590, 0, false, 3_595, deadline),
        // What is in flight, and an agent that works on, have until the deadline.
        (Drain, false, Some(0), -600, 1, false, 600, deadline),
        (Drain, false, Some(0), -600, 0, true, 600, deadline),
        (Drain, false, Some(0), 0, 1, true, 3_601, deadline),
        (
            Drain,
            false,
            Some(0),
            0,
            1,
            true,
            3_602,
            stop(Reason::Deadline),
        ),
        // Stop: as soon as nothing is in flight.
        (Stop, false, Some(0), 0, 0, false, 0, stop(Reason::Update)),
        (Stop, false, Some(0), 0, 0, true, 0, stop(Reason::Update)),
        (Stop, false, Some(0), 0, 2, false, 10, deadline),
        (
            Stop,
            false,
            Some(0),
            0,
            2,
            false,
            3_602,
            stop(Reason::Deadline),
        ),
        // Retired: nobody comes back to it, also where its version serves again.
        (Drain, true, Some(0), 0, 0, false, 1, stop(Reason::Replaced)),
        (Drain, true, None, 0, 0, true, 1, stop(Reason::Replaced)),
        (Drain, true, None, 0, 1, false, 1, deadline),
    ];
    for (on_update, retired, since, last_used, in_flight, busy, now, wanted) in table {
        let record = record(last_used, in_flight, busy);
        let verdict = decide(&record, retired, &policy(on_update), since.map(at), at(now));
        assert_eq!(
            verdict, wanted,
            "{on_update:?} retired {retired} since {since:?} last used {last_used} in flight {in_flight} busy {busy} at {now}"
        );
    }
}

#[test]
fn a_busy_agent_that_nobody_respects_is_idle_like_any_other() {
    let hasty = Policy {
        respect_busy: false,
        ..Policy::default()
    };
    let verdict = decide(&record(-60, 0, true), false, &hasty, Some(at(0)), at(0));
    assert_eq!(verdict, Verdict::Stop(Reason::Idle));
}

#[test]
fn what_is_not_known_is_not_stale() {
    assert!(is_stale(Some("1"), Some("2")));
    assert!(!is_stale(Some("2"), Some("2")));
    assert!(!is_stale(None, Some("2")));
    assert!(!is_stale(Some("1"), None));
}

proptest! {
    /// Whatever a session does: nothing in flight is cut before the deadline, nothing lives on beyond it, nobody is asked to wait for a
    /// time that has passed, and waiting until the named time leads to a stop.
    #[test]
    fn a_stale_session_ends_in_time_and_never_in_mid_turn(
        stop in any::<bool>(),
        retired in any::<bool>(),
        respect_busy in any::<bool>(),
        busy in any::<bool>(),
        in_flight in 0_u32..3,
        idle_after in 0_u64..10_000,
        deadline in 0_u64..10_000,
        last_used in -20_000_i64..20_000,
        passed in 0_i64..20_000,
    ) {
        let policy = Policy {
            on_update: if stop { OnUpdate::Stop } else { OnUpdate::Drain },
            idle_after: Duration::from_secs(idle_after),
            deadline: Duration::from_secs(deadline),
            respect_busy,
            max_per_minute: 1,
            unnamed: Unnamed::default(),
        };
        let record = record(last_used.min(passed), in_flight, busy);
        let ends = at(0) + SignedDuration::from_secs(i64::try_from(deadline).unwrap() + 2);
        let at_ends = decide(&record, retired, &policy, Some(at(0)), ends);
        prop_assert_eq!(at_ends, Verdict::Stop(Reason::Deadline));
        match decide(&record, retired, &policy, Some(at(0)), at(passed)) {
            Verdict::Keep => prop_assert!(false, "a stale session is kept"),
            Verdict::Stop(Reason::Deadline) => prop_assert!(at(passed) >= ends),
            Verdict::Stop(_) => prop_assert_eq!(in_flight, 0),
            Verdict::Wait(until) => {
                prop_assert!(until > at(passed) && until <= ends);
                let then = decide(&record, retired, &policy, Some(at(0)), until);
                prop_assert!(matches!(then, Verdict::Stop(_)));
            }
        }
    }
}
