//! How an AgentRuntime changes hands and how it ends: adoption, suspension, deletion.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::DeletionPolicy;
use agentcore_api::conditions::READY;
use agentcore_api::names::annotations;
use agentcore_api::reasons;
use agentcore_api::runtime::{Adopt, Phase};
use agentcore_plan::aws::ServiceStatus;
use agentcore_plan::conditions::{find, is_ready};
use model::steps::{event_count, own_calls, pass, ready, reason, settle, wait};
use model::world::{Stored, World, runtime_object};
/// A world with a runtime of somebody's, and an object that adopts it.
fn adopting(change: impl FnOnce(&mut Adopt, &mut World)) -> World {
    let mut world = ready();
    world.aws.runtimes[0].tags = [("Owner".to_owned(), "them".to_owned())].into();
    let mut adopt = Adopt {
        runtime_id: world.aws.runtimes[0].id.clone(),
        apply: None,
        take_over: None,
    };
    change(&mut adopt, &mut world);
    let mut object = runtime_object(7);
    object.spec.adopt = Some(adopt);
    object.spec.tags = Some([("Owner".to_owned(), "them".to_owned())].into());
    world.runtime = Some(Stored::new(object));
    world
}

#[test]
fn adoption_of_an_equal_runtime_takes_it() {
    let mut world = adopting(|_, _| {});
    settle(&mut world);
    assert!(
        is_ready(&world.status().conditions),
        "{}",
        world.trace.join("\n")
    );
    assert!(!world.aws.calls.contains_key("UpdateAgentRuntime"));
}

#[test]
fn adoption_of_a_differing_runtime_waits_for_apply_and_writes_nothing() {
    let mut world =
        adopting(|_, world| world.aws.runtimes[0].config.description = Some("theirs".into()));
    settle(&mut world);
    let status = world.status();
    assert_eq!(reason(&status), reasons::ADOPTION_PENDING);
    assert!(
        find(&status.conditions, READY)
            .unwrap()
            .message
            .contains("description")
    );
    assert_eq!(world.aws.mutations(), 0);
    world.edit(|spec| spec.adopt.as_mut().unwrap().apply = Some(true));
    settle(&mut world);
    assert!(is_ready(&world.status().conditions));
    assert_eq!(
        world.aws.runtimes[0].config.description.as_deref(),
        Some("one")
    );
}

/// The runtime is another owner's.
fn of_others(world: &mut World) {
    for key in ["cluster", "namespace", "name", "uid"] {
        let tags = &mut world.aws.runtimes[0].tags;
        tags.insert(format!("agentcore.dev/{key}"), "other".into());
    }
}

#[test]
fn adoption_from_another_owner_is_refused_without_take_over() {
    let mut world = adopting(|_, world| of_others(world));
    settle(&mut world);
    assert_eq!(reason(&world.status()), reasons::ADOPTION_REFUSED);
    let mut world = adopting(|adopt, world| {
        of_others(world);
        adopt.take_over = Some(true);
    });
    settle(&mut world);
    assert!(is_ready(&world.status().conditions));
}

#[test]
fn an_object_whose_adoption_was_refused_goes_and_leaves_the_runtime_as_it_is() {
    for policy in [
        None,
        Some(DeletionPolicy::Retain),
        Some(DeletionPolicy::Delete),
    ] {
        let refused: [fn(&mut Adopt, &mut World); 2] = [
            |adopt, _| adopt.runtime_id.push('x'),
            |_, world| of_others(world),
        ];
        for change in refused {
            let mut world = adopting(change);
            world.edit(|spec| spec.deletion_policy = policy);
            settle(&mut world);
            assert_eq!(reason(&world.status()), reasons::ADOPTION_REFUSED);
            let before = world.aws.runtimes[0].tags.clone();
            world.delete_runtime();
            settle(&mut world);
            assert!(world.runtime.is_none(), "{}", world.trace.join("\n"));
            assert_eq!(world.aws.mutations(), 0);
            assert_eq!(world.aws.runtimes[0].tags, before);
        }
    }
}

#[test]
fn an_adopted_runtime_stays_when_its_object_goes() {
    let mut world = adopting(|_, _| {});
    settle(&mut world);
    world.delete_runtime();
    settle(&mut world);
    assert!(world.runtime.is_none());
    let rt = &world.aws.runtimes[0];
    assert_eq!(rt.status, ServiceStatus::Ready);
    assert!(
        rt.tags.keys().all(|key| !key.starts_with("agentcore.dev/")),
        "{:?}",
        rt.tags
    );
    assert_eq!(event_count(&world, reasons::RETAINED), 1);
}

