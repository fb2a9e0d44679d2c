//! Settings that AgentCore has and the operator does not know.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::conditions::UNKNOWN_SETTINGS;
use agentcore_api::reasons;
use agentcore_api::runtime::{
    BuildHooks, Hook, HookAction, Hooks, HttpPost, InboundAuth, Resources, UnknownSettings,
};
use agentcore_plan::aws::ServiceStatus;
use agentcore_plan::conditions::{find, is_ready, ready_reason};
use agentcore_plan::step::{Due, Rest};
use model::steps::{look, ready, reason, settle, updates};
use model::world::{Disturb, Stored, World, endpoint_object};

fn another_image(world: &mut World) {
    world.edit(|spec| {
        let container = spec.artifact.container.as_mut().unwrap();
        container.image = "public.ecr.aws/a/support:2".into();
    });
}

#[test]
fn they_are_named_and_what_is_as_wished_stays_ready() {
    let mut world = ready();
    world.aws.unknown = vec![
        "tomorrowConfiguration".into(),
        "lifecycleConfiguration.grace".into(),
    ];
    look(&mut world);
    let status = world.status();
    assert!(is_ready(&status.conditions));
    let condition = find(&status.conditions, UNKNOWN_SETTINGS).unwrap();
    assert_eq!(condition.status, "True");
    assert!(
        condition
            .message
            .contains("tomorrowConfiguration, lifecycleConfiguration.grace")
    );
    world.aws.unknown.clear();
    look(&mut world);
    assert_eq!(find(&world.status().conditions, UNKNOWN_SETTINGS), None);
}

#[test]
fn no_update_takes_them_away_until_the_spec_says_so() {
    let mut world = ready();
    world.aws.unknown = vec!["tomorrowConfiguration".into()];
    another_image(&mut world);
    for _ in 0..5 {
        look(&mut world);
    }
    let status = world.status();
    assert_eq!(
        (updates(&world), reason(&status)),
        (0, reasons::UNKNOWN_SETTINGS)
    );
    assert!(!is_ready(&status.conditions));
    assert_eq!(world.aws.unknown.len(), 1);
    world.edit(|spec| spec.unknown_settings = Some(UnknownSettings::Overwrite));
    settle(&mut world);
    let status = world.status();
    assert_eq!((updates(&world), reason(&status)), (1, reasons::READY));
    assert_eq!(find(&status.conditions, UNKNOWN_SETTINGS), None);
}

#[test]
fn an_authorizer_that_is_not_known_is_not_told_to_be_iam() {
    let mut world = ready();
    look(&mut world);
    let auth = |world: &World| world.status().effective.unwrap().inbound_auth;
    assert_eq!(auth(&world), Some(InboundAuth::IAM));
    world.aws.unknown = vec!["authorizerConfiguration.passkey".into()];
    look(&mut world);
    assert_eq!(auth(&world), None);
}

#[test]
fn an_edit_that_is_taken_back_is_ready_again() {
    let mut world = ready();
    world.aws.unknown = vec!["tomorrowConfiguration".into()];
    world.edit(|spec| spec.description = Some("two".into()));
    look(&mut world);
    assert_eq!(reason(&world.status()), reasons::UNKNOWN_SETTINGS);
    world.edit(|spec| spec.description = Some("one".into()));
    settle(&mut world);
    assert_eq!(
        (updates(&world), reason(&world.status())),
        (0, reasons::READY)
    );
}

#[test]
fn members_of_november_that_a_spec_leaves_out_are_kept_and_empty_takes_them_away() {
    let mut world = ready();
    let http_post = HttpPost {
        path: "/warmup".into(),
        port: None,
    };
    let hooks = Hooks {
        build: Some(BuildHooks {
            warmup: Some(Hook {
                action: HookAction { http_post },
            }),
        }),
    };
    let resources = vec![Resources {
        minimum_memory_in_mib: 16_384,
    }];
    let config = &mut world.aws.runtimes[0].config;
    config.hooks = Some(hooks.clone());
    config.resources = Some(resources.clone());
    another_image(&mut world);
    settle(&mut world);
    let config = &world.aws.runtimes[0].config;
    assert_eq!(
        (&config.hooks, &config.resources),
        (&Some(hooks), &Some(resources))
    );
    assert_eq!(updates(&world), 1);
    world.edit(|spec| {
        spec.hooks = Some(Hooks::default());
        spec.resources = Some(Vec::new());
    });
    settle(&mut world);
    let config = &world.aws.runtimes[0].config;
    assert_eq!(
        (updates(&world), &config.hooks),
        (2, &Some(Hooks::default()))
    );
    assert_eq!(config.resources, Some(Vec::new()));
    look(&mut world);
    assert_eq!(updates(&world), 2, "nothing is as good as empty");
}

