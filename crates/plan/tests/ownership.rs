//! Nothing is changed without a reading of tags in the same pass, and only what they say is ours. The model's worlds check that at each action
//! (`model/owners.rs`); here are the attacks, one by one.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::grant::Adoption;
use agentcore_api::reasons;
use agentcore_api::runtime::Adopt;
use agentcore_plan::conditions::is_ready;
use agentcore_plan::fault::Class;
use agentcore_plan::grant::Granted;
use model::Planned;
use model::steps::{event_count, own_calls, pass, ready, reason, settle, wait};
use model::world::{CLUSTER_UID, Stored, World, runtime_object};

const UID: &str = "agentcore.dev/cluster-uid";

/// A world whose runtime was stolen in this way, with its object still Ready.
fn stolen(how: u8) -> World {
    let mut world = ready();
    world.aws.advance(120);
    world.steal(how);
    world
}

fn adopter(world: &mut World, take_over: Option<bool>) {
    let mut object = runtime_object(7);
    object.metadata.name = Some("ours".into());
    object.spec.adopt = Some(Adopt {
        runtime_id: world.aws.runtimes[0].id.clone(),
        apply: Some(true),
        take_over,
    });
    world.runtime = Some(Stored::new(object));
}

fn granting(ids: &str, owners: Option<&str>) -> Granted {
    let list = |text: &str| vec![text.to_owned()];
    Granted {
        adoption: vec![Adoption {
            runtime_ids: list(ids),
            from_owners: owners.map(list),
        }],
        ..Granted::everything()
    }
}

#[test]
fn every_edit_after_a_theft_changes_nothing() {
    for how in 0..3 {
        let edits: [fn(&mut agentcore_api::AgentRuntimeSpec); 3] = [
            |spec| spec.description = Some("two".into()),
            |spec| spec.resource_policy = Some("{\"Version\": \"2012-10-17\"}".into()),
            |spec| spec.tags = Some([("Team".to_owned(), "a".to_owned())].into()),
        ];
        for (number, edit) in edits.into_iter().enumerate() {
            let mut world = stolen(how);
            world.edit(edit);
            wait(&mut world, 60);
            let about = format!("theft {how}, edit {number}:\n{}", world.trace.join("\n"));
            assert_eq!(world.aws.mutations(), 0, "{about}");
            assert_eq!(reason(&world.status()), reasons::NOT_OWNED, "{about}");
            assert!(!is_ready(&world.status().conditions));
            assert_eq!(event_count(&world, reasons::NOT_OWNED), 1, "{about}");
            // Whatever else the manifest says, it stays told.
            world.edit(|spec| spec.suspend = Some(true));
            wait(&mut world, 60);
            assert_eq!(reason(&world.status()), reasons::NOT_OWNED, "{about}");
            world.edit(|spec| spec.suspend = None);
            world.give_back();
            wait(&mut world, 6 * 60);
            assert_eq!(reason(&world.status()), reasons::READY, "{about}");
        }
    }
}

#[test]
fn a_theft_without_an_edit_is_seen_by_the_sweep_whatever_the_object_waits_for() {
    let states: [fn(&mut World); 3] = [
        |_| {},
        |world| world.edit(|spec| spec.suspend = Some(true)),
        // Refused before anything is looked at.
        |world| world.edit(|spec| spec.execution_role.arn = "arn:aws:iam::1:role/x".into()),
    ];
    for state in states {
        for how in 0..3 {
            let mut world = ready();
            state(&mut world);
            wait(&mut world, 60);
            world.steal(how);
            world.sweep();
            assert_eq!(reason(&world.status()), reasons::NOT_OWNED);
            assert_eq!(world.aws.mutations(), 0);
        }
    }
}

#[test]
fn old_versions_of_what_was_stolen_stay() {
    let mut world = ready();
    for text in ["two", "three", "four"] {
        world.edit(|spec| spec.description = Some(text.into()));
        settle(&mut world);
    }
    world.steal(0);
    world.edit(|spec| spec.revision_history_limit = Some(0));
    let before = world.aws.mutations();
    wait(&mut world, 10 * 60);
    assert_eq!(world.aws.mutations(), before, "{}", world.trace.join("\n"));
    assert_eq!(world.aws.runtimes[0].versions.len(), 4);
}

#[test]
fn the_object_of_what_was_stolen_can_go_and_the_runtime_stays() {
    for how in 0..2 {
        let mut world = stolen(how);
        world.delete_runtime();
        settle(&mut world);
        assert!(world.runtime.is_none());
        assert_eq!(world.aws.mutations(), 0);
        assert_eq!(world.aws.runtimes.len(), 1);
        assert_eq!(event_count(&world, reasons::RETAINED), 1);
    }
}

