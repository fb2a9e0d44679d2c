//! Whose a runtime is: what belongs to another owner, or to another account, is left alone.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::names::annotations;
use agentcore_api::reasons;
use agentcore_api::runtime::Adopt;
use agentcore_plan::conditions::is_ready;
use agentcore_plan::runtime::region;
use model::steps::{event_count, own_calls, pass, ready, reason, settle, wait};
use model::world::{Stored, World, runtime_object};

#[test]
fn what_another_owner_took_over_is_left_to_it() {
    let taken = |world: &mut World| {
        let tags = &mut world.aws.runtimes[0].tags;
        for key in ["cluster", "namespace", "name", "uid"] {
            tags.insert(format!("agentcore.dev/{key}"), "other".into());
        }
    };
    // Seen by the sweep.
    let mut world = ready();
    taken(&mut world);
    world.sweep();
    wait(&mut world, 20 * 60);
    assert_eq!(reason(&world.status()), reasons::NOT_OWNED);
    assert_eq!(world.aws.mutations(), 0);
    // Seen when the other owner changed the configuration.
    let mut world = ready();
    taken(&mut world);
    let now = world.aws.now;
    let rt = &mut world.aws.runtimes[0];
    rt.config.description = Some("theirs".into());
    rt.version += 1;
    rt.updated = now;
    rt.good = Some((2, rt.config.clone()));
    wait(&mut world, 20 * 60);
    assert_eq!(reason(&world.status()), reasons::NOT_OWNED);
    world.edit(|spec| spec.description = Some("ours".into()));
    wait(&mut world, 20 * 60);
    assert_eq!(world.aws.mutations(), 0, "{}", world.trace.join("\n"));
    assert_eq!(event_count(&world, reasons::NOT_OWNED), 1);
    // The object can go, and the runtime stays.
    world.delete_runtime();
    settle(&mut world);
    assert!(world.runtime.is_none());
    assert_eq!(world.aws.mutations(), 0);
}

#[test]
fn another_cluster_id_of_the_same_object_is_no_other_owner() {
    let mut world = ready();
    world.policy.cluster_id = "c2".into();
    wait(&mut world, 60);
    assert!(is_ready(&world.status().conditions));
    assert_eq!(world.aws.runtimes[0].tags["agentcore.dev/cluster"], "c2");
}

#[test]
fn adoption_names_the_tags_that_it_would_change() {
    let mut world = ready();
    world.aws.runtimes[0].tags = [("Owner".to_owned(), "them".to_owned())].into();
    let mut object = runtime_object(7);
    object.spec.adopt = Some(Adopt {
        runtime_id: world.aws.runtimes[0].id.clone(),
        apply: None,
        take_over: None,
    });
    world.runtime = Some(Stored::new(object));
    wait(&mut world, 60);
    assert_eq!(reason(&world.status()), reasons::ADOPTION_PENDING);
    assert_eq!(world.aws.mutations(), 0);
    world.edit(|spec| spec.tags = Some([("Owner".to_owned(), "them".to_owned())].into()));
    settle(&mut world);
    assert!(is_ready(&world.status().conditions));
    assert_eq!(world.aws.runtimes[0].tags["Owner"], "them");
}

#[test]
fn a_runtime_that_is_being_taken_over_goes_with_its_object() {
    let mut world = ready();
    world.runtime = Some(Stored::new(runtime_object(7)));
    world.poll_list();
    pass(&mut world);
    assert_eq!(world.aws.runtimes[0].tags["agentcore.dev/uid"], "uid-7");
    assert!(world.status().id.is_none());
    world.delete_runtime();
    settle(&mut world);
    assert!(world.runtime.is_none());
    assert!(world.aws.runtimes.is_empty(), "{}", world.trace.join("\n"));
}
#[test]
fn credentials_of_another_account_lose_make_and_delete_nothing() {
    let mut world = ready();
    world.policy.account = "999988887777".into();
    world.policy.execution_role_patterns = vec!["*".into()];
    world.aws.advance(120);
    world.aws.vanish("support"); // as the other account answers
    wait(&mut world, 10 * 60);
    let status = world.status();
    assert_eq!(reason(&status), reasons::ACCESS_DENIED);
    assert!(status.id.is_some());
    assert!(!is_ready(&status.conditions));
    assert_eq!(own_calls(&world), []);
    world.delete_runtime();
    wait(&mut world, 10 * 60);
    assert!(
        world.runtime.is_some(),
        "it may still exist where it was made"
    );
    assert_eq!(own_calls(&world), []);
    world.annotate(annotations::LET_GO, "true");
    settle(&mut world);
    assert!(world.runtime.is_none());
}

#[test]
fn an_operator_of_another_region_keeps_what_was_made_where_it_was_made() {
    let mut world = ready();
    world.policy.region = "eu-west-1".into();
    let object = world.runtime.clone().unwrap().now;
    assert_eq!(region(&object, &world.policy), "us-east-1");
    assert_eq!(region(&runtime_object(1), &world.policy), "eu-west-1");
    settle(&mut world);
    assert_eq!(world.status().region.as_deref(), Some("us-east-1"));
    assert_eq!(own_calls(&world), []);
}
