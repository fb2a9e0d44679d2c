use std::sync::Arc;
use std::sync::Mutex as StdMutex;

use super::*;

const OPERATION: Operation = Operation::UpdateAgentRuntime;

fn team(name: &str) -> Tenant {
    Tenant::new(name, 10)
}

/// Waits with this priority and writes its name down when its turn comes.
fn waiter(
    limiter: &Arc<RateLimiter>,
    priority: Priority,
    name: &'static str,
    order: &Arc<StdMutex<Vec<&'static str>>>,
) -> tokio::task::JoinHandle<()> {
    waiter_of(limiter, priority, &team("a"), name, order)
}

/// The same of some namespace.
fn waiter_of(
    limiter: &Arc<RateLimiter>,
    priority: Priority,
    tenant: &Tenant,
    name: &'static str,
    order: &Arc<StdMutex<Vec<&'static str>>>,
) -> tokio::task::JoinHandle<()> {
    let (limiter, order, tenant) = (limiter.clone(), order.clone(), tenant.clone());
    tokio::spawn(async move {
        limiter.token(OPERATION, priority, &tenant).await;
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
    let limiter = RateLimiter::new(Rates::new([(OPERATION.to_string(), 20.0)]).expect("a rate"));
    tokio::time::sleep(Duration::from_millis(120)).await; // an idle bucket saves no more than one token
    let began = Instant::now();
    for _ in 0..9 {
        limiter.token(OPERATION, Priority::Urgent, &team("a")).await;
    }
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(400),
        "8 periods of 50 ms took {took:?}"
    );
}

#[tokio::test]
async fn operations_do_not_wait_for_each_other() {
    let limiter = RateLimiter::new(Rates::default());
    for &operation in Operation::ALL {
        let waited = limiter.token(operation, Priority::Sweep, &team("a")).await;
        assert!(
            waited < Duration::from_millis(150),
            "{operation} waited {waited:?}, most of another's period"
        );
    }
}

#[tokio::test]
async fn urgent_callers_go_before_sweeps_that_came_earlier() {
    let limiter = Arc::new(RateLimiter::new(Rates::default()));
    let order = Arc::default();
    limiter.token(OPERATION, Priority::Urgent, &team("a")).await; // the bucket is empty now
    let mut waiting = Vec::new();
    for (priority, name) in [
        (Priority::Sweep, "sweep 1"),
        (Priority::Sweep, "sweep 2"),
        (Priority::Urgent, "urgent 1"),
        (Priority::Urgent, "urgent 2"),
    ] {
        waiting.push(waiter(&limiter, priority, name, &order));
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
    let limiter = Arc::new(RateLimiter::new(Rates::default()));
    let order = Arc::default();
    limiter.token(OPERATION, Priority::Sweep, &team("a")).await;
    let sweep = waiter(&limiter, Priority::Sweep, "sweep", &order);
    settle().await; // the sweep sleeps until the next token
    let urgent = waiter(&limiter, Priority::Urgent, "urgent", &order);
    urgent.await.expect("no waiter panics");
    sweep.await.expect("no waiter panics");
    assert_eq!(
        *order.lock().expect("no waiter panics"),
        ["urgent", "sweep"]
    );
}

#[tokio::test]
async fn a_waiter_that_gives_up_leaves_its_place_and_its_token_to_the_next() {
    let limiter = Arc::new(RateLimiter::new(Rates::default()));
    let order = Arc::default();
    limiter.token(OPERATION, Priority::Urgent, &team("a")).await;
    let gives_up = waiter(&limiter, Priority::Urgent, "gives up", &order);
    settle().await;
    let stays = waiter(&limiter, Priority::Sweep, "stays", &order);
    settle().await;
    gives_up.abort();
    stays.await.expect("no waiter panics");
    assert_eq!(*order.lock().expect("no waiter panics"), ["stays"]);
}

/// A bucket whose token is taken and whose next one does not come during a test: tokens are given by hand.
fn dry() -> Arc<Bucket> {
    let bucket = Arc::new(Bucket::new(0.01));
    assert!(Bucket::join(&bucket, Priority::Urgent, &team("a")).is_none());
    bucket
}

fn join(bucket: &Arc<Bucket>, priority: Priority, tenant: &Tenant) -> Waiting {
    Bucket::join(bucket, priority, tenant).expect("the bucket is dry")
}

fn serve(bucket: &Bucket, tokens: usize) {
    for _ in 0..tokens {
        assert!(bucket.state.lock().serve(), "somebody waits");
    }
}

/// Who got the tokens, in their order; the others go on waiting.
fn served(waiting: &mut Vec<Waiting>) -> Vec<(Priority, String)> {
    let mut order = BTreeMap::new();
    waiting.retain_mut(|one| {
        let Ok(number) = one.token.try_recv() else {
            return true;
        };
        one.taken = true;
        order.insert(number, (one.priority, one.namespace.to_string()));
        false
    });
    order.into_values().collect()
}

#[tokio::test]
async fn one_behind_hundreds_of_another_namespace_gets_one_of_the_next_two_tokens() {
    let bucket = dry();
    let mut waiting: Vec<_> = (0..250)
        .map(|_| join(&bucket, Priority::Urgent, &team("a")))
        .collect();
    serve(&bucket, 10);
    waiting.push(join(&bucket, Priority::Urgent, &team("b")));
    serve(&bucket, 2);
    let order = served(&mut waiting);
    let of_b = order.iter().position(|(_, name)| name == "b");
    assert!(of_b.is_some_and(|place| place >= 10), "{order:?}");
}

#[tokio::test]
async fn namespaces_are_served_by_their_shares() {
    let bucket = dry();
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(join(&bucket, Priority::Urgent, &Tenant::new("small", 10)));
        waiting.push(join(&bucket, Priority::Urgent, &Tenant::new("large", 30)));
    }
    serve(&bucket, 40);
    let order = served(&mut waiting);
    let large = order.iter().filter(|(_, name)| name == "large").count();
    assert!((29..=31).contains(&large), "{order:?}");
}

#[tokio::test]
async fn the_sweep_gets_one_token_of_ten_while_changes_wait() {
    let bucket = dry();
    let mut waiting = Vec::new();
    for _ in 0..60 {
        waiting.push(join(&bucket, Priority::Sweep, &team("a")));
        waiting.push(join(&bucket, Priority::Urgent, &team("a")));
    }
    serve(&bucket, 50);
    let order = served(&mut waiting);
    for tenth in order.chunks(10) {
        let of_sweep = tenth
            .iter()
            .filter(|(priority, _)| *priority == Priority::Sweep);
        assert_eq!(of_sweep.count(), 1, "{order:?}");
    }
}

#[tokio::test]
async fn a_token_that_its_waiter_never_saw_goes_to_the_next() {
    let bucket = dry();
    let first = join(&bucket, Priority::Urgent, &team("a"));
    let mut waiting = vec![join(&bucket, Priority::Sweep, &team("b"))];
    serve(&bucket, 1);
    drop(first);
    assert_eq!(served(&mut waiting), [(Priority::Sweep, "b".to_owned())]);
    let alone = join(&bucket, Priority::Urgent, &team("a"));
    serve(&bucket, 1);
    drop(alone);
    let again = Bucket::join(&bucket, Priority::Urgent, &team("a"));
    assert!(again.is_none(), "the token is there again");
}

#[tokio::test]
async fn a_token_that_comes_back_late_does_not_make_two_calls_follow_each_other_at_once() {
    let bucket = dry();
    let first = join(&bucket, Priority::Urgent, &team("a"));
    let mut waiting = vec![
        join(&bucket, Priority::Urgent, &team("a")),
        join(&bucket, Priority::Urgent, &team("a")),
    ];
    serve(&bucket, 2);
    drop(first);
    assert_eq!(served(&mut waiting).len(), 1);
}

#[tokio::test]
async fn whoever_gives_up_the_others_get_every_token_and_nothing_is_kept() {
    let bucket = dry();
    let mut waiting: Vec<_> = (0..300)
        .map(|number| {
            let priority = [Priority::Urgent, Priority::Sweep][number % 2];
            join(&bucket, priority, &team(["a", "b", "c"][number % 3]))
        })
        .collect();
    let mut number = 0;
    waiting.retain(|_| {
        number += 1;
        number % 4 == 0
    });
    serve(&bucket, waiting.len());
    for one in &mut waiting {
        one.taken = one.token.try_recv().is_ok();
    }
    assert!(waiting.iter().all(|one| one.taken));
    let state = bucket.state.lock();
    assert!(state.nobody_waits());
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
    let limiter = RateLimiter::new(Rates::default());
    assert_eq!(
        limiter.quarter(Operation::ListAgentRuntimes),
        Duration::from_millis(800)
    );
}
