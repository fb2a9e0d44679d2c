//! Controller and gateway with the credentials that EKS gives to pods: by IRSA, and by Pod Identity.

use agentcore_api::AgentRuntime;
use serde_json::{Value, json};

use super::front::{Front, Gateway};
use crate::rig::ACCOUNT;

/// Neither program has a key of its own any more.
const NO_KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];

fn role(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

/// Starts both programs anew in these environments, has a version made and the agent called; says which operations the role has signed.
async fn works(mut front: Front, environments: [Vec<(&str, &str)>; 2], role: &str) -> Vec<String> {
    let [controller, gateway] = environments.map(|own| [NO_KEY.to_vec(), own].concat());
    front.operator.stop().await;
    front.operator = front.rig.operator_in(&controller, &[]);
    front.gateway = Gateway::start_in(&front.rig, &[], &gateway).await;
    let spec = front
        .rig
        .spec_with(json!({ "description": "by a pod's credentials" }));
    front.rig.apply_runtime("support", spec).await;
    let second = |object: AgentRuntime| {
        let status = object.status.unwrap_or_default();
        let ready = status.ready_version.as_deref() == Some("2");
        ready.then_some(()).ok_or_else(|| format!("{status:?}"))
    };
    front
        .rig
        .until("version 2", async || {
            let found = front.rig.runtimes().get("support").await;
            second(found.map_err(|error| error.to_string())?)
        })
        .await;
    let token = front.token("caller").await;
    let answer = front.invoke(&token, &json!({ "prompt": "hello" })).send();
    let answer = answer.await.expect("answer");
    assert_eq!(answer.status(), 200, "{:?}", answer.text().await);

    let report = front.rig.call_report().await;
    let callers = report["byCaller"].as_object().expect("byCaller");
    let mine = callers.iter().filter(|(arn, _)| arn.contains(role));
    let operations = mine.flat_map(|(_, operations)| operations.as_object().expect("operations"));
    operations.map(|(name, _)| name.clone()).collect()
}

fn both_worked(operations: &[String]) {
    for wanted in [
        "UpdateAgentRuntime",
        "ListAgentRuntimes",
        "InvokeAgentRuntime",
    ] {
        assert!(
            operations.iter().any(|name| name == wanted),
            "{wanted}: {operations:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn irsa_gives_both_programs_their_credentials() {
    let front = Front::start("gw-irsa").await;
    front.account("operator").await;
    let token = front.token_for("operator", "sts.amazonaws.com").await;
    let file = front.rig.dir.path().join("web-identity-token");
    std::fs::write(&file, token).expect("token file");
    let (file, role) = (file.display().to_string(), role("operator"));
    let environment = || {
        vec![
            ("AWS_WEB_IDENTITY_TOKEN_FILE", file.as_str()),
            ("AWS_ROLE_ARN", role.as_str()),
        ]
    };
    let operations = works(
        front,
        [environment(), environment()],
        ":assumed-role/operator/",
    )
    .await;
    both_worked(&operations);
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_identity_gives_both_programs_their_credentials() {
    let front = Front::start("gw-pod-identity").await;
    front.account("operator").await;
    let account = format!("{}/operator", front.rig.namespace);
    let associations: Value = json!({ account: role("pods") });
    front
        .rig
        .settings(json!({ "podIdentityAssociations": associations }))
        .await;
    let token = front.token_for("operator", "pods.eks.amazonaws.com").await;
    let file = front.rig.dir.path().join("eks-pod-identity-token");
    std::fs::write(&file, token).expect("token file");
    let file = file.display().to_string();
    let url = format!("{}/v1/credentials", front.rig.sim.url());
    let environment = || {
        vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.as_str()),
        ]
    };
    let operations = works(front, [environment(), environment()], ":assumed-role/pods/").await;
    both_worked(&operations);
}
