//! What is wished comes back as it was wished.

use agentcore_api::runtime::{Filesystem, ServerProtocol};
use agentcore_aws::{DesiredEndpoint, Priority};
use agentcore_plan::aws::{LifecycleConfig, ProtocolConfig, RuntimeConfig, ServiceStatus, Tags};
use agentcore_plan::fault::Class;
use serde_json::json;

use super::full_config::{full, minimal};
use super::support::{PROGRAM, World, quick, tags, token, until};

/// The full configuration, so far as a Create can say it and AgentCore takes it: at most 5 file systems, none of a capacity
/// provider without one, and the metadata service only on Update.
fn creatable() -> RuntimeConfig {
    let own = |filesystem: &Filesystem| filesystem.capacity_provider_volume.is_none();
    let full = full();
    RuntimeConfig {
        filesystems: full
            .filesystems
            .iter()
            .filter(|one| own(one))
            .cloned()
            .collect(),
        ..full
    }
}

async fn push_code(world: &World) {
    let program = json!({ "argv": [PROGRAM] });
    let code = json!({ "repository": "s3://team-a-code/support/app.zip", "tag": "abc123", "program": program });
    world.admin("POST", "images", code).await;
}

#[tokio::test]
async fn a_full_wish_is_read_back_equal_after_create_and_update() {
    let world = World::start(quick()).await;
    push_code(&world).await;
    let control = world.control();
    let desired = creatable().normalized();
    let accepted = control
        .create_runtime(
            Priority::Urgent,
            "support",
            &desired,
            &tags(),
            &token("create"),
        )
        .await
        .expect("accepted");
    assert_eq!(
        (accepted.version.as_str(), accepted.status),
        ("1", ServiceStatus::Creating)
    );
    let runtime = world.until_status(&accepted.id, ServiceStatus::Ready).await;
    assert_eq!(
        (&runtime.arn, &runtime.workload_identity_arn),
        (&accepted.arn, &accepted.workload_identity_arn)
    );
    assert!(runtime.workload_identity_arn.is_some());
    // A Create cannot say that the metadata service is required; AWS requires it by itself.
    assert_eq!(runtime.config, desired);

    let accepted = control
        .update_runtime(Priority::Urgent, &runtime.id, &desired, &token("update"))
        .await
        .expect("accepted");
    assert_eq!(accepted.version, "2");
    let runtime = world.until_status(&accepted.id, ServiceStatus::Ready).await;
    assert_eq!(runtime.config, desired);
}

#[tokio::test]
async fn an_update_takes_away_what_the_wish_no_longer_says() {
    let world = World::start(quick()).await;
    push_code(&world).await;
    let image = world.push("prod", &["arm64"]).await;
    let control = world.control();
    let accepted = control
        .create_runtime(
            Priority::Urgent,
            "support",
            &creatable(),
            &tags(),
            &token("create"),
        )
        .await
        .expect("accepted");
    world.until_status(&accepted.id, ServiceStatus::Ready).await;
    let desired = RuntimeConfig {
        platform_version: Some("V2".to_owned()),
        ..minimal(&image)
    };
    control
        .update_runtime(Priority::Urgent, &accepted.id, &desired, &token("update"))
        .await
        .expect("accepted");
    let runtime = world.until_status(&accepted.id, ServiceStatus::Ready).await;
    assert_eq!(runtime.config, as_aws_has_it(desired));
}

/// The wish with what AWS has where nothing was said.
fn as_aws_has_it(desired: RuntimeConfig) -> RuntimeConfig {
    RuntimeConfig {
        lifecycle: LifecycleConfig {
            idle_timeout_seconds: Some(900),
            max_lifetime_seconds: Some(28_800),
        },
        require_mmdsv2: Some(true),
        ..desired
    }
}

#[tokio::test]
async fn every_protocol_is_read_back() {
    let world = World::start(quick()).await;
    let image = world.push("prod", &["arm64"]).await;
    let control = world.control();
    for protocol in [
        ServerProtocol::Http,
        ServerProtocol::Mcp,
        ServerProtocol::A2a,
        ServerProtocol::Agui,
    ] {
        let desired = RuntimeConfig {
            protocol: ProtocolConfig {
                server_protocol: Some(protocol.clone()),
                ..ProtocolConfig::default()
            },
            platform_version: Some("V1".to_owned()),
            ..minimal(&image)
        };
        let name = format!("agent_{protocol:?}");
        let accepted = control
            .create_runtime(Priority::Urgent, &name, &desired, &tags(), &token(&name))
            .await
            .expect("accepted");
        assert_eq!(
            world
                .until_status(&accepted.id, ServiceStatus::Ready)
                .await
                .config,
            as_aws_has_it(desired)
        );
    }
}

#[tokio::test]
async fn a_repeated_token_is_answered_again_without_a_second_runtime() {
    let world = World::start(quick()).await;
    let (first, again) = (world.create("support").await, world.create("support").await);
    assert_eq!((first.id, first.arn), (again.id, again.arn));
    assert_eq!(
        world
            .control()
            .list_runtimes(Priority::Urgent)
            .await
            .expect("a list")
            .len(),
        1
    );
}

#[tokio::test]
async fn tags_are_set_read_and_removed() {
    let world = World::start(quick()).await;
    let arn = world.create("support").await.arn;
    let control = world.control();
    assert_eq!(control.tags(Priority::Sweep, &arn).await, Ok(Some(tags())));
    let more = Tags::from([
        ("Owner".to_owned(), "team-a".to_owned()),
        ("Project".to_owned(), "sales".to_owned()),
    ]);
    control
        .tag(Priority::Urgent, &arn, &more)
        .await
        .expect("tagged");
    control
        .untag(Priority::Urgent, &arn, &["agentcore.dev/name".to_owned()])
        .await
        .expect("untagged");
    assert_eq!(control.tags(Priority::Sweep, &arn).await, Ok(Some(more)));
}

