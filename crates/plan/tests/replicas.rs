//! Two replicas and what the operator promises of them together: whatever happens to their lease, their processes and the world, no change is made by one
//! after the next one's first, there is one runtime for an object, and once nothing goes wrong the world is as wished.
//!
//! That no two may lead at once is shown for all that can happen to the lease in `agentcore_plan::lease`; that no change is made without tags
//! is checked at each action (`model/owners.rs`).

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_plan::conditions::is_ready;
use model::Switches;
use model::happening::{Happening, switches};
use model::replicas::{Replicas, Twist, twist};
use model::wished::{assert_never_two, assert_still, assert_wished, calm, stranger};
use model::world::{Stored, World, endpoint_object, runtime_object};
use proptest::prelude::*;

const PASS: Happening = Happening::RuntimePass(7, false, false);

fn replicas(switches: Switches) -> Replicas {
    let mut world = World::new(switches);
    stranger(&mut world);
    world.registry.push("prod", 0, world.aws.now);
    world.uid = 1;
    world.runtime = Some(Stored::new(runtime_object(1)));
    world.endpoint = Some(Stored::new(endpoint_object(1)));
    Replicas::new(world)
}

fn check(switches: Switches, twists: &[Twist]) {
    let mut replicas = replicas(switches);
    for twist in twists {
        replicas.world.trace.push(format!("{twist:?}"));
        replicas.happen(twist);
        assert_never_two(&replicas.world);
    }
    replicas.calm();
    calm(&mut replicas.world);
    assert_wished(&replicas.world);
    assert_still(&mut replicas.world);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_world_comes_to_be_as_wished_whoever_leads(switches in switches(), twists in prop::collection::vec(twist(), 1..60)) {
        check(switches, &twists);
    }
}

/// A list and a pass.
fn turn(replicas: &mut Replicas, number: usize) {
    replicas.happen(&Twist::World(number, Happening::List(false)));
    replicas.happen(&Twist::World(number, PASS));
}

fn turns(replicas: &mut Replicas, number: usize) {
    for _ in 0..4 {
        turn(replicas, number);
        replicas.happen(&Twist::Time(8));
    }
    let world = &replicas.world;
    assert!(
        is_ready(&world.status().conditions),
        "{}",
        world.trace.join("\n")
    );
}

/// The first replica leads and is frozen, the second one makes an edit, and the first one wakes before it hears of that.
fn old_leader_wakes(planted: bool) -> Replicas {
    let mut replicas = replicas(Switches::default());
    replicas.planted = planted;
    let old = replicas.leader().expect("one leads");
    let next = 1 - old;
    turns(&mut replicas, old);
    replicas.happen(&Twist::Freeze(old, true));
    replicas.happen(&Twist::Time(29));
    assert_eq!(replicas.leader(), Some(next));
    let edit = |replicas: &mut Replicas, text: &str| {
        replicas
            .world
            .edit(|spec| spec.description = Some(text.into()));
    };
    edit(&mut replicas, "two");
    turns(&mut replicas, next);
    edit(&mut replicas, "three");
    replicas.happen(&Twist::Freeze(old, false));
    replicas.world.aws.calls.clear();
    turn(&mut replicas, old);
    replicas
}

#[test]
fn an_old_leader_that_wakes_in_a_pass_changes_nothing() {
    let replicas = old_leader_wakes(false);
    assert_eq!(
        replicas.world.aws.mutations(),
        0,
        "{}",
        replicas.world.trace.join("\n")
    );
}

#[test]
#[should_panic(expected = "after the next one's first")]
fn the_model_would_see_a_change_by_an_old_leader() {
    old_leader_wakes(true);
}
