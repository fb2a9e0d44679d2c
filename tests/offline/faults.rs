//! Every class of fault, from answers that the simulator really gives.

use agentcore_api::reasons;
use agentcore_aws::{Operation, Priority};
use agentcore_plan::aws::{LifecycleConfig, RuntimeConfig, ServiceStatus};
use agentcore_plan::fault::{Class, Fault};
use agentcore_sim::Settings;
use serde_json::json;

use super::full_config::minimal;
use super::support::{World, quick, tags, token};

const UNKNOWN_ID: &str = "nobody-abcdefghij";

async fn refused(world: &World, config: &RuntimeConfig) -> Fault {
    let create = world
        .control()
        .create_runtime(
            Priority::Urgent,
            "support",
            config,
            &tags(),
            &token("refused"),
        )
        .await;
    create.expect_err("refused")
}

#[tokio::test]
async fn a_runtime_that_is_not_there_is_an_answer_to_reads_and_gone_to_deletes() {
    let world = World::start(quick()).await;
    assert_eq!(
        world
            .control()
            .get_runtime(Priority::Urgent, UNKNOWN_ID)
            .await,
        Ok(None)
    );
    let fault = world
        .control()
        .delete_runtime(Priority::Urgent, UNKNOWN_ID, &token("delete"))
        .await
        .expect_err("not there");
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (Class::Gone, "ResourceNotFoundException")
    );
    assert!(fault.request_id.is_some(), "{fault:?}");
}

#[tokio::test]
async fn a_taken_name_is_a_conflict() {
    let world = World::start(quick()).await;
    world.create("support").await;
    let fault = refused(&world, &minimal(&world.push("prod", &["arm64"]).await)).await;
    assert_eq!(
        (fault.class, fault.reason),
        (Class::Conflict, reasons::CONFLICT)
    );
    assert!(fault.message.contains("already exists"), "{fault:?}");
}

