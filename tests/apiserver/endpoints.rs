//! AgentEndpoints pin a version or follow the latest.

use serde_json::json;

use super::rig::{Rig, endpoint_reason};

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_follows_the_latest_version_and_another_stays_pinned() {
    let rig = Rig::start("end-follow").await;
    let _operator = rig.operator(&[]);
    // Endpoint first: it waits for its runtime.
    rig.apply_endpoint(
        "live",
        json!({"runtimeRef": {"name": "support"}, "version": "Latest"}),
    )
    .await;
    rig.endpoint_until("live", "waiting", |object| {
        endpoint_reason(object) == "RuntimeNotFound"
    })
    .await;
    rig.apply_runtime("support", rig.spec()).await;
    let live = rig.endpoint_ready("live").await.status.expect("status");
    assert_eq!(live.live_version.as_deref(), Some("1"));
    assert!(
        live.arn
            .as_deref()
            .is_some_and(|arn| arn.ends_with("/runtime-endpoint/live")),
        "{live:?}"
    );
    rig.apply_endpoint(
        "pinned",
        json!({"runtimeRef": {"name": "support"}, "version": "1", "description": "stays"}),
    )
    .await;
    rig.endpoint_ready("pinned").await;

    rig.apply_runtime("support", rig.spec_with(json!({"description": "two"})))
        .await;
    rig.endpoint_until("live", "on version 2", |object| {
        object
            .status
            .as_ref()
            .and_then(|status| status.live_version.as_deref())
            == Some("2")
    })
    .await;
    rig.endpoint_ready("live").await;
    let pinned = rig
        .endpoints()
        .get("pinned")
        .await
        .expect("pinned")
        .status
        .expect("status");
    assert_eq!(pinned.live_version.as_deref(), Some("1"));
    assert_eq!(rig.calls("UpdateAgentRuntimeEndpoint").await, 1);

    rig.apply_endpoint(
        "pinned",
        json!({"runtimeRef": {"name": "support"}, "version": "2", "description": "moves"}),
    )
    .await;
    rig.endpoint_until("pinned", "on version 2", |object| {
        object
            .status
            .as_ref()
            .and_then(|status| status.live_version.as_deref())
            == Some("2")
    })
    .await;
    let aws = rig.aws_endpoints().await;
    let pinned = aws
        .iter()
        .find(|endpoint| endpoint["name"] == "pinned")
        .expect("pinned in AWS");
    assert_eq!(pinned["description"], "moves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_not_there_is_said_and_heals() {
    let rig = Rig::start("end-version").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
    rig.apply_endpoint(
        "live",
        json!({"runtimeRef": {"name": "support"}, "version": "7"}),
    )
    .await;
    rig.endpoint_until("live", "refused", |object| {
        endpoint_reason(object) == "VersionNotFound"
    })
    .await;
    rig.apply_endpoint(
        "live",
        json!({"runtimeRef": {"name": "support"}, "version": "1"}),
    )
    .await;
    rig.endpoint_ready("live").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_endpoints_of_one_name_do_not_fight() {
    let rig = Rig::start("end-names").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.apply_endpoint(
        "first",
        json!({"runtimeRef": {"name": "support"}, "endpointName": "live", "version": "Latest"}),
    )
    .await;
    rig.endpoint_ready("first").await;
    rig.apply_endpoint(
        "second",
        json!({"runtimeRef": {"name": "support"}, "endpointName": "live", "version": "Latest"}),
    )
    .await;
    rig.endpoint_until("second", "refused", |object| {
        endpoint_reason(object) == "NameTaken"
    })
    .await;
    rig.delete_endpoint("second").await;
    rig.endpoint_gone("second").await;
    assert_eq!(
        rig.aws_endpoints().await.len(),
        1,
        "the first one's endpoint stays"
    );
    rig.delete_endpoint("first").await;
    rig.endpoint_gone("first").await;
    assert!(rig.aws_endpoints().await.is_empty());
}
