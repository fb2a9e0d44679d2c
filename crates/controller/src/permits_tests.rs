use std::task::Poll;

use futures::poll;
use tokio::sync::oneshot;

use super::*;

/// Namespaces that together take every turn.
const CROWD: usize = AT_ONCE.div_ceil(OF_A_NAMESPACE);

fn team(number: usize) -> Tenant {
    Tenant::new(&format!("team-{number}"), 10)
}

/// Takes every turn, round by round of the crowd.
async fn all(permits: &Permits) -> Vec<Permit<'_>> {
    let mut taken = Vec::new();
    for number in 0..AT_ONCE {
        taken.push(permits.begin(team(number % CROWD)).await);
    }
    // Tokio lets a task do only so much at a time; what follows polls by hand.
    tokio::task::yield_now().await;
    taken
}

#[tokio::test]
async fn only_so_many_work_and_the_next_begins_when_one_ends() {
    let permits = Permits::default();
    let mut taken = all(&permits).await;
    let mut next = Box::pin(permits.begin(team(CROWD)));
    assert!(poll!(&mut next).is_pending());
    assert_eq!(permits.waiting(), 1);
    taken.pop();
    assert!(poll!(&mut next).is_ready());
}

#[tokio::test]
async fn one_namespace_leaves_turns_to_the_others() {
    let permits = Permits::default();
    let mut taken = Vec::new();
    for _ in 0..OF_A_NAMESPACE {
        taken.push(permits.begin(team(0)).await);
    }
    let mut more = Box::pin(permits.begin(team(0)));
    assert!(poll!(&mut more).is_pending());
    let mut other = Box::pin(permits.begin(team(1)));
    assert!(poll!(&mut other).is_ready());
    taken.pop();
    assert!(poll!(&mut more).is_ready());
}

#[tokio::test]
async fn one_that_waits_for_aws_lets_another_begin_and_comes_back_before_those_of_its_namespace() {
    let permits = Permits::default();
    let mut taken = all(&permits).await;
    let (answer, answered) = oneshot::channel();
    let mut one = taken.remove(0);
    let mut aside = Box::pin(one.aside(answered));
    assert!(poll!(&mut aside).is_pending());
    taken.push(permits.begin(team(CROWD)).await);
    let mut begins = Box::pin(permits.begin(team(0)));
    assert!(poll!(&mut begins).is_pending());
    answer.send("answer").expect("somebody waits");
    assert!(poll!(&mut aside).is_pending(), "every permit is taken");
    taken.pop();
    assert!(poll!(&mut begins).is_pending(), "it came later");
    assert_eq!(poll!(&mut aside), Poll::Ready(Ok("answer")));
    drop(aside);
    drop(one);
    assert!(poll!(&mut begins).is_ready());
}

#[tokio::test]
async fn thousands_that_come_back_at_once_leave_the_next_turn_to_another_namespace() {
    let permits = Permits::default();
    let mut passes = Vec::new();
    for _ in 0..2_000 {
        // Each begins and waits for AWS.
        let mut permit = permits.begin(team(0)).await;
        permit.rest();
        passes.push(permit);
    }
    let mut back: Vec<_> = passes
        .iter_mut()
        .map(|permit| Box::pin(permit.aside(std::future::ready(()))))
        .collect();
    for one in &mut back {
        let _ = poll!(one);
    }
    tokio::task::yield_now().await;
    assert_eq!(permits.waiting(), 2_000 - OF_A_NAMESPACE);
    let mut others = Vec::new();
    for number in 1..CROWD {
        for _ in 0..OF_A_NAMESPACE {
            others.push(Box::pin(permits.begin(team(number))));
        }
    }
    let mut begun = Vec::new();
    for one in &mut others {
        if let Poll::Ready(permit) = poll!(one) {
            begun.push(permit);
        }
    }
    assert_eq!(begun.len(), AT_ONCE - OF_A_NAMESPACE);
}

#[tokio::test]
async fn one_that_is_dropped_while_it_waits_is_not_counted_twice() {
    let permits = Permits::default();
    let mut one = permits.begin(team(0)).await;
    let mut aside = Box::pin(one.aside(std::future::pending::<()>()));
    assert!(poll!(&mut aside).is_pending());
    drop(aside);
    drop(one);
    let state = permits.0.lock();
    assert_eq!((state.working, state.of.len()), (0, 0));
}

#[tokio::test]
async fn who_gives_up_waiting_leaves_the_place_to_the_next_even_with_the_turn_in_hand() {
    let permits = Permits::default();
    let mut taken = all(&permits).await;
    let mut first = Box::pin(permits.begin(team(CROWD)));
    let mut second = Box::pin(permits.begin(team(CROWD)));
    let mut third = Box::pin(permits.begin(team(CROWD)));
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());
    assert!(poll!(&mut third).is_pending());
    drop(first);
    taken.pop();
    // The turn is the second's, which does not know yet.
    drop(second);
    assert!(poll!(&mut third).is_ready());
}
