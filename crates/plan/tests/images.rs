//! Images and code of a runtime: what AWS gets, when that changes, and what is said of it.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use agentcore_api::conditions::IMAGE_RESOLVED;
use agentcore_api::names::annotations::RESOLVE_REQUESTED_AT;
use agentcore_api::reasons;
use agentcore_api::runtime::{
    Artifact, CapacityProvider, Code, CodeFollow, CodeRuntime, Downgrade, FilterTags, Follow,
    FollowNewest, FollowSemver, S3Location,
};
use agentcore_plan::conditions::{find, is_ready};
use agentcore_plan::image::Flaw;
use agentcore_plan::step::Due;
use model::happening::follow;
use model::steps::{event_count, pass, reason, settle, wait};
use model::world::config::token_variable;
use model::world::registry::{PRIVATE, digest, pinned};
use model::world::{Disturb, Secret, Stored, World, runtime_object};

/// A world with `support:prod` pushed an hour ago as digest 1, and a runtime of it.
fn world(policy: Option<Follow>) -> World {
    let mut world = World::with_runtime(|object| {
        let container = object.spec.artifact.container.as_mut().unwrap();
        container.image = PRIVATE.into();
        container.follow = policy;
    });
    let pushed = world.aws.now - jiff::SignedDuration::from_hours(1);
    world.registry.push("prod", 1, pushed);
    world
}

fn ready(policy: Option<Follow>) -> World {
    let mut world = world(policy);
    minutes(&mut world, 1);
    assert!(
        is_ready(&world.status().conditions),
        "{:#?}",
        world.status()
    );
    assert_eq!(image(&world), pinned(1));
    world.aws.calls.clear();
    world.events.clear();
    world
}

/// The image that AWS has.
fn image(world: &World) -> String {
    let container = world.aws.runtimes[0].config.artifact.container.as_ref();
    container.unwrap().image.clone()
}

fn versions(world: &World) -> u32 {
    world.aws.runtimes[0].version
}

/// `True`, `False` or `Unknown`, and the reason.
fn resolved(world: &World) -> (String, String) {
    let status = world.status();
    let condition = find(&status.conditions, IMAGE_RESOLVED).unwrap();
    (condition.status.clone(), condition.reason.clone())
}

