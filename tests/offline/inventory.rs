//! The one eye on AWS: what it notices, and what it costs.

use std::sync::Arc;
use std::time::Duration;

use agentcore_aws::{Inventory, Operation, Priority, Rates, Trigger};
use agentcore_plan::aws::ServiceStatus;
use agentcore_plan::fault::Class;
use agentcore_plan::runtime::Listed;
use agentcore_sim::Settings;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::lists::fill;
use super::support::{World, quick, rates, soon, token, until};

/// An inventory that polls until this is dropped.
struct Poller {
    inventory: Arc<Inventory>,
    triggers: UnboundedReceiver<Trigger>,
    _stop: DropGuard,
}

fn idle(world: &World) -> (Arc<Inventory>, UnboundedReceiver<Trigger>) {
    let (sender, triggers) = unbounded_channel();
    (Inventory::new(world.control(), sender), triggers)
}

fn poll(world: &World) -> Poller {
    let (inventory, triggers) = idle(world);
    let stop = CancellationToken::new();
    tokio::spawn(inventory.clone().run(stop.clone()));
    Poller {
        inventory,
        triggers,
        _stop: stop.drop_guard(),
    }
}

impl Poller {
    /// The next wake that fits.
    async fn trigger(&mut self, what: &str, fits: impl Fn(&Trigger) -> bool) -> Trigger {
        soon(what, async {
            loop {
                let trigger = self.triggers.recv().await.expect("the inventory lives");
                if fits(&trigger) {
                    return trigger;
                }
            }
        })
        .await
    }
}

#[tokio::test]
async fn before_the_first_list_nothing_is_known() {
    let world = World::start(quick()).await;
    let id = world.create("support").await.id;
    let (inventory, _wakes) = idle(&world);
    assert_eq!(
        inventory.lookup_id(&id, Timestamp::UNIX_EPOCH),
        Listed::Unknown
    );
    assert_eq!(world.calls(Operation::ListAgentRuntimes).await, 0);
}

#[tokio::test]
async fn the_first_list_comes_at_once_and_wakes_whom_it_shows() {
    let world = World::start(quick()).await;
    let id = world.create("support").await.id;
    let mut poller = poll(&world);
    let trigger = poller.trigger("the first list", |_| true).await;
    assert_eq!(
        (
            trigger.runtime_id.as_str(),
            trigger.name.as_str(),
            trigger.poll,
            trigger.key
        ),
        (id.as_str(), "support", false, None)
    );
}

#[tokio::test]
async fn a_fresh_list_tells_what_is_there_and_what_is_not() {
    let world = World::start(quick()).await;
    let id = world.create("support").await.id;
    let (inventory, _wakes) = idle(&world);
    let before = Timestamp::now();
    inventory.fresh().await.expect("a list");
    let Listed::Present { entry, as_of } = inventory.lookup_id(&id, before) else {
        panic!("listed")
    };
    assert_eq!(
        (
            entry.name.as_str(),
            inventory.lookup_name("support", before)
        ),
        (
            "support",
            Listed::Present {
                entry: entry.clone(),
                as_of
            }
        )
    );
    assert_eq!(
        inventory.lookup_name("other", before),
        Listed::Absent { as_of }
    );
    assert_eq!(
        inventory.lookup_name("other", Timestamp::now()),
        Listed::Unknown,
        "the list is older than that"
    );
}

#[tokio::test]
async fn callers_that_wait_together_share_a_list() {
    let world = World::start(quick()).await;
    let (inventory, _wakes) = idle(&world);
    world
        .fault(json!({ "operation": "ListAgentRuntimes", "delayMs": 300 }))
        .await;
    let callers = (0..50).map(|_| inventory.fresh());
    for result in soon("all callers", futures::future::join_all(callers)).await {
        assert_eq!(result, Ok(()));
    }
    // One that the first caller began, and one that was begun after the others had asked.
    assert_eq!(world.calls(Operation::ListAgentRuntimes).await, 2);
}

