//! Deletion: in order, to the end, and never a thing left behind without a word.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use super::rig::{Rig, id, reason};

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_waits_for_its_endpoints() {
    let rig = Rig::start("del-order").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.apply_endpoint(
        "live",
        json!({"runtimeRef": {"name": "support"}, "version": "Latest"}),
    )
    .await;
    rig.endpoint_ready("live").await;
    rig.delete_runtime("support").await;
    let waiting = rig
        .runtime_until("support", "waiting", |object| {
            reason(object) == "EndpointsInUse"
        })
        .await;
    let conditions = waiting.status.expect("status").conditions;
    assert!(
        conditions
            .iter()
            .any(|condition| condition.message.contains("live")),
        "names the endpoint: {conditions:?}"
    );
    rig.delete_endpoint("live").await;
    rig.endpoint_gone("live").await;
    rig.runtime_gone("support").await;
    assert!(rig.aws_runtimes().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_goes_away_with_all_that_is_in_it() {
    let rig = Rig::start("del-namespace").await;
    // The Lease must not go with the namespace that the test deletes.
    let _operator = rig.operator(&["--leader-elect=false"]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.apply_endpoint(
        "live",
        json!({"runtimeRef": {"name": "support"}, "version": "Latest"}),
    )
    .await;
    rig.endpoint_ready("live").await;
    let namespaces: Api<Namespace> = Api::all(rig.client.clone());
    namespaces
        .delete(&rig.namespace, &DeleteParams::default())
        .await
        .expect("delete");
    rig.until("gone", async || {
        match namespaces.get_opt(&rig.namespace).await.expect("get") {
            None => Ok(()),
            Some(namespace) => Err(format!("{:?}", namespace.status)),
        }
    })
    .await;
    assert!(rig.aws_runtimes().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_while_creating_leaves_nothing() {
    let rig = Rig::start("del-creating").await;
    rig.settings(json!({"createDelayMs": 1500})).await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_until("support", "creating", |object| {
        object
            .status
            .as_ref()
            .is_some_and(|status| status.id.is_some())
    })
    .await;
    rig.delete_runtime("support").await;
    rig.delete_runtime("support").await;
    rig.runtime_gone("support").await;
    assert!(rig.aws_runtimes().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_has_lost_already_does_not_block() {
    let rig = Rig::start("del-lost").await;
    let operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    let object = rig.runtime_ready("support").await;
    drop(operator);
    rig.delete_by_hand(&id(&object)).await;
    rig.delete_runtime("support").await;
    let _operator = rig.operator(&[]);
    rig.runtime_gone("support").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_denied_is_gone_only_when_the_list_agrees() {
    let rig = Rig::start("del-denied").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
    rig.faults(json!([{"operation": "DeleteAgentRuntime", "when": "before", "error": "AccessDeniedException"}])).await;
    rig.delete_runtime("support").await;
    rig.runtime_until("support", "denied", |object| {
        reason(object) == "AccessDenied"
    })
    .await;
    assert_eq!(rig.aws_runtimes().await.len(), 1);
    rig.no_faults().await;
    rig.runtime_gone("support").await;
    assert!(rig.aws_runtimes().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_access_denied_for_what_is_gone_ends_well() {
    let rig = Rig::start("del-denied-gone").await;
    rig.settings(json!({"deletedAnswersAccessDenied": true}))
        .await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
    rig.delete_runtime("support").await;
    rig.runtime_gone("support").await;
    assert!(rig.aws_runtimes().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn retain_leaves_the_runtime_without_our_tags() {
    let rig = Rig::start("del-retain").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"deletionPolicy": "Retain", "tags": {"Project": "support"}})),
    )
    .await;
    rig.runtime_ready("support").await;
    rig.delete_runtime("support").await;
    rig.runtime_gone("support").await;
    let left = rig.aws_runtimes().await.remove(0);
    assert_eq!(left["tags"], json!({"Project": "support"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_endpoints_block_until_an_annotation_says_so() {
    let rig = Rig::start("del-foreign").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    let object = rig.runtime_ready("support").await;
    rig.endpoint_by_hand(&id(&object), "handmade").await;
    rig.delete_runtime("support").await;
    rig.runtime_until("support", "waiting", |object| {
        reason(object) == "EndpointsInUse"
    })
    .await;
    rig.annotate_runtime("support", "agentcore.dev/delete-endpoints", "true")
        .await;
    rig.runtime_gone("support").await;
    assert!(rig.aws_runtimes().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_fails_is_said_and_let_go() {
    let rig = Rig::start("del-fails").await;
    rig.settings(json!({"deleteFails": true})).await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
    rig.delete_runtime("support").await;
    rig.runtime_until("support", "failed", |object| {
        reason(object) == "DeleteFailed"
    })
    .await;
    rig.annotate_runtime("support", "agentcore.dev/let-go", "true")
        .await;
    rig.runtime_gone("support").await;
    assert_eq!(rig.aws_runtimes().await.len(), 1, "left behind, as asked");
}
