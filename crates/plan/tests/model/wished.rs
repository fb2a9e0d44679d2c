//! What must be true once the world is quiet.

use agentcore_api::reasons;
use agentcore_plan::aws::ServiceStatus;
use agentcore_plan::conditions::{is_ready, ready_reason};
use agentcore_plan::runtime::{differing, render};
use agentcore_plan::step::Due;

use super::world::registry::digest;
use super::world::{Disturb, Secret, Stored, World, runtime_object};

/// Somebody else's runtime, which nothing may touch.
pub fn stranger(world: &mut World) {
    let object = runtime_object(0);
    let view = agentcore_plan::runtime::View {
        object: &object,
        policy: &world.policy,
        granted: &agentcore_plan::grant::Granted::everything(),
        older_in_namespace: 0,
        referrers: &[],
        owned_endpoint_names: &[],
        config: &agentcore_plan::config::ConfigInput::NotNeeded,
        used_versions: &std::collections::BTreeSet::new(),
        faults: 0,
        due: Due::default(),
        facts: agentcore_plan::runtime::Facts::default(),
        outcome: None,
    };
    let config = render(&view).expect("a good spec").config;
    world
        .aws
        .create(
            "foreign",
            &config,
            &[("Owner".to_owned(), "them".to_owned())].into(),
            &"f".repeat(40),
        )
        .expect("made");
    world.aws.advance(20);
}

/// Quiet, with everything healed, for as long as the slowest timer takes, and one round of the sweep.
pub fn calm(world: &mut World) {
    world.aws.faults.clear();
    world.aws.healed = true;
    world.secret = Secret::Value(9);
    world.registry.fault = None;
    world.registry.tags.insert("prod".into(), digest(0));
    world.edit(|spec| spec.suspend = None);
    world.edit_endpoint(|spec| spec.suspend = None);
    world.give_back();
    world.trace.push("calm".into());
    if let Some(stored) = &mut world.runtime {
        stored.dirty = true;
    }
    if let Some(stored) = &mut world.endpoint {
        stored.dirty = true;
    }
    world.run(5);
    world.sweep();
    world.trace.push("swept".into());
    world.run(5);
}

pub fn assert_never_two(world: &World) {
    let ours = world
        .aws
        .runtimes
        .iter()
        .filter(|rt| rt.tags.contains_key("agentcore.dev/cluster"))
        .count();
    assert!(ours <= 1, "two runtimes:\n{}", tail(world));
}

pub fn tail(world: &World) -> String {
    let from = world.trace.len().saturating_sub(400);
    format!(
        "{}\n{:#?}\n{:#?}\n{:?}",
        world.trace[from..].join("\n"),
        world.status(),
        world.endpoint_status(),
        world
            .aws
            .runtimes
            .iter()
            .map(super::entry)
            .collect::<Vec<_>>()
    )
}

/// Whether something was left in AWS, and said so, because its tags were somebody else's or nobody's when its object went.
fn left_to_a_thief(world: &World) -> bool {
    let left = |event: &agentcore_plan::step::Event| {
        let why = ["another owner's tags", "it carries no ownership tags"];
        event.reason == reasons::RETAINED && why.iter().any(|why| event.note.ends_with(why))
    };
    world.events.iter().any(left)
}

pub fn assert_wished(world: &World) {
    let ours = world.aws.runtimes.iter().find(|rt| rt.name == "support");
    match &world.runtime {
        None => assert!(
            ours.is_none() || left_to_a_thief(world),
            "orphaned:\n{}",
            tail(world)
        ),
        Some(stored) => {
            let status = world.status();
            let reason = ready_reason(&status.conditions)
                .unwrap_or("none")
                .to_owned();
            if stored.now.metadata.deletion_timestamp.is_some() {
                let waits = reason == reasons::ENDPOINTS_IN_USE
                    && (world.endpoint.is_some() || left_to_a_thief(world));
                assert!(waits, "deletion does not end ({reason}):\n{}", tail(world));
            } else if reason == reasons::ACCESS_DENIED {
                assert!(
                    world.aws.switches.deleted_is_denied && ours.is_none(),
                    "denied:\n{}",
                    tail(world)
                );
                return;
            } else {
                assert_live(world, stored, &reason);
            }
        }
    }
    assert_endpoint(world);
}

fn assert_live(world: &World, stored: &Stored<agentcore_api::AgentRuntime>, reason: &str) {
    let there = world
        .aws
        .runtimes
        .iter()
        .find(|rt| rt.name == "support")
        .unwrap_or_else(|| panic!("not made ({reason}):\n{}", tail(world)));
    let config = world.config();
    let view = agentcore_plan::runtime::View {
        object: &stored.now,
        policy: &world.policy,
        granted: &agentcore_plan::grant::Granted::everything(),
        older_in_namespace: 0,
        referrers: &[],
        owned_endpoint_names: &[],
        config: &config,
        used_versions: &std::collections::BTreeSet::new(),
        faults: 0,
        due: Due::default(),
        facts: agentcore_plan::runtime::Facts::default(),
        outcome: None,
    };
    let wish = render(&view).expect("a good spec");
    if let Some(container) = &there.config.artifact.container {
        assert_image(world, &container.image);
    }
    let fields = differing(&wish.config, &there.config);
    if reason == reasons::NOT_APPLIED {
        assert!(
            world.aws.switches.keep_omitted && fields == ["description"],
            "{fields:?}:\n{}",
            tail(world)
        );
    } else {
        assert!(
            fields.is_empty(),
            "differs in {fields:?} ({reason}):\n{}",
            tail(world)
        );
        assert!(
            is_ready(&world.status().conditions) && reason == reasons::READY,
            "{reason}:\n{}",
            tail(world)
        );
        assert_pruned(world, stored, there);
    }
    assert_eq!(there.tags, wish.tags, "tags:\n{}", tail(world));
    assert_eq!(
        there.policy.is_some(),
        wish.resource_policy.is_some(),
        "policy:\n{}",
        tail(world)
    );
    assert_eq!(
        there.default_live,
        there.version,
        "DEFAULT:\n{}",
        tail(world)
    );
    assert_eq!(
        world.status().observed_generation,
        stored.now.metadata.generation
    );
}

