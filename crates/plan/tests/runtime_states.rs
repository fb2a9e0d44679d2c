//! What is done in each state of an AgentRuntime, and what it costs in calls.

mod model;

use agentcore_api::conditions::READY;
use agentcore_api::reasons;
use agentcore_plan::conditions::{find, is_ready, ready_reason};
use model::world::World;

fn settle(world: &mut World) {
    world.run(8);
}

#[test]
fn a_create_costs_one_create_one_get_and_one_get_of_default() {
    let mut world = World::with_runtime(|_| {});
    settle(&mut world);
    let status = world.status();
    assert!(
        is_ready(&status.conditions),
        "{status:#?}\n{}",
        world.trace.join("\n")
    );
    assert_eq!(ready_reason(&status.conditions), Some(reasons::READY));
    let mut calls = world.aws.calls.clone();
    calls.remove("ListAgentRuntimes");
    assert_eq!(
        calls.into_iter().collect::<Vec<_>>(),
        vec![
            ("CreateAgentRuntime", 1),
            ("GetAgentRuntime", 1),
            ("GetAgentRuntimeEndpoint", 1)
        ]
    );
    assert_eq!(
        find(&status.conditions, READY).and_then(|ready| ready.observed_generation),
        Some(1)
    );
}
