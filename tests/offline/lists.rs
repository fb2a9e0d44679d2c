//! Lists of more than a page, and lanes on the wire.

use std::time::Duration;

use agentcore_aws::{DesiredEndpoint, Operation, Priority, Rates};
use agentcore_plan::aws::ServiceStatus;
use agentcore_plan::fault::Class;
use agentcore_sim::Settings;
use serde_json::json;

use super::full_config::minimal;
use super::support::{World, quick, soon, tags, token};

/// Makes runtimes `agent_0` to `agent_(n-1)`.
pub async fn fill(world: &World, count: usize) {
    let config = minimal(&world.push("prod", &["arm64"]).await);
    let control = world.control();
    for number in 0..count {
        let name = format!("agent_{number}");
        control
            .create_runtime(Priority::Urgent, &name, &config, &tags(), &token(&name))
            .await
            .expect("accepted");
    }
}

#[tokio::test]
async fn a_list_is_whole_and_comes_in_pages_of_a_hundred() {
    let world = World::start(quick()).await;
    fill(&world, 230).await;
    let mut names: Vec<_> = world
        .control()
        .list_runtimes(Priority::Sweep)
        .await
        .expect("a list")
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 230);
    assert_eq!(world.calls(Operation::ListAgentRuntimes).await, 3);
}

#[tokio::test]
async fn a_list_that_breaks_off_is_a_fault_and_not_half_a_list() {
    let world = World::start(quick()).await;
    fill(&world, 150).await;
    // Struck are two calls in three on average; a run of lists meets a good first page and a bad second one.
    world.fault(json!({ "operation": "ListAgentRuntimes", "error": "AccessDeniedException", "probability": 0.5 })).await;
    for _ in 0..40 {
        if let Ok(entries) = world.control().list_runtimes(Priority::Sweep).await {
            assert_eq!(entries.len(), 150);
        }
    }
    let codes = world.observed.codes(Operation::ListAgentRuntimes);
    assert!(
        codes
            .windows(2)
            .any(|pair| pair == ["OK", "AccessDeniedException"]),
        "no list broke off: {codes:?}"
    );
}

#[tokio::test]
async fn the_operators_own_rate_keeps_it_from_being_throttled() {
    let settings = Settings {
        rate_per_second: 20,
        burst: Some(8), // calls sent evenly do not arrive evenly on a busy machine
        ..quick()
    };
    let rates = Rates::new([("GetAgentRuntime".to_owned(), 15.0)]).expect("a rate");
    let world = World::with_rates(settings, rates).await;
    let control = world.control();
    let gets = (0..40).map(|_| control.get_runtime(Priority::Sweep, "nobody-abcdefghij"));
    for answer in soon("all Gets", futures::future::join_all(gets)).await {
        assert_eq!(answer, Ok(None));
    }
}

#[tokio::test]
async fn urgent_calls_overtake_a_sweep_that_is_under_way() {
    let rates = Rates::new([("GetAgentRuntime".to_owned(), 4.0)]).expect("a rate");
    let world = World::with_rates(quick(), rates).await;
    let control = world.control();
    let sweep = tokio::spawn({
        let control = control.clone();
        async move {
            for _ in 0..1000 {
                control
                    .get_runtime(Priority::Sweep, "nobody-abcdefghij")
                    .await
                    .expect("an answer");
            }
        }
    });
    let urgent = async {
        for _ in 0..3 {
            control
                .get_runtime(Priority::Urgent, "nobody-abcdefghij")
                .await
                .expect("an answer");
        }
    };
    // Behind the sweep this would take 250 s.
    let taken = tokio::time::timeout(Duration::from_secs(20), urgent).await;
    sweep.abort();
    taken.expect("urgent calls went first");
}

#[tokio::test]
async fn versions_are_listed_and_deleted_one_by_one_but_the_newest_and_those_in_use() {
    let world = World::start(quick()).await;
    let id = world.create("agent").await.id;
    let control = world.control();
    let there = world.until_status(&id, ServiceStatus::Ready).await;
    for number in 2..5 {
        let mut config = there.config.clone();
        config.description = Some(format!("text {number}"));
        let token = token(&format!("update-{number}"));
        control
            .update_runtime(Priority::Urgent, &id, &config, &token)
            .await
            .expect("accepted");
        world.until_status(&id, ServiceStatus::Ready).await;
    }
    let desired = DesiredEndpoint {
        name: "pinned",
        version: "2",
        description: None,
    };
    control
        .create_endpoint(Priority::Urgent, &id, desired, &tags(), &token("pinned"))
        .await
        .expect("accepted");
    let delete = async |version: &str| {
        let token = token(&format!("delete-{version}"));
        let deletion = control.delete_version(Priority::Sweep, &id, version, &token);
        deletion.await.map_err(|fault| fault.class)
    };
    assert_eq!(delete("1").await, Ok(()));
    assert_eq!(delete("1").await, Ok(()), "the same token");
    assert_eq!(
        delete("2").await,
        Err(Class::Conflict),
        "an endpoint uses it"
    );
    assert_eq!(delete("4").await, Err(Class::Conflict), "it is the newest");
    assert_eq!(delete("9").await, Err(Class::Gone));
    let mut versions: Vec<_> = control
        .list_versions(Priority::Sweep, &id)
        .await
        .expect("a list")
        .expect("there")
        .into_iter()
        .map(|one| (one.version, one.status))
        .collect();
    versions.sort_by(|one, other| one.0.cmp(&other.0));
    let ready = |version: &str| (version.to_owned(), ServiceStatus::Ready);
    assert_eq!(versions, ["2", "3", "4"].map(ready));
    let nobody = control
        .list_versions(Priority::Sweep, "nobody-abcdefghij")
        .await;
    assert_eq!(nobody, Ok(None));
}