#[tokio::test]
async fn a_request_out_of_bounds_is_invalid() {
    let world = World::start(quick()).await;
    let image = world.push("prod", &["arm64"]).await;
    let fault = refused(
        &world,
        &RuntimeConfig {
            lifecycle: LifecycleConfig {
                idle_timeout_seconds: Some(7),
                ..LifecycleConfig::default()
            },
            ..minimal(&image)
        },
    )
    .await;
    assert_eq!(
        (fault.class, fault.reason),
        (Class::Invalid, reasons::INVALID)
    );
    assert!(
        fault.message.contains("idleRuntimeSessionTimeout"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn refusals_of_roles_images_and_subnets_are_told_apart() {
    let bad = "arn:aws:iam::111122223333:role/agentcore/team-a/bad";
    let settings = Settings {
        validate_sync: true,
        bad_roles: vec![bad.to_owned()],
        ..quick()
    };
    let world = World::start(settings).await;
    let image = world.push("prod", &["arm64"]).await;
    let intel = world.push("intel", &["amd64"]).await;

    let role = refused(
        &world,
        &RuntimeConfig {
            role_arn: bad.to_owned(),
            ..minimal(&image)
        },
    )
    .await;
    assert_eq!(
        (role.class, role.reason),
        (Class::NotYet, reasons::ROLE_INVALID),
        "{role:?}"
    );
    let missing = refused(&world, &minimal(&image.replace(":prod", ":missing"))).await;
    assert_eq!(
        (missing.class, missing.reason),
        (Class::NotYet, reasons::IMAGE_NOT_FOUND),
        "{missing:?}"
    );
    let architecture = refused(&world, &minimal(&intel)).await;
    assert_eq!(
        (architecture.class, architecture.reason),
        (Class::Invalid, reasons::IMAGE_ARCHITECTURE),
        "{architecture:?}"
    );
}

#[tokio::test]
async fn a_used_up_quota_is_a_quota() {
    let world = World::start(Settings {
        max_runtimes: 1,
        ..quick()
    })
    .await;
    world.create("first").await;
    let fault = refused(&world, &minimal(&world.push("prod", &["arm64"]).await)).await;
    assert_eq!(
        (fault.class, fault.reason),
        (Class::Quota, reasons::QUOTA_EXCEEDED)
    );
}

#[tokio::test]
async fn an_exceeded_rate_is_waited_out() {
    let world = World::start(Settings {
        rate_per_second: 1,
        burst: Some(1),
        ..quick()
    })
    .await;
    let control = world.control();
    for _ in 0..2 {
        let list = control.list_runtimes(Priority::Urgent).await;
        list.expect("a token, sooner or later");
    }
    let codes = world.observed.codes(Operation::ListAgentRuntimes);
    assert_eq!(codes[..2], ["OK", "ThrottlingException"]);
    assert_eq!(codes.last().map(String::as_str), Some("OK"));
}

#[tokio::test]
async fn injected_errors_have_their_classes() {
    let world = World::start(quick()).await;
    for (error, class) in [
        ("InternalServerException", Class::Transient),
        ("AccessDeniedException", Class::Denied),
        ("ThrottlingException", Class::Throttled),
        ("ServiceQuotaExceededException", Class::Quota),
    ] {
        world
            .fault(json!({ "operation": "GetAgentRuntime", "error": error }))
            .await;
        let fault = world
            .control()
            .get_runtime(Priority::Urgent, UNKNOWN_ID)
            .await
            .expect_err("injected");
        assert_eq!((fault.class, fault.code.as_str()), (class, error));
    }
}

#[tokio::test]
async fn what_aws_throttled_or_could_not_tell_is_asked_again_and_in_the_end_told() {
    let world = World::start(quick()).await;
    let get = async || {
        world
            .control()
            .get_runtime(Priority::Urgent, UNKNOWN_ID)
            .await
    };
    for error in ["ThrottlingException", "InternalServerException", "drop"] {
        world
            .fault(json!({ "operation": "*", "error": error, "times": 5 }))
            .await;
        assert_eq!(get().await, Ok(None), "{error}");
        world
            .fault(json!({ "operation": "*", "error": error }))
            .await;
        get().await.expect_err("without end");
    }
    // Six attempts of each, and that twice.
    assert_eq!(world.calls(Operation::GetAgentRuntime).await, 36);
}

#[tokio::test]
async fn a_change_is_sent_again_only_where_it_had_no_effect() {
    let world = World::start(quick()).await;
    let config = minimal(&world.push("prod", &["arm64"]).await);
    for (error, calls) in [
        ("InternalServerException", 1),
        ("drop", 2),
        ("AccessDeniedException", 3),
        ("ThrottlingException", 9),
    ] {
        world
            .fault(json!({ "operation": "*", "error": error }))
            .await;
        refused(&world, &config).await;
        let seen = world.calls(Operation::CreateAgentRuntime).await;
        assert_eq!(seen, calls, "{error}");
    }
}

#[tokio::test]
async fn a_connection_lost_after_the_effect_is_transient_and_its_token_finds_the_runtime() {
    let world = World::start(quick()).await;
    let config = minimal(&world.push("prod", &["arm64"]).await);
    world.fault(json!({ "operation": "CreateAgentRuntime", "when": "after", "error": "drop", "times": 1 })).await;
    let control = world.control();
    let (tags, token) = (tags(), token("create"));
    let create = || control.create_runtime(Priority::Urgent, "support", &config, &tags, &token);
    let lost = create().await.expect_err("the answer is lost");
    assert_eq!(
        (lost.class, lost.code.as_str()),
        (Class::Transient, "Dispatch")
    );
    let listed = control
        .list_runtimes(Priority::Urgent)
        .await
        .expect("a list");
    assert_eq!(listed.len(), 1, "the call had its effect");
    let again = create().await.expect("the same answer again");
    assert_eq!(again.id, listed[0].id);
    world.until_status(&again.id, ServiceStatus::Ready).await;
}
