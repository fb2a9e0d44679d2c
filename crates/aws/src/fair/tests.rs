use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn tenant(number: usize, weight: u32) -> Tenant {
    Tenant::new(&format!("team-{number}"), weight)
}

fn everybody(_: &str) -> bool {
    true
}

/// Serves everybody: the places, from 1, that each namespace got.
fn serve(fair: &mut Fair<usize>) -> HashMap<usize, Vec<u64>> {
    let (mut places, mut place) = (HashMap::<usize, Vec<u64>>::new(), 0);
    while let Some((_, tenant)) = fair.pop(everybody) {
        place += 1;
        places.entry(tenant).or_default().push(place);
    }
    places
}

#[test]
fn one_behind_thousands_of_another_namespace_is_second() {
    let mut fair = Fair::default();
    for _ in 0..5_000 {
        fair.push(&tenant(0, 10), Rank::Next, 0);
    }
    for _ in 0..100 {
        fair.pop(everybody);
    }
    fair.push(&tenant(1, 10), Rank::Next, 1);
    let served: Vec<_> = (0..2).filter_map(|_| fair.pop(everybody)).collect();
    assert!(served.iter().any(|(_, tenant)| *tenant == 1), "{served:?}");
}

#[test]
fn a_namespace_that_asks_one_by_one_gets_no_more_than_one_that_waits_with_all() {
    let mut fair = Fair::default();
    for _ in 0..100 {
        fair.push(&tenant(0, 10), Rank::Next, 0);
    }
    let mut served = [0; 2];
    fair.push(&tenant(1, 10), Rank::Next, 1);
    for _ in 0..100 {
        let (_, who) = fair.pop(everybody).expect("somebody waits");
        served[who] += 1;
        if who == 1 {
            fair.push(&tenant(1, 10), Rank::Next, 1);
        }
    }
    assert!((49..=51).contains(&served[1]), "{served:?}");
}

#[test]
fn what_comes_back_goes_before_what_has_not_begun_but_not_before_other_namespaces() {
    let mut fair = Fair::default();
    for item in ["a begins", "a begins too"] {
        fair.push(&tenant(0, 10), Rank::Next, item);
    }
    fair.push(&tenant(1, 10), Rank::Next, "b begins");
    for item in ["a comes back", "a comes back too"] {
        fair.push(&tenant(0, 10), Rank::First, item);
    }
    let order: Vec<_> = std::iter::from_fn(|| fair.pop(everybody)).collect();
    let order: Vec<_> = order.into_iter().map(|(_, item)| item).collect();
    let begins = order.iter().position(|item| *item == "b begins");
    assert!(begins.is_some_and(|place| place < 2), "{order:?}");
    let of_a: Vec<_> = order.iter().filter(|item| item.starts_with('a')).collect();
    assert_eq!(
        of_a,
        [
            &"a comes back",
            &"a comes back too",
            &"a begins",
            &"a begins too"
        ]
    );
}

#[test]
fn who_might_not_be_served_is_passed_over_and_saves_nothing_up() {
    let mut fair = Fair::default();
    for _ in 0..100 {
        fair.push(&tenant(0, 10), Rank::Next, 0);
        fair.push(&tenant(1, 10), Rank::Next, 1);
    }
    for _ in 0..50 {
        let (_, who) = fair.pop(|name| name != "team-0").expect("the other");
        assert_eq!(who, 1);
    }
    let next: usize = (0..10)
        .filter_map(|_| fair.pop(everybody))
        .map(|(_, who)| who)
        .sum();
    assert!((4..=6).contains(&next), "{next} of 10 for the other");
    assert!(fair.pop(|_| false).is_none());
}

#[test]
fn weights_out_of_range_count_as_the_nearest() {
    assert_eq!(tenant(0, 0), tenant(0, 1));
    assert_eq!(tenant(0, 101), tenant(0, 100));
}

/// Which of some.
fn index() -> impl Strategy<Value = prop::sample::Index> {
    any::<prop::sample::Index>()
}

proptest! {
    /// All come before the first is served: the bound holds to the place.
    #[test]
    fn each_waiter_of_a_crowd_is_served_within_its_share(crowd in vec((1_u32..=100, 1_usize..40), 1..12)) {
        let mut fair = Fair::default();
        for (number, (weight, waiters)) in crowd.iter().enumerate() {
            for _ in 0..*waiters {
                fair.push(&tenant(number, *weight), Rank::Next, number);
            }
        }
        let sum: u64 = crowd.iter().map(|(weight, _)| u64::from(*weight)).sum();
        for (number, places) in serve(&mut fair) {
            for (k, place) in (1..).zip(places) {
                let weight = u64::from(crowd[number].0);
                // Costs are whole numbers: a turn of rounding.
                prop_assert!(place <= (k * sum).div_ceil(weight) + 1, "{number}'s {k}. waiter of {crowd:?} is {place}.");
            }
        }
    }

    /// A newcomer among those who wait already.
    #[test]
    fn a_newcomer_waits_for_its_share_and_one_turn_of_each_other(
        crowd in vec(1_u32..=100, 1..12), served in 0_usize..300, weight in 1_u32..=100, waiters in 1_u64..20,
    ) {
        let mut fair = Fair::default();
        for (number, weight) in crowd.iter().enumerate() {
            for _ in 0..500 {
                fair.push(&tenant(number, *weight), Rank::Next, number);
            }
        }
        for _ in 0..served {
            fair.pop(everybody);
        }
        let new = crowd.len();
        for _ in 0..waiters {
            fair.push(&tenant(new, weight), Rank::Next, new);
        }
        let sum = u64::from(weight) + crowd.iter().map(|weight| u64::from(*weight)).sum::<u64>();
        let (mut k, mut place) = (0, 0);
        while k < waiters {
            place += 1;
            let (_, who) = fair.pop(everybody).expect("somebody waits");
            if who == new {
                k += 1;
                let most = (k * sum).div_ceil(weight.into()) + crowd.len() as u64;
                prop_assert!(place <= most, "{k}. is {place}. of at most {most}");
            }
        }
    }

    /// Coming, leaving and being served in any order: everybody is served once or has left, and nothing is kept of the rest.
    #[test]
    fn nobody_is_lost_and_nobody_is_remembered(steps in vec((0_usize..5, 0_u8..3, index()), 0..200)) {
        let mut fair = Fair::default();
        let mut waiting: Vec<(usize, Place, usize)> = Vec::new();
        for (item, (who, step, which)) in steps.into_iter().enumerate() {
            match step {
                0 => waiting.push((who, fair.push(&tenant(who, 10), Rank::Next, item), item)),
                1 if !waiting.is_empty() => {
                    let (who, place, item) = waiting.remove(which.index(waiting.len()));
                    prop_assert_eq!(fair.remove(tenant(who, 10).namespace(), place), Some(item));
                    prop_assert_eq!(fair.remove(tenant(who, 10).namespace(), place), None);
                }
                _ => {
                    let served = fair.pop(everybody).map(|(_, item)| item);
                    prop_assert_eq!(served.is_some(), !waiting.is_empty());
                    waiting.retain(|(.., item)| Some(*item) != served);
                }
            }
            let mut tenants: Vec<_> = waiting.iter().map(|(who, ..)| who).collect();
            tenants.sort_unstable();
            tenants.dedup();
            prop_assert_eq!((fair.len(), fair.namespaces()), (waiting.len(), tenants.len()));
        }
    }
}
