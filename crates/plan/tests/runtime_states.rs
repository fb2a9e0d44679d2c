//! What is done in each state of an AgentRuntime, and what it costs in calls.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::DeletionPolicy;
use agentcore_api::conditions::{READY, RECONCILING, STALLED};
use agentcore_api::names::annotations;
use agentcore_api::reasons;
use agentcore_api::runtime::{MetadataService, Phase};
use agentcore_plan::conditions::{find, is_ready};
use agentcore_plan::fault::Class;
use agentcore_plan::step::{Due, Rest, Sweep};
use model::Planned;
use model::steps::{event_count, own_calls, pass, ready, reason, settle, updates, wait};
use model::world::{Disturb, Stored, World, runtime_object};
#[test]
fn a_create_costs_one_create_one_get_and_one_get_of_default() {
    let mut world = World::with_runtime(|_| {});
    settle(&mut world);
    let status = world.status();
    assert_eq!(reason(&status), reasons::READY);
    assert_eq!(
        own_calls(&world),
        [
            ("CreateAgentRuntime", 1),
            ("GetAgentRuntime", 1),
            ("GetAgentRuntimeEndpoint", 1)
        ]
    );
    let condition = find(&status.conditions, READY).unwrap();
    assert_eq!(condition.observed_generation, Some(1));
    assert_eq!(status.ready_version.as_deref(), Some("1"));
    assert!(status.pending.is_none() && status.observed.is_some());
    assert!(
        status
            .invocation_url
            .unwrap()
            .ends_with("/invocations?qualifier=DEFAULT")
    );
}

#[test]
fn an_edit_costs_a_get_the_tags_an_update_a_get_and_a_get_of_default() {
    let mut world = ready();
    world.edit(|spec| spec.description = Some("two".into()));
    settle(&mut world);
    assert_eq!(reason(&world.status()), reasons::READY);
    assert_eq!(
        own_calls(&world),
        [
            ("GetAgentRuntime", 2),
            ("GetAgentRuntimeEndpoint", 1),
            ("ListTagsForResource", 1),
            ("UpdateAgentRuntime", 1)
        ]
    );
    assert_eq!(world.status().observed_generation, Some(2));
}

#[test]
fn an_edit_without_effect_changes_nothing_in_aws() {
    let mut world = ready();
    world.edit(|spec| spec.deletion_policy = Some(DeletionPolicy::Delete));
    settle(&mut world);
    assert_eq!(own_calls(&world), []);
    assert_eq!(world.status().observed_generation, Some(2));
    assert!(is_ready(&world.status().conditions));
}

#[test]
fn at_rest_nothing_is_called_and_nothing_written() {
    let mut world = ready();
    let before = world.status();
    for _ in 0..5 {
        assert_eq!(pass(&mut world), Some(Rest::Settled));
    }
    assert_eq!(world.aws.total(), 0);
    assert_eq!(world.status(), before);
}

#[test]
fn ready_waits_for_default_and_asks_for_it_every_15_seconds() {
    let mut world = World::with_runtime(|_| {});
    world.aws.default_lag = jiff::SignedDuration::from_secs(40);
    settle(&mut world);
    assert_eq!(reason(&world.status()), reasons::READY);
    assert_eq!(own_calls(&world)[1], ("GetAgentRuntime", 1));
    assert_eq!(
        own_calls(&world)[2],
        ("GetAgentRuntimeEndpoint", 4),
        "{}",
        world.trace.join("\n")
    );
}

/// A runtime that AWS made before it required MMDSv2 shows this.
fn shows(world: &mut World, required: Option<bool>) {
    world.aws.runtimes[0].config.require_mmdsv2 = required;
}

fn another_image(world: &mut World) {
    world.edit(|spec| {
        let container = spec.artifact.container.as_mut().unwrap();
        container.image = "public.ecr.aws/a/support:2".into();
    });
}

#[test]
fn a_metadata_service_that_is_required_already_takes_no_update() {
    for written in [None, Some(true)] {
        let mut world = World::with_runtime(|object| {
            object.spec.metadata_service =
                written.map(|require_mmdsv2| MetadataService { require_mmdsv2 });
        });
        settle(&mut world);
        assert_eq!(updates(&world), 0, "{written:?}");
        assert_eq!(world.status().ready_version.as_deref(), Some("1"));
        assert!(is_ready(&world.status().conditions));
    }
}