#[tokio::test]
async fn a_list_that_fails_leaves_the_last_whole_one_in_force() {
    let world = World::start(quick()).await;
    let id = world.create("support").await.id;
    let (inventory, _wakes) = idle(&world);
    inventory.fresh().await.expect("a list");
    world
        .fault(json!({ "operation": "ListAgentRuntimes", "error": "AccessDeniedException" }))
        .await;
    assert_eq!(
        inventory.fresh().await.expect_err("injected").class,
        Class::Denied
    );
    assert!(matches!(
        inventory.lookup_id(&id, Timestamp::UNIX_EPOCH),
        Listed::Present { .. }
    ));
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_hold_up_the_next() {
    let world = World::start(quick()).await;
    let (inventory, _wakes) = idle(&world);
    world
        .fault(json!({ "operation": "ListAgentRuntimes", "delayMs": 20_000, "times": 1 }))
        .await;
    let gives_up = tokio::time::timeout(Duration::from_millis(200), inventory.fresh()).await;
    assert!(gives_up.is_err());
    soon("the next caller", inventory.fresh())
        .await
        .expect("a list");
}

#[tokio::test]
async fn an_object_in_transition_is_woken_when_aws_is_done() {
    let world = World::start(Settings {
        create_delay_ms: 1000,
        ..quick()
    })
    .await;
    let mut poller = poll(&world);
    until("the first list", async || {
        (world.calls(Operation::ListAgentRuntimes).await == 1).then_some(())
    })
    .await;
    let id = world.create("support").await.id;
    poller.inventory.track(
        "team-a/support".to_owned(),
        Some(id.clone()),
        Timestamp::now(),
    );
    let trigger = poller
        .trigger("its entry", |trigger| trigger.runtime_id == id)
        .await;
    assert!(!trigger.poll);
    let ready = |listed| matches!(listed, Listed::Present { entry, .. } if entry.status == ServiceStatus::Ready);
    until("the list shows it READY", async || {
        ready(poller.inventory.lookup_id(&id, Timestamp::UNIX_EPOCH)).then_some(())
    })
    .await;
    assert_eq!(
        world.calls(Operation::GetAgentRuntime).await,
        0,
        "with one page the list is as cheap as a Get"
    );
}

#[tokio::test]
async fn an_object_that_waits_for_nothing_is_told_so_by_the_next_list() {
    let world = World::start(quick()).await;
    let id = world.create("support").await.id;
    world.until_status(&id, ServiceStatus::Ready).await;
    let mut poller = poll(&world);
    poller.trigger("the first list", |_| true).await;
    poller
        .inventory
        .track("team-a/support".to_owned(), Some(id), Timestamp::now());
    let trigger = poller
        .trigger("the tracked object, which is done", |trigger| {
            trigger.key.as_deref() == Some("team-a/support")
        })
        .await;
    assert!(!trigger.poll);
}

#[tokio::test]
async fn with_many_pages_the_few_in_transition_are_told_to_get() {
    let world = World::start(quick()).await;
    fill(&world, 250).await;
    let mut poller = poll(&world);
    poller.trigger("the first list", |_| true).await;
    let entries = world
        .control()
        .list_runtimes(Priority::Urgent)
        .await
        .expect("a list");
    let lists = world.calls(Operation::ListAgentRuntimes).await;
    for entry in &entries[..2] {
        poller
            .inventory
            .track(entry.name.clone(), Some(entry.id.clone()), Timestamp::now());
    }
    for entry in &entries[..2] {
        let trigger = poller
            .trigger("a poll", |trigger| {
                trigger.key.as_deref() == Some(entry.name.as_str())
            })
            .await;
        assert_eq!((trigger.poll, &trigger.runtime_id), (true, &entry.id));
    }
    assert_eq!(
        world.calls(Operation::ListAgentRuntimes).await,
        lists,
        "2 Gets are fewer calls than 3 pages"
    );
    poller.inventory.track(
        entries[2].name.clone(),
        Some(entries[2].id.clone()),
        Timestamp::now(),
    );
    until("3 Gets are no fewer than 3 pages", async || {
        (world.calls(Operation::ListAgentRuntimes).await >= lists + 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_object_without_an_id_is_woken_by_every_list() {
    let world = World::start(quick()).await;
    let mut poller = poll(&world);
    until("the first list", async || {
        (world.calls(Operation::ListAgentRuntimes).await == 1).then_some(())
    })
    .await;
    poller
        .inventory
        .track("team-a/support".to_owned(), None, Timestamp::now());
    for _ in 0..2 {
        let trigger = poller
            .trigger("its key", |trigger| trigger.key.is_some())
            .await;
        assert_eq!((trigger.runtime_id.as_str(), trigger.poll), ("", false));
    }
}

#[tokio::test]
async fn looking_never_uses_more_than_a_quarter_of_the_rate() {
    let rates = {
        let one = [("ListAgentRuntimes".to_owned(), 1.0)];
        let others = Operation::ALL
            .iter()
            .filter(|one| **one != Operation::ListAgentRuntimes);
        Rates::new(others.map(|one| (one.to_string(), 5_000.0)).chain(one)).expect("rates")
    };
    let world = World::with_rates(
        Settings {
            create_delay_ms: 600_000,
            ..quick()
        },
        rates,
    )
    .await;
    let poller = poll(&world);
    until("the first list", async || {
        (world.calls(Operation::ListAgentRuntimes).await == 1).then_some(())
    })
    .await;
    let began = tokio::time::Instant::now();
    let id = world.create("support").await.id;
    poller
        .inventory
        .track("team-a/support".to_owned(), Some(id), Timestamp::now());
    until("two more lists", async || {
        (world.calls(Operation::ListAgentRuntimes).await >= 3).then_some(())
    })
    .await;
    assert!(
        began.elapsed() >= Duration::from_millis(7_900),
        "two lists at a quarter a second took {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn what_vanishes_wakes_too() {
    let world = World::start(quick()).await;
    let id = world.create("support").await.id;
    let (inventory, mut triggers) = idle(&world);
    inventory.fresh().await.expect("a list");
    assert_eq!(triggers.recv().await.expect("a trigger").runtime_id, id);
    world.until_status(&id, ServiceStatus::Ready).await;
    world
        .control()
        .delete_runtime(Priority::Urgent, &id, &token("delete"))
        .await
        .expect("accepted");
    until("it is gone", async || {
        world
            .control()
            .get_runtime(Priority::Urgent, &id)
            .await
            .expect("an answer")
            .is_none()
            .then_some(())
    })
    .await;
    inventory.fresh().await.expect("a list");
    let trigger = soon("a trigger", triggers.recv()).await.expect("a trigger");
    assert_eq!((trigger.runtime_id, trigger.name.as_str()), (id, "support"));
}

#[tokio::test]
async fn the_poller_ends_when_it_is_told_to() {
    let world = World::with_rates(quick(), rates(5_000.0)).await;
    let (inventory, _wakes) = idle(&world);
    let stop = CancellationToken::new();
    let running = tokio::spawn(inventory.run(stop.clone()));
    stop.cancel();
    soon("the poller", running).await.expect("no panic");
}
