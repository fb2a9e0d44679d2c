//! What admission cannot see: a reason, AWS's text, an Event, no hot loop; and it heals.

use agentcore_api::AgentRuntime;
use agentcore_api::runtime::Phase;
use serde_json::json;

use super::rig::{Rig, condition, reason};

fn message(object: &AgentRuntime) -> String {
    object
        .status
        .as_ref()
        .and_then(|status| condition(&status.conditions, "Ready"))
        .map_or_else(String::new, |ready| ready.message.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_fails_and_heals_by_a_push_and_a_request() {
    let rig = Rig::start("ref-image").await;
    let _operator = rig.operator(&[]);
    let image = "public.ecr.aws/team-a/later:prod";
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"artifact": {"container": {"image": image}}})),
    )
    .await;
    let object = rig
        .runtime_until("support", "failed", |object| {
            reason(object) == "ImageNotFound"
        })
        .await;
    assert!(
        message(&object).contains("does not exist in the repository"),
        "AWS's text: {}",
        message(&object)
    );
    let status = object.status.clone().expect("status");
    assert_eq!(status.phase.map(Phase::as_str), Some("FAILED"));
    assert_eq!(status.service_status.as_deref(), Some("CREATE_FAILED"));
    assert!(condition(&status.conditions, "Stalled").is_some());
    assert!(
        status
            .retry
            .as_ref()
            .is_some_and(|retry| retry.at.is_some()),
        "says when it is tried again"
    );
    rig.until("told", async || {
        let events = rig.events("support").await;
        events
            .iter()
            .any(|reason| reason == "ImageNotFound")
            .then_some(())
            .ok_or(format!("{events:?}"))
    })
    .await;
    let mutations = rig.mutations().await;
    rig.push("public.ecr.aws/team-a/later", "prod", &["arm64"])
        .await;
    assert_eq!(rig.mutations().await, mutations, "no hot loop meanwhile");
    rig.annotate_runtime(
        "support",
        "agentcore.dev/requested-at",
        "2026-01-01T00:00:00Z",
    )
    .await;
    let object = rig.runtime_ready("support").await;
    assert_eq!(
        object
            .status
            .and_then(|status| status.last_handled_request)
            .as_deref(),
        Some("2026-01-01T00:00:00Z")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_create_heals_by_an_edit_even_where_update_is_refused() {
    let rig = Rig::start("ref-replace").await;
    rig.settings(json!({"updateFromCreateFailed": "conflict"}))
        .await;
    let _operator = rig.operator(&[]);
    let image = "public.ecr.aws/team-a/missing:prod";
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"artifact": {"container": {"image": image}}})),
    )
    .await;
    rig.runtime_until("support", "failed", |object| {
        reason(object) == "ImageNotFound"
    })
    .await;
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
    assert_eq!(rig.aws_runtimes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_for_another_processor_is_named() {
    let rig = Rig::start("ref-arch").await;
    rig.push("public.ecr.aws/team-a/intel", "prod", &["amd64"])
        .await;
    let _operator = rig.operator(&[]);
    let image = "public.ecr.aws/team-a/intel:prod";
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"artifact": {"container": {"image": image}}})),
    )
    .await;
    let object = rig
        .runtime_until("support", "failed", |object| {
            reason(object) == "ImageArchitecture"
        })
        .await;
    assert!(message(&object).contains("arm64"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_role_fails_and_an_edit_of_the_settings_heals() {
    let rig = Rig::start("ref-role").await;
    let role = "arn:aws:iam::111122223333:role/agentcore/ref-role/support";
    rig.settings(json!({"badRoles": [role]})).await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_until("support", "failed", |object| {
        reason(object) == "RoleInvalid"
    })
    .await;
    rig.settings(json!({"badRoles": []})).await;
    rig.annotate_runtime("support", "agentcore.dev/requested-at", "now")
        .await;
    rig.runtime_ready("support").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_of_other_namespaces_are_refused_before_any_call() {
    let rig = Rig::start("ref-role-path").await;
    let _operator = rig.operator(&[]);
    let spec = rig.spec_with(
        json!({"executionRole": {"arn": "arn:aws:iam::111122223333:role/agentcore/other/support"}}),
    );
    rig.apply_runtime("support", spec).await;
    rig.runtime_until("support", "refused", |object| {
        reason(object) == "RoleNotAllowed"
    })
    .await;
    assert_eq!(rig.mutations().await, 0);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn required_tags_and_limits_are_held() {
    let rig = Rig::start("ref-limits").await;
    let _operator = rig.operator(&[
        "--required-tag-key",
        "CostCenter",
        "--max-runtimes-per-namespace",
        "1",
    ]);
    rig.apply_runtime("first", rig.spec()).await;
    let object = rig
        .runtime_until("first", "refused", |object| {
            reason(object) == "RequiredTagMissing"
        })
        .await;
    assert!(message(&object).contains("CostCenter"));
    rig.apply_runtime(
        "first",
        rig.spec_with(json!({"tags": {"CostCenter": "4711"}})),
    )
    .await;
    rig.runtime_ready("first").await;
    rig.apply_runtime(
        "second",
        rig.spec_with(json!({"tags": {"CostCenter": "4711"}})),
    )
    .await;
    rig.runtime_until("second", "refused", |object| {
        reason(object) == "NamespaceLimitReached"
    })
    .await;
    rig.delete_runtime("first").await;
    rig.runtime_ready("second").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_policy_that_is_no_json_is_refused() {
    let rig = Rig::start("ref-policy").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"resourcePolicy": "not json"})),
    )
    .await;
    let object = rig
        .runtime_until("support", "refused", |object| {
            reason(object) == "InvalidSpec"
        })
        .await;
    assert!(
        message(&object).contains("resourcePolicy"),
        "{}",
        message(&object)
    );
    assert!(rig.aws_runtimes().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_update_keeps_the_last_good_version_serving() {
    let rig = Rig::start("ref-update").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
    let image = "public.ecr.aws/team-a/missing:prod";
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"artifact": {"container": {"image": image}}})),
    )
    .await;
    let object = rig
        .runtime_until("support", "failed", |object| {
            reason(object) == "ImageNotFound"
        })
        .await;
    let status = object.status.expect("status");
    assert_eq!(status.service_status.as_deref(), Some("UPDATE_FAILED"));
    assert_eq!(status.ready_version.as_deref(), Some("1"));
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_said_and_heals_by_itself() {
    let rig = Rig::start("ref-quota").await;
    rig.faults(json!([{"operation": "CreateAgentRuntime", "when": "before", "error": "ServiceQuotaExceededException"}])).await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_until("support", "refused", |object| {
        reason(object) == "QuotaExceeded"
    })
    .await;
    rig.no_faults().await;
    rig.runtime_ready("support").await;
}
