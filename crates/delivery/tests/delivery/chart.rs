//! The Helm chart as a real API server sees it: rendered by helm, applied by kubectl.

use super::support::{Kubectl, NAMESPACE, cluster_with, helm, values};

#[tokio::test]
async fn the_api_server_takes_the_chart_without_a_warning_and_a_second_apply_changes_nothing()
-> anyhow::Result<()> {
    let cluster = cluster_with(&[NAMESPACE]).await?;
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
        "agentendpoints.agentcore.dev\nagentruntimes.agentcore.dev\nagentsessions.agentcore.dev\n"
    );
    cluster.stop().await
}

#[tokio::test]
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
        &["list", "namespaces"],
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
async fn with_namespaces_named_the_operator_has_no_rights_elsewhere() -> anyhow::Result<()> {
    let cluster = cluster_with(&[NAMESPACE, "team-a", "team-b", "team-c"]).await?;
    let kubectl = Kubectl(&cluster);
    kubectl.run(
        &["apply", "--server-side", "--validate=strict", "-f", "-"],
        &helm(values("everything-values.yaml"))?,
    )?;
    for (namespace, wanted) in [("team-a", true), ("team-b", true), ("team-c", false)] {
        for verb in ["list", "watch", "patch"] {
            let question = [
                verb,
                "agentruntimes.agentcore.dev",
                "--namespace",
                namespace,
            ];
            assert_eq!(kubectl.can("operator", &question)?, wanted, "{question:?}");
        }
    }
    for (namespace, wanted) in [("team-a", true), ("team-b", false)] {
        for question in [["get", "secrets"], ["watch", "configmaps"]] {
            let question = [question[0], question[1], "--namespace", namespace];
            assert_eq!(kubectl.can("operator", &question)?, wanted, "{question:?}");
        }
    }
    assert!(!kubectl.can(
        "operator",
        &["list", "agentruntimes.agentcore.dev", "--all-namespaces"]
    )?);
    cluster.stop().await
}

#[test]
fn the_chart_refuses_to_render_without_a_cluster_id() {
    let error = helm::<&str>([]).unwrap_err().to_string();
    assert!(error.contains("clusterId"), "{error}");
}

#[test]
fn unknown_values_and_tags_of_others_are_refused() {
    for (value, word) in [
        ("replica=2", "replica"),
        (
            "defaultTags.agentcore\\.dev/cluster=x",
            "agentcore.dev/cluster",
        ),
    ] {
        let error = helm(["--set", "clusterId=a", "--set", value])
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{value}: {error}");
    }
}

#[test]
fn custom_resource_definitions_can_be_left_out_and_are_kept_unless_told_otherwise() {
    let rendered = |more: &[&str]| helm([&["--set", "clusterId=a"], more].concat()).unwrap();
    let keep = "helm.sh/resource-policy: keep";
    let kind = "kind: CustomResourceDefinition";
    assert_eq!(rendered(&[]).matches(kind).count(), 3);
    assert_eq!(rendered(&[]).matches(keep).count(), 3);
    assert_eq!(
        rendered(&["--set", "crds.keep=false"])
            .matches(keep)
            .count(),
        0
    );
    assert_eq!(
        rendered(&["--set", "crds.enabled=false"])
            .matches(kind)
            .count(),
        0
    );
}

#[tokio::test]
async fn the_gateway_may_report_and_compete_for_its_lease_and_nothing_more() -> anyhow::Result<()> {
    let cluster = cluster_with(&[NAMESPACE, "team-a", "team-b"]).await?;
    let kubectl = Kubectl(&cluster);
    kubectl.run(
        &["apply", "--server-side", "--validate=strict", "-f", "-"],
        &helm(values("everything-values.yaml"))?,
    )?;
    let account = "agentcore-operator-gateway";
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
    ] {
        let question = [verb, what, "--namespace", namespace];
        assert_eq!(kubectl.can(account, &question)?, wanted, "{question:?}");
    }
    cluster.stop().await
}

#[test]
fn several_gateways_need_a_ledger_and_a_key_that_they_share() {
    let gateway = [
        "--set",
        "clusterId=a",
        "--set",
        "gateway.enabled=true",
        "--set",
        "gateway.plainHttp=true",
        "--set",
        "gateway.replicas=2",
    ];
    let ledger = ["--set", "gateway.ledger.url=redis://valkey:6379"];
    let key = ["--set", "gateway.sessionKey.existingSecret=key"];
    for (more, word) in [
        (&key[..], "gateway.ledger"),
        (&ledger[..], "gateway.sessionKey"),
    ] {
        let error = helm([&gateway[..], more].concat()).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let rendered = helm([&gateway[..], &ledger[..], &key[..]].concat()).unwrap();
    assert!(
        rendered.contains("--ledger=redis://valkey:6379"),
        "{rendered}"
    );
    assert!(rendered.contains("replicas: 2"));
}
