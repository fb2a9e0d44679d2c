//! Short forms for tables of states.

use agentcore_api::AgentRuntimeStatus;
use agentcore_plan::conditions::{is_ready, ready_reason};
use agentcore_plan::step::{Due, Rest};

use super::world::{Disturb, World};

/// A world whose runtime is Ready, with the calls counted from here on.
pub fn ready() -> World {
    let mut world = World::with_runtime(|_| {});
    settle(&mut world);
    assert!(
        is_ready(&world.status().conditions),
        "{}",
        world.trace.join("\n")
    );
    world.aws.calls.clear();
    world.events.clear();
    world
}

/// Lets time pass until nothing is due.
pub fn settle(world: &mut World) {
    world.run(8);
}

/// Lets this many seconds pass, as the operator would see them.
pub fn wait(world: &mut World, seconds: i64) {
    let end = world.aws.now + jiff::SignedDuration::from_secs(seconds);
    while world.aws.now < end {
        world.poll_list();
        world.runtime_pass(Due::default(), Disturb::default());
        world.aws.advance(3);
    }
}

pub fn pass(world: &mut World) -> Option<Rest> {
    world.runtime_pass(Due::default(), Disturb::default())
}

/// A pass that reads the runtime itself.
pub fn look(world: &mut World) {
    let due = Due {
        poll: true,
        sweep: None,
    };
    world.runtime_pass(due, Disturb::default());
}

pub fn reason(status: &AgentRuntimeStatus) -> &str {
    ready_reason(&status.conditions).unwrap_or("none")
}

/// Calls but those of the inventory, which is shared by all objects.
pub fn own_calls(world: &World) -> Vec<(&'static str, u32)> {
    let all = world.aws.calls.clone().into_iter();
    all.filter(|(name, _)| *name != "ListAgentRuntimes")
        .collect()
}

/// Updates of runtimes.
pub fn updates(world: &World) -> u32 {
    let calls = world.aws.calls.get("UpdateAgentRuntime");
    calls.copied().unwrap_or_default()
}

pub fn event_count(world: &World, reason: &str) -> usize {
    world
        .events
        .iter()
        .filter(|event| event.reason == reason)
        .count()
}
