//! Who may write status, history and reports, and what is warned of, as a real API server judges it with the chart's policies in place.

use anyhow::ensure;
use serde_json::{Value, json};

use super::super::support::{Kubectl, NAMESPACE, cluster_with, helm};
use super::install_kinds_of_others;
use super::running::until;

const CONTROLLER: &str = "system:serviceaccount:agentcore-system:agentcore-operator";
const GATEWAY: &str = "system:serviceaccount:agentcore-system:agentcore-operator-gateway";
const TENANT: &str = "tenant";

/// Somebody's attempt; what the API server said, if it refused.
fn attempt(
    kubectl: &Kubectl<'_>,
    who: &str,
    args: &[&str],
    input: &str,
) -> anyhow::Result<Option<String>> {
    let args = [&["--as", who], args].concat();
    let output = kubectl.command(kubectl.0.kubeconfig(), &args, input)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((!output.status.success()).then_some(said))
}

fn ready(id: &str) -> String {
    json!({"status": {"id": id, "conditions": [{
        "type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]}})
    .to_string()
}

fn objects() -> [(&'static str, Value); 3] {
    let runtime = json!({
        "artifact": {"container": {"image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/support:prod"}},
        "executionRole": {"arn": "arn:aws:iam::111122223333:role/agentcore/team-a/support"},
        "network": {"mode": "PUBLIC"},
    });
    [
        ("AgentRuntime", runtime),
        (
            "AgentEndpoint",
            json!({"runtimeRef": {"name": "support"}, "version": "Latest"}),
        ),
        ("AgentSession", json!({"endpointRef": {"name": "support"}})),
    ]
}

/// Gives everybody every right in the namespaces, as many clusters do: what is refused is refused by the policies.
fn rights(kubectl: &Kubectl<'_>) -> anyhow::Result<()> {
    for namespace in ["team-a", NAMESPACE] {
        for (number, who) in [TENANT, CONTROLLER, GATEWAY].iter().enumerate() {
            let name = format!("everything-{number}");
            let binding = [
                "create",
                "rolebinding",
                &name,
                "--clusterrole",
                "cluster-admin",
            ];
            let whose = ["--user", who, "--namespace", namespace];
            kubectl.run(&[&binding[..], &whose].concat(), "")?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn whoever_may_write_everything_writes_neither_status_nor_history_nor_reports()
-> anyhow::Result<()> {
    let cluster = cluster_with(&[NAMESPACE, "team-a"]).await?;
    let kubectl = Kubectl(&cluster);
    install_kinds_of_others(&kubectl)?;
    let manifests = helm([
        "--set",
        "clusterId=a,gateway.enabled=true,gateway.plainHttp=true",
    ])?;
    kubectl.run(&["apply", "--server-side", "-f", "-"], &manifests)?;
    rights(&kubectl)?;
    for (kind, spec) in objects() {
        let object = json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": kind, "metadata": {"name": "support", "namespace": "team-a"}, "spec": spec,
        });
        let applied = attempt(&kubectl, TENANT, &["apply", "-f", "-"], &object.to_string())?;
        ensure!(applied.is_none(), "{kind}: {applied:?}");
    }
    let status = |who: &str, kind: &str| {
        let text = ready("theirs-0123456789");
        let patch = [
            "patch",
            kind,
            "support",
            "--namespace",
            "team-a",
            "--subresource=status",
            "--type=merge",
            "--patch",
            &text,
        ];
        attempt(&kubectl, who, &patch, "")
    };
    // A policy is in force a moment after it was made.
    until("in force", || {
        let said = status(TENANT, "agentruntime")?;
        ensure!(said.is_some(), "the tenant's status was taken");
        Ok(())
    })
    .await?;
    for kind in ["agentruntime", "agentendpoint", "agentsession"] {
        let said = status(TENANT, kind)?.unwrap_or_default();
        assert!(
            said.contains("status is written by agentcore-operator alone"),
            "{kind}: {said}"
        );
        let said = status(GATEWAY, kind)?;
        assert!(said.is_some(), "{kind}: the gateway only reads");
        assert_eq!(status(CONTROLLER, kind)?, None, "{kind}");
    }
    history_and_reports(&kubectl)?;
    what_aws_refuses_is_warned_of(&kubectl).await?;
    // A namespace ends although it is full of what only the operator writes.
    kubectl.run(&["delete", "namespace", "team-a", "--timeout=60s"], "")?;
    cluster.stop().await
}

/// The schema takes it, for runtimes that were made before AWS refused it.
async fn what_aws_refuses_is_warned_of(kubectl: &Kubectl<'_>) -> anyhow::Result<()> {
    let (kind, spec) = objects().into_iter().next().expect("a runtime");
    let said = |service: Option<Value>| {
        let mut spec = spec.clone();
        if let Some(service) = &service {
            spec["metadataService"] = service.clone();
        }
        let object = json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": kind, "metadata": {"name": "warned", "namespace": "team-a"}, "spec": spec,
        });
        let args = ["create", "--dry-run=server", "-f", "-"];
        let output = kubectl.command(kubectl.0.kubeconfig(), &args, &object.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{service:?}: {said}");
        Ok(said)
    };
    until("warned", || {
        let said = said(Some(json!({"requireMMDSV2": false})))?;
        ensure!(
            said.contains("Warning") && said.contains("spec.metadataService.requireMMDSV2"),
            "{said}"
        );
        Ok(())
    })
    .await?;
    for good in [
        None,
        Some(Value::Null),
        Some(json!({"requireMMDSV2": true})),
    ] {
        assert_eq!(said(good.clone())?, "", "{good:?}");
    }
    Ok(())
}

fn history_and_reports(kubectl: &Kubectl<'_>) -> anyhow::Result<()> {
    let made = |namespace: &str, kind: &str, version: &str, label: &str, name: &str| {
        json!({
            "apiVersion": version, "kind": kind, "data": {},
            "metadata": {"name": name, "namespace": namespace, "labels": {label: "x"}},
        })
    };
    let revision = |label: &str, name: &str| {
        let mut object = made("team-a", "ControllerRevision", "apps/v1", label, name);
        object["revision"] = json!(1);
        object.to_string()
    };
    let report =
        |label: &str, name: &str| made(NAMESPACE, "ConfigMap", "v1", label, name).to_string();
    let create = ["create", "-f", "-"];
    let ours = "agentcore.dev/runtime-uid";
    let cases = [
        (TENANT, revision(ours, "forged"), true),
        (TENANT, revision("app", "of-a-statefulset"), false),
        (CONTROLLER, revision(ours, "kept"), false),
        (
            TENANT,
            report("agentcore.dev/session-report", "forged"),
            true,
        ),
        (TENANT, report("agentcore.dev/record", "forged-too"), true),
        (TENANT, report("app", "settings"), false),
        (
            GATEWAY,
            report("agentcore.dev/session-report", "report"),
            false,
        ),
        (CONTROLLER, report("agentcore.dev/record", "record"), false),
    ];
    for (who, object, refused) in cases {
        let said = attempt(kubectl, who, &create, &object)?;
        assert_eq!(said.is_some(), refused, "{who} {object}: {said:?}");
    }
    for (kind, name, namespace) in [
        ("controllerrevision", "kept", "team-a"),
        ("configmap", "report", NAMESPACE),
        ("configmap", "record", NAMESPACE),
    ] {
        let place = [kind, name, "--namespace", namespace];
        let delete = [&["delete"][..], &place].concat();
        assert!(
            attempt(kubectl, TENANT, &delete, "")?.is_some(),
            "{name} is deleted"
        );
        let unlabel = [
            &["label"][..],
            &place,
            &[
                "agentcore.dev/runtime-uid-",
                "agentcore.dev/session-report-",
                "agentcore.dev/record-",
            ],
        ]
        .concat();
        assert!(
            attempt(kubectl, TENANT, &unlabel, "")?.is_some(),
            "{name} loses its label"
        );
    }
    let delete = ["delete", "configmap", "record", "--namespace", NAMESPACE];
    assert_eq!(attempt(kubectl, CONTROLLER, &delete, "")?, None);
    Ok(())
}