#[test]
fn an_update_sends_the_metadata_service_that_aws_shows_and_no_false_that_nobody_wrote() {
    // The model refuses an Update with false, and keeps what an Update leaves out.
    for (shown, after) in [
        (Some(true), Some(true)),
        (None, Some(true)),
        (Some(false), Some(false)),
    ] {
        let mut world = ready();
        shows(&mut world, shown);
        another_image(&mut world);
        settle(&mut world);
        assert_eq!(updates(&world), 1, "{shown:?}");
        assert_eq!(world.aws.runtimes[0].config.require_mmdsv2, after);
        let status = world.status();
        assert_eq!(is_ready(&status.conditions), after == Some(true));
        if after == Some(false) {
            assert_eq!(reason(&status), reasons::NOT_INVOCABLE);
        }
    }
}

#[test]
fn a_runtime_that_cannot_be_invoked_says_so_until_one_update_requires_mmdsv2() {
    let mut world = ready();
    shows(&mut world, Some(false));
    world.runtime_pass(
        Due {
            poll: true,
            sweep: None,
        },
        Disturb::default(),
    );
    assert_eq!(reason(&world.status()), reasons::NOT_INVOCABLE);
    assert_eq!(updates(&world), 0);
    world.edit(|spec| {
        spec.metadata_service = Some(MetadataService {
            require_mmdsv2: true,
        });
    });
    settle(&mut world);
    assert_eq!(updates(&world), 1);
    assert_eq!(world.status().ready_version.as_deref(), Some("2"));
    assert_eq!(world.aws.runtimes[0].config.require_mmdsv2, Some(true));
    assert!(is_ready(&world.status().conditions));
}

#[test]
fn a_tag_edit_is_no_update() {
    let mut world = ready();
    world.edit(|spec| spec.tags = Some([("Team".to_owned(), "a".to_owned())].into()));
    settle(&mut world);
    assert_eq!(
        own_calls(&world),
        [("ListTagsForResource", 2), ("TagResource", 1)]
    );
    assert_eq!(world.aws.runtimes[0].tags["Team"], "a");
    assert!(is_ready(&world.status().conditions));
}

#[test]
fn the_sweep_puts_tags_back() {
    let mut world = ready();
    world.aws.runtimes[0].tags.remove("agentcore.dev/uid");
    world.aws.runtimes[0]
        .tags
        .insert("aws:cloudformation".into(), "x".into());
    world.runtime_pass(
        Due {
            poll: false,
            sweep: Some(Sweep::Tags),
        },
        Disturb::default(),
    );
    assert_eq!(world.aws.runtimes[0].tags["agentcore.dev/uid"], "uid-0");
    assert!(
        world.aws.runtimes[0]
            .tags
            .contains_key("aws:cloudformation"),
        "AWS's own tags stay"
    );
    assert_eq!(event_count(&world, reasons::DRIFT_CORRECTED), 1);
}

#[test]
fn drift_is_corrected_while_ready_stays_true() {
    let mut world = ready();
    let until = world.aws.now;
    let rt = &mut world.aws.runtimes[0];
    rt.config.description = Some("by hand".into());
    rt.version += 1;
    rt.updated = until;
    rt.good = Some((2, rt.config.clone()));
    world.aws.advance(3);
    world.poll_list();
    pass(&mut world);
    let status = world.status();
    assert!(is_ready(&status.conditions));
    assert_eq!(reason(&status), reasons::ROLLOUT_ACTIVE);
    assert!(find(&status.conditions, RECONCILING).is_none());
    let event = world
        .events
        .iter()
        .find(|event| event.reason == reasons::DRIFT_CORRECTED)
        .unwrap();
    assert!(event.note.contains("description"), "{}", event.note);
    settle(&mut world);
    assert_eq!(reason(&world.status()), reasons::READY);
    assert_eq!(
        world.aws.runtimes[0].config.description.as_deref(),
        Some("one")
    );
}

#[test]
fn what_agentcore_keeps_is_named_and_not_sent_for_ever() {
    let mut world = ready();
    world.aws.switches.keep_omitted = true;
    world.edit(|spec| spec.description = None);
    settle(&mut world);
    let status = world.status();
    assert_eq!(reason(&status), reasons::NOT_APPLIED);
    assert!(
        find(&status.conditions, STALLED)
            .unwrap()
            .message
            .contains("description")
    );
    assert_eq!(world.aws.calls["UpdateAgentRuntime"], 1);
}

#[test]
fn a_create_whose_answer_is_lost_is_repeated_with_its_token() {
    let mut world = World::with_runtime(|_| {});
    world.aws.faults.push_back(Planned {
        class: Class::Transient,
        after: true,
    });
    pass(&mut world);
    assert!(world.status().id.is_none() && world.status().pending.is_some());
    settle(&mut world);
    assert_eq!(world.aws.runtimes.len(), 1);
    assert!(is_ready(&world.status().conditions));
}

