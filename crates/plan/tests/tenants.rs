//! Names that keep tenants apart, and two clusters of one id side by side.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::reasons;
use agentcore_api::values::{ClusterNames, former_runtime_name};
use agentcore_plan::conditions::is_ready;
use model::Switches;
use model::happening::{Happening, happen, happening, switches};
use model::steps::{pass, reason, settle, wait};
use model::world::{CLUSTER_UID, Stored, World, endpoint_object, runtime_object};
use proptest::prelude::*;

const UID: &str = "agentcore.dev/cluster-uid";

/// Two clusters of one id and one account. Each has an AgentRuntime of the same namespace, name and runtime name.
struct Two {
    /// Two.
    worlds: Vec<World>,
}

impl Two {
    fn new(switches: Switches) -> Self {
        let world = |number: u32| {
            let mut world = World::new(switches);
            world.policy.cluster_uid = format!("cluster-uid-{number}");
            world.uid = number * 1000;
            world.runtime = Some(Stored::new(runtime_object(world.uid)));
            world.endpoint = Some(Stored::new(endpoint_object(world.uid)));
            world
        };
        Self {
            worlds: vec![world(1), world(2)],
        }
    }

    /// Does it in one of the two. There is one AWS, which goes from hand to hand.
    fn within<T>(&mut self, second: bool, what: impl FnOnce(&mut World) -> T) -> T {
        let [one, other] = self.worlds.as_mut_slice() else {
            unreachable!("there are two");
        };
        let (world, holder) = if second { (other, one) } else { (one, other) };
        // The first one holds it between two happenings.
        if second {
            std::mem::swap(&mut world.aws, &mut holder.aws);
        }
        let done = what(world);
        if second {
            std::mem::swap(&mut world.aws, &mut holder.aws);
        }
        done
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// That neither changes what the other owns is checked at each action, by tags as they are at that moment (`model/owners.rs`).
    #[test]
    fn two_clusters_of_one_id_never_share_a_runtime(
        switches in switches(),
        happenings in prop::collection::vec((any::<bool>(), happening()), 1..40),
    ) {
        let mut two = Two::new(switches);
        for (second, what) in &happenings {
            // Nobody but the two touches tags here: whose a runtime is, is decided by who made it.
            if matches!(what, Happening::Steal(_) | Happening::GiveBack) {
                continue;
            }
            two.within(*second, |world| happen(world, what));
            let aws = &two.worlds[0].aws;
            prop_assert!(aws.runtimes.len() <= 1, "two runtimes of one name");
        }
        for second in [false, true] {
            two.within(second, |world| {
                world.aws.faults.clear();
                world.aws.healed = true;
                world.edit(|spec| spec.suspend = None);
                world.run(2);
                world.sweep();
            });
        }
        let owner = two.worlds[0].aws.runtimes.first().and_then(|rt| rt.tags.get(UID).cloned());
        for world in &two.worlds {
            let ready = world.runtime.is_some() && is_ready(&world.status().conditions);
            prop_assert!(!ready || owner.as_ref() == Some(&world.policy.cluster_uid), "{:?}", world.status());
        }
    }
}

#[test]
fn the_second_cluster_of_one_id_finds_the_name_taken_and_makes_no_version() {
    let mut two = Two::new(Switches::default());
    two.within(false, settle);
    for _ in 0..3 {
        two.within(true, |world| {
            wait(world, 60);
            assert_eq!(reason(&world.status()), reasons::NAME_TAKEN);
        });
        two.within(false, |world| {
            wait(world, 60);
            assert!(is_ready(&world.status().conditions));
            world.sweep();
        });
    }
    let rt = &two.worlds[0].aws.runtimes[0];
    assert_eq!((rt.version, rt.tags[UID].as_str()), (1, CLUSTER_UID));
}

fn unnamed(object: &mut agentcore_api::AgentRuntime) {
    object.spec.runtime_name = None;
}

#[test]
fn new_runtimes_have_names_of_their_namespace() {
    let mut world = World::with_runtime(unnamed);
    settle(&mut world);
    let names = ClusterNames {
        id: "c1".into(),
        uid: CLUSTER_UID.into(),
        former_uids: Vec::new(),
    };
    assert_eq!(
        world.aws.runtimes[0].name,
        names.new_name("team-a", "support")
    );
}

#[test]
fn a_lost_status_makes_no_second_runtime_beside_one_of_an_earlier_name() {
    for uid_tag in [true, false] {
        let mut world = World::with_runtime(unnamed);
        settle(&mut world);
        let rt = &mut world.aws.runtimes[0];
        let former = former_runtime_name("c1", "team-a", "support");
        rt.arn = rt.arn.replace(&rt.name, &former);
        rt.id = rt.id.replace(&rt.name, &former);
        rt.name = former.clone();
        if !uid_tag {
            rt.tags.remove(UID);
        }
        let object = &mut world.runtime.as_mut().unwrap().now;
        object.status = None;
        world.inventory = None;
        world.aws.calls.clear();
        pass(&mut world);
        settle(&mut world);
        assert_eq!(world.aws.runtimes.len(), 1, "{}", world.trace.join("\n"));
        assert_eq!(world.status().name.as_deref(), Some(former.as_str()));
        assert!(is_ready(&world.status().conditions));
        assert!(!world.aws.calls.contains_key("CreateAgentRuntime"));
        assert_eq!(world.aws.runtimes[0].version, 1);
    }
}

#[test]
fn anothers_runtime_under_an_earlier_name_is_left_and_our_own_is_made() {
    let mut world = World::with_runtime(unnamed);
    settle(&mut world);
    let rt = &mut world.aws.runtimes[0];
    let former = former_runtime_name("c1", "team-a", "support");
    rt.arn = rt.arn.replace(&rt.name, &former);
    rt.id = rt.id.replace(&rt.name, &former);
    rt.name = former;
    rt.tags.insert(UID.into(), "another".into());
    let theirs = format!("{rt:?}");
    world.runtime = Some(Stored::new({
        let mut object = runtime_object(1);
        unnamed(&mut object);
        object
    }));
    settle(&mut world);
    assert_eq!(world.aws.runtimes.len(), 2);
    assert_eq!(format!("{:?}", world.aws.runtimes[0]), theirs);
    assert!(is_ready(&world.status().conditions));
}

#[test]
fn a_spec_cannot_choose_the_name_that_another_object_is_to_have() {
    let names = ClusterNames {
        uid: CLUSTER_UID.into(),
        ..ClusterNames::default()
    };
    let name = names.new_name("team-b", "billing");
    let mut world = World::with_runtime(|object| object.spec.runtime_name = Some(name));
    wait(&mut world, 60);
    assert_eq!(reason(&world.status()), reasons::INVALID_SPEC);
    assert_eq!(world.aws.mutations(), 0);
}