#[test]
fn suspend_changes_nothing_and_still_reads() {
    let mut world = ready();
    world.edit(|spec| {
        spec.suspend = Some(true);
        spec.description = Some("two".into());
    });
    settle(&mut world);
    let status = world.status();
    assert!(is_ready(&status.conditions) && reason(&status) == reasons::SUSPENDED);
    assert_eq!(status.observed_generation, Some(2));
    assert_eq!(world.aws.mutations(), 0);
    world.edit(|spec| spec.suspend = None);
    settle(&mut world);
    assert_eq!(reason(&world.status()), reasons::READY);
    assert_eq!(
        world.aws.runtimes[0].config.description.as_deref(),
        Some("two")
    );
}

#[test]
fn deletion_waits_until_it_is_gone() {
    let mut world = ready();
    world.delete_runtime();
    world.poll_list();
    pass(&mut world);
    assert_eq!(world.status().phase, Some(Phase::Deleting));
    assert!(world.runtime.is_some());
    settle(&mut world);
    assert!(world.runtime.is_none() && world.aws.runtimes.is_empty());
    assert_eq!(
        own_calls(&world),
        [
            ("DeleteAgentRuntime", 1),
            ("GetAgentRuntime", 1),
            ("ListAgentRuntimeEndpoints", 1),
            ("ListTagsForResource", 1)
        ]
    );
}

#[test]
fn deletion_while_creating_ends_too() {
    let mut world = World::with_runtime(|_| {});
    pass(&mut world);
    world.delete_runtime();
    settle(&mut world);
    assert!(world.runtime.is_none() && world.aws.runtimes.is_empty());
}

#[test]
fn deletion_never_needs_a_valid_spec() {
    let mut world = ready();
    world.edit(|spec| spec.execution_role.arn = "nonsense".into());
    settle(&mut world);
    assert_eq!(reason(&world.status()), reasons::INVALID_SPEC);
    world.delete_runtime();
    settle(&mut world);
    assert!(world.runtime.is_none() && world.aws.runtimes.is_empty());
}

#[test]
fn deletion_spares_what_lost_its_tags_until_let_go() {
    let mut world = ready();
    world.aws.runtimes[0].tags.clear();
    world.delete_runtime();
    wait(&mut world, 30);
    assert_eq!(reason(&world.status()), reasons::NOT_OWNED);
    world.annotate(annotations::LET_GO, "true");
    settle(&mut world);
    assert!(world.runtime.is_none());
    assert_eq!(world.aws.runtimes.len(), 1);
}

#[test]
fn deletion_stands_still_before_endpoints_that_nobody_owns() {
    let mut world = ready();
    let now = world.aws.now;
    world.aws.runtimes[0].endpoints.push(model::Ep {
        name: "theirs".into(),
        arn: "arn:theirs".into(),
        live: Some("1".into()),
        target: "1".into(),
        status: ServiceStatus::Ready,
        description: None,
        tags: agentcore_plan::aws::Tags::default(),
        created: now,
        updated: now,
        until: now,
        unknown: Vec::new(),
    });
    world.delete_runtime();
    wait(&mut world, 30);
    let status = world.status();
    assert_eq!(reason(&status), reasons::ENDPOINTS_IN_USE);
    assert!(
        find(&status.conditions, READY)
            .unwrap()
            .message
            .contains("theirs")
    );
    world.annotate(annotations::DELETE_ENDPOINTS, "true");
    settle(&mut world);
    assert!(world.runtime.is_none() && world.aws.runtimes.is_empty());
}

#[test]
fn a_deletion_that_hangs_is_called_stuck_after_15_minutes() {
    let mut world = ready();
    world.delete_runtime();
    world.aws.work = jiff::SignedDuration::from_hours(5);
    wait(&mut world, 14 * 60);
    assert_eq!(reason(&world.status()), reasons::DELETING);
    wait(&mut world, 2 * 60);
    assert_eq!(reason(&world.status()), reasons::DELETION_STUCK);
    assert_eq!(event_count(&world, reasons::DELETION_STUCK), 1);
    world.annotate(annotations::LET_GO, "true");
    pass(&mut world);
    assert!(world.runtime.is_none());
}

#[test]
fn what_was_never_sent_is_released_without_a_call() {
    let mut world = World::with_runtime(|object| {
        object.metadata.finalizers = Some(vec!["agentcore.dev/finalizer".into()]);
    });
    world.delete_runtime();
    pass(&mut world);
    assert!(world.runtime.is_none());
    assert_eq!(world.aws.total(), 0);
}