#[test]
fn what_a_lost_answer_made_and_somebody_took_stays_when_the_object_goes_and_is_told() {
    for how in 0..3 {
        let mut world = World::with_runtime(|_| {});
        world.aws.faults.push_back(Planned {
            class: Class::Transient,
            after: true,
        });
        while world.aws.runtimes.is_empty() {
            pass(&mut world);
        }
        assert_eq!(world.status().id, None, "nobody heard of it");
        world.steal(how);
        world.delete_runtime();
        wait(&mut world, 20 * 60);
        let trace = world.trace.join("\n");
        assert!(world.runtime.is_none(), "{trace}");
        assert_eq!(world.aws.runtimes.len(), 1);
        assert_eq!(event_count(&world, reasons::RETAINED), 1, "{trace}");
    }
}

#[test]
fn what_was_stolen_and_is_gone_is_no_longer_said_to_be_anothers() {
    for (denied, end) in [(false, reasons::READY), (true, reasons::ACCESS_DENIED)] {
        let mut world = stolen(0);
        world.aws.switches.deleted_is_denied = denied;
        world.edit(|spec| spec.description = Some("two".into()));
        wait(&mut world, 60);
        assert_eq!(reason(&world.status()), reasons::NOT_OWNED);
        world.aws.vanish("support");
        wait(&mut world, 20 * 60);
        let trace = world.trace.join("\n");
        assert_eq!(reason(&world.status()), end, "{trace}");
    }
}

#[test]
fn a_runtime_of_an_earlier_release_gets_its_tag_and_no_version() {
    let mut world = ready();
    world.aws.runtimes[0].tags.remove(UID);
    // As the earlier release left the status: its wish had no such tag.
    let object = &mut world.runtime.as_mut().unwrap().now;
    let observed = object.status.as_mut().unwrap().observed.as_mut().unwrap();
    let parts: Vec<_> = observed.wish_hash.split('.').map(str::to_owned).collect();
    observed.wish_hash = format!("{}.{}.{}", parts[0], "0".repeat(32), parts[2]);
    for _ in 0..5 {
        pass(&mut world);
        assert!(
            is_ready(&world.status().conditions),
            "it never stops being Ready"
        );
        world.aws.advance(3);
    }
    assert_eq!(world.aws.runtimes[0].tags[UID], CLUSTER_UID);
    assert_eq!(world.aws.runtimes[0].version, 1);
    let calls = own_calls(&world);
    assert_eq!(
        calls.iter().find(|(name, _)| *name == "TagResource"),
        Some(&("TagResource", 1)),
        "{calls:?}"
    );
    assert_eq!(world.aws.mutations(), 1, "{calls:?}");
}

#[test]
fn another_cluster_of_the_same_id_is_another_owner_unless_this_one_was_it() {
    for former in [false, true] {
        let mut world = ready();
        // This cluster was rebuilt, and its objects restored with their UIDs; or the runtime is another cluster's.
        world.policy.cluster_uid = "cluster-uid-2".into();
        if former {
            world.policy.former_cluster_uids = vec![CLUSTER_UID.into()];
        }
        world.edit(|spec| spec.description = Some("two".into()));
        wait(&mut world, 10 * 60);
        if former {
            assert_eq!(reason(&world.status()), reasons::READY);
            assert_eq!(world.aws.runtimes[0].tags[UID], "cluster-uid-2");
        } else {
            assert_eq!(reason(&world.status()), reasons::NOT_OWNED);
            assert_eq!(world.aws.mutations(), 0);
        }
    }
}

#[test]
fn the_same_name_in_another_cluster_of_the_same_id_is_not_taken() {
    let mut world = ready();
    world.policy.cluster_uid = "cluster-uid-2".into();
    world.runtime = Some(Stored::new(runtime_object(9)));
    wait(&mut world, 10 * 60);
    assert_eq!(reason(&world.status()), reasons::NAME_TAKEN);
    assert_eq!(
        own_calls(&world)
            .iter()
            .filter(|(name, _)| *name == "TagResource")
            .count(),
        0
    );
    assert_eq!(world.aws.runtimes[0].tags[UID], CLUSTER_UID);
}

#[test]
fn a_status_that_names_anothers_runtime_reaches_nothing() {
    let world = ready();
    let (theirs, arn) = (
        world.aws.runtimes[0].id.clone(),
        world.aws.runtimes[0].arn.clone(),
    );
    let before = format!("{:?}", world.aws.runtimes[0]);
    // Another object, whose status somebody has written.
    let mut object = runtime_object(9);
    object.metadata.name = Some("ours".into());
    object.metadata.finalizers = Some(vec![agentcore_api::names::FINALIZER.into()]);
    object.spec.description = Some("ours".into());
    let mut status = world.status();
    status.id = Some(theirs);
    status.arn = Some(arn);
    object.status = Some(status);
    for delete in [false, true] {
        let mut world = world.clone();
        world.runtime = Some(Stored::new(object.clone()));
        if delete {
            world.delete_runtime();
        }
        wait(&mut world, 20 * 60);
        assert_eq!(format!("{:?}", world.aws.runtimes[0]), before);
        assert_eq!(world.aws.mutations(), 0, "{}", world.trace.join("\n"));
        assert_eq!(world.runtime.is_none(), delete);
    }
}

