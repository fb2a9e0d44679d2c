//! What a spec leaves out keeps what AWS has, and what an earlier release took it for costs no update.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::runtime::{Lifecycle, Protocol, ServerProtocol};
use agentcore_api::{AgentRuntimeSpec, reasons};
use agentcore_plan::aws::{LifecycleConfig, ProtocolConfig, RuntimeConfig};
use agentcore_plan::conditions::is_ready;
use agentcore_plan::hash::WishHash;
use model::steps::{look, reason, settle, updates};
use model::world::World;
use serde::Serialize;

fn another_image(spec: &mut AgentRuntimeSpec) {
    let container = spec.artifact.container.as_mut().unwrap();
    container.image = "public.ecr.aws/a/support:2".into();
}

/// As AWS has it, where the model says other defaults than those that are documented.
fn has(world: &World) -> (ProtocolConfig, LifecycleConfig) {
    let config = &world.aws.runtimes[0].config;
    (config.protocol.clone(), config.lifecycle.clone())
}

fn life(idle: i32, most: i32) -> LifecycleConfig {
    LifecycleConfig {
        idle_timeout_seconds: Some(idle),
        max_lifetime_seconds: Some(most),
    }
}

fn lifecycle(idle: Option<&str>, most: Option<&str>) -> Lifecycle {
    Lifecycle {
        idle_runtime_session_timeout: idle.map(str::to_owned),
        max_lifetime: most.map(str::to_owned),
    }
}

#[test]
fn defaults_that_nobody_knows_are_no_difference_and_an_edit_keeps_them() {
    let mut world = World::with_runtime(|_| {});
    settle(&mut world);
    let made = has(&world);
    assert_eq!(made.1, life(777, 7_777));
    assert!(is_ready(&world.status().conditions));
    assert_eq!(updates(&world), 0);
    world.edit(another_image);
    settle(&mut world);
    assert_eq!(updates(&world), 1);
    assert_eq!(has(&world), made);
    let effective = world.status().effective.unwrap();
    assert_eq!(effective.max_lifetime, "7777s");
}

#[test]
fn what_is_written_is_set_and_what_is_taken_out_is_kept() {
    let mut world = World::with_runtime(|object| {
        object.spec.lifecycle = Some(lifecycle(Some("5m"), Some("1h")));
    });
    settle(&mut world);
    assert_eq!(has(&world).1, life(300, 3_600));
    world.edit(|spec| spec.lifecycle = None);
    settle(&mut world);
    assert_eq!((updates(&world), has(&world).1), (0, life(300, 3_600)));
    // A documented default that is written is a wish like any other.
    world.edit(|spec| spec.lifecycle = Some(lifecycle(None, Some("8h"))));
    settle(&mut world);
    assert_eq!((updates(&world), has(&world).1), (1, life(300, 28_800)));
}

#[test]
fn what_does_not_go_with_a_wish_is_left_to_aws() {
    let mut world = World::with_runtime(|_| {});
    settle(&mut world);
    // The time-out that is there would be longer than the life.
    world.edit(|spec| spec.lifecycle = Some(lifecycle(None, Some("5m"))));
    settle(&mut world);
    assert_eq!(has(&world).1, life(300, 300));
    // Port and path are another protocol's.
    world.aws.runtimes[0].config.protocol.port = Some(8_123);
    world.edit(|spec| {
        spec.protocol = Some(Protocol {
            server_protocol: Some(ServerProtocol::A2a),
            port: None,
            path: None,
        });
    });
    settle(&mut world);
    let a2a = ProtocolConfig {
        server_protocol: Some(ServerProtocol::A2a),
        ..ProtocolConfig::default()
    };
    assert_eq!(has(&world).0, a2a);
}

/// A configuration as the former release hashed it: with the documented defaults filled in.
#[derive(Serialize)]
struct Former<'a> {
    artifact: &'a agentcore_api::runtime::Artifact,
    role_arn: &'a str,
    network: &'a Option<agentcore_api::runtime::Network>,
    capacity_provider_arn: Option<String>,
    description: &'a Option<String>,
    authorizer: Option<String>,
    request_headers: Vec<String>,
    protocol: FormerProtocol<'a>,
    idle_timeout_seconds: i32,
    max_lifetime_seconds: i32,
    env: std::collections::BTreeMap<String, String>,
    filesystems: Vec<String>,
    require_mmdsv2: bool,
    platform_version: Option<String>,
    require_service_s3_endpoint: Option<bool>,
    allowed_ports: Vec<String>,
}

#[derive(Serialize)]
struct FormerProtocol<'a> {
    server_protocol: ServerProtocol,
    port: i32,
    path: &'a str,
}