#[test]
fn a_throttled_create_says_so_and_backs_off() {
    let mut world = World::with_runtime(|_| {});
    world.aws.faults.push_back(Planned {
        class: Class::Throttled,
        after: false,
    });
    let rest = pass(&mut world);
    assert_eq!(rest, Some(Rest::Backoff(std::time::Duration::from_secs(1))));
    assert_eq!(reason(&world.status()), reasons::THROTTLED);
    assert!(find(&world.status().conditions, RECONCILING).is_some());
    assert!(world.status().pending.is_none());
}

#[test]
fn an_invalid_create_is_not_repeated_for_half_an_hour() {
    let mut world = World::with_runtime(|object| {
        object.spec.artifact.container.as_mut().unwrap().image =
            "public.ecr.aws/a/invalid:1".into();
    });
    wait(&mut world, 25 * 60);
    assert_eq!(world.aws.calls["CreateAgentRuntime"], 1);
    let status = world.status();
    assert!(find(&status.conditions, STALLED).is_some());
    assert_eq!(status.phase, Some(Phase::Failed));
    wait(&mut world, 6 * 60);
    assert_eq!(world.aws.calls["CreateAgentRuntime"], 2);
    world.edit(|spec| {
        spec.artifact.container.as_mut().unwrap().image = "public.ecr.aws/a/good:1".into();
    });
    settle(&mut world);
    assert!(is_ready(&world.status().conditions));
}

#[test]
fn a_failed_update_is_tried_again_after_5_15_and_30_minutes() {
    let mut world = ready();
    world.aws.healed = false;
    world.edit(|spec| {
        spec.artifact.container.as_mut().unwrap().image = "public.ecr.aws/a/broken:1".into();
    });
    wait(&mut world, 60);
    let status = world.status();
    assert_eq!(reason(&status), reasons::IMAGE_NOT_FOUND);
    assert_eq!(status.phase, Some(Phase::Failed));
    assert!(find(&status.conditions, STALLED).is_some());
    assert_eq!(
        status.ready_version.as_deref(),
        Some("1"),
        "the last good version goes on serving"
    );
    let still = world.status();
    wait(&mut world, 60);
    assert_eq!(world.status(), still, "a failure is written once");
    for (minutes, updates) in [(5, 2), (15, 3), (30, 4), (30, 5)] {
        wait(&mut world, minutes * 60 + 30);
        assert_eq!(
            world.aws.calls["UpdateAgentRuntime"], updates,
            "after {minutes} more minutes"
        );
    }
    assert_eq!(
        event_count(&world, reasons::IMAGE_NOT_FOUND),
        5,
        "one event a failure"
    );
    world.aws.healed = true;
    world.annotate(annotations::REQUESTED_AT, "now");
    settle(&mut world);
    assert!(is_ready(&world.status().conditions));
    assert_eq!(world.status().last_handled_request.as_deref(), Some("now"));
    assert!(world.status().retry.is_none());
}

#[test]
fn an_agent_that_does_not_get_healthy_or_warm_is_tried_again_with_another_image_only() {
    for (failure, said) in [
        (
            "Runtime health check failed or timed out",
            reasons::AGENT_UNHEALTHY,
        ),
        ("The warmup hook answered 500", reasons::WARMUP_FAILED),
    ] {
        let image = |name: &str| format!("public.ecr.aws/a/{name}@sha256:{}", "a".repeat(64));
        let mut world = World::with_runtime(|object| {
            object.spec.artifact.container.as_mut().unwrap().image = image("broken");
        });
        world.aws.healed = false;
        world.aws.failure = failure;
        wait(&mut world, 60);
        let status = world.status();
        assert_eq!(reason(&status), said);
        assert_eq!(status.phase, Some(Phase::Failed));
        assert!(find(&status.conditions, STALLED).is_some());
        assert_eq!(status.retry.unwrap().at, None);
        wait(&mut world, 3600);
        assert_eq!(updates(&world), 0, "the same image would fail again");
        world.edit(|spec| spec.artifact.container.as_mut().unwrap().image = image("good"));
        settle(&mut world);
        assert!(is_ready(&world.status().conditions));
        assert_eq!(event_count(&world, said), 1);
    }
}

