//! What the planner of an AgentRuntime warns of, and what it never does or says.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::conditions::STALLED;
use agentcore_api::names::annotations;
use agentcore_api::reasons;
use agentcore_api::runtime::{Network, NetworkMode, Vpc};
use agentcore_plan::conditions::{find, is_ready};
use agentcore_plan::step::Rest;
use model::steps::{event_count, pass, ready, reason, settle, wait};
use model::world::World;

#[test]
fn one_subnet_is_warned_about_once_a_generation() {
    let vpc = |subnets: &[&str]| {
        Some(Network {
            mode: NetworkMode::Vpc,
            vpc: Some(Vpc {
                subnets: subnets.iter().map(|&id| id.to_owned()).collect(),
                security_groups: vec!["sg-0123456789abcdef0".into()],
            }),
        })
    };
    let (one, two) = ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1");
    for (subnets, warnings) in [(vec![one], 1), (vec![one, one], 1), (vec![one, two], 0)] {
        let mut world = World::with_runtime(|object| object.spec.network = vpc(&subnets));
        settle(&mut world);
        assert!(is_ready(&world.status().conditions));
        assert_eq!(
            event_count(&world, reasons::SINGLE_SUBNET),
            warnings,
            "{subnets:?}"
        );
        world.annotate(annotations::REQUESTED_AT, "now");
        settle(&mut world);
        assert_eq!(
            event_count(&world, reasons::SINGLE_SUBNET),
            warnings,
            "said once"
        );
        world.edit(|spec| spec.network = vpc(&[two]));
        settle(&mut world);
        assert_eq!(event_count(&world, reasons::SINGLE_SUBNET), warnings + 1);
    }
}

#[test]
fn an_update_that_names_what_is_not_there_backs_off() {
    let mut world = ready();
    world.edit(|spec| spec.description = Some("two".into()));
    let mut pauses = Vec::new();
    for _ in 0..6 {
        // Get answers; what the Update names (a capacity provider, say) does not exist.
        world.aws.update_gone = true;
        pauses.push(pass(&mut world).unwrap());
    }
    assert!(
        pauses.iter().all(|rest| matches!(rest, Rest::Backoff(_))),
        "{pauses:?}"
    );
    assert!(pauses.contains(&Rest::Backoff(std::time::Duration::from_secs(32))));
    world.aws.update_gone = false;
    settle(&mut world);
    assert!(is_ready(&world.status().conditions));
}

#[test]
fn a_failure_is_still_named_after_a_pause() {
    let mut world = World::with_runtime(|object| {
        object.spec.artifact.container.as_mut().unwrap().image =
            "public.ecr.aws/a/invalid:1".into();
    });
    wait(&mut world, 60);
    assert_eq!(reason(&world.status()), reasons::INVALID);
    world.edit(|spec| spec.suspend = Some(true));
    wait(&mut world, 9);
    assert_eq!(reason(&world.status()), reasons::SUSPENDED);
    world.edit(|spec| spec.suspend = None);
    wait(&mut world, 9);
    let status = world.status();
    assert_eq!(reason(&status), reasons::INVALID);
    let stalled = find(&status.conditions, STALLED).unwrap();
    assert!(
        stalled.message.contains("this can never be"),
        "{}",
        stalled.message
    );
    assert_eq!(world.aws.calls["CreateAgentRuntime"], 1);
}

#[test]
fn an_edit_is_not_ready_while_a_404_is_doubted() {
    let mut world = ready();
    world.aws.advance(120);
    world.aws.vanish("support");
    world.poll_list();
    pass(&mut world);
    assert!(
        is_ready(&world.status().conditions),
        "one 404 is not believed"
    );
    world.edit(|spec| spec.description = Some("two".into()));
    pass(&mut world);
    let status = world.status();
    assert_eq!(status.observed_generation, Some(2));
    assert!(
        !is_ready(&status.conditions),
        "version 2 of the wish is live nowhere"
    );
}
