//! What a real API server says to everything that is rendered: strict validation, warnings, the Pod Security Standard `restricted`.

use serde_json::{Value, json};

use super::super::support::{Kubectl, NAMESPACE, cluster_with, helm, plain_manifests};
use super::running::until;
use super::{all_values, install_kinds_of_others, objects};

/// A namespace that takes no pod below the standard.
const RESTRICTED: &str = "restricted";

/// The pod of an object that makes pods, else nothing.
fn pod_of(object: &Value) -> Option<Value> {
    let spec = match object["kind"].as_str()? {
        "Pod" => &object["spec"],
        "Deployment" | "Job" => &object["spec"]["template"]["spec"],
        _ => return None,
    };
    let mut spec = spec.clone();
    // That of the object's own namespace is not here, and has no part in the standard.
    spec["serviceAccountName"] = json!("default");
    let name = format!("{}-pod", object["metadata"]["name"].as_str()?);
    Some(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}))
}

/// Everything that is delivered: the chart with each file of values, and the overlays; with a name to tell them apart.
pub fn deliveries(kubectl: &Kubectl<'_>) -> anyhow::Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for file in all_values() {
        let rendered = helm(["--values".into(), file.clone()])?;
        all.push((file.display().to_string(), rendered));
    }
    for overlay in ["dev", "prod"] {
        let folder = plain_manifests().join("overlays").join(overlay);
        let folder = folder.to_string_lossy();
        all.push((
            folder.to_string(),
            kubectl.run(&["kustomize", &folder], "")?,
        ));
    }
    Ok(all)
}

#[tokio::test]
async fn the_api_server_takes_every_object_of_every_delivery_without_a_warning()
-> anyhow::Result<()> {
    let cluster = cluster_with(&[NAMESPACE, "team-a", "team-b"]).await?;
    let kubectl = Kubectl(&cluster);
    install_kinds_of_others(&kubectl)?;
    let warn = "pod-security.kubernetes.io/warn=restricted";
    kubectl.run(&["label", "namespace", NAMESPACE, warn], "")?;
    let apply = [
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
    ];
    for (name, manifests) in deliveries(&kubectl)? {
        // A pod of `helm test` needs an account that is really there.
        for account in objects(&manifests) {
            if account["kind"] == "ServiceAccount" {
                kubectl.run(&["apply", "--server-side", "-f", "-"], &account.to_string())?;
            }
        }
        let output = kubectl.command(cluster.kubeconfig(), &apply, &manifests)?;
        let stderr = String::from_utf8(output.stderr)?;
        assert!(
            output.status.success() && stderr.is_empty(),
            "{name}: {stderr}"
        );
        let taken = String::from_utf8(output.stdout)?.lines().count();
        assert_eq!(taken, objects(&manifests).len(), "{name}");
    }
    // A wrong field is found, or all of this says nothing.
    let wrong = helm(["--set", "clusterId=a"])?.replace("maxUnavailable:", "maxUnavailabel:");
    let output = kubectl.command(cluster.kubeconfig(), &apply, &wrong)?;
    assert!(!output.status.success(), "a field that does not exist");
    cluster.stop().await
}

#[tokio::test]
async fn every_pod_that_is_made_passes_the_standard_restricted() -> anyhow::Result<()> {
    let cluster = cluster_with(&[RESTRICTED]).await?;
    let kubectl = Kubectl(&cluster);
    let enforce = "pod-security.kubernetes.io/enforce=restricted";
    kubectl.run(&["label", "namespace", RESTRICTED, enforce], "")?;
    let account = [
        "get",
        "serviceaccount",
        "default",
        "--namespace",
        RESTRICTED,
    ];
    until("an account for pods", || kubectl.run(&account, "")).await?;
    let create = [
        "create",
        "--dry-run=server",
        "--namespace",
        RESTRICTED,
        "-f",
        "-",
    ];
    let mut pods = 0;
    let mut last = Value::Null;
    for (name, manifests) in deliveries(&kubectl)? {
        for pod in objects(&manifests).iter().filter_map(pod_of) {
            let taken = kubectl.run(&create, &pod.to_string());
            assert!(taken.is_ok(), "{name}: {taken:?}");
            pods += 1;
            last = pod;
        }
    }
    assert!(pods >= 12, "{pods}: a program and a test of each delivery");
    last["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    assert!(kubectl.run(&create, &last.to_string()).is_err());
    cluster.stop().await
}