#[tokio::test]
async fn a_resource_policy_is_put_read_and_deleted() {
    let world = World::start(quick()).await;
    let arn = world.create("support").await.arn;
    let control = world.control();
    assert_eq!(
        control.resource_policy(Priority::Sweep, &arn).await,
        Ok(None)
    );
    let policy = r#"{"Version": "2012-10-17", "Statement": []}"#;
    control
        .put_resource_policy(Priority::Urgent, &arn, policy)
        .await
        .expect("put");
    assert_eq!(
        control.resource_policy(Priority::Sweep, &arn).await,
        Ok(Some(policy.to_owned()))
    );
    control
        .delete_resource_policy(Priority::Urgent, &arn)
        .await
        .expect("deleted");
    assert_eq!(
        control.resource_policy(Priority::Sweep, &arn).await,
        Ok(None)
    );
}

#[tokio::test]
async fn an_endpoint_is_created_moved_and_listed() {
    let world = World::start(quick()).await;
    let runtime = world.create("support").await;
    world.until_status(&runtime.id, ServiceStatus::Ready).await;
    let control = world.control();
    let desired = DesiredEndpoint {
        name: "support_live",
        version: "1",
        description: None,
    };
    let created = control
        .create_endpoint(
            Priority::Urgent,
            &runtime.id,
            desired,
            &tags(),
            &token("endpoint"),
        )
        .await
        .expect("accepted");
    assert_eq!(
        (created.target_version.as_deref(), created.live_version),
        (Some("1"), None)
    );
    let ready = async || {
        let endpoint = control
            .get_endpoint(Priority::Urgent, &runtime.id, "support_live")
            .await
            .expect("an answer")?;
        (endpoint.status == ServiceStatus::Ready).then_some(endpoint)
    };
    let endpoint = until("the endpoint is READY", ready).await;
    assert_eq!(
        (endpoint.live_version.as_deref(), &endpoint.arn),
        (Some("1"), &created.arn)
    );
    assert_eq!(
        control.tags(Priority::Urgent, &endpoint.arn).await,
        Ok(Some(tags()))
    );

    let image = world.push("prod", &["arm64"]).await;
    control
        .update_runtime(
            Priority::Urgent,
            &runtime.id,
            &minimal(&image),
            &token("version"),
        )
        .await
        .expect("accepted");
    world.until_status(&runtime.id, ServiceStatus::Ready).await;
    let desired = DesiredEndpoint {
        version: "2",
        description: Some("Production."),
        ..desired
    };
    let moved = control
        .update_endpoint(Priority::Urgent, &runtime.id, desired, &token("move"))
        .await
        .expect("accepted");
    assert_eq!(moved.target_version.as_deref(), Some("2"));
    let moved = async || {
        ready()
            .await
            .filter(|endpoint| endpoint.live_version.as_deref() == Some("2"))
    };
    assert_eq!(
        until("the endpoint has moved", moved)
            .await
            .description
            .as_deref(),
        Some("Production.")
    );
    let listed = control
        .list_endpoints(Priority::Urgent, &runtime.id)
        .await
        .expect("an answer")
        .expect("there");
    let mut names: Vec<_> = listed
        .iter()
        .map(|endpoint| endpoint.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["DEFAULT", "support_live"]);
}

#[tokio::test]
async fn a_runtime_goes_after_its_endpoints() {
    let world = World::start(quick()).await;
    let runtime = world.create("support").await;
    world.until_status(&runtime.id, ServiceStatus::Ready).await;
    let control = world.control();
    let desired = DesiredEndpoint {
        name: "support_live",
        version: "1",
        description: None,
    };
    control
        .create_endpoint(
            Priority::Urgent,
            &runtime.id,
            desired,
            &tags(),
            &token("endpoint"),
        )
        .await
        .expect("accepted");
    until("the endpoint is READY", async || {
        let endpoint = control
            .get_endpoint(Priority::Urgent, &runtime.id, "support_live")
            .await
            .expect("an answer")?;
        (endpoint.status == ServiceStatus::Ready).then_some(())
    })
    .await;
    let conflict = control
        .delete_runtime(Priority::Urgent, &runtime.id, &token("early"))
        .await
        .expect_err("in use");
    assert_eq!(conflict.class, Class::Conflict);
    control
        .delete_endpoint(
            Priority::Urgent,
            &runtime.id,
            "support_live",
            &token("delete"),
        )
        .await
        .expect("accepted");
    until("the endpoint is gone", async || {
        let endpoint = control
            .get_endpoint(Priority::Urgent, &runtime.id, "support_live")
            .await
            .expect("an answer");
        endpoint.is_none().then_some(())
    })
    .await;
    control
        .delete_runtime(Priority::Urgent, &runtime.id, &token("delete"))
        .await
        .expect("accepted");
    until("the runtime is gone", async || {
        control
            .get_runtime(Priority::Urgent, &runtime.id)
            .await
            .expect("an answer")
            .is_none()
            .then_some(())
    })
    .await;
    assert_eq!(
        control.list_endpoints(Priority::Urgent, &runtime.id).await,
        Ok(None)
    );
    assert_eq!(control.tags(Priority::Urgent, &runtime.arn).await, Ok(None));
}