fn former<'a>(spec: &'a AgentRuntimeSpec, config: &'a RuntimeConfig) -> Former<'a> {
    let (server_protocol, port, path) = config.protocol.in_force();
    let (idle_timeout_seconds, max_lifetime_seconds) = config.lifecycle.in_force();
    Former {
        artifact: &config.artifact,
        role_arn: &spec.execution_role.arn,
        network: &spec.network,
        capacity_provider_arn: None,
        description: &spec.description,
        authorizer: None,
        request_headers: Vec::new(),
        protocol: FormerProtocol {
            server_protocol,
            port,
            path,
        },
        idle_timeout_seconds,
        max_lifetime_seconds,
        env: std::collections::BTreeMap::new(),
        filesystems: Vec::new(),
        require_mmdsv2: false,
        platform_version: None,
        require_service_s3_endpoint: None,
        allowed_ports: Vec::new(),
    }
}

/// One of a hundred ways to say nothing, a default or something else.
fn vary(spec: &mut AgentRuntimeSpec, n: usize) {
    let times = [None, Some("15m"), Some("8h"), Some("5m"), Some("20m")];
    spec.lifecycle = match n % 5 {
        0 => None,
        1 => Some(lifecycle(times[1], None)),
        2 => Some(lifecycle(None, times[2])),
        3 => Some(lifecycle(times[1], times[2])),
        _ => Some(lifecycle(times[3], times[4])),
    };
    let names = [
        None,
        Some(ServerProtocol::Http),
        Some(ServerProtocol::Mcp),
        Some(ServerProtocol::A2a),
        Some(ServerProtocol::Agui),
    ];
    let server_protocol = names[n / 5 % 5].clone();
    spec.protocol = (n / 25 > 0).then(|| Protocol {
        server_protocol,
        port: (n / 25 > 1).then_some(8_080),
        path: (n / 25 > 2).then(|| "/invocations".to_owned()),
    });
}

#[test]
fn an_upgrade_over_a_hundred_runtimes_of_the_former_release_updates_none() {
    let mut hashed_as_before = 0;
    for n in 0..100 {
        let mut world = World::with_runtime(|object| vary(&mut object.spec, n));
        settle(&mut world);
        assert!(is_ready(&world.status().conditions), "{n}");
        // What the former release made.
        let spec = world.runtime.as_ref().unwrap().now.spec.clone();
        let wished = RuntimeConfig {
            protocol: spec
                .protocol
                .clone()
                .map_or_else(ProtocolConfig::default, |it| ProtocolConfig {
                    server_protocol: it.server_protocol,
                    port: it.port,
                    path: it.path,
                }),
            lifecycle: match n % 5 {
                0 => LifecycleConfig::default(),
                1 | 3 => life(900, 28_800),
                2 => LifecycleConfig {
                    idle_timeout_seconds: None,
                    max_lifetime_seconds: Some(28_800),
                },
                _ => life(300, 1_200),
            },
            ..world.aws.runtimes[0].config.clone()
        };
        let (name, port, path) = wished.protocol.in_force();
        let (idle, most) = wished.lifecycle.in_force();
        let plain = ProtocolConfig {
            server_protocol: Some(name.clone()),
            ..ProtocolConfig::default()
        };
        let (_, own_port, own_path) = plain.in_force();
        // Its update said everything, its create what was no default.
        let updated = n % 2 == 0;
        let config = &mut world.aws.runtimes[0].config;
        config.lifecycle = life(idle, most);
        config.protocol = ProtocolConfig {
            server_protocol: Some(name),
            port: (updated || port != own_port).then_some(port),
            path: (updated || path != own_path).then(|| path.to_owned()),
        };
        let stored = world.runtime.as_mut().unwrap();
        let observed = stored
            .now
            .status
            .as_mut()
            .unwrap()
            .observed
            .as_mut()
            .unwrap();
        let now = WishHash::parse(&observed.wish_hash);
        let was = WishHash::of("uid-0", &former(&spec, &wished), &(), None);
        let given = spec.protocol.as_ref();
        let says_a_default = matches!(n % 5, 1..=3)
            || given.is_some_and(|it| {
                it.server_protocol == Some(ServerProtocol::Http)
                    || it.port == Some(own_port)
                    || it.path.as_deref() == Some(own_path)
            });
        assert_eq!(
            now.request == was.request,
            !says_a_default,
            "{n}: what is left out, or no default, is hashed as it was"
        );
        hashed_as_before += usize::from(!says_a_default);
        observed.wish_hash = WishHash {
            request: was.request,
            ..now
        }
        .to_string();
        world.aws.calls.clear();
        settle(&mut world);
        look(&mut world);
        settle(&mut world);
        assert_eq!(updates(&world), 0, "{n}");
        assert_eq!(reason(&world.status()), reasons::READY, "{n}");
        assert_eq!(world.status().ready_version.as_deref(), Some("1"), "{n}");
    }
    assert!(hashed_as_before > 10, "{hashed_as_before}");
}