/// A world with an endpoint that is Ready on the newest version.
fn with_endpoint() -> World {
    let mut world = ready();
    world.endpoint = Some(Stored::new(endpoint_object(1)));
    settle(&mut world);
    assert!(is_ready(&world.endpoint_status().conditions));
    world.aws.calls.clear();
    world.events.clear();
    world
}

/// AgentCore's endpoint has this setting by now, and is looked at.
fn endpoint_learns(world: &mut World, setting: &str) {
    world.aws.runtimes[0].endpoints[0].unknown = vec![setting.into()];
    look_at_endpoint(world);
}

fn look_at_endpoint(world: &mut World) -> Option<Rest> {
    let due = Due {
        poll: true,
        sweep: None,
    };
    world.endpoint_pass(due, Disturb::default())
}

/// Reason of the endpoint's Ready, and how often it was updated.
fn endpoint_said(world: &World) -> (String, u32) {
    let status = world.endpoint_status();
    let updates = world.aws.calls.get("UpdateAgentRuntimeEndpoint");
    let reason = ready_reason(&status.conditions).unwrap_or("none");
    (reason.to_owned(), updates.copied().unwrap_or_default())
}

#[test]
fn those_of_an_endpoint_are_named_while_they_are_there() {
    let mut world = with_endpoint();
    endpoint_learns(&mut world, "canary");
    let status = world.endpoint_status();
    assert!(is_ready(&status.conditions));
    let condition = find(&status.conditions, UNKNOWN_SETTINGS).unwrap();
    assert_eq!(
        condition.message,
        "AgentCore has settings of the endpoint that this release does not know: canary"
    );
    assert_eq!(condition.observed_generation, Some(1));
    assert_eq!(find(&world.status().conditions, UNKNOWN_SETTINGS), None);
    world.aws.runtimes[0].endpoints[0].unknown.clear();
    look_at_endpoint(&mut world);
    let status = world.endpoint_status();
    assert_eq!(find(&status.conditions, UNKNOWN_SETTINGS), None);
}

#[test]
fn no_update_of_an_endpoint_takes_them_away_until_its_spec_says_so() {
    let mut world = with_endpoint();
    endpoint_learns(&mut world, "canary");
    world.edit_endpoint(|spec| spec.description = Some("two".into()));
    for _ in 0..5 {
        look_at_endpoint(&mut world);
    }
    assert_eq!(
        endpoint_said(&world),
        (reasons::UNKNOWN_SETTINGS.to_owned(), 0)
    );
    assert!(!is_ready(&world.endpoint_status().conditions));
    let warnings = world.events.iter();
    let warnings = warnings.filter(|event| event.reason == reasons::UNKNOWN_SETTINGS);
    assert_eq!(warnings.count(), 1);
    world.edit_endpoint(|spec| spec.unknown_settings = Some(UnknownSettings::Overwrite));
    settle(&mut world);
    assert_eq!(endpoint_said(&world), (reasons::READY.to_owned(), 1));
    let status = world.endpoint_status();
    assert_eq!(find(&status.conditions, UNKNOWN_SETTINGS), None);
}

#[test]
fn an_edit_of_an_endpoint_that_is_taken_back_is_ready_again() {
    let mut world = with_endpoint();
    endpoint_learns(&mut world, "canary");
    for text in ["two", "one"] {
        world.edit_endpoint(|spec| spec.description = Some(text.into()));
        look_at_endpoint(&mut world);
    }
    assert_eq!(endpoint_said(&world), (reasons::READY.to_owned(), 0));
}

#[test]
fn an_endpoint_that_follows_stays_ready_where_it_is_kept() {
    let mut world = with_endpoint();
    endpoint_learns(&mut world, "canary");
    another_image(&mut world);
    settle(&mut world);
    look_at_endpoint(&mut world);
    assert_eq!(world.aws.runtimes[0].version, 2);
    let live = world.aws.runtimes[0].endpoints[0].live.as_deref();
    assert_eq!(live, Some("1"), "{}", world.trace.join("\n"));
    assert!(is_ready(&world.endpoint_status().conditions));
    assert_eq!(
        endpoint_said(&world),
        (reasons::UNKNOWN_SETTINGS.to_owned(), 0)
    );
}

#[test]
fn an_endpoint_that_failed_is_not_updated_either() {
    let mut world = with_endpoint();
    world.aws.runtimes[0].endpoints[0].status = ServiceStatus::UpdateFailed;
    endpoint_learns(&mut world, "canary");
    world.edit_endpoint(|spec| spec.description = Some("two".into()));
    for _ in 0..3 {
        look_at_endpoint(&mut world);
    }
    assert_eq!(
        endpoint_said(&world),
        (reasons::UNKNOWN_SETTINGS.to_owned(), 0)
    );
}
