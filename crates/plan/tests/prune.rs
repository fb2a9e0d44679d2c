//! Which versions go, which stay, and what a refused deletion costs.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::reasons;
use agentcore_plan::aws::ServiceStatus;
use agentcore_plan::conditions::is_ready;
use agentcore_plan::fault::Class;
use model::Planned;
use model::steps::{event_count, reason};
use model::world::{Stored, World, endpoint_object};

/// A runtime with this many versions, the last one live.
fn with_versions(count: u32, limit: Option<u32>) -> World {
    let mut world = World::with_runtime(|object| object.spec.revision_history_limit = limit);
    world.run(1);
    for number in 1..count {
        world.edit(|spec| spec.description = Some(format!("text {number}")));
        world.run(1);
    }
    world
}

fn versions(world: &World) -> Vec<u32> {
    world.aws.runtimes[0].versions.keys().copied().collect()
}

fn calls(world: &World, name: &str) -> u32 {
    world.aws.calls.get(name).copied().unwrap_or_default()
}

#[test]
fn eleven_versions_are_kept_where_nothing_is_said_and_cost_no_list() {
    let world = with_versions(11, None);
    assert_eq!(versions(&world).len(), 11);
    assert_eq!(calls(&world, "ListAgentRuntimeVersions"), 0);
    let world = with_versions(14, None);
    assert_eq!(versions(&world), (4..=14).collect::<Vec<_>>());
    assert_eq!(calls(&world, "DeleteAgentRuntime"), 3);
    assert_eq!(world.status().versions.unwrap().used, 11);
}

#[test]
fn with_a_limit_of_none_only_the_newest_stays() {
    assert_eq!(versions(&with_versions(4, Some(0))), [4]);
}

#[test]
fn versions_with_sessions_and_those_of_endpoints_stay() {
    let mut world = with_versions(3, None);
    world.endpoint = Some(Stored::new(endpoint_object(1)));
    world.edit_endpoint(|spec| spec.version = "1".into());
    world.run(1);
    world.sessions = ["2".to_owned()].into();
    world.edit(|spec| spec.revision_history_limit = Some(0));
    for text in ["a", "b"] {
        world.edit(|spec| spec.description = Some(text.into()));
        world.run(1);
    }
    assert_eq!(versions(&world), [1, 2, 5]);
    // The sessions have ended: the sweep comes by.
    world.sessions.clear();
    world.run(1);
    assert_eq!(versions(&world), [1, 2, 5]);
    world.sweep();
    world.run(1);
    assert_eq!(versions(&world), [1, 5]);
    assert_eq!(calls(&world, "DeleteAgentRuntimeEndpoint"), 0);
}

#[test]
fn failed_versions_go_before_the_limit_is_reached() {
    let mut world = with_versions(2, None);
    let rt = &mut world.aws.runtimes[0];
    rt.versions.insert(1, ServiceStatus::UpdateFailed);
    world.sweep();
    world.run(1);
    assert_eq!(versions(&world), [2]);
}

#[test]
fn a_refused_deletion_is_told_once_and_loses_nothing() {
    let mut world = with_versions(2, Some(1));
    world.edit(|spec| spec.revision_history_limit = Some(0));
    world.run(1);
    assert_eq!(versions(&world), [2], "the limit was lowered");
    world.edit(|spec| spec.description = Some("more".into()));
    world.aws.delete_refused = true;
    world.run(1);
    assert_eq!(versions(&world), [2, 3]);
    assert!(is_ready(&world.status().conditions) && reason(&world.status()) == reasons::READY);
    assert_eq!(event_count(&world, reasons::PRUNE_FAILED), 1);
    let before = world.aws.total();
    world.run(2);
    assert!(
        world.aws.total() - before < 10,
        "it is not tried all the time"
    );
    world.sweep();
    world.run(1);
    assert_eq!(event_count(&world, reasons::PRUNE_FAILED), 1);
    assert_eq!(world.status().versions.unwrap().refused, ["2"]);
    // With the next version it is tried again.
    world.aws.delete_refused = false;
    world.edit(|spec| spec.description = Some("yet more".into()));
    world.run(2);
    assert_eq!(versions(&world), [4]);
    assert!(world.status().versions.unwrap().refused.is_empty());
}

#[test]
fn a_throttled_list_is_asked_again() {
    let mut world = with_versions(1, Some(0));
    world.edit(|spec| spec.description = Some("two".into()));
    world.run(1);
    world.edit(|spec| spec.description = Some("three".into()));
    for _ in 0..6 {
        let class = Class::Throttled;
        world.aws.faults.push_back(Planned {
            class,
            after: false,
        });
    }
    world.run(2);
    assert_eq!(versions(&world), [3]);
    assert_eq!(event_count(&world, reasons::PRUNE_FAILED), 0);
}

#[test]
fn four_fifths_of_the_quota_are_warned_of_once() {
    let mut world = with_versions(3, Some(100));
    world.sessions = (1..=900).map(|number: u32| number.to_string()).collect();
    let rt = &mut world.aws.runtimes[0];
    rt.versions = (1..=850)
        .map(|number| (number, ServiceStatus::Ready))
        .collect();
    rt.version = 850;
    rt.good = Some((850, rt.config.clone()));
    world.poll_list();
    world.run(1);
    world.sweep();
    world.run(1);
    assert_eq!(world.status().versions.unwrap().used, 850);
    assert_eq!(event_count(&world, reasons::VERSIONS_NEAR_QUOTA), 1);
}
