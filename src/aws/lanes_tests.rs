use std::sync::Arc;
use std::sync::Mutex as StdMutex;

use super::*;

const OPERATION: Operation = Operation::UpdateAgentRuntime;

/// Waits in the lane and writes its name down when its turn comes.
fn waiter(
    lanes: &Arc<Lanes>,
    lane: Lane,
    name: &'static str,
    order: &Arc<StdMutex<Vec<&'static str>>>,
) -> tokio::task::JoinHandle<()> {
    let (lanes, order) = (lanes.clone(), order.clone());
    tokio::spawn(async move {
        lanes.token(OPERATION, lane).await;
        order.lock().expect("no waiter panics").push(name);
    })
}

/// Lets every task run until it waits for time.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn tokens_come_at_the_rate_and_never_in_bursts() {
    let lanes = Lanes::new(Rates::new([(OPERATION.to_string(), 20.0)]).expect("a rate"));
    tokio::time::sleep(Duration::from_millis(120)).await; // an idle bucket saves no more than one token
    let began = Instant::now();
    for _ in 0..9 {
        lanes.token(OPERATION, Lane::Urgent).await;
    }
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(400),
        "8 periods of 50 ms took {took:?}"
    );
}

#[tokio::test]
async fn operations_do_not_wait_for_each_other() {
    let lanes = Lanes::new(Rates::default());
    for &operation in Operation::ALL {
        let waited = lanes.token(operation, Lane::Sweep).await;
        assert!(
            waited < Duration::from_millis(150),
            "{operation} waited {waited:?}, most of another's period"
        );
    }
}

#[tokio::test]
async fn urgent_callers_go_before_sweeps_that_came_earlier() {
    let lanes = Arc::new(Lanes::new(Rates::default()));
    let order = Arc::default();
    lanes.token(OPERATION, Lane::Urgent).await; // the bucket is empty now
    let mut waiting = Vec::new();
    for (lane, name) in [
        (Lane::Sweep, "sweep 1"),
        (Lane::Sweep, "sweep 2"),
        (Lane::Urgent, "urgent 1"),
        (Lane::Urgent, "urgent 2"),
    ] {
        waiting.push(waiter(&lanes, lane, name, &order));
        settle().await;
    }
    for one in waiting {
        one.await.expect("no waiter panics");
    }
    assert_eq!(
        *order.lock().expect("no waiter panics"),
        ["urgent 1", "urgent 2", "sweep 1", "sweep 2"]
    );
}

#[tokio::test]
async fn an_urgent_caller_overtakes_a_sweep_whose_turn_it_already_was() {
    let lanes = Arc::new(Lanes::new(Rates::default()));
    let order = Arc::default();
    lanes.token(OPERATION, Lane::Sweep).await;
    let sweep = waiter(&lanes, Lane::Sweep, "sweep", &order);
    settle().await; // the sweep sleeps until the next token
    let urgent = waiter(&lanes, Lane::Urgent, "urgent", &order);
    urgent.await.expect("no waiter panics");
    sweep.await.expect("no waiter panics");
    assert_eq!(
        *order.lock().expect("no waiter panics"),
        ["urgent", "sweep"]
    );
}

#[tokio::test]
async fn a_waiter_that_gives_up_leaves_its_place_and_its_token_to_the_next() {
    let lanes = Arc::new(Lanes::new(Rates::default()));
    let order = Arc::default();
    lanes.token(OPERATION, Lane::Urgent).await;
    let gives_up = waiter(&lanes, Lane::Urgent, "gives up", &order);
    settle().await;
    let stays = waiter(&lanes, Lane::Sweep, "stays", &order);
    settle().await;
    gives_up.abort();
    stays.await.expect("no waiter panics");
    assert_eq!(*order.lock().expect("no waiter panics"), ["stays"]);
}

#[test]
fn rates_are_asked_for_by_aws_names_and_within_reason() {
    let rates = Rates::new([("CreateAgentRuntime".to_owned(), 10.0)]).expect("a rate");
    assert!((rates.of(Operation::CreateAgentRuntime) - 10.0).abs() < f64::EPSILON);
    assert!((rates.of(Operation::GetAgentRuntime) - DEFAULT_RATE).abs() < f64::EPSILON);
    let unknown = Rates::new([("CreateRuntime".to_owned(), 1.0)]).expect_err("no such operation");
    assert!(
        unknown.to_string().contains("CreateAgentRuntime"),
        "{unknown}"
    );
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
        Rates::new([("TagResource".to_owned(), rate)]).expect_err("out of range");
    }
}

#[test]
fn a_quarter_of_a_rate_is_one_call_in_four_periods() {
    let lanes = Lanes::new(Rates::default());
    assert_eq!(
        lanes.quarter(Operation::ListAgentRuntimes),
        Duration::from_millis(800)
    );
}
