//! What the poller would do next. No call is made: nothing here polls.

use super::*;
use crate::{Aws, Rates, Unobserved};

/// An inventory whose first list, just made, shows `count` READY runtimes.
fn listed(count: usize) -> Arc<Inventory> {
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::from_static("us-east-1"))
        .build();
    let aws = Aws::with_config(config, Rates::default(), Arc::new(Unobserved)).expect("a region");
    let (triggers, _) = mpsc::unbounded_channel();
    let inventory = Inventory::new(aws.control("us-east-1"), triggers);
    let entry = |number| agentcore_plan::aws::ListedRuntime {
        arn: String::new(),
        id: format!("agent-{number}"),
        name: format!("agent_{number}"),
        version: "1".to_owned(),
        status: agentcore_plan::aws::ServiceStatus::Ready,
        last_updated_at: Timestamp::UNIX_EPOCH,
    };
    inventory.install((0..count).map(entry).collect(), Timestamp::now());
    inventory.state.lock().listed_at = Some(Instant::now());
    inventory
}

/// What comes next, and in how many seconds.
fn next(inventory: &Inventory) -> (Next, f64) {
    let (next, at) = inventory.next();
    (next, at.duration_since(Instant::now()).as_secs_f64())
}

#[tokio::test]
async fn the_first_list_is_due_at_once() {
    let inventory = listed(0);
    inventory.state.lock().listed_at = None;
    let (next, after) = next(&inventory);
    assert_eq!(next, Next::List(Priority::Urgent));
    assert!(after < 0.001);
}

#[tokio::test]
async fn at_rest_the_list_comes_once_a_minute_behind_everything_else() {
    let (next, after) = next(&listed(1000));
    assert_eq!(next, Next::List(Priority::Sweep));
    assert!((53.0..=66.0).contains(&after), "{after}");
}

#[tokio::test]
async fn what_is_tracked_is_looked_at_an_interval_later_until_it_is_settled() {
    let inventory = listed(1);
    inventory.track("a".to_owned(), Some("agent-0".to_owned()), Timestamp::now());
    let (look, after) = next(&inventory);
    assert_eq!(look, Next::List(Priority::Urgent));
    assert!((1.0..=2.0).contains(&after), "{after}");
    inventory.settle("a");
    assert!(next(&inventory).1 > 50.0);
}

#[tokio::test]
async fn newcomers_do_not_put_off_the_look_at_those_who_wait() {
    let inventory = listed(1);
    let long_ago = Instant::now()
        .checked_sub(Duration::from_secs(30))
        .expect("the machine is up that long");
    inventory.track("a".to_owned(), Some("agent-0".to_owned()), Timestamp::now());
    {
        let mut state = inventory.state.lock();
        state.listed_at = Some(long_ago);
        state.tracked.get_mut("a").expect("tracked").seen = long_ago;
    }
    inventory.track("b".to_owned(), None, Timestamp::now());
    assert!(next(&inventory).1 < 0.001, "the look is overdue");
}

#[tokio::test]
async fn the_youngest_sets_the_pace() {
    let inventory = listed(1);
    let minutes = |minutes| Timestamp::now() - jiff::SignedDuration::from_mins(minutes);
    inventory.track("old".to_owned(), Some("agent-0".to_owned()), minutes(30));
    assert!((14.0..=15.0).contains(&next(&inventory).1));
    inventory.track("young".to_owned(), Some("agent-1".to_owned()), minutes(2));
    assert!((5.0..=6.0).contains(&next(&inventory).1));
}

#[tokio::test]
async fn few_in_transition_among_many_pages_get_and_the_minute_list_goes_on() {
    let inventory = listed(1000);
    inventory.track("a".to_owned(), Some("agent-0".to_owned()), Timestamp::now());
    assert_eq!(next(&inventory).0, Next::Gets(Who::Few));
    inventory.state.lock().few_polled_at = Some(Instant::now() + Duration::from_mins(2));
    let (look, after) = next(&inventory);
    assert_eq!(look, Next::List(Priority::Sweep));
    assert!(after <= 66.0);
}

#[tokio::test]
async fn failing_lists_are_put_off_whoever_waits() {
    let inventory = listed(1);
    inventory.track("a".to_owned(), None, Timestamp::now());
    inventory.state.lock().failures = 10;
    assert!(next(&inventory).1 >= 29.0);
}

#[tokio::test]
async fn while_lists_fail_those_in_transition_get_and_the_list_is_tried_again() {
    let inventory = listed(1);
    inventory.track("a".to_owned(), Some("agent-0".to_owned()), Timestamp::now());
    inventory.state.lock().failures = 10;
    let (look, after) = next(&inventory);
    assert_eq!(look, Next::Gets(Who::All));
    assert!(after <= 2.0, "{after}");
    inventory.state.lock().polled_at = Some(Instant::now() + Duration::from_mins(2));
    assert_eq!(next(&inventory).0, Next::List(Priority::Sweep));
}

#[tokio::test]
async fn one_object_is_read_by_itself_beside_the_list_of_anothers_hundreds() {
    let inventory = listed(1000);
    for number in 0..500 {
        let id = Some(format!("agent-{number}"));
        inventory.track(format!("crowd/{number}"), id, Timestamp::now());
    }
    inventory.track(
        "shop/a".to_owned(),
        Some("agent-999".to_owned()),
        Timestamp::now(),
    );
    let (look, after) = next(&inventory);
    assert_eq!(look, Next::Gets(Who::Few));
    assert!(after <= 2.0, "{after}");
    let state = inventory.state.lock();
    let told: Vec<_> = state
        .told(Who::Few)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(told, ["shop/a"]);
    drop(state);
    inventory.state.lock().few_polled_at = Some(Instant::now() + Duration::from_mins(1));
    let (look, after) = next(&inventory);
    assert_eq!(look, Next::List(Priority::Urgent));
    assert!(after <= 8.1, "ten pages at a quarter of the rate, {after}");
}
