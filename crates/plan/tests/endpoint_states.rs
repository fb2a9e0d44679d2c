//! What is done in each state of an AgentEndpoint, and what it costs in calls.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::conditions::STALLED;
use agentcore_api::reasons;
use agentcore_plan::conditions::{find, is_ready, ready_reason};
use agentcore_plan::step::{Due, Rest};
use model::world::{Disturb, Stored, World, endpoint_object};

fn reason(world: &World) -> String {
    ready_reason(&world.endpoint_status().conditions)
        .unwrap_or("none")
        .to_owned()
}

fn own_calls(world: &World) -> Vec<(&'static str, u32)> {
    let all = world.aws.calls.clone().into_iter();
    all.filter(|(name, _)| name.contains("Endpoint") || name.contains("Tag"))
        .collect()
}

/// A world whose runtime is Ready, and an endpoint object that nothing was done for yet.
fn with_runtime() -> World {
    let mut world = World::with_runtime(|_| {});
    world.run(8);
    world.endpoint = Some(Stored::new(endpoint_object(1)));
    world.aws.calls.clear();
    world
}

fn ready() -> World {
    let mut world = with_runtime();
    world.run(8);
    assert_eq!(reason(&world), reasons::READY, "{}", world.trace.join("\n"));
    world.aws.calls.clear();
    world.events.clear();
    world
}

#[test]
fn a_create_costs_the_runtimes_tags_one_create_and_a_get_each_poll() {
    let mut world = with_runtime();
    world.aws.work = jiff::SignedDuration::from_secs(2);
    world.run(8);
    assert_eq!(reason(&world), reasons::READY);
    assert_eq!(
        own_calls(&world),
        [
            ("CreateAgentRuntimeEndpoint", 1),
            ("GetAgentRuntimeEndpoint", 1),
            ("ListTagsForResource", 1)
        ]
    );
    let status = world.endpoint_status();
    assert_eq!(status.live_version.as_deref(), Some("1"));
    assert!(status.invocation_url.unwrap().ends_with("?qualifier=live"));
}

#[test]
fn it_waits_for_its_runtime_without_a_call() {
    let mut world = World::new(model::Switches::default());
    world.endpoint = Some(Stored::new(endpoint_object(1)));
    assert_eq!(
        world.endpoint_pass(Due::default(), Disturb::default()),
        Some(Rest::After(std::time::Duration::from_mins(5)))
    );
    assert_eq!(reason(&world), reasons::RUNTIME_NOT_FOUND);
    world.runtime = Some(Stored::new(model::world::runtime_object(1)));
    world.endpoint_pass(Due::default(), Disturb::default());
    assert_eq!(reason(&world), reasons::RUNTIME_NOT_READY);
    assert_eq!(world.aws.total(), 0);
}

#[test]
fn latest_follows_the_runtime_and_stays_ready_meanwhile() {
    let mut world = ready();
    world.edit(|spec| spec.description = Some("two".into()));
    let mut never_unready = true;
    for _ in 0..40 {
        world.poll_list();
        world.runtime_pass(Due::default(), Disturb::default());
        world.endpoint_pass(
            Due {
                poll: true,
                sweep: None,
            },
            Disturb::default(),
        );
        never_unready &= is_ready(&world.endpoint_status().conditions);
        world.aws.advance(2);
    }
    assert!(never_unready, "{}", world.trace.join("\n"));
    assert_eq!(
        world.aws.runtimes[0].endpoints[0].live.as_deref(),
        Some("2")
    );
    assert_eq!(world.aws.calls["UpdateAgentRuntimeEndpoint"], 1);
}

#[test]
fn a_pinned_endpoint_stays_where_it_is() {
    let mut world = ready();
    world.edit_endpoint(|spec| spec.version = "1".into());
    world.edit(|spec| spec.description = Some("two".into()));
    world.run(8);
    assert_eq!(world.aws.runtimes[0].version, 2);
    assert_eq!(
        world.aws.runtimes[0].endpoints[0].live.as_deref(),
        Some("1")
    );
    assert_eq!(reason(&world), reasons::READY);
}

#[test]
fn it_moves_back_and_forth_between_versions() {
    let mut world = ready();
    world.edit(|spec| spec.description = Some("two".into()));
    world.run(8);
    for version in ["1", "2", "1", "2"] {
        world.edit_endpoint(|spec| spec.version = version.into());
        world.run(8);
        assert_eq!(
            world.aws.runtimes[0].endpoints[0].live.as_deref(),
            Some(version),
            "{}",
            world.trace.join("\n")
        );
        assert_eq!(reason(&world), reasons::READY);
    }
}

