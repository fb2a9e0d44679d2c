//! All that can happen to two replicas and their Lease: whoever leads is alone, and somebody leads once nothing goes wrong any more.
//!
//! All states that can be reached are visited. Faults that are planted show that the model would see them.

mod explore;
mod leases;
mod world;

use std::time::Duration;

use super::Terms;
use explore::explore;
use leases::{Leases, Planted};
use world::TICK;

/// The operator's terms in ticks of 2.5 s, rounded.
const FINE: Terms = Terms {
    duration: Duration::from_secs(6),
    renew_deadline: Duration::from_secs(4),
    retry: Duration::from_secs(1),
    request: Duration::from_secs(2),
    margin: Duration::from_secs(1),
};

/// In ticks of 5 s: few enough for processes that are stopped and killed besides.
const COARSE: Terms = Terms {
    duration: Duration::from_secs(3),
    renew_deadline: Duration::from_secs(2),
    retry: Duration::from_secs(1),
    request: Duration::from_secs(1),
    margin: Duration::from_secs(1),
};

/// Slow replicas, and a network that is late and loses.
const FAULTS: Leases = Leases {
    replicas: 2,
    terms: FINE,
    planted: Planted::Nothing,
    calls: None,
    stops: false,
    kills: false,
    deletes: false,
    gap: true,
    calm: None,
};

/// And processes that are stopped, and killed.
const ALL: Leases = Leases {
    terms: COARSE,
    stops: true,
    kills: true,
    ..FAULTS
};

/// Looks for the worst alone.
const PLANTED: Leases = Leases {
    gap: false,
    ..FAULTS
};
const OVERLAP: &str = "two may change AWS";

fn holds(model: Leases) {
    if let Some((fault, way)) = explore(&model) {
        panic!("{fault}:\n{}", way.join("\n"));
    }
}

/// What the model sees where a replica is made wrong.
fn finds(planted: Planted) -> &'static str {
    sees(Leases { planted, ..PLANTED })
}

fn sees(model: Leases) -> &'static str {
    let (fault, _) = explore(&model).expect("the planted fault is found");
    fault
}

#[test]
fn no_two_replicas_may_change_aws_at_once_and_the_last_request_has_time_to_arrive() {
    holds(FAULTS);
    holds(ALL);
}

#[test]
fn nor_after_somebody_deleted_the_lease() {
    holds(Leases {
        deletes: true,
        kills: false,
        ..ALL
    });
}

#[test]
fn a_change_that_may_begin_has_the_margin_to_end_in() {
    let margin = TICK * 2;
    let terms = Terms { margin, ..FINE };
    let model = Leases {
        replicas: 1,
        terms,
        calls: Some(margin),
        ..PLANTED
    };
    holds(model);
    let terms = Terms {
        margin: TICK,
        ..FINE
    };
    let cut = sees(Leases { terms, ..model });
    assert_eq!(cut, "a call was cut off that began in time");
}

/// Whatever went wrong before, and whoever stands still for ever.
#[test]
fn once_nothing_goes_wrong_somebody_leads_in_time() {
    // A look just before the holder's last write, and a wait from the next one on.
    let bound = COARSE.duration + COARSE.retry;
    let model = Leases {
        calm: Some(bound),
        ..ALL
    };
    holds(model);
    // No shorter time is enough.
    let calm = Some(bound.saturating_sub(TICK));
    assert_eq!(sees(Leases { calm, ..model }), "nobody leads");
}

#[test]
fn the_model_sees_a_deadline_longer_than_the_lease() {
    let terms = Terms {
        renew_deadline: FINE.duration + TICK,
        ..FINE
    };
    assert_eq!(sees(Leases { terms, ..PLANTED }), OVERLAP);
}

#[test]
fn the_model_sees_clocks_that_sleep() {
    assert_eq!(finds(Planted::SleepingClocks), OVERLAP);
}

#[test]
fn the_model_sees_a_lease_that_is_counted_from_the_answer() {
    assert_eq!(finds(Planted::CountsFromTheAnswer), OVERLAP);
}

#[test]
fn the_model_sees_a_holder_judged_by_the_time_that_it_wrote() {
    assert_eq!(finds(Planted::WallClock(FINE.duration)), OVERLAP);
}

#[test]
fn the_model_sees_writes_that_overwrite() {
    assert_eq!(finds(Planted::BlindWrites), OVERLAP);
}

#[test]
fn the_model_sees_calls_that_go_on_after_the_end() {
    let model = Leases {
        planted: Planted::LooksOnce,
        calls: Some(FINE.margin),
        ..PLANTED
    };
    assert_eq!(sees(model), OVERLAP);
}
