//! What is not ours is never touched; what is ours is found again.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::rig::{CLUSTER_ID, Rig, condition, id, reason};

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_of_the_same_name_that_is_not_ours_is_never_touched() {
    let rig = Rig::start("own-taken").await;
    rig.grant(json!({"runtimeNames": ["support_agent"]})).await;
    let foreign = rig
        .create_by_hand("support_agent", &[("agentcore.dev/cluster", "another")])
        .await;
    let before = rig.aws_runtimes().await;
    let mutations = rig.mutations().await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"runtimeName": "support_agent"})),
    )
    .await;
    let object = rig
        .runtime_until("support", "stalled", |object| reason(object) == "NameTaken")
        .await;
    let conditions = object.status.expect("status").conditions;
    assert!(
        condition(&conditions, "Stalled").is_some_and(|stalled| stalled.status == "True"),
        "{conditions:?}"
    );
    rig.delete_runtime("support").await;
    rig.runtime_gone("support").await;
    assert_eq!(rig.aws_runtimes().await, before, "{foreign} is as it was");
    assert!(
        rig.mutations().await <= mutations + 1,
        "at most one refused create"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_is_found_again_after_a_lost_status() {
    let rig = Rig::start("own-status").await;
    let operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    let first = rig.runtime_ready("support").await;
    operator.kill();
    let wipe = json!([{"op": "remove", "path": "/status"}]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(wipe).expect("patch"));
    rig.runtimes()
        .patch_status("support", &PatchParams::default(), &patch)
        .await
        .expect("status wiped");
    let _operator = rig.operator(&[]);
    let again = rig.runtime_ready("support").await;
    assert_eq!(id(&again), id(&first));
    assert_eq!(rig.aws_runtimes().await.len(), 1);
    assert_eq!(
        rig.aws_runtimes().await[0]["agentRuntimeVersion"],
        "1",
        "no needless version"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_is_found_again_by_a_recreated_object() {
    let rig = Rig::start("own-recreated").await;
    let operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    let first = rig.runtime_ready("support").await;
    operator.kill();
    // A restore from backup: the object is gone without its finalizer having run, and comes back with another UID.
    let drop_finalizers = json!({"metadata": {"finalizers": null}});
    rig.runtimes()
        .patch(
            "support",
            &PatchParams::default(),
            &Patch::Merge(&drop_finalizers),
        )
        .await
        .expect("patched");
    rig.delete_runtime("support").await;
    rig.runtime_gone("support").await;
    let object = rig.apply_runtime("support", rig.spec()).await;
    assert_ne!(object.metadata.uid, first.metadata.uid);
    let _operator = rig.operator(&[]);
    let again = rig.runtime_ready("support").await;
    assert_eq!(id(&again), id(&first));
    let runtimes = rig.aws_runtimes().await;
    assert_eq!(runtimes.len(), 1);
    assert_eq!(
        runtimes[0]["tags"]["agentcore.dev/uid"],
        json!(again.metadata.uid),
        "the tag names the new object"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_deleted_in_aws_is_made_again() {
    let rig = Rig::start("own-lost").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    let first = rig.runtime_ready("support").await;
    rig.delete_by_hand(&id(&first)).await;
    // Two 404 answers 30 s apart, noticed by the list at rest: this is the longest wait of all tests.
    let start = std::time::Instant::now();
    loop {
        let object = rig.runtimes().get("support").await.expect("object");
        if super::rig::runtime_is_ready(&object) && id(&object) != id(&first) {
            break;
        }
        assert!(
            start.elapsed() < 3 * super::rig::DEADLINE,
            "not made again: {:#?}",
            object.status
        );
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert_eq!(rig.aws_runtimes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn adoption_waits_for_consent_and_then_applies() {
    let rig = Rig::start("own-adopt").await;
    let adopted = rig.create_by_hand("legacy", &[]).await;
    rig.grant(json!({"adoption": [{"runtimeIds": [adopted]}]}))
        .await;
    let mutations = rig.mutations().await;
    let _operator = rig.operator(&[]);
    let spec = |apply: bool| {
        rig.spec_with(
            json!({"description": "from Git", "adopt": {"runtimeId": adopted, "apply": apply}}),
        )
    };
    rig.apply_runtime("support", spec(false)).await;
    let object = rig
        .runtime_until("support", "pending", |object| {
            reason(object) == "AdoptionPending"
        })
        .await;
    let conditions = object.status.expect("status").conditions;
    assert!(
        conditions
            .iter()
            .any(|condition| condition.message.contains("description")),
        "names the field: {conditions:?}"
    );
    assert_eq!(rig.mutations().await, mutations);
    rig.apply_runtime("support", spec(true)).await;
    let object = rig.runtime_ready("support").await;
    assert_eq!(id(&object), adopted);
    let aws = rig.aws_runtimes().await.remove(0);
    assert_eq!(aws["description"], "from Git");
    assert_eq!(aws["tags"]["agentcore.dev/cluster"], CLUSTER_ID);
    // Adopted runtimes are retained unless told otherwise.
    rig.delete_runtime("support").await;
    rig.runtime_gone("support").await;
    assert_eq!(rig.aws_runtimes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_owners_runtime_is_not_adopted() {
    let rig = Rig::start("own-adopt-foreign").await;
    let tags = [
        ("agentcore.dev/cluster", "another"),
        ("agentcore.dev/namespace", "x"),
        ("agentcore.dev/name", "y"),
    ];
    let adopted = rig.create_by_hand("legacy", &tags).await;
    rig.grant(json!({"adoption": [{"runtimeIds": [adopted], "fromOwners": ["another/x/y"]}]}))
        .await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"adopt": {"runtimeId": adopted, "apply": true}})),
    )
    .await;
    rig.runtime_until("support", "refused", |object| {
        reason(object) == "AdoptionRefused"
    })
    .await;
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"adopt": {"runtimeId": adopted, "apply": true, "takeOver": true}})),
    )
    .await;
    let object = rig.runtime_ready("support").await;
    assert_eq!(id(&object), adopted);
    assert_eq!(
        rig.aws_runtimes().await[0]["tags"]["agentcore.dev/cluster"],
        CLUSTER_ID
    );
}
