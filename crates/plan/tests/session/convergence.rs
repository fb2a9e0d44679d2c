//! Whatever happened: after a quiet time one session of the live version answers, and no other one runs.

use agentcore_api::names::annotations;
use agentcore_plan::fault::Class;
use proptest::prelude::*;

use crate::world::{Agent, Crash, World};

#[derive(Clone, Debug)]
enum Happening {
    Time(i64),
    Roll(u32),
    /// AgentCore has moved to a version that it never served, and the operator hears of it only later. From then on no version comes
    /// back: one that was left and served again between two looks cannot be told from one that stayed.
    RollUnheard,
    Crash(bool),
    Fault(Class, bool),
    Agent(u16),
    AgentFails,
    BrokenVersion(u32),
    /// Somebody stops the session, or its process dies.
    Dies,
    Edit,
    DrainAsked(u8),
    Suspend(bool),
    TargetGone,
    RuntimeAnew,
}

fn happening() -> impl Strategy<Value = Happening> {
    let class = prop_oneof![
        Just(Class::Throttled),
        Just(Class::Transient),
        Just(Class::Conflict),
        Just(Class::Denied),
        Just(Class::Quota),
        Just(Class::Gone),
    ];
    prop_oneof![
        4 => (1..900_i64).prop_map(Happening::Time),
        1 => (3_600..40_000_i64).prop_map(Happening::Time),
        3 => (1..6_u32).prop_map(Happening::Roll),
        1 => Just(Happening::RollUnheard),
        3 => any::<bool>().prop_map(Happening::Crash),
        3 => (class, any::<bool>()).prop_map(|(class, after)| Happening::Fault(class, after)),
        1 => prop_oneof![Just(200), Just(400), Just(503)].prop_map(Happening::Agent),
        1 => Just(Happening::AgentFails),
        1 => (1..6_u32).prop_map(Happening::BrokenVersion),
        2 => Just(Happening::Dies),
        1 => Just(Happening::Edit),
        1 => any::<u8>().prop_map(Happening::DrainAsked),
        1 => any::<bool>().prop_map(Happening::Suspend),
        1 => Just(Happening::TargetGone),
        1 => Just(Happening::RuntimeAnew),
    ]
}

fn happen(world: &mut World, what: &Happening) {
    world.trace.push(format!("-- {what:?}"));
    match what {
        Happening::Time(seconds) => {
            world.run(*seconds);
            if world.endpoint.is_none() || world.due > world.now {
                world.sync();
            }
        }
        Happening::Roll(version) if world.live < 10 => world.roll(*version),
        Happening::Roll(_) => world.roll(world.live + 1),
        Happening::RollUnheard => {
            world.live = world.live.max(9) + 1;
            world.due = world.now;
            world.pass();
            world.sync();
        }
        Happening::Crash(before) => {
            world.crash = Some(if *before {
                Crash::BeforeCall
            } else {
                Crash::AfterCall
            });
            world.run(1);
        }
        Happening::DrainAsked(number) => {
            world.annotate(annotations::DRAIN_REQUESTED_AT, &number.to_string());
        }
        Happening::Fault(class, after) => world.faults.push_back((*class, *after)),
        Happening::Agent(code) => world.agent = Agent::Answers(*code),
        Happening::AgentFails => world.agent = Agent::Fails,
        Happening::BrokenVersion(version) => {
            world.broken.insert(version.to_string());
        }
        Happening::Dies => {
            world.vms.pop();
        }
        Happening::Edit => world.edit(|object| {
            let keep_alive = object.spec.keep_alive.get_or_insert_default();
            keep_alive.every = Some("60s".into());
        }),
        Happening::Suspend(on) => world.edit(|object| object.spec.suspend = Some(*on)),
        Happening::TargetGone => world.endpoint = None,
        Happening::RuntimeAnew => world.make_anew(),
    }
}

fn calm(world: &mut World) {
    world.trace.push("-- calm".into());
    world.faults.clear();
    world.broken.clear();
    world.crash = None;
    world.agent = Agent::Answers(200);
    world.edit(|object| object.spec.suspend = None);
    world.sync();
    world.run(1_800);
}

fn assert_one_serves(world: &World) {
    let status = world.status();
    let live = world.live.to_string();
    let running: Vec<_> = world
        .vms
        .iter()
        .map(|vm| (vm.id.as_str(), vm.version.as_str()))
        .collect();
    let serving = status.session_id.as_deref().unwrap_or("none");
    assert_eq!(running, [(serving, live.as_str())], "{}", world.tail());
    assert!(
        status.next.is_none() && status.previous.is_empty() && world.is_ready(),
        "{}",
        world.tail()
    );
    assert_eq!(status.version, Some(live));
}

fn check(happenings: &[Happening]) {
    let mut world = World::new();
    for what in happenings {
        happen(&mut world, what);
    }
    calm(&mut world);
    assert_one_serves(&world);
    // Half a day at rest: keepalives, and a new session for each life.
    world.calls.clear();
    for _ in 0..48 {
        world.run(900);
        assert!(world.is_ready(), "{}", world.tail());
    }
    assert!((1..=2).contains(&world.count("Stop")), "{}", world.tail());
    world.run(1_200);
    assert_one_serves(&world);
    world.delete();
    world.run(60);
    assert!(
        world.object.is_none() && world.vms.is_empty(),
        "{}",
        world.tail()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn one_session_serves_in_the_end(happenings in prop::collection::vec(happening(), 0..24)) {
        check(&happenings);
    }

    #[test]
    fn a_deletion_ends_with_nothing_running(
        happenings in prop::collection::vec(happening(), 0..12),
        after in prop::collection::vec(happening(), 0..6),
    ) {
        let mut world = World::new();
        for what in &happenings {
            happen(&mut world, what);
        }
        world.delete();
        for what in &after {
            happen(&mut world, what);
        }
        world.faults.clear();
        world.crash = None;
        world.due = world.now;
        world.run(1_800);
        prop_assert!(world.object.is_none(), "{}", world.tail());
        prop_assert!(world.vms.is_empty(), "{}", world.tail());
    }
}