fn said(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

/// Lets time pass with timers as the operator has them.
fn minutes(world: &mut World, minutes: i64) {
    let end = world.aws.now + jiff::SignedDuration::from_mins(minutes);
    while world.aws.now < end {
        let stored = world.runtime.as_ref().unwrap();
        let due = stored.dirty || stored.next.is_some_and(|at| world.aws.now >= at);
        if due || stored.polling {
            world.poll_list();
            world.runtime.as_mut().unwrap().dirty = false;
            world.runtime_pass(Due::default(), Disturb::default());
        }
        world.aws.advance(2);
    }
}

#[test]
fn aws_gets_the_digest_of_a_tag_and_an_edit_of_something_else_leaves_it() {
    let mut world = ready(None);
    let status = world.status().image.unwrap();
    assert_eq!(status.given, PRIVATE);
    assert_eq!(status.tag.as_deref(), Some("prod"));
    assert_eq!(status.digest, Some(digest(1)));
    assert_eq!(status.platform_digest, Some(digest(101)));
    assert_eq!(resolved(&world), said("True", reasons::RESOLVED));
    world.registry.push("prod", 2, world.aws.now);
    let looks = world.registry.looks;
    world.edit(|spec| spec.description = Some("edited".into()));
    minutes(&mut world, 30);
    assert_eq!(
        image(&world),
        pinned(1),
        "the tag has moved, and nobody asked"
    );
    assert_eq!((versions(&world), world.registry.looks), (2, looks));
}

#[test]
fn the_annotation_asks_once_for_a_fresh_look() {
    let mut world = ready(None);
    world.registry.push("prod", 2, world.aws.now);
    world.annotate(RESOLVE_REQUESTED_AT, "one");
    minutes(&mut world, 1);
    assert_eq!(image(&world), pinned(2));
    let status = world.status().image.unwrap();
    assert_eq!(status.last_resolve_request.as_deref(), Some("one"));
    assert_eq!(status.previous.unwrap().digest, digest(1));
    assert_eq!(event_count(&world, reasons::IMAGE_PICKED), 1);
    let looks = world.registry.looks;
    world.registry.push("prod", 3, world.aws.now);
    minutes(&mut world, 10);
    assert_eq!((image(&world), world.registry.looks), (pinned(2), looks));
}

#[test]
fn what_was_resolved_stays_when_the_status_is_lost() {
    let mut world = ready(None);
    world.registry.push("prod", 2, world.aws.now);
    let stored = world.runtime.as_mut().unwrap();
    stored.now.status = None;
    stored.dirty = true;
    minutes(&mut world, 2);
    assert_eq!((image(&world), versions(&world)), (pinned(1), 1));
    assert_eq!(world.status().image.unwrap().digest, Some(digest(1)));
    assert!(is_ready(&world.status().conditions));
}

#[test]
fn an_image_that_runs_by_its_tag_is_fixed_with_the_next_update_only() {
    let mut world = ready(None);
    // As an earlier operator, or somebody else, made it.
    world.aws.runtimes[0]
        .config
        .artifact
        .container
        .as_mut()
        .unwrap()
        .image = PRIVATE.into();
    let stored = world.runtime.as_mut().unwrap();
    let status = stored.now.status.as_mut().unwrap();
    status.image = None;
    status.observed = None;
    stored.dirty = true;
    minutes(&mut world, 5);
    assert_eq!((image(&world).as_str(), versions(&world)), (PRIVATE, 1));
    assert!(is_ready(&world.status().conditions));
    world.edit(|spec| spec.description = Some("edited".into()));
    minutes(&mut world, 1);
    assert_eq!((image(&world), versions(&world)), (pinned(1), 2));
}

#[test]
fn without_an_image_that_can_run_nothing_is_made_and_a_push_heals_it() {
    for (flaw, expected) in [
        (Flaw::NoArm64, reasons::NO_ARM64),
        (Flaw::TooLarge { bytes: 3 << 30 }, reasons::TOO_LARGE),
        (Flaw::Incomplete, reasons::IMAGE_INCOMPLETE),
    ] {
        let mut world = world(None);
        world
            .registry
            .push_flawed("prod", 9, world.aws.now, Some(flaw));
        minutes(&mut world, 2);
        assert!(world.aws.runtimes.is_empty(), "{expected}");
        assert_eq!(reason(&world.status()), expected);
        assert_eq!(resolved(&world), said("False", expected));
        world.registry.push("prod", 1, world.aws.now);
        minutes(&mut world, 7);
        assert_eq!(image(&world), pinned(1), "{expected}");
    }
    let mut world = world(None);
    world.registry.tags.clear();
    minutes(&mut world, 2);
    assert!(world.aws.runtimes.is_empty());
    assert_eq!(reason(&world.status()), reasons::TAG_NOT_FOUND);
}

#[test]
fn a_tag_that_looks_like_a_later_version_and_is_none_is_named() {
    let mut world = ready(Some(Follow {
        semver: Some(FollowSemver {
            range: ">=2026".into(),
        }),
        ..Follow::default()
    }));
    let long_ago = world.aws.now - jiff::SignedDuration::from_hours(1);
    for (tag, which) in [
        ("2026.12.3", 2),
        ("2026.12", 3),
        ("2027.01", 4),
        ("nightly", 5),
    ] {
        world.registry.push(tag, which, long_ago);
    }
    minutes(&mut world, 7);
    assert_eq!(image(&world), pinned(2));
    let status = world.status();
    let condition = find(&status.conditions, IMAGE_RESOLVED).unwrap();
    assert!(
        condition.message.contains("tag 2027.01 is passed over"),
        "{}",
        condition.message
    );
    world.registry.push("2027.01.0", 6, long_ago);
    minutes(&mut world, 7);
    assert_eq!(image(&world), pinned(6));
    let status = world.status();
    let condition = find(&status.conditions, IMAGE_RESOLVED).unwrap();
    assert!(
        !condition.message.contains("passed over"),
        "{}",
        condition.message
    );
}

#[test]
fn an_image_for_amd64_alone_runs_on_a_capacity_provider_only() {
    for provider in [false, true] {
        let mut world = World::with_runtime(|object| {
            object.spec.artifact.container.as_mut().unwrap().image = PRIVATE.into();
            if provider {
                object.spec.network = None;
                object.spec.capacity_provider = Some(CapacityProvider {
                    arn: "arn:aws:bedrock-agentcore:us-east-1:111122223333:capacity-provider/fleet-abcdefghij".into(),
                    operating_system: None,
                });
            }
        });
        let now = world.aws.now;
        world.registry.push("prod", 1, now);
        for image in world.registry.images.values_mut() {
            image.only_amd64 = true;
        }
        minutes(&mut world, 2);
        let expected = if provider {
            reasons::READY
        } else {
            reasons::NO_ARM64
        };
        assert_eq!(reason(&world.status()), expected);
    }
}

#[test]
fn an_edit_to_a_tag_that_is_not_there_leaves_what_runs_and_says_so() {
    let mut world = ready(None);
    world.edit(|spec| {
        spec.artifact.container.as_mut().unwrap().image = PRIVATE.replace("prod", "gone");
        spec.description = Some("edited".into());
    });
    minutes(&mut world, 5);
    assert_eq!((image(&world), versions(&world)), (pinned(1), 1));
    assert_eq!(reason(&world.status()), reasons::TAG_NOT_FOUND);
    world.registry.push("gone", 2, world.aws.now);
    minutes(&mut world, 7);
    assert_eq!((image(&world), versions(&world)), (pinned(2), 2));
    assert!(is_ready(&world.status().conditions));
}

#[test]
fn a_failed_look_takes_nothing_from_what_runs() {
    let mut world = ready(follow(1));
    world.registry.fault = Some(reasons::REGISTRY_ACCESS_DENIED);
    minutes(&mut world, 10);
    assert!(is_ready(&world.status().conditions));
    let denied = said("False", reasons::REGISTRY_ACCESS_DENIED);
    assert_eq!(resolved(&world), denied);
    world.edit(|spec| spec.description = Some("edited".into()));
    minutes(&mut world, 1);
    assert_eq!((image(&world), versions(&world)), (pinned(1), 2));
    world.registry.fault = None;
    world.registry.push("prod", 2, world.aws.now);
    minutes(&mut world, 3);
    assert_eq!(image(&world), pinned(2));
    assert_eq!(resolved(&world), said("True", reasons::RESOLVED));
}

#[test]
fn where_the_registry_cannot_be_read_what_runs_by_tag_runs_on_and_is_not_updated() {
    let mut world = ready(None);
    world.aws.runtimes[0]
        .config
        .artifact
        .container
        .as_mut()
        .unwrap()
        .image = PRIVATE.into();
    let stored = world.runtime.as_mut().unwrap();
    let status = stored.now.status.as_mut().unwrap();
    (status.image, status.observed) = (None, None);
    stored.dirty = true;
    world.registry.fault = Some(reasons::REGISTRY_ACCESS_DENIED);
    minutes(&mut world, 5);
    assert!(is_ready(&world.status().conditions));
    assert_eq!(resolved(&world).0, "False");
    world.edit(|spec| spec.description = Some("edited".into()));
    minutes(&mut world, 5);
    assert_eq!((image(&world).as_str(), versions(&world)), (PRIVATE, 1));
    assert_eq!(reason(&world.status()), reasons::REGISTRY_ACCESS_DENIED);
}

#[test]
fn a_push_becomes_a_version_in_time_and_ready_stays_true_all_along() {
    for seed in 0..30 {
        let mut world = ready(follow(1));
        world.aws.advance(seed * 3);
        let pushed = world.aws.now;
        world.registry.push("prod", 2, pushed);
        let limit = pushed + jiff::SignedDuration::from_secs(66 + 10 + 5);
        while versions(&world) == 1 {
            assert!(world.aws.now <= limit, "too late, seed {seed}");
            let due = world.runtime.as_ref().unwrap().next;
            if due.is_some_and(|at| world.aws.now >= at) {
                pass(&mut world);
            }
            world.aws.advance(1);
        }
        assert!(
            world.aws.now >= pushed + jiff::SignedDuration::from_secs(10),
            "settled"
        );
        for _ in 0..40 {
            world.poll_list();
            pass(&mut world);
            assert!(
                is_ready(&world.status().conditions),
                "{:#?}",
                world.status()
            );
            world.aws.advance(1);
        }
        assert_eq!(reason(&world.status()), reasons::READY);
        assert_eq!((image(&world), versions(&world)), (pinned(2), 2));
        assert_eq!(event_count(&world, reasons::IMAGE_PICKED), 1);
    }
}

#[test]
fn while_a_pushed_image_rolls_ready_says_that_a_rollout_is_active() {
    let mut world = ready(follow(1));
    world.registry.push("prod", 2, world.aws.now);
    let mut seen = false;
    for _ in 0..200 {
        world.poll_list();
        pass(&mut world);
        assert!(is_ready(&world.status().conditions));
        seen |= reason(&world.status()) == reasons::ROLLOUT_ACTIVE;
        world.aws.advance(1);
    }
    assert!(seen);
}

#[test]
fn the_same_image_under_another_tag_is_no_version() {
    let mut world = ready(follow(3));
    let pushed = world.aws.now - jiff::SignedDuration::from_hours(1);
    world.registry.push("zulu", 1, pushed);
    minutes(&mut world, 5);
    assert_eq!((versions(&world), world.aws.mutations()), (1, 0));
    assert_eq!(world.status().image.unwrap().tag.as_deref(), Some("zulu"));
}

#[test]
fn an_edit_to_a_tag_of_an_older_push_is_refused_and_said_until_a_downgrade_is_allowed() {
    let to_stable = |downgrade| Follow {
        tag: Some("stable".into()),
        downgrade,
        ..follow(1).unwrap()
    };
    let mut world = ready(follow(1));
    let pushed = world.aws.now - jiff::SignedDuration::from_hours(2);
    world.registry.push("stable", 2, pushed);
    let edit = |world: &mut World, policy: Follow| {
        world.edit(|spec| spec.artifact.container.as_mut().unwrap().follow = Some(policy));
        minutes(world, 1);
    };
    edit(&mut world, to_stable(None));
    assert_eq!((image(&world), world.aws.mutations()), (pinned(1), 0));
    assert_eq!(resolved(&world), said("False", reasons::DOWNGRADE_REFUSED));
    assert_eq!(event_count(&world, reasons::IMAGE_REJECTED), 1, "said once");
    edit(&mut world, to_stable(Some(Downgrade::Allow)));
    assert_eq!((image(&world), versions(&world)), (pinned(2), 2));
    assert_eq!(resolved(&world), said("True", reasons::RESOLVED));
}

#[test]
fn an_image_that_cannot_run_is_remembered_as_rejected_and_rolls_nothing() {
    let mut world = ready(follow(1));
    let now = world.aws.now;
    world
        .registry
        .push_flawed("prod", 2, now, Some(Flaw::NoArm64));
    minutes(&mut world, 30);
    assert_eq!((image(&world), world.aws.mutations()), (pinned(1), 0));
    assert!(is_ready(&world.status().conditions));
    assert_eq!(resolved(&world), said("False", reasons::NO_ARM64));
    let status = world.status().image.unwrap();
    assert_eq!(status.candidate.unwrap().digest, digest(2));
    assert_eq!(status.rejected.len(), 1);
    assert_eq!(event_count(&world, reasons::IMAGE_REJECTED), 1, "said once");
    for which in 3..20 {
        let now = world.aws.now;
        world
            .registry
            .push_flawed("prod", which, now, Some(Flaw::NoArm64));
        minutes(&mut world, 2);
    }
    let rejected = world.status().image.unwrap().rejected;
    assert_eq!(rejected.len(), 10);
    assert_eq!(rejected.last().unwrap().digest, digest(19));
    world.registry.push("prod", 30, world.aws.now);
    minutes(&mut world, 3);
    assert_eq!(image(&world), pinned(30));
}

#[test]
fn a_pushed_image_that_agentcore_fails_is_taken_back_and_ready_stays_true() {
    for failure in [
        "The specified image identifier does not exist in the repository",
        "Runtime health check failed or timed out",
        "The warmup hook answered 500",
    ] {
        is_taken_back(failure);
    }
}

fn is_taken_back(failure: &'static str) {
    let mut world = ready(follow(1));
    world.aws.healed = false;
    world.aws.failure = failure;
    world.registry.push("prod", model::BROKEN, world.aws.now);
    for _ in 0..600 {
        world.poll_list();
        pass(&mut world);
        assert!(
            is_ready(&world.status().conditions),
            "{:#?}",
            world.status()
        );
        world.aws.advance(2);
    }
    assert_eq!(
        (image(&world), reason(&world.status())),
        (pinned(1), reasons::READY)
    );
    assert_eq!(world.aws.mutations(), 2, "there and back, once");
    assert_eq!(resolved(&world), said("False", reasons::UPDATE_FAILED));
    let status = world.status().image.unwrap();
    assert_eq!(status.rejected[0].digest, digest(model::BROKEN));
    assert_eq!(status.candidate.unwrap().digest, digest(model::BROKEN));
    assert_eq!(event_count(&world, reasons::IMAGE_REJECTED), 1);
    world.aws.healed = true;
    world.annotate(RESOLVE_REQUESTED_AT, "again");
    minutes(&mut world, 3);
    assert_eq!(image(&world), pinned(model::BROKEN));
    assert_eq!(resolved(&world), said("True", reasons::RESOLVED));
}

#[test]
fn an_edit_that_fails_together_with_a_push_is_a_failure_of_the_edit() {
    let mut world = ready(follow(1));
    world.aws.healed = false;
    world.registry.push("prod", model::BROKEN, world.aws.now);
    world.aws.advance(3600);
    world.edit(|spec| spec.description = Some("edited".into()));
    minutes(&mut world, 3);
    assert!(!is_ready(&world.status().conditions));
}

#[test]
fn an_index_without_its_images_is_waited_for_and_rejected_never() {
    let mut world = ready(follow(1));
    let now = world.aws.now;
    world
        .registry
        .push_flawed("prod", 2, now, Some(Flaw::Incomplete));
    minutes(&mut world, 3);
    assert_eq!((image(&world), world.aws.mutations()), (pinned(1), 0));
    assert!(world.status().image.unwrap().rejected.is_empty());
    world.registry.images.get_mut(&digest(2)).unwrap().flaw = None;
    minutes(&mut world, 2);
    assert_eq!(image(&world), pinned(2));
}

#[test]
fn a_changed_secret_that_agentcore_fails_blames_no_image() {
    let mut world = ready(follow(1));
    world.edit(|spec| spec.env = Some(vec![token_variable()]));
    world.aws.healed = true;
    world.registry.push("prod", model::BROKEN, world.aws.now);
    minutes(&mut world, 10);
    assert_eq!(image(&world), pinned(model::BROKEN));
    world.aws.healed = false;
    world.set_secret(Secret::Value(5));
    minutes(&mut world, 10);
    let status = world.status().image.unwrap();
    assert_eq!(status.digest, Some(digest(model::BROKEN)));
    assert_eq!(status.rejected, vec![]);
    assert_eq!(event_count(&world, reasons::IMAGE_REJECTED), 0);
}

#[test]
fn a_runtime_of_somebody_else_stays_theirs_while_the_registry_is_away() {
    let mut world = ready(None);
    for key in ["cluster", "namespace", "name", "uid"] {
        let tags = &mut world.aws.runtimes[0].tags;
        tags.insert(format!("agentcore.dev/{key}"), "other".into());
    }
    let theirs = world.aws.runtimes[0].config.artifact.container.as_mut();
    theirs.unwrap().image = "public.ecr.aws/other/agent:1".into();
    let mut object = runtime_object(7);
    object.spec.artifact.container.as_mut().unwrap().image = PRIVATE.into();
    world.runtime = Some(Stored::new(object));
    world.registry.fault = Some(reasons::REGISTRY_UNREACHABLE);
    minutes(&mut world, 5);
    assert_eq!(world.status().id, None);
    world.registry.fault = None;
    minutes(&mut world, 10);
    assert_eq!(reason(&world.status()), reasons::NAME_TAKEN);
    assert_eq!(world.aws.mutations(), 0);
}

#[test]
fn the_written_image_serves_until_the_policy_takes_something() {
    let policy = Follow {
        interval: Some("1m".into()),
        ..follow(2).unwrap()
    };
    let mut world = world(Some(policy));
    minutes(&mut world, 3);
    assert_eq!(image(&world), pinned(1), "no tag is a version yet");
    assert_eq!(resolved(&world), said("False", reasons::TAG_NOT_FOUND));
    assert!(is_ready(&world.status().conditions));
    world.registry.push("v1.0.0", 2, world.aws.now);
    minutes(&mut world, 3);
    assert_eq!((image(&world), versions(&world)), (pinned(2), 2));
}

#[test]
fn a_pin_holds_and_the_candidate_is_shown() {
    let policy = Follow {
        pin: Some(digest(1)),
        ..follow(1).unwrap()
    };
    let mut world = ready(Some(policy));
    world.registry.push("prod", 2, world.aws.now);
    minutes(&mut world, 5);
    assert_eq!((image(&world), versions(&world)), (pinned(1), 1));
    let status = world.status().image.unwrap();
    assert_eq!(status.candidate.unwrap().digest, digest(2));
    assert_eq!(status.pinned, Some(digest(1)));
    world.edit(|spec| {
        let container = spec.artifact.container.as_mut().unwrap();
        container.follow.as_mut().unwrap().pin = None;
    });
    minutes(&mut world, 3);
    assert_eq!(image(&world), pinned(2));
    assert_eq!(world.status().image.unwrap().pinned, None);
}

#[test]
fn a_pinned_tag_is_read_once() {
    let policy = Follow {
        pin: Some("stable".into()),
        ..follow(1).unwrap()
    };
    let mut world = world(Some(policy));
    world.registry.push("stable", 5, world.aws.now);
    minutes(&mut world, 2);
    assert_eq!(image(&world), pinned(5));
    world.registry.push("stable", 6, world.aws.now);
    minutes(&mut world, 5);
    assert_eq!((image(&world), versions(&world)), (pinned(5), 1));
}

#[test]
fn a_policy_that_cannot_be_read_is_an_invalid_spec_and_changes_nothing() {
    let mut world = ready(None);
    world.edit(|spec| {
        spec.artifact.container.as_mut().unwrap().follow = Some(Follow {
            newest: Some(FollowNewest {}),
            filter_tags: Some(FilterTags {
                pattern: "(".into(),
                extract: None,
            }),
            ..Follow::default()
        });
    });
    minutes(&mut world, 1);
    assert_eq!(reason(&world.status()), reasons::INVALID_SPEC);
    assert_eq!(world.aws.mutations(), 0);
}

#[test]
fn an_image_of_the_public_registry_is_taken_as_it_is_written() {
    let mut world = World::with_runtime(|_| {});
    settle(&mut world);
    let as_written = said("Unknown", reasons::TAKEN_AS_WRITTEN);
    assert_eq!(resolved(&world), as_written);
    assert_eq!(image(&world), "public.ecr.aws/a/support:1");
    assert_eq!(world.registry.looks, 0);
}

#[test]
fn a_day_without_pushes_changes_nothing_and_hardly_writes() {
    let mut world = ready(follow(1));
    let (mut before, mut writes) = (world.status(), 0);
    for _ in 0..(24 * 60) {
        minutes(&mut world, 1);
        let after = world.status();
        writes += u32::from(after != before);
        before = after;
    }
    assert_eq!(world.aws.mutations(), 0);
    assert!(writes <= 25, "{writes} status writes");
    assert!(world.registry.looks >= 24 * 60 * 10 / 12, "it did look");
}

#[test]
fn a_day_of_pushes_and_retags_makes_a_version_for_each_effective_change_and_no_more() {
    let policy = Follow {
        downgrade: Some(Downgrade::Allow),
        ..follow(1).unwrap()
    };
    let mut world = ready(Some(policy));
    // Every version is kept, so that mutations are updates.
    world.edit(|spec| spec.revision_history_limit = Some(100));
    let mut changes = 0;
    for round in 0..48_u8 {
        let before = world.registry.tags["prod"].clone();
        match round % 4 {
            0 => world.registry.push("prod", 10 + round, world.aws.now),
            1 => {
                world.registry.tags.insert("prod".into(), digest(1));
            }
            2 => world.registry.fault = Some(reasons::REGISTRY_UNREACHABLE),
            _ => world.registry.fault = None,
        }
        changes += u32::from(world.registry.tags["prod"] != before);
        minutes(&mut world, 30);
    }
    assert_eq!(versions(&world), 1 + changes);
    assert_eq!(world.aws.mutations(), changes);
}

fn code_world(version: Option<&str>, followed: bool) -> World {
    let mut world = World::with_runtime(|object| {
        object.spec.artifact = Artifact {
            container: None,
            code: Some(Code {
                runtime: CodeRuntime::Python313,
                entry_point: vec!["main.py".into()],
                s3: S3Location {
                    bucket: "team-a-code".into(),
                    prefix: "app.zip".into(),
                    version_id: None,
                },
                follow: followed.then(|| CodeFollow {
                    interval: Some("1m".into()),
                }),
            }),
        };
    });
    world.registry.object = Some((version.map(str::to_owned), "etag-1".into()));
    minutes(&mut world, 1);
    assert!(
        is_ready(&world.status().conditions),
        "{:#?}",
        world.status()
    );
    world.aws.calls.clear();
    world
}

fn version_id(world: &World) -> Option<String> {
    let code = world.aws.runtimes[0].config.artifact.code.as_ref();
    code.unwrap().s3.version_id.clone()
}

#[test]
fn code_is_fixed_to_its_objects_version_and_followed_where_the_spec_says_so() {
    for followed in [false, true] {
        let mut world = code_world(Some("one"), followed);
        assert_eq!(version_id(&world).as_deref(), Some("one"));
        world.registry.object = Some((Some("two".into()), "etag-2".into()));
        minutes(&mut world, 5);
        let expected = if followed { ("two", 2) } else { ("one", 1) };
        let seen = version_id(&world);
        assert_eq!((seen.as_deref().unwrap(), versions(&world)), expected);
        world.annotate(RESOLVE_REQUESTED_AT, "now");
        minutes(&mut world, 1);
        assert_eq!(version_id(&world).as_deref(), Some("two"));
        assert!(is_ready(&world.status().conditions));
    }
}

#[test]
fn code_whose_version_is_taken_out_of_the_spec_is_looked_up_anew() {
    for looked_up in ["two", "one"] {
        let mut world = code_world(Some("one"), false);
        let written = |world: &mut World, version: Option<&str>| {
            world.edit(|spec| {
                let s3 = &mut spec.artifact.code.as_mut().unwrap().s3;
                s3.version_id = version.map(str::to_owned);
            });
            minutes(world, 1);
        };
        written(&mut world, Some("one"));
        assert_eq!((world.aws.mutations(), versions(&world)), (0, 1));
        world.registry.object = Some((Some(looked_up.into()), "etag".into()));
        written(&mut world, None);
        assert_eq!(version_id(&world).as_deref(), Some(looked_up));
        let changed = u32::from(looked_up != "one");
        assert_eq!(world.aws.mutations(), changed, "no needless version");
        let code = world.status().code.unwrap();
        let before = (looked_up != "one").then(|| "one".to_owned());
        assert_eq!(code.previous_version_id, before);
        // It is fixed again.
        world.registry.object = Some((Some("three".into()), "etag-3".into()));
        minutes(&mut world, 10);
        assert_eq!(version_id(&world).as_deref(), Some(looked_up));
    }
}

#[test]
fn code_without_versioning_is_updated_when_its_content_changes_and_only_then() {
    let mut world = code_world(None, true);
    minutes(&mut world, 10);
    assert_eq!((version_id(&world), world.aws.mutations()), (None, 0));
    world.registry.object = Some((None, "etag-2".into()));
    minutes(&mut world, 10);
    assert_eq!((version_id(&world), versions(&world)), (None, 2));
    assert_eq!(world.aws.mutations(), 1);
    assert!(is_ready(&world.status().conditions));
    assert_eq!(reason(&world.status()), reasons::READY);
}

#[test]
fn an_update_of_code_whose_answer_is_lost_is_not_sent_twice() {
    let mut world = code_world(None, true);
    world.registry.object = Some((None, "etag-2".into()));
    wait(&mut world, 60);
    world.aws.calls.clear();
    world.registry.object = Some((None, "etag-3".into()));
    world.aws.advance(70);
    let crash = Disturb {
        crash: Some(model::world::Crash::AfterCall),
        ..Disturb::default()
    };
    world.runtime_pass(Due::default(), crash);
    minutes(&mut world, 10);
    assert_eq!(world.aws.mutations(), 1);
    let code = world.status().code.unwrap();
    assert_eq!(code.applied_etag.as_deref(), Some("etag-3"));
}

#[test]
fn code_that_is_not_there_is_not_made_into_a_runtime() {
    let mut world = code_world(Some("one"), false);
    world.registry.object = None;
    world.edit(|spec| {
        spec.artifact.code.as_mut().unwrap().s3.prefix = "other.zip".into();
    });
    minutes(&mut world, 3);
    assert_eq!(reason(&world.status()), reasons::CODE_NOT_FOUND);
    assert_eq!(
        (version_id(&world).as_deref(), versions(&world)),
        (Some("one"), 1)
    );
}

#[test]
fn what_cannot_be_made_has_a_phase_and_says_when_it_is_tried_again() {
    let mut world = world(None);
    world.registry.tags.clear();
    minutes(&mut world, 2);
    let status = world.status();
    assert_eq!(reason(&status), reasons::TAG_NOT_FOUND);
    assert_eq!(status.phase, Some(agentcore_api::runtime::Phase::Failed));
    let at: jiff::Timestamp = status.retry_at.expect("a time").parse().unwrap();
    let wait = at.duration_since(world.aws.now);
    assert!(wait <= jiff::SignedDuration::from_mins(5), "{wait}");
    // A registry that does not answer heals by itself.
    world.registry.fault = Some(reasons::REGISTRY_UNREACHABLE);
    minutes(&mut world, 6);
    assert_eq!(
        world.status().phase,
        Some(agentcore_api::runtime::Phase::Creating)
    );
    assert!(world.status().retry_at.is_some());
    world.registry.fault = None;
    world.registry.push("prod", 1, world.aws.now);
    minutes(&mut world, 7);
    let status = world.status();
    assert!(is_ready(&status.conditions));
    assert_eq!(
        (status.phase, status.retry_at),
        (Some(agentcore_api::runtime::Phase::Active), None)
    );
}