#[test]
fn a_version_that_is_not_there_stalls() {
    let mut world = with_runtime();
    world.edit_endpoint(|spec| spec.version = "7".into());
    world.endpoint_pass(Due::default(), Disturb::default());
    assert_eq!(reason(&world), reasons::VERSION_NOT_FOUND);
    assert!(find(&world.endpoint_status().conditions, STALLED).is_some());
    let calls = world.aws.total();
    world.endpoint_pass(Due::default(), Disturb::default());
    assert_eq!(world.aws.total(), calls, "not in a hot loop");
}

#[test]
fn an_endpoint_of_somebody_else_is_left_alone() {
    let mut world = ready();
    world.aws.runtimes[0].endpoints[0].tags.clear();
    world.endpoint = Some(Stored::new(endpoint_object(9)));
    for _ in 0..4 {
        world.endpoint_pass(Due::default(), Disturb::default());
        world.aws.advance(5);
    }
    assert_eq!(reason(&world), reasons::NAME_TAKEN);
    world.delete_endpoint();
    world.endpoint_pass(Due::default(), Disturb::default());
    assert!(world.endpoint.is_none(), "{}", world.trace.join("\n"));
    assert_eq!(world.aws.runtimes[0].endpoints.len(), 1);
}

#[test]
fn a_description_that_cannot_be_emptied_is_named() {
    let mut world = ready();
    world.aws.switches.keep_omitted = true;
    world.edit_endpoint(|spec| spec.description = None);
    world.run(8);
    assert_eq!(reason(&world), reasons::NOT_APPLIED);
    assert_eq!(world.aws.calls["UpdateAgentRuntimeEndpoint"], 1);
}

#[test]
fn a_runtime_made_anew_gets_its_endpoint_anew() {
    let mut world = ready();
    world.aws.advance(120);
    world.aws.vanish("support");
    world.poll_list();
    world.run(8);
    assert_eq!(reason(&world), reasons::READY, "{}", world.trace.join("\n"));
    assert_eq!(world.aws.runtimes[0].endpoints.len(), 1);
    assert_eq!(world.endpoint_status().runtime_id, world.status().id);
}

#[test]
fn deletion_goes_before_the_runtime() {
    let mut world = ready();
    world.delete_runtime();
    world.run(1);
    assert_eq!(
        ready_reason(&world.status().conditions),
        Some(reasons::ENDPOINTS_IN_USE)
    );
    world.delete_endpoint();
    world.run(8);
    assert!(
        world.endpoint.is_none() && world.runtime.is_none() && world.aws.runtimes.is_empty(),
        "{}",
        world.trace.join("\n")
    );
}

#[test]
fn at_rest_nothing_is_called() {
    let mut world = ready();
    let before = world.endpoint_status();
    for _ in 0..4 {
        assert_eq!(
            world.endpoint_pass(Due::default(), Disturb::default()),
            Some(Rest::Settled)
        );
    }
    assert_eq!(world.aws.total(), 0);
    assert_eq!(world.endpoint_status(), before);
}

#[test]
fn credentials_of_another_account_lose_make_and_delete_no_endpoint() {
    let mut world = ready();
    world.policy.account = "999988887777".into();
    world.aws.advance(120);
    world.aws.vanish("support"); // as the other account answers
    let poll = Due {
        poll: true,
        sweep: None,
    };
    for _ in 0..3 {
        world.endpoint_pass(poll, Disturb::default());
        world.aws.advance(120);
    }
    assert_eq!(reason(&world), reasons::ACCESS_DENIED);
    assert!(world.endpoint_status().arn.is_some());
    world.delete_endpoint();
    world.endpoint_pass(poll, Disturb::default());
    assert!(
        world.endpoint.is_some(),
        "it may still exist where it was made"
    );
    assert_eq!(own_calls(&world), []);
}

#[test]
fn an_endpoint_with_another_owners_tags_keeps_them() {
    let mut world = ready();
    let tags = &mut world.aws.runtimes[0].endpoints[0].tags;
    for key in ["cluster", "namespace", "name", "uid"] {
        tags.insert(format!("agentcore.dev/{key}"), "other".into());
    }
    world.sweep();
    world.endpoint_pass(Due::default(), Disturb::default());
    assert_eq!(reason(&world), reasons::NOT_OWNED);
    assert_eq!(world.aws.mutations(), 0);
}
