//! A manifest becomes a running agent, follows edits, and goes away.

use agentcore_api::runtime::Phase;
use serde_json::json;

use super::rig::{Rig, clean, condition, id, reason};

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_becomes_active_and_goes_away_cleanly() {
    let rig = Rig::start("life-simple").await;
    let operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    let object = rig.runtime_ready("support").await;
    let status = object.status.clone().expect("status");
    assert_eq!(status.phase.map(Phase::as_str), Some("ACTIVE"));
    assert_eq!(status.service_status.as_deref(), Some("READY"));
    assert_eq!(
        (
            status.latest_version.as_deref(),
            status.ready_version.as_deref()
        ),
        (Some("1"), Some("1"))
    );
    assert_eq!(
        status
            .default_endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.live_version.as_deref()),
        Some("1")
    );
    assert!(status.arn.as_deref().is_some_and(|arn| {
        arn.starts_with("arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/")
    }));
    assert!(
        status
            .invocation_url
            .as_deref()
            .is_some_and(|url| url.ends_with("/invocations?qualifier=DEFAULT")),
        "{status:?}"
    );
    assert!(status.workload_identity_arn.is_some());
    assert!(
        condition(&status.conditions, "Reconciling").is_none()
            && condition(&status.conditions, "Stalled").is_none()
    );
    let tags = &rig.aws_runtimes().await[0]["tags"];
    assert_eq!(tags["agentcore.dev/cluster"], "test-cluster");
    assert_eq!(tags["agentcore.dev/uid"], json!(object.metadata.uid));

    let calls = rig.all_calls().await;
    assert_eq!(calls.get("CreateAgentRuntime"), Some(&1));
    assert_eq!(
        calls.get("GetAgentRuntime"),
        Some(&1),
        "one deciding read: {calls:?}"
    );
    assert!(
        !calls.contains_key("UpdateAgentRuntime") && !calls.contains_key("TagResource"),
        "{calls:?}"
    );

    rig.delete_runtime("support").await;
    rig.runtime_gone("support").await;
    assert!(rig.aws_runtimes().await.is_empty());
    assert!(
        clean(operator.stop().await),
        "SIGTERM ends it with status 0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_makes_one_version_and_an_edit_without_effect_makes_none() {
    let rig = Rig::start("life-edit").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;

    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"env": [{"name": "LOG_LEVEL", "value": "debug"}]})),
    )
    .await;
    let object = rig.runtime_ready("support").await;
    assert_eq!(
        object
            .status
            .and_then(|status| status.latest_version)
            .as_deref(),
        Some("2")
    );
    assert_eq!(
        rig.aws_runtimes().await[0]["environmentVariables"],
        json!({"LOG_LEVEL": "debug"})
    );

    let before = rig.mutations().await;
    // Server defaults written out are no change.
    let defaults = json!({
        "env": [{"name": "LOG_LEVEL", "value": "debug"}],
        "lifecycle": {"idleRuntimeSessionTimeout": "15m", "maxLifetime": "8h"},
        "protocol": {"serverProtocol": "HTTP", "port": 8080, "path": "/invocations"},
    });
    let object = rig.apply_runtime("support", rig.spec_with(defaults)).await;
    let generation = object.metadata.generation;
    let object = rig
        .runtime_until("support", "observed", |object| {
            object
                .status
                .as_ref()
                .and_then(|status| status.observed_generation)
                == generation
        })
        .await;
    assert_eq!(reason(&object), "Ready");
    assert_eq!(
        rig.mutations().await,
        before,
        "no mutating call for an edit without effect"
    );
    assert_eq!(rig.aws_runtimes().await[0]["agentRuntimeVersion"], "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_full_example_becomes_ready() {
    let rig = Rig::start("life-full").await;
    rig.grant(json!({"subnets": ["subnet-0123456789abcdef?"], "securityGroups": ["sg-0123456789abcdef0"]}))
        .await;
    let _operator = rig.operator(&[]);
    let spec = json!({
        "description": "Answers customers' questions.",
        "network": {"mode": "VPC", "vpc": {"subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"], "securityGroups": ["sg-0123456789abcdef0"]}},
        "lifecycle": {"idleRuntimeSessionTimeout": "5m", "maxLifetime": "1h"},
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}],
        "authorizer": {"customJWT": {"discoveryUrl": "https://idp.example.com/.well-known/openid-configuration", "allowedAudience": ["support"]}},
        "requestHeaders": {"allowlist": ["X-Tenant-Id"]},
        "resourcePolicy": "{\"Version\": \"2012-10-17\", \"Statement\": []}",
        "filesystems": [{"sessionStorage": {"mountPath": "/mnt/work"}}],
        "metadataService": {"requireMMDSV2": true},
        "platformVersion": "V2",
        "allowedPorts": [{"port": 8100}, {"portRange": {"from": 9000, "to": 9010}}],
        "tags": {"Project": "support"},
    });
    rig.apply_runtime("support", rig.spec_with(spec)).await;
    let object = rig.runtime_ready("support").await;
    let aws = rig.aws_runtimes().await.remove(0);
    assert_eq!(
        aws["metadataConfiguration"],
        json!({"requireMMDSV2": true}),
        "from the start, without an Update"
    );
    assert_eq!(aws["tags"]["Project"], "support");
    assert_eq!(rig.calls("UpdateAgentRuntime").await, 0);
    assert_eq!(rig.calls("PutResourcePolicy").await, 1);
    assert_eq!(
        object
            .status
            .and_then(|status| status.latest_version)
            .as_deref(),
        Some("1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_changed_without_a_new_version() {
    let rig = Rig::start("life-tags").await;
    let _operator = rig.operator(&["--default-tag", "Owner=platform"]);
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"tags": {"Environment": "dev"}})),
    )
    .await;
    rig.runtime_ready("support").await;
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"tags": {"Environment": "prod"}})),
    )
    .await;
    rig.until("retagged", async || {
        let tags = rig.aws_runtimes().await[0]["tags"].clone();
        (tags["Environment"] == "prod" && tags["Owner"] == "platform")
            .then_some(())
            .ok_or(tags.to_string())
    })
    .await;
    let object = rig.runtime_ready("support").await;
    assert_eq!(
        object
            .status
            .and_then(|status| status.latest_version)
            .as_deref(),
        Some("1")
    );
    assert_eq!(rig.calls("UpdateAgentRuntime").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_objects_change_nothing_and_are_deleted_all_the_same() {
    let rig = Rig::start("life-suspend").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
    let before = rig.mutations().await;
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"suspend": true, "description": "new"})),
    )
    .await;
    rig.runtime_until("support", "suspended", |object| {
        reason(object) == "Suspended"
    })
    .await;
    assert_eq!(rig.mutations().await, before);
    rig.delete_runtime("support").await;
    rig.runtime_gone("support").await;
    assert!(rig.aws_runtimes().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_in_aws_by_hand_is_corrected() {
    let rig = Rig::start("life-drift").await;
    let operator = rig.operator(&[]);
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"description": "as in Git"})),
    )
    .await;
    let object = rig.runtime_ready("support").await;
    // Somebody else with other credentials and our SDK's wire form: the operator is stopped meanwhile, so that one list suffices.
    assert!(clean(operator.stop().await));
    let elsewhere = rig.update_by_hand(&id(&object), "changed by hand").await;
    assert_eq!(elsewhere, "2");
    let _operator = rig.operator(&[]);
    rig.until("corrected", async || {
        let aws = rig.aws_runtimes().await.remove(0);
        (aws["description"] == "as in Git")
            .then_some(())
            .ok_or(aws.to_string())
    })
    .await;
    rig.until("told", async || {
        let events = rig.events("support").await;
        events
            .iter()
            .any(|reason| reason == "DriftCorrected")
            .then_some(())
            .ok_or(format!("{events:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_changes_nothing_in_aws_and_writes_no_status() {
    let rig = Rig::start("life-restart").await;
    let operator = rig.operator(&[]);
    for number in 0..5 {
        rig.apply_runtime(&format!("support-{number}"), rig.spec())
            .await;
    }
    let mut versions = Vec::new();
    for number in 0..5 {
        versions.push(
            rig.runtime_ready(&format!("support-{number}"))
                .await
                .metadata
                .resource_version,
        );
    }
    assert!(clean(operator.stop().await));
    let (mutations, gets) = (rig.mutations().await, rig.calls("GetAgentRuntime").await);
    let operator = rig.operator(&[]);
    // A new object is served, so the operator has been through its start.
    rig.apply_runtime("another", rig.spec()).await;
    rig.runtime_ready("another").await;
    for (number, version) in versions.into_iter().enumerate() {
        let object = rig
            .runtimes()
            .get(&format!("support-{number}"))
            .await
            .expect("object");
        assert_eq!(
            object.metadata.resource_version, version,
            "no write to an unchanged object"
        );
    }
    assert_eq!(
        rig.mutations().await,
        mutations + 1,
        "the create of the new one"
    );
    assert_eq!(
        rig.calls("GetAgentRuntime").await,
        gets + 1,
        "no Get of what did not change"
    );
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_in_the_middle_of_a_pass_is_not_lost() {
    let rig = Rig::start("life-race").await;
    // The pass that makes the runtime Ready waits in its last read while the edit comes.
    rig.faults(json!([
        {"operation": "GetAgentRuntimeEndpoint", "when": "before", "delayMs": 2000, "times": 1},
    ]))
    .await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.until("in the last read", async || {
        let calls = rig.calls("GetAgentRuntimeEndpoint").await;
        (calls > 0).then_some(()).ok_or(format!("{calls} calls"))
    })
    .await;
    rig.apply_runtime("support", rig.spec_with(json!({"description": "two"})))
        .await;
    rig.runtime_until("support", "on version 2", |object| {
        let live = object
            .status
            .as_ref()
            .and_then(|status| status.ready_version.as_deref());
        super::rig::runtime_is_ready(object) && live == Some("2")
    })
    .await;
}
