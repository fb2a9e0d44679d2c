//! Releases as helm makes them: from the first chart to this one, to other values, away, and back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;
use serde_json::{Value, json};
use testcluster::Cluster;

use super::super::support::{Kubectl, NAMESPACE, chart, cluster_with, helm_program, root};
use super::{install_kinds_of_others, object, objects};

/// The chart as it was first packaged.
fn first_chart() -> PathBuf {
    root().join("crates/delivery/tests/fixtures/first-chart.tgz")
}

/// What must stay of an object: what may not change once it exists.
fn inventory(objects: &[Value]) -> BTreeMap<String, Value> {
    objects
        .iter()
        .map(|object| {
            let of = &object["metadata"];
            let name = format!("{} {}/{}", object["kind"], of["namespace"], of["name"]);
            let fixed = json!({
                "apiVersion": object["apiVersion"],
                // That of a Service or a budget may change; that of a Deployment may not.
                "selector": (object["kind"] == "Deployment").then(|| &object["spec"]["selector"]),
                "roleRef": object["roleRef"],
            });
            (name, fixed)
        })
        .collect()
}

fn template(chart: PathBuf, values: &str) -> anyhow::Result<Vec<Value>> {
    let output = Command::new(helm_program())
        .args(["template", "agentcore-operator"])
        .arg(chart)
        .args(["--namespace", NAMESPACE, "--set", values])
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "helm template: {stderr}");
    Ok(objects(&String::from_utf8(output.stdout)?))
}

#[test]
fn everything_that_the_first_chart_made_is_still_made_and_can_be_changed_in_place()
-> anyhow::Result<()> {
    for values in [
        "clusterId=a",
        "clusterId=a,watchNamespaces={team-a,team-b},serviceAccount.name=operator",
        "clusterId=a,replicas=1,crds.keep=false",
    ] {
        let first = inventory(&template(first_chart(), values)?);
        let now = inventory(&template(chart(), values)?);
        assert!(first.len() >= 9, "{first:?}");
        for (name, fixed) in first {
            assert_eq!(now.get(&name), Some(&fixed), "{name}, with {values}");
        }
    }
    Ok(())
}

/// helm on a cluster, with a home of its own.
struct Helm<'a> {
    cluster: &'a Cluster,
    home: tempfile::TempDir,
}

impl Helm<'_> {
    /// Standard output of a command in the chart's namespace; a failure is what helm says of it.
    fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(helm_program())
            .args(["--namespace", NAMESPACE])
            .args(args)
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .env("HELM_CACHE_HOME", self.home.path())
            .env("HELM_CONFIG_HOME", self.home.path())
            .env("HELM_DATA_HOME", self.home.path())
            .output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "helm {args:?}: {stderr}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Installs or upgrades the release `agentcore-operator`.
    fn release(&self, verb: &str, chart: &Path, more: &[&str]) -> anyhow::Result<String> {
        let chart = chart.to_string_lossy().into_owned();
        self.run(&[&[verb, "agentcore-operator", &chart][..], more].concat())
    }

    /// The UID of each object that the release made.
    fn made(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let manifest = self.run(&["get", "manifest", "agentcore-operator"])?;
        let found = Kubectl(self.cluster).run(&["get", "-f", "-", "-o", "json"], &manifest)?;
        let found: Value = serde_json::from_str(&found)?;
        let items = found["items"].as_array().expect("a list").iter();
        Ok(items
            .map(|object| {
                let of = &object["metadata"];
                let name = format!("{} {}/{}", object["kind"], of["namespace"], of["name"]);
                (name, of["uid"].to_string())
            })
            .collect())
    }
}