#[test]
fn an_id_and_an_arn_that_do_not_belong_together_are_no_proof() {
    let mut world = ready();
    let object = &mut world.runtime.as_mut().unwrap().now;
    let status = object.status.as_mut().unwrap();
    // Tags are read of our own, the change would be of another.
    status.id = Some("billing-0000000009".into());
    let mut other = world.aws.runtimes[0].clone();
    other.id = "billing-0000000009".into();
    other.arn = other
        .arn
        .replace("support-0000000001", "billing-0000000009");
    other.name = "billing".into();
    other
        .tags
        .insert("agentcore.dev/uid".into(), "theirs".into());
    other
        .tags
        .insert("agentcore.dev/name".into(), "billing".into());
    world.aws.runtimes.push(other);
    world.edit(|spec| spec.description = Some("ours".into()));
    wait(&mut world, 20 * 60);
    assert_eq!(world.aws.mutations(), 0, "{}", world.trace.join("\n"));
    assert_eq!(reason(&world.status()), reasons::NOT_OWNED);
}

#[test]
fn adoption_needs_a_grant_also_of_what_nobody_owns() {
    let refused = [
        Granted::default(),
        granting("other-*", None),
        granting("other-*", Some("*")),
    ];
    for granted in refused {
        let mut world = ready();
        world.aws.runtimes[0].tags.clear();
        adopter(&mut world, Some(true));
        world.granted = granted;
        wait(&mut world, 10 * 60);
        assert_eq!(reason(&world.status()), reasons::NOT_GRANTED);
        assert_eq!(world.aws.mutations(), 0);
        // A grant that comes later is enough.
        world.granted = granting("support-*", None);
        wait(&mut world, 10 * 60);
        assert_eq!(
            reason(&world.status()),
            reasons::READY,
            "{}",
            world.trace.join("\n")
        );
        assert_eq!(world.aws.runtimes[0].tags["agentcore.dev/name"], "ours");
    }
}

#[test]
fn a_takeover_needs_a_grant_from_that_owner_and_never_has_one_while_it_lives() {
    let team_a = ("team-a".to_owned(), "support".to_owned());
    // Consent of the taker alone, a grant for what nobody owns, and one from another owner.
    for granted in [
        Granted::default(),
        granting("*", None),
        granting("*", Some("c1/team-b/*")),
    ] {
        let mut world = ready();
        adopter(&mut world, Some(true));
        world.granted = granted;
        wait(&mut world, 10 * 60);
        assert_eq!(reason(&world.status()), reasons::NOT_GRANTED);
        assert_eq!(world.aws.mutations(), 0);
    }
    let mut world = ready();
    world.living.insert(team_a.clone());
    adopter(&mut world, Some(true));
    world.granted = granting("*", Some("c1/team-a/*"));
    wait(&mut world, 10 * 60);
    assert_eq!(reason(&world.status()), reasons::ADOPTION_REFUSED);
    assert_eq!(world.aws.mutations(), 0);
    // Its object is gone: now the grant counts, and the spec's consent is still asked for.
    world.living.remove(&team_a);
    world.edit(|spec| spec.adopt.as_mut().unwrap().take_over = None);
    wait(&mut world, 10 * 60);
    assert_eq!(reason(&world.status()), reasons::ADOPTION_REFUSED);
    assert_eq!(world.aws.mutations(), 0);
    world.edit(|spec| spec.adopt.as_mut().unwrap().take_over = Some(true));
    wait(&mut world, 10 * 60);
    assert_eq!(
        reason(&world.status()),
        reasons::READY,
        "{}",
        world.trace.join("\n")
    );
    assert_eq!(world.aws.runtimes[0].tags["agentcore.dev/name"], "ours");
}

#[test]
fn a_takeover_from_another_cluster_needs_no_look_at_objects_of_this_one() {
    let mut world = stolen(1);
    // An object of the same name lives here, and has nothing to do with it.
    world
        .living
        .insert(("team-a".to_owned(), "support".to_owned()));
    adopter(&mut world, Some(true));
    world.granted = granting("support-*", Some("c1/team-a/support"));
    wait(&mut world, 10 * 60);
    assert_eq!(
        reason(&world.status()),
        reasons::READY,
        "{}",
        world.trace.join("\n")
    );
}
