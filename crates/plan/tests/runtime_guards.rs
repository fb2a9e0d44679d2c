//! What the planner of an AgentRuntime warns of, and what it never does or says.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::names::annotations;
use agentcore_api::reasons;
use agentcore_api::runtime::{Network, NetworkMode, Vpc};
use agentcore_plan::conditions::is_ready;
use model::steps::{event_count, settle};
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
