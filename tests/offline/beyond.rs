//! What AgentCore has beyond the SDK, and beyond this release.

use agentcore_api::runtime::{Linux, OperatingSystem, PrivilegeMode, ServerProtocol};
use agentcore_aws::{DesiredEndpoint, Priority};
use agentcore_plan::aws::{RuntimeConfig, ServiceStatus};
use serde_json::json;

use super::full_config::{full, minimal};
use super::support::{World, quick, tags, token, until};

#[tokio::test]
async fn members_that_the_sdk_does_not_have_reach_aws_and_are_read_back() {
    let world = World::start(quick()).await;
    let image = world.push("prod", &["arm64"]).await;
    let mut mounts = full().filesystems;
    mounts.retain(|one| one.s3_bucket_mount.is_some() || one.session_storage.is_some());
    let wish = RuntimeConfig {
        authorizer: full().authorizer,
        filesystems: mounts,
        hooks: full().hooks,
        resources: full().resources,
        platform_version: Some("V2".to_owned()),
        ..minimal(&image)
    }
    .normalized();
    let control = world.control();
    let made = control
        .create_runtime(
            Priority::Urgent,
            "support",
            &wish,
            &tags(),
            &token("create"),
        )
        .await
        .expect("accepted");
    let there = world.until_status(&made.id, ServiceStatus::Ready).await;
    let read = |config: &RuntimeConfig| {
        (
            config.authorizer.clone(),
            config.filesystems.clone(),
            config.hooks.clone(),
            config.resources.clone(),
        )
    };
    assert_eq!(read(&there.config), read(&wish));
    assert_eq!(there.unknown, Vec::<String>::new());
    let state = world.admin("GET", "state", json!({})).await;
    let runtime = &state["runtimes"][0];
    assert_eq!(
        runtime["resourceConfigurations"],
        json!([{"minimumMemoryInMiB": 16384}])
    );

    control
        .update_runtime(Priority::Urgent, &there.id, &there.config, &token("update"))
        .await
        .expect("accepted");
    let after = world.until_status(&made.id, ServiceStatus::Ready).await;
    assert_eq!((after.version.as_str(), after.config), ("2", there.config));
}

#[tokio::test]
async fn an_operating_system_goes_with_its_capacity_provider() {
    let world = World::start(quick()).await;
    let image = world.push("prod", &["arm64"]).await;
    let linux = Linux {
        privilege_mode: PrivilegeMode::Privileged,
    };
    let wish = RuntimeConfig {
        network: None,
        capacity_provider_arn: Some(
            "arn:aws:bedrock-agentcore:us-east-1:111122223333:capacity-provider/fleet-abcdefghij"
                .to_owned(),
        ),
        operating_system: Some(OperatingSystem { linux }),
        ..minimal(&image)
    };
    let control = world.control();
    let made = control
        .create_runtime(
            Priority::Urgent,
            "support",
            &wish,
            &tags(),
            &token("create"),
        )
        .await
        .expect("accepted");
    let there = world.until_status(&made.id, ServiceStatus::Ready).await;
    assert_eq!(there.config.operating_system, wish.operating_system);
    assert_eq!(
        there.config.capacity_provider_arn,
        wish.capacity_provider_arn
    );
}

#[tokio::test]
async fn what_nobody_knows_is_named_and_the_rest_of_the_answer_is_read() {
    let world = World::start(quick()).await;
    let made = world.create("support").await;
    let known = world.until_status(&made.id, ServiceStatus::Ready).await;
    let tomorrow = json!({"unknownMembers": {
        "tomorrowConfiguration": {"secret": "x"},
        "lifecycleConfiguration": {"graceSeconds": 5},
        "emptyConfiguration": {},
        "authorizerConfiguration": {"passkey": {}},
        "protocolConfiguration": {"serverProtocol": "GRPC"},
        "filesystemConfigurations": [{"tapeDrive": {"mountPath": "/mnt/tape"}}, {"sessionStorage": {"mountPath": "/mnt/work"}}],
    }});
    world.admin("PUT", "settings", tomorrow).await;
    let there = world.until_status(&made.id, ServiceStatus::Ready).await;
    assert_eq!(
        there.unknown,
        [
            "authorizerConfiguration.passkey",
            "emptyConfiguration",
            "filesystemConfigurations[0].tapeDrive",
            "lifecycleConfiguration.graceSeconds",
            "tomorrowConfiguration",
        ]
    );
    let protocol = there.config.protocol.server_protocol.clone();
    assert_eq!(protocol, Some(ServerProtocol::Other("GRPC".to_owned())));
    assert_eq!(there.config.filesystems.len(), 1);
    assert_eq!(there.config.lifecycle, known.config.lifecycle);
}

#[tokio::test]
async fn what_nobody_knows_of_an_endpoint_is_named() {
    let world = World::start(quick()).await;
    let made = world.create("support").await;
    world.until_status(&made.id, ServiceStatus::Ready).await;
    let control = world.control();
    let desired = DesiredEndpoint {
        name: "support_live",
        version: "1",
        description: Some("For partners"),
    };
    control
        .create_endpoint(
            Priority::Urgent,
            &made.id,
            desired,
            &tags(),
            &token("endpoint"),
        )
        .await
        .expect("accepted");
    let ready = async || {
        let there = control
            .get_endpoint(Priority::Urgent, &made.id, "support_live")
            .await
            .expect("an answer")?;
        (there.status == ServiceStatus::Ready).then_some(there)
    };
    let known = until("the endpoint is READY", ready).await;
    assert_eq!(known.unknown, Vec::<String>::new());
    let tomorrow = json!({"unknownEndpointMembers": {
        "canaryConfiguration": {"weight": 5}, "stickiness": {}, "rules": [], "nothing": null,
    }});
    world.admin("PUT", "settings", tomorrow).await;
    let there = until("the endpoint is READY", ready).await;
    assert_eq!(
        there.unknown,
        ["canaryConfiguration", "rules", "stickiness"]
    );
    let unknown = Vec::new();
    assert_eq!(agentcore_plan::aws::Endpoint { unknown, ..there }, known);
    let listed = control.list_endpoints(Priority::Sweep, &made.id).await;
    let listed = listed.expect("an answer").expect("a runtime");
    assert!(listed.iter().all(|one| one.unknown.is_empty()));
}
