//! Whatever happened: after a quiet time the world is as wished, or says why not, and then stays so without a call.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::reasons;
use agentcore_plan::fault::Class;
use model::happening::{Happening, happen, happening, switches};
use model::wished::{assert_never_two, assert_still, assert_wished, calm, stranger, tail};
use model::world::{Stored, World, endpoint_object, runtime_object};
use model::{Switches, fault};
use proptest::prelude::*;

fn check(switches: Switches, happenings: &[Happening]) {
    let mut world = World::new(switches);
    stranger(&mut world);
    let stranger = format!("{:?}", world.aws.runtimes[0]);
    world.registry.push("prod", 0, world.aws.now);
    world.uid = 1;
    world.runtime = Some(Stored::new(runtime_object(1)));
    world.endpoint = Some(Stored::new(endpoint_object(1)));
    for what in happenings {
        world.trace.push(format!("{what:?}"));
        happen(&mut world, what);
        assert_never_two(&world);
    }
    calm(&mut world);
    assert_wished(&world);
    assert_eq!(
        format!("{:?}", world.aws.runtimes[0]),
        stranger,
        "the stranger was touched:\n{}",
        tail(&world)
    );
    assert_still(&mut world);
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_world_comes_to_be_as_wished_and_stays_so(switches in switches(), happenings in prop::collection::vec(happening(), 1..40)) {
        check(switches, &happenings);
    }
}

/// A pass without disturbance; `poll` as the pace of transitions sets it.
const fn pass(poll: bool) -> Happening {
    Happening::RuntimePass(3, false, poll)
}

/// A pass that ends right after its call.
const fn cut(poll: bool) -> Happening {
    Happening::RuntimePass(2, false, poll)
}

#[test]
fn a_kept_field_is_not_forgotten_while_default_lags() {
    let switches = Switches {
        keep_omitted: true,
        ..Switches::default()
    };
    check(
        switches,
        &[cut(false), Happening::Describe(0), Happening::Policy(true)],
    );
}

#[test]
fn a_failed_update_that_takes_its_version_back_is_no_stale_list() {
    let happenings = [
        pass(false),
        Happening::Image(2),
        Happening::Heal(false),
        Happening::Time(8),
        Happening::Describe(0),
        cut(true),
        Happening::Time(8),
    ];
    check(Switches::default(), &happenings);
}

#[test]
fn drift_after_an_unheard_failed_update_is_not_taken_for_a_kept_field() {
    let happenings = [
        Happening::Image(2),
        pass(false),
        Happening::Time(8),
        Happening::Heal(false),
        Happening::Describe(0),
        cut(true),
        Happening::Time(8),
        pass(false),
        Happening::Drift,
    ];
    check(Switches::default(), &happenings);
}

#[test]
fn a_policy_that_was_put_unheard_and_taken_back_is_removed() {
    let happenings = [
        pass(false),
        Happening::Time(8),
        Happening::Policy(true),
        cut(true),
        Happening::Policy(false),
    ];
    check(Switches::default(), &happenings);
}

#[test]
fn what_is_gone_and_only_denied_holds_up_no_deletion() {
    let switches = Switches {
        deleted_is_denied: true,
        ..Switches::default()
    };
    let happenings = [
        pass(false),
        Happening::Time(30),
        pass(true),
        Happening::EndpointPass(1, false, false),
        Happening::Vanish,
        Happening::DeleteEndpoint,
        Happening::DeleteRuntime,
    ];
    check(switches, &happenings);
}

#[test]
fn the_model_tells_faults_apart() {
    assert_eq!(fault(Class::Denied, "x").reason, reasons::ACCESS_DENIED);
}

#[test]
fn a_runtime_that_is_gone_and_denied_is_made_again_also_after_a_stale_pass() {
    let switches = Switches {
        deleted_is_denied: true,
        ..Switches::default()
    };
    let happenings = [
        pass(false),
        Happening::Vanish,
        Happening::RuntimePass(4, true, false),
        Happening::RuntimePass(4, true, true),
        Happening::Follow(0),
    ];
    check(switches, &happenings);
}
