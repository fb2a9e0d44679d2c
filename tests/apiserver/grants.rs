//! What a namespace may not have it does not get, whatever its objects say; and what runs goes on when a grant goes.

use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::rig::{Rig, id, reason, runtime_is_ready};

/// A statement that lets a principal in.
fn policy(principal: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": principal, "Action": "bedrock-agentcore:InvokeAgentRuntime", "Resource": "*",
    }]})
    .to_string()
}

/// Waits until a runtime is refused, and gives what is said of it.
async fn refused(rig: &Rig, name: &str) -> String {
    let object = rig
        .runtime_until(name, "refused", |object| reason(object) == "NotGranted")
        .await;
    let conditions = object.status.expect("status").conditions;
    let stalled = conditions.iter().find(|one| one.type_ == "Stalled");
    let stalled = stalled.expect("Stalled");
    assert_eq!(stalled.status, "True");
    stalled.message.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_teams_is_refused_before_any_call_and_the_message_says_what_to_grant() {
    let rig = Rig::start("grant-reach").await;
    let stranger = json!({"AWS": "arn:aws:iam::444455556666:root"});
    let _operator = rig.operator(&[]);
    let code = json!({"artifact": {"container": null, "code": {
        "runtime": "PYTHON_3_13", "entryPoint": ["main.py"], "s3": {"bucket": "team-a-code", "prefix": "app.zip"}, "follow": {"interval": "30s"},
    }}});
    let vpc = json!({"network": {"mode": "VPC", "vpc": {"subnets": ["subnet-0123456789abcdef0"], "securityGroups": ["sg-0123456789abcdef0"]}}});
    let image = "999988887777.dkr.ecr.us-east-1.amazonaws.com/team-a/support:prod";
    let private_way = json!({"authorizer": {"customJWT": {
        "discoveryUrl": "https://idp.example.com/.well-known/openid-configuration", "allowedAudience": ["support"],
        "privateEndpoint": {"managedVpcResource": {"vpcIdentifier": "vpc-0123456789abcdef0", "subnetIds": ["subnet-0123456789abcdef0"], "endpointIpAddressType": "IPV4"}},
    }}});
    let attacks = [
        ("bucket", code, "buckets: [\"team-a-code\"]"),
        ("network", vpc, "subnets: [\"subnet-0123456789abcdef0\"]"),
        (
            "way",
            private_way,
            "subnets: [\"subnet-0123456789abcdef0\"]",
        ),
        (
            "repository",
            json!({"artifact": {"container": {"image": image}}}),
            "repositories: [\"999988887777.dkr.ecr.us-east-1.amazonaws.com/team-a/support\"]",
        ),
        (
            "follow",
            json!({"artifact": {"container": {"image": image, "follow": {"tag": "prod"}}}}),
            "repositories: [",
        ),
        (
            "world",
            json!({"resourcePolicy": policy(&json!("*"))}),
            "resourcePolicies: Any",
        ),
        (
            "stranger",
            json!({"resourcePolicy": policy(&stranger)}),
            "resourcePolicies: Any",
        ),
        (
            "squatter",
            json!({"runtimeName": "team_a_support"}),
            "runtimeNames: [\"team_a_support\"]",
        ),
        (
            "elsewhere",
            json!({"region": "eu-west-1"}),
            "regions: [\"eu-west-1\"]",
        ),
        (
            "taker",
            json!({"adopt": {"runtimeId": "team_a_support-0123456789", "takeOver": true, "apply": true}}),
            "adoption: [{runtimeIds: [",
        ),
    ];
    for (name, changes, _) in &attacks {
        rig.apply_runtime(name, rig.spec_with(changes.clone()))
            .await;
    }
    for (name, _, remedy) in &attacks {
        let said = refused(&rig, name).await;
        assert!(said.contains(remedy), "{name}: {said}");
        assert!(
            said.contains("not granted to namespace grant-reach"),
            "{said}"
        );
    }
    assert_eq!(rig.mutations().await, 0);
    let calls = rig.all_calls().await;
    for look in [
        "HeadObject",
        "BatchGetImage",
        "DescribeImages",
        "GetAgentRuntime",
    ] {
        assert_eq!(
            calls.get(look),
            None,
            "{look}: what is not granted is not looked at"
        );
    }
    // Each is deleted at once: there is nothing in AWS to ask for.
    for (name, _, _) in &attacks {
        rig.delete_runtime(name).await;
        rig.runtime_gone(name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_longer_pattern_gives_to_others_is_theirs() {
    let rig = Rig::start("grant-names").await;
    rig.grant(json!({"runtimeNames": ["gn_team_*"]})).await;
    let theirs = json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentGrant", "metadata": {"name": "grant-names-team-a"},
        "spec": {"namespaces": {"names": ["gn-team-a"]}, "runtimeNames": ["gn_team_a_*"]},
    });
    let apply = kube::api::PatchParams::apply("test").force();
    rig.grants()
        .patch(
            "grant-names-team-a",
            &apply,
            &kube::api::Patch::Apply(&theirs),
        )
        .await
        .expect("AgentGrant accepted");
    let _operator = rig.operator(&[]);
    rig.apply_runtime(
        "squatter",
        rig.spec_with(json!({"runtimeName": "gn_team_a_support"})),
    )
    .await;
    rig.apply_runtime(
        "own",
        rig.spec_with(json!({"runtimeName": "gn_team_support"})),
    )
    .await;
    refused(&rig, "squatter").await;
    rig.runtime_ready("own").await;
    assert_eq!(rig.aws_runtimes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_appears_shrinks_and_vanishes_under_a_running_object() {
    let rig = Rig::start("grant-life").await;
    let _operator = rig.operator(&[]);
    let vpc = |subnet: &str| json!({"mode": "VPC", "vpc": {"subnets": [subnet, "subnet-0123456789abcdef0"], "securityGroups": ["sg-0123456789abcdef0"]}});
    let spec = rig.spec_with(json!({"network": vpc("subnet-0123456789abcdef1")}));
    rig.apply_runtime("support", spec.clone()).await;
    refused(&rig, "support").await;

    // It appears, and the object needs no touch.
    rig.grant(json!({"subnets": ["subnet-0123456789abcdef*"], "securityGroups": ["sg-0123456789abcdef0"]}))
        .await;
    let object = rig.runtime_ready("support").await;
    let running = id(&object);

    // It shrinks: what runs goes on, and the next edit is refused.
    rig.grant(json!({"subnets": ["subnet-0123456789abcdef1"], "securityGroups": ["sg-0123456789abcdef0"]}))
        .await;
    let mutations = rig.mutations().await;
    let edited =
        rig.spec_with(json!({"network": vpc("subnet-0123456789abcdef1"), "description": "two"}));
    rig.apply_runtime("support", edited.clone()).await;
    let said = refused(&rig, "support").await;
    assert!(
        said.contains("subnet-0123456789abcdef0") && !said.contains("subnet-0123456789abcdef1"),
        "{said}"
    );
    assert_eq!(rig.mutations().await, mutations);

    // Back to what runs: it is Ready again, though its namespace may not make it anew.
    rig.apply_runtime("support", spec).await;
    let object = rig
        .runtime_until("support", "Ready", runtime_is_ready)
        .await;
    assert_eq!(id(&object), running);

    // It vanishes: a deletion needs none.
    rig.grants()
        .delete(&rig.namespace, &DeleteParams::default())
        .await
        .expect("deleted");
    rig.apply_runtime("support", edited).await;
    refused(&rig, "support").await;
    assert_eq!(rig.aws_runtimes().await.len(), 1);
    rig.delete_runtime("support").await;
    rig.runtime_gone("support").await;
    assert!(rig.aws_runtimes().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_of_the_namespace_brings_its_grant_and_without_the_default_there_is_none() {
    let rig = Rig::start("grant-label").await;
    let _operator = rig.operator(&["--no-default-grant"]);
    rig.apply_runtime("support", rig.spec()).await;
    let said = refused(&rig, "support").await;
    assert!(
        said.contains("regions") && said.contains("executionRoles"),
        "{said}"
    );
    rig.grant(json!({"namespaces": {"names": null, "matchLabels": {"grant-label": "yes"}}}))
        .await;
    let namespaces = kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(rig.client.clone());
    let label = json!({"metadata": {"labels": {"grant-label": "yes"}}});
    namespaces
        .patch(
            &rig.namespace,
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(&label),
        )
        .await
        .expect("labelled");
    rig.runtime_ready("support").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runtimes_that_outlive_their_objects_count_against_the_limit() {
    let rig = Rig::start("grant-retain").await;
    rig.grant(json!({"limits": {"runtimes": 1}})).await;
    let operator = rig.operator(&[]);
    rig.apply_runtime("one", rig.spec_with(json!({"deletionPolicy": "Retain"})))
        .await;
    rig.runtime_ready("one").await;
    rig.delete_runtime("one").await;
    rig.runtime_gone("one").await;
    let over = |object: &agentcore_api::AgentRuntime| reason(object) == "NamespaceLimitReached";
    for name in ["two", "three"] {
        rig.apply_runtime(name, rig.spec_with(json!({"deletionPolicy": "Retain"})))
            .await;
        rig.runtime_until(name, "over the limit", over).await;
        rig.delete_runtime(name).await;
        rig.runtime_gone(name).await;
    }
    // A restart forgets nothing.
    operator.kill();
    let _operator = rig.operator(&[]);
    rig.apply_runtime("four", rig.spec()).await;
    rig.runtime_until("four", "over the limit", over).await;
    assert_eq!(rig.aws_runtimes().await.len(), 1);
    // More is granted: it is made at once.
    rig.grant(json!({"limits": {"runtimes": 2}})).await;
    rig.runtime_ready("four").await;
    assert_eq!(rig.aws_runtimes().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_count_against_the_limit_of_their_namespace() {
    let rig = Rig::start("grant-endpoints").await;
    rig.grant(json!({"limits": {"endpoints": 1}})).await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    let spec = json!({"runtimeRef": {"name": "support"}, "version": "Latest"});
    rig.apply_endpoint("one", spec.clone()).await;
    rig.endpoint_ready("one").await;
    rig.apply_endpoint("two", spec).await;
    rig.endpoint_until("two", "over the limit", |object| {
        super::rig::endpoint_reason(object) == "NamespaceLimitReached"
    })
    .await;
    assert_eq!(rig.aws_endpoints().await.len(), 1);
    rig.grant(json!({"limits": {"endpoints": 2}})).await;
    rig.endpoint_ready("two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_may_not_list_grants_changes_nothing() {
    let rig = Rig::start("grant-rights").await;
    let kubeconfig = rig.least_rights().await;
    rig.take_grants_right().await;
    let _operator = rig.operator_as(&kubeconfig, "info,agentcore_operator=debug", &[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_until("support", "waiting for grants", |object| {
        reason(object) == "GrantsUnknown"
    })
    .await;
    assert_eq!(rig.mutations().await, 0);
    rig.give_cluster_rights().await;
    rig.runtime_ready("support").await;
}
