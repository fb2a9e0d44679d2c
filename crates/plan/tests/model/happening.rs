//! What may happen to the world, at random.

use agentcore_api::runtime::{Downgrade, Follow, FollowNewest, FollowSemver};
use agentcore_plan::fault::Class;
use agentcore_plan::image::Flaw;
use agentcore_plan::step::Due;
use proptest::prelude::*;

use super::world::config::token_variable;
use super::world::registry::{PRIVATE, digest};
use super::world::{Crash, Disturb, Secret, Stored, World, endpoint_object, runtime_object};
use super::{Planned, Switches};

/// What happens to the world.
#[derive(Clone, Debug)]
pub enum Happening {
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
    Suspend(bool),
    Refer(bool),
    Secret(u8),
    Limit(u8),
    Follow(u8),
    Push(u8, bool),
    Retag(u8),
    ScanFault(bool),
    Resolve(u8),
    Steal(u8),
    GiveBack,
}

pub fn happening() -> impl Strategy<Value = Happening> {
    use Happening as H;
    prop_oneof![
        2 => (0..4_u8).prop_map(H::Describe),
        2 => (0..5_u8).prop_map(H::Image),
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
        1 => any::<bool>().prop_map(H::Suspend),
        2 => any::<bool>().prop_map(H::Refer),
        3 => (0..7_u8).prop_map(H::Secret),
        1 => (0..4_u8).prop_map(H::Limit),
        2 => (0..5_u8).prop_map(H::Follow),
        3 => (1..6_u8, any::<bool>()).prop_map(|(which, good)| H::Push(which, good)),
        1 => (1..6_u8).prop_map(H::Retag),
        1 => any::<bool>().prop_map(H::ScanFault),
        1 => any::<u8>().prop_map(H::Resolve),
        2 => (0..4_u8).prop_map(H::Steal),
        1 => Just(H::GiveBack),
    ]
}

pub fn switches() -> impl Strategy<Value = Switches> {
    any::<[bool; 6]>().prop_map(|[a, b, c, d, e, f]| Switches {
        replay_after_delete: a,
        keep_omitted: b,
        no_update_from_create_failed: c,
        failed_makes_version: d,
        deleted_is_denied: e,
        sync_images: f,
    })
}

const IMAGES: [&str; 5] = [
    "public.ecr.aws/a/support:1",
    "public.ecr.aws/a/support:2",
    "public.ecr.aws/a/broken:1",
    "public.ecr.aws/a/support:3",
    PRIVATE,
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

pub fn crash(which: u8) -> Option<Crash> {
    match which {
        0 => Some(Crash::BeforeStatus),
        1 => Some(Crash::BeforeCall),
        2 => Some(Crash::AfterCall),
        _ => None,
    }
}

fn disturb(which: u8, stale: bool) -> Disturb {
    Disturb {
        crash: crash(which),
        stale: stale && which > 3,
        ..Disturb::default()
    }
}

pub fn happen(world: &mut World, what: &Happening) {
    use Happening as H;
    match what {
        H::Describe(which) => world.edit(|spec| spec.description = text(*which)),
        H::Image(which) => world.edit(|spec| {
            if let Some(container) = &mut spec.artifact.container {
                container.image = IMAGES[usize::from(*which)].into();
                if container.image != PRIVATE {
                    container.follow = None;
                }
            }
        }),
        H::Policy(there) => world.edit(|spec| {
            spec.resource_policy = there.then(|| "{\"Version\": \"2012-10-17\"}".into());
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
        H::Fault(class, after) => plan_fault(world, *class, *after),
        H::RuntimePass(which, stale, poll) => {
            let disturb = disturb(*which, *stale);
            world.runtime_pass(
                Due {
                    poll: *poll,
                    sweep: None,
                },
                disturb,
            );
        }
        H::EndpointPass(which, stale, poll) => {
            let disturb = disturb(*which, *stale);
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
        H::Drift => drift(world),
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
        H::Steal(how) => world.steal(*how),
        H::GiveBack => world.give_back(),
        H::Vanish => world.aws.vanish("support"),
        H::Suspend(on) => {
            world.edit(|spec| spec.suspend = on.then_some(true));
            world.edit_endpoint(|spec| spec.suspend = on.then_some(true));
        }
        H::Refer(on) => world.edit(|spec| spec.env = on.then(|| vec![token_variable()])),
        H::Secret(which) => world.set_secret(secret(*which)),
        H::Limit(which) => world.edit(|spec| {
            spec.revision_history_limit = which.checked_sub(1).map(u32::from);
        }),
        H::Heal(healed) => world.aws.healed = *healed,
        image => happen_to_images(world, image),
    }
}

fn plan_fault(world: &mut World, class: u8, after: bool) {
    if let Some(class) = CLASSES.get(usize::from(class)) {
        let class = *class;
        world.aws.faults.push_back(Planned { class, after });
    }
}

fn secret(which: u8) -> Secret {
    match which {
        0 => Secret::Missing,
        1 => Secret::Forbidden,
        2 => Secret::Unavailable,
        which => Secret::Value(which),
    }
}

/// What happens in the registry, and to what the spec says of it.
fn happen_to_images(world: &mut World, what: &Happening) {
    use Happening as H;
    match what {
        H::Follow(which) => world.edit(|spec| {
            if let Some(container) = &mut spec.artifact.container {
                container.image = PRIVATE.into();
                container.follow = follow(*which);
            }
        }),
        H::Push(which, good) => {
            let flaw = (!good).then_some(Flaw::NoArm64);
            let now = world.aws.now;
            world.registry.push_flawed("prod", *which, now, flaw);
            let version = format!("v1.{which}.0");
            world.registry.tags.insert(version, digest(*which));
        }
        H::Retag(which) if world.registry.images.contains_key(&digest(*which)) => {
            world.registry.tags.insert("prod".into(), digest(*which));
        }
        H::Retag(_) => {
            world.registry.tags.remove("prod");
        }
        H::ScanFault(on) => {
            world.registry.fault = on.then_some(agentcore_api::reasons::REGISTRY_UNREACHABLE);
        }
        H::Resolve(value) => {
            world.annotate("agentcore.dev/resolve-requested-at", &value.to_string());
        }
        _ => {}
    }
}

/// One of the policies, or none.
pub fn follow(which: u8) -> Option<Follow> {
    let base = Follow {
        interval: Some("1m".into()),
        settle: Some("10s".into()),
        ..Follow::default()
    };
    Some(match which {
        1 => Follow {
            tag: Some("prod".into()),
            ..base
        },
        2 => Follow {
            semver: Some(FollowSemver {
                range: "^1.0".into(),
            }),
            ..base
        },
        3 => Follow {
            newest: Some(FollowNewest {}),
            downgrade: Some(Downgrade::Allow),
            ..base
        },
        4 => Follow {
            tag: Some("prod".into()),
            pin: Some(digest(0)),
            ..base
        },
        _ => return None,
    })
}

/// Somebody changes the runtime by hand.
fn drift(world: &mut World) {
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
            rt.versions
                .insert(rt.version, agentcore_plan::aws::ServiceStatus::Updating);
            rt.status = agentcore_plan::aws::ServiceStatus::Updating;
            rt.updated = now;
            rt.until = now + work;
        }
    }
}
