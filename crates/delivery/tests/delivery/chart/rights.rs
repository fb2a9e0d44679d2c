//! What the chart lets the two programs do, as a real API server judges it.

use anyhow::ensure;
use serde_json::Value;

use super::super::support::{
    Kubectl, NAMESPACE, chart, cluster_with, helm, plain_manifests, values,
};
use super::running::until;
use super::{install_kinds_of_others, objects};

#[tokio::test]
async fn the_api_server_takes_the_chart_without_a_warning_and_a_second_apply_changes_nothing()
-> anyhow::Result<()> {
    let cluster = cluster_with(&[NAMESPACE, "team-a"]).await?;
    let kubectl = Kubectl(&cluster);
    // Warnings come for the Deployment already; an enforced standard would only stop its pods.
    let restricted = "pod-security.kubernetes.io/warn=restricted";
    kubectl.run(&["label", "namespace", NAMESPACE, restricted], "")?;
    let manifests = helm(values("minimal-values.yaml"))?;
    let apply = ["apply", "--server-side", "--validate=strict", "-f", "-"];
    let output = kubectl.command(cluster.kubeconfig(), &apply, &manifests)?;
    let stderr = String::from_utf8(output.stderr)?;
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");

    let generations = [
        "get",
        "-f",
        "-",
        "-o",
        "jsonpath={.items[*].metadata.generation}",
    ];
    let before = kubectl.run(&generations, &manifests)?;
    kubectl.run(&apply, &manifests)?;
    assert_eq!(before, kubectl.run(&generations, &manifests)?);

    let served = kubectl.run(
        &["api-resources", "--api-group=agentcore.dev", "-o", "name"],
        "",
    )?;
    assert_eq!(
        served,
        "agentendpoints.agentcore.dev\nagentgrants.agentcore.dev\nagentruntimes.agentcore.dev\nagentsessions.agentcore.dev\n"
    );

    // What the chart shows of itself in a catalogue, and the example of kustomize, are objects of these kinds.
    let about = std::fs::read_to_string(chart().join("Chart.yaml"))?;
    let about = objects(&about).remove(0);
    let shown = |name: &str| -> Vec<Value> {
        let text = about["annotations"][name].as_str().unwrap();
        serde_yaml::from_str(text).unwrap()
    };
    let dry = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
    for example in shown("artifacthub.io/crdsExamples") {
        kubectl.run(&dry, &example.to_string())?;
    }
    let kinds = shown("artifacthub.io/crds");
    let mut kinds: Vec<&str> = kinds
        .iter()
        .map(|kind| kind["name"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, served.lines().collect::<Vec<_>>());
    let image = shown("artifacthub.io/images")[0]["image"].to_string();
    assert!(manifests.contains(&format!("image: {image}")), "{image}");
    let agents = plain_manifests().join("kustomize");
    let agents = kubectl.run(&["kustomize", &agents.to_string_lossy()], "")?;
    kubectl.run(&dry, &agents)?;
    cluster.stop().await
}

#[tokio::test]
#[allow(clippy::too_many_lines)] // a table of rights
async fn the_operator_may_do_what_it_needs_and_nothing_more() -> anyhow::Result<()> {
    let cluster = cluster_with(&[NAMESPACE]).await?;
    let kubectl = Kubectl(&cluster);
    kubectl.run(
        &["apply", "--server-side", "-f", "-"],
        &helm(values("minimal-values.yaml"))?,
    )?;
    let account = "agentcore-operator";
    for question in [
        &["list", "agentruntimes.agentcore.dev", "--all-namespaces"][..],
        &["watch", "agentendpoints.agentcore.dev", "--all-namespaces"],
        &[
            "patch",
            "agentruntimes.agentcore.dev",
            "--namespace",
            "team-a",
        ],
        &[
            "patch",
            "agentruntimes.agentcore.dev",
            "--subresource=status",
            "--namespace",
            "team-a",
        ],
        &["watch", "agentsessions.agentcore.dev", "--all-namespaces"],
        &[
            "patch",
            "agentsessions.agentcore.dev",
            "--subresource=status",
            "--namespace",
            "team-a",
        ],
        &["create", "events.events.k8s.io", "--namespace", "team-a"],
        &[
            "create",
            "controllerrevisions.apps",
            "--namespace",
            "team-a",
        ],
        &["create", "secrets", "--namespace", NAMESPACE],
        &[
            "get",
            "secrets/agentcore-operator-hash-key",
            "--namespace",
            NAMESPACE,
        ],
        &[
            "create",
            "leases.coordination.k8s.io",
            "--namespace",
            NAMESPACE,
        ],
        &[
            "patch",
            "leases.coordination.k8s.io/agentcore-operator-controller",
            "--namespace",
            NAMESPACE,
        ],
        &["watch", "configmaps", "--namespace", NAMESPACE],
        &["create", "configmaps", "--namespace", NAMESPACE],
        &["delete", "configmaps", "--namespace", NAMESPACE],
        &["list", "namespaces"],
        &["watch", "agentgrants.agentcore.dev"],
        &["get", "namespaces/kube-system"],
    ] {
        assert!(kubectl.can(account, question)?, "may not: {question:?}");
    }
    for question in [
        &[
            "create",
            "agentruntimes.agentcore.dev",
            "--namespace",
            "team-a",
        ][..],
        &[
            "delete",
            "agentendpoints.agentcore.dev",
            "--namespace",
            "team-a",
        ],
        &["get", "secrets", "--namespace", "team-a"],
        &["get", "secrets", "--namespace", NAMESPACE],
        &["get", "configmaps", "--namespace", "team-a"],
        &["create", "secrets", "--namespace", "team-a"],
        &["list", "secrets", "--namespace", NAMESPACE],
        &["patch", "controllerrevisions.apps", "--namespace", "team-a"],
        &["get", "namespaces/team-a"],
        &["create", "agentgrants.agentcore.dev"],
        &["patch", "agentgrants.agentcore.dev"],
        &["create", "configmaps", "--namespace", "team-a"],
        &["patch", "configmaps", "--namespace", NAMESPACE],
        &[
            "patch",
            "leases.coordination.k8s.io/another",
            "--namespace",
            NAMESPACE,
        ],
        &[
            "create",
            "leases.coordination.k8s.io",
            "--namespace",
            "team-a",
        ],
        &["create", "pods", "--namespace", NAMESPACE],
    ] {
        assert!(!kubectl.can(account, question)?, "may: {question:?}");
    }
    cluster.stop().await
}

#[tokio::test]
async fn with_namespaces_named_the_operator_reads_and_records_there_alone_and_finishes_everywhere()
-> anyhow::Result<()> {
    let cluster = cluster_with(&[NAMESPACE, "team-a", "team-b", "team-c"]).await?;
    let kubectl = Kubectl(&cluster);
    install_kinds_of_others(&kubectl)?;
    kubectl.run(
        &["apply", "--server-side", "--validate=strict", "-f", "-"],
        &helm(values("everything-values.yaml"))?,
    )?;
    let may = |question: &[&str]| kubectl.can("operator", question);
    for (namespace, wanted) in [("team-a", true), ("team-b", true), ("team-c", false)] {
        for (verb, what) in [
            ("get", "agentruntimes.agentcore.dev"),
            ("list", "agentruntimes.agentcore.dev"),
            ("watch", "agentsessions.agentcore.dev"),
            ("create", "events.events.k8s.io"),
            ("create", "controllerrevisions.apps"),
        ] {
            let question = [verb, what, "--namespace", namespace];
            assert_eq!(may(&question)?, wanted, "{question:?}");
        }
        // A namespace that is deleted has no RoleBinding any more when its finalizers go.
        for resource in ["agentruntimes", "agentendpoints", "agentsessions"] {
            let what = format!("{resource}.agentcore.dev");
            let patch = ["patch", &what, "--namespace", namespace];
            assert!(may(&patch)?, "{patch:?}");
            assert!(may(&[&patch[..], &["--subresource=status"]].concat())?);
            let update = ["update", &what, "--namespace", namespace];
            assert!(!may(&update)?, "{update:?}");
            assert!(may(&[&update[..], &["--subresource=finalizers"]].concat())?);
        }
    }
    for (namespace, wanted) in [("team-a", true), ("team-b", false), (NAMESPACE, false)] {
        for question in [["get", "secrets"], ["watch", "secrets"]] {
            let question = [question[0], question[1], "--namespace", namespace];
            assert_eq!(may(&question)?, wanted, "{question:?}");
        }
    }
    for verb in ["get", "list", "watch", "create", "patch", "delete"] {
        assert!(!may(&[verb, "secrets", "--all-namespaces"])?, "{verb}");
    }
    // Who may use what is read in the whole cluster.
    for what in ["agentgrants.agentcore.dev", "namespaces"] {
        assert!(may(&["list", what])? && may(&["watch", what])?, "{what}");
    }
    assert!(!may(&[
        "list",
        "agentruntimes.agentcore.dev",
        "--all-namespaces"
    ])?);
    cluster.stop().await
}

#[tokio::test]
async fn the_gateway_may_report_and_compete_for_its_lease_and_nothing_more() -> anyhow::Result<()> {
    let cluster = cluster_with(&[NAMESPACE, "team-a", "team-b"]).await?;
    let kubectl = Kubectl(&cluster);
    install_kinds_of_others(&kubectl)?;
    kubectl.run(
        &["apply", "--server-side", "--validate=strict", "-f", "-"],
        &helm(values("everything-values.yaml"))?,
    )?;
    let account = "agents-gateway";
    let lease = "leases.coordination.k8s.io/agentcore-gateway-drain";
    let other = "leases.coordination.k8s.io/agentcore-operator-controller";
    for (verb, what, namespace, wanted) in [
        ("create", "configmaps", NAMESPACE, true),
        ("patch", "configmaps", NAMESPACE, true),
        ("patch", lease, NAMESPACE, true),
        ("get", "configmaps", NAMESPACE, false),
        ("delete", "configmaps", NAMESPACE, false),
        ("patch", "configmaps", "team-a", false),
        ("get", "secrets", NAMESPACE, false),
        ("patch", other, NAMESPACE, false),
        ("patch", "agentruntimes.agentcore.dev", "team-a", false),
        ("list", "agentruntimes.agentcore.dev", "team-a", true),
        // Names of runtimes are made with its UID.
        ("get", "namespaces/kube-system", NAMESPACE, true),
        ("get", "namespaces/team-a", NAMESPACE, false),
        (
            "create",
            "tokenreviews.authentication.k8s.io",
            "team-a",
            true,
        ),
        (
            "create",
            "subjectaccessreviews.authorization.k8s.io",
            "team-a",
            true,
        ),
    ] {
        let question = [verb, what, "--namespace", namespace];
        assert_eq!(kubectl.can(account, &question)?, wanted, "{question:?}");
    }
    cluster.stop().await
}

#[tokio::test]
async fn people_get_rights_on_the_kinds_with_the_roles_that_they_have() -> anyhow::Result<()> {
    let cluster = cluster_with(&[NAMESPACE, "team-a"]).await?;
    let kubectl = Kubectl(&cluster);
    let aggregate = ["--set", "clusterId=a,rbac.aggregate=true"];
    kubectl.run(&["apply", "--server-side", "-f", "-"], &helm(aggregate)?)?;
    for role in ["view", "edit"] {
        let binding = ["create", "rolebinding", role, "--clusterrole", role];
        let whose = ["--user", role, "--namespace", "team-a"];
        kubectl.run(&[&binding[..], &whose].concat(), "")?;
    }
    let may = |user: &str, verb: &str| -> anyhow::Result<bool> {
        let question = ["auth", "can-i", "--quiet", "--as", user, verb];
        let what = ["agentruntimes.agentcore.dev", "--namespace", "team-a"];
        let question = [&question[..], &what].concat();
        let output = kubectl.command(cluster.kubeconfig(), &question, "")?;
        Ok(output.status.success())
    };
    // A controller adds the rules to the built-in roles.
    until("added to the roles", || {
        ensure!(may("edit", "delete")? && may("view", "list")?);
        Ok(())
    })
    .await?;
    assert!(may("edit", "create")? && may("edit", "get")?);
    assert!(!may("view", "create")?);
    for verb in ["get", "create", "patch"] {
        let question = [
            "auth",
            "can-i",
            "--quiet",
            "--as",
            "edit",
            verb,
            "agentgrants.agentcore.dev",
        ];
        let output = kubectl.command(cluster.kubeconfig(), &question, "")?;
        assert!(!output.status.success(), "edit may {verb} grants");
    }
    cluster.stop().await
}
