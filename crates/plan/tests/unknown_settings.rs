//! Settings that AgentCore has and the operator does not know.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::conditions::UNKNOWN_SETTINGS;
use agentcore_api::reasons;
use agentcore_api::runtime::{
    BuildHooks, Hook, HookAction, Hooks, HttpPost, InboundAuth, Resources, UnknownSettings,
};
use agentcore_plan::conditions::{find, is_ready};
use model::steps::{look, ready, reason, settle, updates};
use model::world::World;

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
