//! What is not ours is never touched; what is ours is found again.

use agentcore_api::AgentRuntime;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::rig::{ACCOUNT, CLUSTER_ID, Rig, condition, id, reason};

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

/// Another team's namespace.
async fn namespace(rig: &Rig, name: &str) -> Api<AgentRuntime> {
    let object: Namespace =
        serde_json::from_value(json!({"metadata": {"name": name}})).expect("namespace");
    Api::all(rig.client.clone())
        .create(&PostParams::default(), &object)
        .await
        .expect("namespace");
    Api::namespaced(rig.client.clone(), name)
}

fn arn(object: &AgentRuntime) -> String {
    let status = object.status.as_ref();
    status
        .and_then(|status| status.arn.clone())
        .expect("an ARN")
}

/// Puts an AgentRuntime into another namespace, with that namespace's role.
async fn apply_there(api: &Api<AgentRuntime>, namespace: &str, mut spec: Value) {
    let role = format!("arn:aws:iam::{ACCOUNT}:role/agentcore/{namespace}/support");
    spec["executionRole"]["arn"] = json!(role);
    let object = json!({"apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime", "metadata": {"name": "support"}, "spec": spec});
    api.patch(
        "support",
        &PatchParams::apply("test").force(),
        &Patch::Apply(&object),
    )
    .await
    .expect("AgentRuntime accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_teams_runtime_is_not_taken_over_while_its_object_lives() {
    let rig = Rig::start("own-takeover").await;
    let team_b = namespace(&rig, "own-takeover-b").await;
    // The attacker's namespace is watched; whether the victim's is, decides nothing.
    let _operator = rig.operator(&["--watch-namespace", "own-takeover-b"]);
    rig.apply_runtime("support", rig.spec()).await;
    let victim = rig.runtime_ready("support").await;
    let before = rig.aws_runtimes().await;
    let mutations = rig.mutations().await;
    let adopt = json!({"runtimeId": id(&victim), "takeOver": true, "apply": true});
    let spec = rig.spec_with(json!({"adopt": adopt, "description": "theirs"}));
    apply_there(&team_b, "own-takeover-b", spec).await;
    rig.until("refused", async || {
        let object = team_b.get("support").await.expect("object");
        let refused = ["AdoptionRefused", "NotGranted"].contains(&reason(&object));
        refused.then_some(()).ok_or(format!("{:#?}", object.status))
    })
    .await;
    assert_eq!(rig.aws_runtimes().await, before);
    assert_eq!(rig.mutations().await, mutations);
    // The victim goes on as if nothing had happened.
    rig.apply_runtime("support", rig.spec_with(json!({"description": "ours"})))
        .await;
    rig.runtime_ready("support").await;
    assert_eq!(rig.aws_runtimes().await[0]["description"], "ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_carries_another_clusters_tags_is_not_changed_by_any_edit() {
    let rig = Rig::start("own-theft").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    let object = rig.runtime_ready("support").await;
    let tags = rig.aws_runtimes().await[0]["tags"].clone();
    let own = tags["agentcore.dev/cluster-uid"]
        .as_str()
        .expect("five tags");
    // A second cluster of the same id: everything else is the same.
    rig.tag_by_hand(&arn(&object), &[("agentcore.dev/cluster-uid", "another")])
        .await;
    let before = rig.aws_runtimes().await;
    let mutations = rig.mutations().await;
    let policy = json!({"Version": "2012-10-17", "Statement": []}).to_string();
    for changes in [
        json!({"description": "an edit"}),
        json!({"resourcePolicy": policy}),
        json!({"tags": {"Team": "a"}}),
        json!({"deletionPolicy": "Retain"}),
    ] {
        rig.apply_runtime("support", rig.spec_with(changes)).await;
        rig.runtime_until("support", "told", |object| {
            let status = object.status.as_ref();
            reason(object) == "NotOwned"
                && status.and_then(|status| status.observed_generation)
                    == object.metadata.generation
        })
        .await;
    }
    assert_eq!(rig.aws_runtimes().await, before);
    assert_eq!(rig.mutations().await, mutations);
    assert_eq!(
        rig.events("support")
            .await
            .iter()
            .filter(|one| *one == "NotOwned")
            .count(),
        1
    );
    // Given back, it is the object's again.
    rig.tag_by_hand(&arn(&object), &[("agentcore.dev/cluster-uid", own)])
        .await;
    rig.annotate_runtime("support", "agentcore.dev/requested-at", "now")
        .await;
    rig.runtime_ready("support").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_object_of_a_stolen_runtime_goes_and_leaves_it_with_its_new_owner() {
    let rig = Rig::start("own-theft-gone").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    let object = rig.runtime_ready("support").await;
    let theirs = [
        ("agentcore.dev/namespace", "team-b"),
        ("agentcore.dev/name", "billing"),
        ("agentcore.dev/uid", "theirs"),
    ];
    rig.tag_by_hand(&arn(&object), &theirs).await;
    let before = rig.aws_runtimes().await;
    rig.delete_runtime("support").await;
    rig.runtime_gone("support").await;
    assert_eq!(rig.aws_runtimes().await, before);
    assert_eq!(rig.calls("DeleteAgentRuntime").await, 0);
    assert_eq!(rig.calls("UntagResource").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_somebody_wrote_reaches_no_other_runtime() {
    let rig = Rig::start("own-status-forged").await;
    let theirs = rig.create_by_hand("billing", &[]).await;
    let before = rig.aws_runtimes().await;
    let operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec_with(json!({"suspend": true})))
        .await;
    rig.runtime_until("support", "suspended", |object| {
        reason(object) == "Suspended"
    })
    .await;
    operator.kill();
    let mutations = rig.mutations().await;
    let billing = before[0]["agentRuntimeArn"].clone();
    let forged = json!({"status": {"id": theirs, "arn": billing, "region": "us-east-1", "name": "billing", "latestVersion": "1",
        "readyVersion": "1", "phase": "ACTIVE", "serviceStatus": "READY", "conditions": []}});
    rig.runtimes()
        .patch_status("support", &PatchParams::default(), &Patch::Merge(&forged))
        .await
        .expect("forged");
    let finalizer = json!({"metadata": {"finalizers": ["agentcore.dev/finalizer"]}});
    rig.runtimes()
        .patch(
            "support",
            &PatchParams::default(),
            &Patch::Merge(&finalizer),
        )
        .await
        .expect("finalizer");
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec_with(json!({"description": "taken"})))
        .await;
    rig.runtime_until("support", "told", |object| reason(object) == "NotOwned")
        .await;
    assert_eq!(rig.aws_runtimes().await, before);
    assert_eq!(rig.mutations().await, mutations);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_of_an_earlier_release_gets_the_clusters_uid_and_no_version() {
    let rig = Rig::start("own-upgrade").await;
    let operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    let object = rig.runtime_ready("support").await;
    operator.kill();
    rig.untag_by_hand(&arn(&object), &["agentcore.dev/cluster-uid"])
        .await;
    let _operator = rig.operator(&[]);
    rig.annotate_runtime("support", "agentcore.dev/requested-at", "now")
        .await;
    rig.until("tagged", async || {
        let tags = rig.aws_runtimes().await[0]["tags"].clone();
        let there = tags["agentcore.dev/cluster-uid"].is_string();
        there.then_some(()).ok_or(tags.to_string())
    })
    .await;
    let again = rig.runtime_ready("support").await;
    assert_eq!(id(&again), id(&object));
    assert_eq!(rig.aws_runtimes().await[0]["agentRuntimeVersion"], "1");
    assert_eq!(rig.calls("UpdateAgentRuntime").await, 0);
}