#[test]
fn a_create_that_failed_and_cannot_be_updated_is_replaced() {
    let mut world = World::with_runtime(|object| {
        object.spec.artifact.container.as_mut().unwrap().image = "public.ecr.aws/a/broken:1".into();
    });
    world.aws.switches.no_update_from_create_failed = true;
    world.aws.healed = false;
    wait(&mut world, 60);
    assert_eq!(reason(&world.status()), reasons::IMAGE_NOT_FOUND);
    world.aws.healed = true;
    world.edit(|spec| {
        spec.artifact.container.as_mut().unwrap().image = "public.ecr.aws/a/good:1".into();
    });
    settle(&mut world);
    assert!(
        is_ready(&world.status().conditions),
        "{}",
        world.trace.join("\n")
    );
    assert_eq!(world.aws.calls["DeleteAgentRuntime"], 1);
    assert_eq!(world.aws.calls["CreateAgentRuntime"], 2);
}

#[test]
fn a_runtime_is_lost_after_two_404_answers_and_made_anew() {
    let mut world = ready();
    world.aws.advance(120);
    world.aws.vanish("support");
    world.poll_list();
    pass(&mut world);
    assert!(
        is_ready(&world.status().conditions),
        "one 404 is not believed"
    );
    assert_eq!(event_count(&world, reasons::LOST), 0);
    wait(&mut world, 45);
    assert_eq!(event_count(&world, reasons::LOST), 1);
    assert_eq!(world.status().attempt, Some(1));
    settle(&mut world);
    assert!(is_ready(&world.status().conditions));
    assert_eq!(world.aws.calls["CreateAgentRuntime"], 1);
}

#[test]
fn a_name_that_is_somebody_elses_stalls() {
    let mut world = ready();
    world.aws.runtimes[0].tags.clear();
    world.runtime = Some(Stored::new(runtime_object(7)));
    settle(&mut world);
    assert_eq!(reason(&world.status()), reasons::NAME_TAKEN);
    assert!(world.aws.runtimes[0].tags.is_empty(), "it is left alone");
    assert_eq!(world.aws.mutations(), 0);
}

#[test]
fn a_recreated_object_takes_its_runtime_over() {
    let mut world = ready();
    world.runtime = Some(Stored::new(runtime_object(7)));
    settle(&mut world);
    assert!(is_ready(&world.status().conditions));
    assert_eq!(
        world.aws.runtimes[0].tags["agentcore.dev/uid"],
        "uid-7",
        "{}",
        world.trace.join("\n")
    );
    assert!(event_count(&world, reasons::ADOPTED) >= 1);
    assert!(!world.aws.calls.contains_key("CreateAgentRuntime"));
}

#[test]
fn refusals_come_before_any_call() {
    type Change = fn(&mut World);
    let cases: [(&str, Change); 7] = [
        (reasons::ROLE_NOT_ALLOWED, |world| {
            world.edit(|spec| {
                spec.execution_role.arn = "arn:aws:iam::111122223333:role/admin".into();
                spec.runtime_name = None;
            });
            world.grant_the_built_in();
        }),
        (reasons::ROLE_NOT_ALLOWED, |world| {
            world.policy.execution_role_patterns =
                vec!["arn:aws:iam::*:role/other-{namespace}-*".into()];
            world.edit(|spec| {
                spec.execution_role.arn = "arn:aws:iam::111122223333:role/other-team-b-x".into();
                spec.runtime_name = None;
            });
            world.grant_the_built_in();
        }),
        (reasons::NOT_GRANTED, |world| {
            // The name that the objects of these tests choose.
            world.grant_the_built_in();
        }),
        (reasons::REQUIRED_TAG_MISSING, |world| {
            world.policy.required_tag_keys = vec!["CostCenter".into()];
        }),
        (reasons::TOO_MANY_TAGS, |world| {
            world.policy.default_tags = (0..47).map(|n| (format!("k{n}"), String::new())).collect();
        }),
        (reasons::INVALID_SPEC, |world| {
            world.edit(|spec| spec.resource_policy = Some("{".into()));
        }),
        (reasons::NAMESPACE_LIMIT_REACHED, |world| {
            world.policy.max_runtimes_per_namespace = Some(0);
            world.edit(|spec| spec.runtime_name = None);
            world.grant_the_built_in();
        }),
    ];
    for (wanted, change) in cases {
        let mut world = World::with_runtime(|_| {});
        change(&mut world);
        pass(&mut world);
        assert_eq!(reason(&world.status()), wanted);
        assert!(find(&world.status().conditions, STALLED).is_some());
        assert_eq!(world.aws.total(), 0);
        assert_eq!(world.events.len(), 1);
        pass(&mut world);
        assert_eq!(world.events.len(), 1, "{wanted}: said once");
    }
}
