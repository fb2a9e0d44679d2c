//! The plain manifests, as kubectl renders them.

use serde_json::{Value, json};

use super::chart::{object, objects};
use super::support::{Kubectl, NAMESPACE, cluster_with, helm, plain_manifests};

/// What `kubectl kustomize` makes of a folder of theirs.
fn kustomize(kubectl: &Kubectl<'_>, folder: &str) -> anyhow::Result<Vec<Value>> {
    let folder = plain_manifests().join(folder);
    let built = kubectl.run(&["kustomize", &folder.to_string_lossy()], "")?;
    Ok(objects(&built))
}

/// An environment variable of an object's first container.
fn variable<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    let mut variables = container["env"].as_array()?.iter();
    variables.find(|one| one["name"] == name)?["value"].as_str()
}

#[tokio::test]
async fn kustomize_builds_what_each_folder_promises() -> anyhow::Result<()> {
    let cluster = cluster_with(&[]).await?;
    let kubectl = Kubectl(&cluster);
    an_overlay_has_what_the_chart_renders(&kubectl)?;
    the_development_overlay_needs_no_aws(&kubectl)?;
    images_and_names_follow_in_the_kinds_of_agents(&kubectl)?;
    cluster.stop().await
}

fn an_overlay_has_what_the_chart_renders(kubectl: &Kubectl<'_>) -> anyhow::Result<()> {
    let prod = kustomize(kubectl, "overlays/prod")?;
    let values = "clusterId=a,networkPolicy.enabled=true,gateway.enabled=true,gateway.replicas=2,gateway.tls.existingSecret=a,\
        gateway.ledger.existingSecret=b,gateway.sessionKey.existingSecret=c";
    let chart = objects(&helm(["--skip-tests", "--no-hooks", "--set", values])?);
    let names = |objects: &[Value]| {
        let mut names: Vec<String> = objects
            .iter()
            .filter(|one| one["kind"] != "Namespace")
            .map(|one| {
                // The kustomize of kubectl takes these for namespaced; the API server takes the namespace away.
                let policy = one["kind"]
                    .as_str()
                    .is_some_and(|kind| kind.starts_with("ValidatingAdmissionPolicy"));
                let namespace = if policy {
                    &Value::Null
                } else {
                    &one["metadata"]["namespace"]
                };
                format!("{} {namespace} {}", one["kind"], one["metadata"]["name"])
            })
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&prod), names(&chart));
    for (name, account) in [
        ("agentcore-operator", "agentcore-operator"),
        ("agentcore-operator-gateway", "agentcore-operator-gateway"),
    ] {
        assert_eq!(object(&prod, "Deployment", name)["spec"]["replicas"], 2);
        let account = object(&prod, "ServiceAccount", account);
        assert!(account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].is_string());
    }
    // Names of runtimes are made by the one and judged by the other.
    for name in ["agentcore-operator", "agentcore-operator-gateway"] {
        assert_eq!(
            variable(object(&prod, "Deployment", name), "AGENTCORE_CLUSTER_ID"),
            Some("prod-us-east-1")
        );
    }
    let namespace = object(&prod, "Namespace", NAMESPACE);
    assert_eq!(
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        "restricted"
    );
    for one in &prod {
        let labels = &one["metadata"]["labels"];
        assert!(labels["helm.sh/chart"].is_null(), "{one}");
        assert!(labels["app.kubernetes.io/managed-by"].is_null(), "{one}");
    }
    Ok(())
}

fn the_development_overlay_needs_no_aws(kubectl: &Kubectl<'_>) -> anyhow::Result<()> {
    let dev = kustomize(kubectl, "overlays/dev")?;
    let settings = dev
        .iter()
        .find(|one| one["kind"] == "ConfigMap")
        .expect("settings for the local AgentCore");
    let address = settings["data"]["AWS_ENDPOINT_URL"].as_str().unwrap();
    let service = object(&dev, "Service", "agentcore-sim");
    assert_eq!(
        address,
        format!(
            "http://agentcore-sim:{}",
            service["spec"]["ports"][0]["port"]
        )
    );
    for name in ["agentcore-operator", "agentcore-operator-gateway"] {
        let deployment = object(&dev, "Deployment", name);
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let from = &container["envFrom"][0]["configMapRef"]["name"];
        assert_eq!(from, &settings["metadata"]["name"], "{name}");
        assert_eq!(deployment["spec"]["replicas"], 1, "{name}");
    }
    Ok(())
}

fn images_and_names_follow_in_the_kinds_of_agents(kubectl: &Kubectl<'_>) -> anyhow::Result<()> {
    let agents = kustomize(kubectl, "kustomize")?;
    let named = |kind: &str| {
        let one = agents.iter().find(|one| one["kind"] == kind);
        one.expect("of each kind one")["metadata"]["name"].clone()
    };
    let runtime = &object(&agents, "AgentRuntime", "blue-support")["spec"];
    assert_eq!(
        runtime["artifact"]["container"]["image"],
        "111122223333.dkr.ecr.us-east-1.amazonaws.com/support:v2"
    );
    let (secret, settings) = (named("Secret"), named("ConfigMap"));
    assert!(secret.as_str().unwrap().starts_with("blue-keys-"));
    assert_eq!(
        runtime["env"][0]["valueFrom"]["secretKeyRef"]["name"],
        secret
    );
    assert_eq!(
        runtime["env"][1]["valueFrom"]["configMapKeyRef"]["name"],
        settings
    );
    assert_eq!(runtime["envFrom"][0]["configMapRef"]["name"], settings);
    assert_eq!(runtime["envFrom"][1]["secretRef"]["name"], secret);
    let endpoint = &object(&agents, "AgentEndpoint", "blue-support-live")["spec"];
    assert_eq!(endpoint["runtimeRef"]["name"], "blue-support");
    let session = &object(&agents, "AgentSession", "blue-slack-bridge")["spec"];
    assert_eq!(session["endpointRef"]["name"], "blue-support-live");
    let role = object(&agents, "Role", "blue-support-caller");
    assert_eq!(
        role["rules"][0]["resourceNames"],
        json!(["blue-support-live"])
    );
    assert_eq!(role["rules"][1]["resourceNames"], json!(["blue-support"]));
    Ok(())
}
