//! Whatever happened: after a quiet time the world is as wished, or says why not, and then stays so without a call.

mod model;

use agentcore_api::reasons;
use agentcore_plan::conditions::{is_ready, ready_reason};
use agentcore_plan::fault::Class;
use agentcore_plan::runtime::{differing, render};
use agentcore_plan::step::Due;
use model::world::{Crash, Disturb, Stored, World, endpoint_object, runtime_object};
use model::{Planned, Switches, fault};
use proptest::prelude::*;

/// What happens to the world.
#[derive(Clone, Debug)]
enum Happening {
    Describe(u8),
    Image(u8),
    Policy(bool),
    Tag(u8),
    Mmds(bool),
    Pin(bool),
    DescribeEndpoint(u8),
    DeleteRuntime,
    DeleteEndpoint,
    MakeRuntime,
    MakeEndpoint,
    Request(u8),
    Fault(u8, bool),
    RuntimePass(u8, bool, bool),
    EndpointPass(u8, bool, bool),
    List(bool),
    Time(u16),
    Drift,
    StripTags,
    Vanish,
    Heal(bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening as H;
    prop_oneof![
        2 => (0..4_u8).prop_map(H::Describe),
        2 => (0..4_u8).prop_map(H::Image),
        1 => any::<bool>().prop_map(H::Policy),
        1 => (0..3_u8).prop_map(H::Tag),
        1 => any::<bool>().prop_map(H::Mmds),
        1 => any::<bool>().prop_map(H::Pin),
        1 => (0..3_u8).prop_map(H::DescribeEndpoint),
        1 => Just(H::DeleteRuntime),
        1 => Just(H::DeleteEndpoint),
        2 => Just(H::MakeRuntime),
        2 => Just(H::MakeEndpoint),
        1 => any::<u8>().prop_map(H::Request),
        3 => (0..9_u8, any::<bool>()).prop_map(|(class, after)| H::Fault(class, after)),
        10 => (0..8_u8, any::<bool>(), any::<bool>()).prop_map(|(crash, stale, poll)| H::RuntimePass(crash, stale, poll)),
        8 => (0..8_u8, any::<bool>(), any::<bool>()).prop_map(|(crash, stale, poll)| H::EndpointPass(crash, stale, poll)),
        3 => any::<bool>().prop_map(H::List),
        5 => prop_oneof![1..20_u16, 30..70_u16, 300..2000_u16].prop_map(H::Time),
        1 => Just(H::Drift),
        1 => Just(H::StripTags),
        1 => Just(H::Vanish),
        1 => any::<bool>().prop_map(H::Heal),
    ]
}

fn switches() -> impl Strategy<Value = Switches> {
    any::<[bool; 6]>().prop_map(|[a, b, c, d, e, f]| Switches {
        replay_after_delete: a,
        keep_omitted: b,
        no_update_from_create_failed: c,
        failed_makes_version: d,
        deleted_is_denied: e,
        sync_images: f,
    })
}

const IMAGES: [&str; 4] = [
    "public.ecr.aws/a/support:1",
    "public.ecr.aws/a/support:2",
    "public.ecr.aws/a/broken:1",
    "public.ecr.aws/a/support:3",
];
const CLASSES: [Class; 8] = [
    Class::Throttled,
    Class::Transient,
    Class::NotYet,
    Class::Conflict,
    Class::Denied,
    Class::Invalid,
    Class::Quota,
    Class::Unknown,
];

fn text(which: u8) -> Option<String> {
    (which > 0).then(|| format!("text {which}"))
}

fn crash(which: u8) -> Option<Crash> {
    match which {
        0 => Some(Crash::BeforeStatus),
        1 => Some(Crash::BeforeCall),
        2 => Some(Crash::AfterCall),
        _ => None,
    }
}

fn happen(world: &mut World, what: &Happening) {
    use Happening as H;
    match what {
        H::Describe(which) => world.edit(|spec| spec.description = text(*which)),
        H::Image(which) => world.edit(|spec| {
            if let Some(container) = &mut spec.artifact.container {
                container.image = IMAGES[usize::from(*which)].into();
            }
        }),
        H::Policy(there) => world.edit(|spec| {
            spec.resource_policy = there.then(|| "{\"Version\": \"2012-10-17\"}".into())
        }),
        H::Tag(which) => world
            .edit(|spec| spec.tags = text(*which).map(|text| [("Team".to_owned(), text)].into())),
        H::Mmds(on) => world.edit(|spec| {
            spec.metadata_service = on.then_some(agentcore_api::runtime::MetadataService {
                require_mmdsv2: true,
            });
        }),
        H::Pin(pinned) => world.edit_endpoint(|spec| {
            spec.version = if *pinned { "1".into() } else { "Latest".into() }
        }),
        H::DescribeEndpoint(which) => world.edit_endpoint(|spec| spec.description = text(*which)),
        H::DeleteRuntime => world.delete_runtime(),
        H::DeleteEndpoint => world.delete_endpoint(),
        H::MakeRuntime if world.runtime.is_none() => {
            world.uid += 1;
            world.runtime = Some(Stored::new(runtime_object(world.uid)));
        }
        H::MakeEndpoint if world.endpoint.is_none() => {
            world.uid += 1;
            world.endpoint = Some(Stored::new(endpoint_object(world.uid)));
        }
        H::MakeRuntime | H::MakeEndpoint => {}
        H::Request(value) => {
            world.annotate("agentcore.dev/requested-at", &value.to_string());
            world.annotate_endpoint("agentcore.dev/requested-at", &value.to_string());
        }
        H::Fault(class, after) => {
            if let Some(class) = CLASSES.get(usize::from(*class)) {
                world.aws.faults.push_back(Planned {
                    class: *class,
                    after: *after,
                });
            }
        }
        H::RuntimePass(which, stale, poll) => {
            let disturb = Disturb {
                crash: crash(*which),
                stale: *stale && *which > 3,
            };
            world.runtime_pass(
                Due {
                    poll: *poll,
                    sweep: None,
                },
                disturb,
            );
        }
        H::EndpointPass(which, stale, poll) => {
            let disturb = Disturb {
                crash: crash(*which),
                stale: *stale && *which > 3,
            };
            world.endpoint_pass(
                Due {
                    poll: *poll,
                    sweep: None,
                },
                disturb,
            );
        }
        H::List(lagging) => {
            world.lagging = *lagging;
            world.poll_list();
            world.lagging = false;
        }
        H::Time(seconds) => world.aws.advance(i64::from(*seconds)),
        H::Drift => {
            let now = world.aws.now;
            let work = world.aws.work;
            for rt in world
                .aws
                .runtimes
                .iter_mut()
                .filter(|rt| rt.name == "support")
            {
                if !rt.status.in_transition() {
                    rt.config.description = Some("changed by hand".into());
                    rt.version += 1;
                    rt.status = agentcore_plan::aws::ServiceStatus::Updating;
                    rt.updated = now;
                    rt.until = now + work;
                }
            }
        }
        H::StripTags => {
            for rt in world
                .aws
                .runtimes
                .iter_mut()
                .filter(|rt| rt.name == "support")
            {
                rt.tags.remove("Team");
            }
        }
        H::Vanish => world.aws.vanish("support"),
        H::Heal(healed) => world.aws.healed = *healed,
    }
}

/// Somebody else's runtime, which nothing may touch.
fn foreign(world: &mut World) {
    let object = runtime_object(0);
    let view = agentcore_plan::runtime::View {
        object: &object,
        policy: &world.policy,
        older_in_namespace: 0,
        referrers: &[],
        owned_endpoint_names: &[],
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

fn check(switches: Switches, happenings: &[Happening]) {
    let mut world = World::new(switches);
    foreign(&mut world);
    let stranger = format!("{:?}", world.aws.runtimes[0]);
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

/// Quiet, with everything healed, for as long as the slowest timer takes, and one round of the sweep.
fn calm(world: &mut World) {
    world.aws.faults.clear();
    world.aws.healed = true;
    world.trace.push("calm".into());
    for stored in world.runtime.iter_mut() {
        stored.dirty = true;
    }
    for stored in world.endpoint.iter_mut() {
        stored.dirty = true;
    }
    world.run(5);
    world.sweep();
    world.trace.push("swept".into());
    world.run(5);
}

fn assert_never_two(world: &World) {
    let ours = world
        .aws
        .runtimes
        .iter()
        .filter(|rt| rt.tags.contains_key("agentcore.dev/cluster"))
        .count();
    assert!(ours <= 1, "two runtimes:\n{}", tail(world));
}

fn tail(world: &World) -> String {
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
            .map(model::entry)
            .collect::<Vec<_>>()
    )
}

fn assert_wished(world: &World) {
    let ours = world.aws.runtimes.iter().find(|rt| rt.name == "support");
    match &world.runtime {
        None => assert!(ours.is_none(), "orphaned:\n{}", tail(world)),
        Some(stored) => {
            let status = world.status();
            let reason = ready_reason(&status.conditions)
                .unwrap_or("none")
                .to_owned();
            if stored.now.metadata.deletion_timestamp.is_some() {
                let waits = world.endpoint.is_some() && reason == reasons::ENDPOINTS_IN_USE;
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
    let view = agentcore_plan::runtime::View {
        object: &stored.now,
        policy: &world.policy,
        older_in_namespace: 0,
        referrers: &[],
        owned_endpoint_names: &[],
        faults: 0,
        due: Due::default(),
        facts: agentcore_plan::runtime::Facts::default(),
        outcome: None,
    };
    let wish = render(&view).expect("a good spec");
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
        assert!(there.is_none(), "endpoint orphaned:\n{}", tail(world));
        return;
    };
    if stored.now.metadata.deletion_timestamp.is_some() {
        panic!(
            "endpoint deletion does not end ({reason}):\n{}",
            tail(world)
        );
    }
    if world.runtime.is_none() {
        assert_eq!(reason, reasons::RUNTIME_NOT_FOUND, "{}", tail(world));
        return;
    }
    let deleting = world
        .runtime
        .as_ref()
        .is_some_and(|runtime| runtime.now.metadata.deletion_timestamp.is_some());
    if deleting && there.is_none() {
        return;
    }
    let there = there.unwrap_or_else(|| panic!("endpoint not made ({reason}):\n{}", tail(world)));
    let wanted = if stored.now.spec.version == "Latest" {
        world.status().ready_version
    } else {
        Some("1".into())
    };
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
fn assert_still(world: &mut World) {
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

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_world_comes_to_be_as_wished_and_stays_so(switches in switches(), happenings in prop::collection::vec(happening(), 1..40)) {
        check(switches, &happenings);
    }
}

#[test]
fn the_model_tells_faults_apart() {
    assert_eq!(fault(Class::Denied, "x").reason, reasons::ACCESS_DENIED);
}