/// Beyond the limit there are only versions that are used, none of them failed, and the newest has its history and its cause.
fn assert_pruned(world: &World, stored: &Stored<agentcore_api::AgentRuntime>, there: &super::Rt) {
    let limit = stored.now.spec.revision_history_limit.unwrap_or(10);
    let used = world.used_versions();
    let free = |version: &u32| *version != there.version && !used.contains(&version.to_string());
    let spare: Vec<_> = there
        .versions
        .keys()
        .filter(|version| free(version))
        .collect();
    assert!(
        spare.len() <= usize::try_from(limit).unwrap(),
        "{spare:?} are kept:\n{}",
        tail(world)
    );
    let failed = spare
        .iter()
        .any(|version| there.versions[version] != ServiceStatus::Ready);
    assert!(!failed, "{:?}:\n{}", there.versions, tail(world));
    let version = there.version.to_string();
    let status = world.status();
    assert_eq!(
        status.causes.first().map(|cause| &cause.version),
        Some(&version),
        "{}",
        tail(world)
    );
    let kept = world.revisions.values().any(|revision| {
        revision.data["version"] == *version && revision.data["runtimeId"] == *there.id
    });
    assert!(kept, "no history of {version}:\n{}", tail(world));
}

/// Nothing of a private registry goes to AWS by its tag, and nothing that cannot run goes at all.
fn assert_image(world: &World, image: &str) {
    let private = image.contains(".dkr.ecr.");
    let digest = image.split_once('@').map(|(_, digest)| digest);
    assert_eq!(private, digest.is_some(), "{image}:\n{}", tail(world));
    let flaw = digest.and_then(|digest| world.registry.images[digest].flaw);
    assert_eq!(flaw, None, "{image}:\n{}", tail(world));
}

fn assert_endpoint(world: &World) {
    let there = world
        .aws
        .runtimes
        .iter()
        .find(|rt| rt.name == "support")
        .and_then(|rt| rt.endpoints.first());
    let status = world.endpoint_status();
    let reason = ready_reason(&status.conditions)
        .unwrap_or("none")
        .to_owned();
    let Some(stored) = &world.endpoint else {
        assert!(
            there.is_none() || left_to_a_thief(world),
            "endpoint orphaned:\n{}",
            tail(world)
        );
        return;
    };
    assert!(
        stored.now.metadata.deletion_timestamp.is_none(),
        "endpoint deletion does not end ({reason}):\n{}",
        tail(world)
    );
    if world.runtime.is_none() {
        assert_eq!(reason, reasons::RUNTIME_NOT_FOUND, "{}", tail(world));
        return;
    }
    let deleting = world
        .runtime
        .as_ref()
        .is_some_and(|runtime| runtime.now.metadata.deletion_timestamp.is_some());
    if deleting {
        // It waits for this endpoint, and makes no more versions.
        return;
    }
    let there = there.unwrap_or_else(|| panic!("endpoint not made ({reason}):\n{}", tail(world)));
    let wanted = if stored.now.spec.version == "Latest" {
        world.status().ready_version
    } else {
        Some("1".into())
    };
    let known =
        |version: &String| {
            world.aws.runtimes.iter().any(|rt| {
                rt.name == "support" && rt.versions.contains_key(&version.parse().unwrap())
            })
        };
    if !wanted.as_ref().is_some_and(known) {
        // It was pinned to a version after that had been deleted.
        return;
    }
    assert_eq!(
        there.live,
        wanted,
        "endpoint's version ({reason}):\n{}",
        tail(world)
    );
    if reason == reasons::NOT_APPLIED {
        assert!(
            world.aws.switches.keep_omitted && stored.now.spec.description.is_none(),
            "{}",
            tail(world)
        );
    } else {
        assert_eq!(
            there.description,
            stored.now.spec.description,
            "{}",
            tail(world)
        );
        assert_eq!(reason, reasons::READY, "{}", tail(world));
    }
}

/// More passes change nothing and cost nothing.
pub fn assert_still(world: &mut World) {
    world.poll_list();
    world.runtime_pass(Due::default(), Disturb::default());
    world.endpoint_pass(Due::default(), Disturb::default());
    let denied = ready_reason(&world.status().conditions) == Some(reasons::ACCESS_DENIED);
    if denied {
        return;
    }
    let before = (
        world.aws.total(),
        format!("{:?}{:?}", world.status(), world.endpoint_status()),
    );
    for _ in 0..4 {
        world.runtime_pass(Due::default(), Disturb::default());
        world.endpoint_pass(Due::default(), Disturb::default());
    }
    let waits = world
        .runtime
        .as_ref()
        .is_some_and(|stored| stored.now.metadata.deletion_timestamp.is_some());
    let after = (
        world.aws.total(),
        format!("{:?}{:?}", world.status(), world.endpoint_status()),
    );
    assert!(
        waits || before == after,
        "not still: {before:?}\n{after:?}\n{}",
        tail(world)
    );
}