#[tokio::test]
async fn a_release_of_the_first_chart_is_upgraded_changed_removed_and_made_again_without_loss()
-> anyhow::Result<()> {
    let cluster = cluster_with(&[NAMESPACE, "team-a"]).await?;
    let kubectl = Kubectl(&cluster);
    let helm = Helm {
        cluster: &cluster,
        home: tempfile::tempdir()?,
    };
    let first = ["--set", "clusterId=a,watchNamespaces={team-a}"];
    helm.release("install", &first_chart(), &first)?;
    let before = helm.made()?;
    let crds = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd",
        "--all",
    ];
    kubectl.run(&crds, "")?;
    let example = root().join("examples/support.yaml");
    kubectl.run(&["apply", "-f", &example.to_string_lossy()], "")?;
    let agent = || {
        let get = ["get", "agentruntime", "support", "--namespace", "team-a"];
        let what = "jsonpath={.metadata.uid} {.metadata.resourceVersion}";
        kubectl.run(&[&get[..], &["-o", what]].concat(), "")
    };
    let agent_before = agent()?;

    // The old values lack the new chart's defaults, and helm does not add them by itself.
    let refused = helm.release("upgrade", &chart(), &["--reuse-values"]);
    let refused = refused.expect_err("no defaults").to_string();
    assert!(refused.contains("--reset-then-reuse-values"), "{refused}");

    let gateway = "gateway.enabled=true,gateway.plainHttp=true,gateway.sessionKey.create=true";
    let upgrade = ["--reset-then-reuse-values", "--set", gateway];
    let notes = helm.release("upgrade", &chart(), &upgrade)?;
    assert!(notes.contains("rollout status deployment/agentcore-operator"));
    assert!(notes.contains("helm --namespace agentcore-system test agentcore-operator"));
    let after = helm.made()?;
    for (name, uid) in &before {
        assert_eq!(after.get(name), Some(uid), "{name}: kept, not made anew");
    }
    assert!(after.len() > before.len());
    assert_eq!(
        agent()?,
        agent_before,
        "an upgrade touches no object of ours"
    );

    // Other values, on a cluster that has Prometheus Operator now: nobody had to say so.
    let key = || {
        let secret = "agentcore-operator-gateway-session-key";
        let get = ["get", "secret", secret, "--namespace", NAMESPACE];
        kubectl.run(&[&get[..], &["-o", "jsonpath={.data.key}"]].concat(), "")
    };
    let key_before = key()?;
    assert_eq!(key_before.len(), 44, "32 bytes as base64");
    install_kinds_of_others(&kubectl)?;
    let other = "watchNamespaces=null,serviceMonitor.enabled=true,networkPolicy.enabled=true";
    let other = ["--reset-then-reuse-values", "--set", other];
    helm.release("upgrade", &chart(), &other)?;
    assert_eq!(key()?, key_before, "a key is made once");
    let made = helm.made()?;
    let monitors = made
        .keys()
        .filter(|name| name.contains("ServiceMonitor"))
        .count();
    assert_eq!(monitors, 2);
    let role = ["get", "role", "agentcore-operator", "--namespace", "team-a"];
    assert!(
        kubectl.run(&role, "").is_err(),
        "rights that are not needed"
    );

    let hooks = helm.run(&["get", "hooks", "agentcore-operator"])?;
    let hooks = objects(&hooks);
    let test = object(&hooks, "Pod", "agentcore-operator-test");
    assert_eq!(test["spec"]["containers"][0]["args"][0], "check");

    // Away: what people made, and what it depends on, stays. No node of this cluster runs the Job that would ask for objects before.
    let guard = object(&hooks, "Job", "agentcore-operator-uninstall-guard");
    assert_eq!(
        guard["metadata"]["annotations"]["helm.sh/hook"],
        "pre-delete"
    );
    helm.run(&["uninstall", "agentcore-operator", "--no-hooks", "--wait"])?;
    let here = ["get", "deployments,roles,serviceaccounts,services", "-o"];
    let here = [&here[..], &["name", "--namespace", NAMESPACE]].concat();
    assert_eq!(kubectl.run(&here, "")?, "serviceaccount/default\n");
    assert_eq!(agent()?, agent_before);
    assert_eq!(key()?, key_before);
    let kinds = ["api-resources", "--api-group=agentcore.dev", "-o", "name"];
    assert_eq!(kubectl.run(&kinds, "")?.lines().count(), 4);

    // And back: what stayed belongs to the new release.
    helm.release(
        "install",
        &chart(),
        &["--set", &format!("clusterId=a,{gateway}")],
    )?;
    assert_eq!(agent()?, agent_before);
    assert_eq!(key()?, key_before);
    cluster.stop().await
}
