//! What the API server itself accepts and refuses: every limit in the CRDs, on a real API server.
//!
//! The tables hold, for each limit, manifests on both sides of it. [`every_limit_is_kept_and_named`] also finds a limit
//! that no table tries.

#[path = "fixtures/admission/authorizer.rs"]
mod authorizer;
#[path = "fixtures/admission/endpoint.rs"]
mod endpoint;
#[path = "fixtures/admission/grant.rs"]
mod grant;
#[path = "fixtures/admission/limits.rs"]
mod limits;
#[path = "fixtures/admission/rolls.rs"]
mod rolls;
#[path = "fixtures/admission/runtime.rs"]
mod runtime;
#[path = "fixtures/admission/session.rs"]
mod session;
#[path = "fixtures/admission/surroundings.rs"]
mod surroundings;
#[path = "fixtures/admission/table.rs"]
mod table;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, PostParams, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::response::StatusCause;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Config};
use serde_json::{Value, json};
use testcluster::Cluster;

use table::{Case, set};

/// A cluster with the CRDs in place.
async fn cluster() -> anyhow::Result<(Cluster, Client)> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default(); // another test may have been first
    let cluster = Cluster::start().await?;
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig())?;
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.proxy_url = None;
    let client = Client::try_from(config)?;
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    for crd in agentcore_api::crds() {
        let name = crd.spec.names.plural.clone() + "." + &crd.spec.group;
        crds.create(&PostParams::default(), &crd)
            .await
            .with_context(|| format!("create CRD {name}"))?;
        let established = await_condition(crds.clone(), &name, conditions::is_crd_established());
        tokio::time::timeout(Duration::from_mins(1), established)
            .await
            .with_context(|| format!("CRD {name}"))??;
    }
    Ok((cluster, client))
}

fn collection(object: &Value) -> String {
    let plural = object["kind"]
        .as_str()
        .expect("every object has a kind")
        .to_lowercase()
        + "s";
    if plural == "agentgrants" {
        return format!("/apis/agentcore.dev/v1alpha1/{plural}");
    }
    format!("/apis/agentcore.dev/v1alpha1/namespaces/default/{plural}")
}

/// Creates (or replaces) an object. Fields that the schema does not know are an error.
async fn send(
    client: &Client,
    object: &Value,
    replace: bool,
    dry_run: bool,
) -> kube::Result<Value> {
    let params = PostParams {
        dry_run,
        ..PostParams::default()
    };
    let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
    let request = Request::new(collection(object));
    let mut request = if replace {
        let name = object["metadata"]["name"]
            .as_str()
            .expect("every object has a name");
        request.replace(name, &params, body)
    } else {
        request.create(&params, body)
    }
    .map_err(kube::Error::BuildRequest)?;
    let uri = request.uri().to_string();
    let joint = if uri.ends_with('?') || uri.ends_with('&') {
        ""
    } else if uri.contains('?') {
        "&"
    } else {
        "?"
    };
    *request.uri_mut() = format!("{uri}{joint}fieldValidation=Strict")
        .parse()
        .expect("a query parameter more");
    client.request(request).await
}

/// The causes of a refusal; an answer of another kind is an error of the test.
fn causes(answer: kube::Result<Value>) -> anyhow::Result<Vec<StatusCause>> {
    match answer {
        Ok(_) => Ok(Vec::new()),
        Err(kube::Error::Api(status)) if status.code == 422 => Ok(status
            .details
            .map(|details| details.causes)
            .unwrap_or_default()),
        Err(other) => Err(other.into()),
    }
}

#[tokio::test]
async fn every_limit_is_kept_and_named() -> anyhow::Result<()> {
    let (cluster, client) = cluster().await?;
    let mut wanted = BTreeSet::new();
    for crd in agentcore_api::crds() {
        let schema = serde_json::to_value(&crd.spec.versions[0].schema)?;
        let spec = &schema["openAPIV3Schema"]["properties"]["spec"];
        let mut of_kind = BTreeSet::new();
        limits::of_schema("spec", spec, &mut of_kind);
        wanted.extend(
            of_kind
                .into_iter()
                .map(|(path, word)| (crd.spec.names.kind.clone(), path, word)),
        );
    }
    let ends_as_map =
        |(_, path, _): &(String, String, String)| path.strip_suffix("{}").map(str::to_owned);
    let maps: Vec<_> = wanted.iter().filter_map(ends_as_map).collect();

    let mut wrong = Vec::new();
    let tables = [
        runtime::cases(),
        authorizer::cases(),
        endpoint::cases(),
        session::cases(),
        grant::cases(),
    ];
    for case in tables.iter().flatten() {
        let causes = causes(send(&client, &case.object, false, true).await)
            .with_context(|| case.title.clone())?;
        wrong.extend(case.judge(&causes));
        let kind = case.object["kind"].as_str().unwrap_or_default();
        for cause in causes {
            let at = limits::place(&cause.field, &maps);
            wanted.retain(|(of, path, word)| {
                of != kind || *path != at || !limits::speaks_of(&cause.message, word)
            });
        }
    }
    cluster.stop().await?;
    assert!(
        wrong.is_empty(),
        "{} manifests judged wrongly:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        wanted.is_empty(),
        "limits that no manifest of the tables breaks:\n{wanted:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_fixed_at_creation_is_neither_changed_nor_removed_nor_added() -> anyhow::Result<()>
{
    let (cluster, client) = cluster().await?;
    let mut wrong = Vec::new();
    for (minimal, field, before, after) in [
        (
            runtime::minimal(),
            "runtimeName",
            json!("one"),
            json!("two"),
        ),
        (
            runtime::minimal(),
            "region",
            json!("us-east-1"),
            json!("us-west-2"),
        ),
        (
            endpoint::minimal(),
            "endpointName",
            json!("one"),
            json!("two"),
        ),
    ] {
        let pointer = format!("/spec/{field}");
        for (number, (first, second)) in [
            (before.clone(), after),
            (before.clone(), Value::Null),
            (Value::Null, before),
        ]
        .into_iter()
        .enumerate()
        {
            let mut object = minimal.clone();
            set(
                &mut object,
                "/metadata/name",
                json!(format!("{}-{number}", field.to_lowercase())),
            );
            if !first.is_null() {
                set(&mut object, &pointer, first.clone());
            }
            let mut stored = send(&client, &object, false, false).await?;
            set(&mut stored, "/spec/description", json!("edited"));
            let mut stored = send(&client, &stored, true, false)
                .await
                .context("another field may change")?;
            set(&mut stored, &pointer, second.clone());
            let says = format!(
                "spec.{field} is fixed at creation: it cannot be changed, removed or added later"
            );
            let title = format!("{field} {first} -> {second}");
            let case = Case {
                title,
                object: stored,
                refused: Some(vec![format!("spec.{field}: "), says]),
            };
            wrong.extend(case.judge(&causes(send(&client, &case.object, true, true).await)?));
        }
    }
    for (minimal, field, removed) in [
        (endpoint::minimal(), "runtimeRef", ""),
        (session::minimal(), "endpointRef", ", removed or added"),
    ] {
        let mut stored = send(&client, &minimal, false, false).await?;
        set(&mut stored, &format!("/spec/{field}/name"), json!("other"));
        let says = vec![
            format!("spec.{field}: "),
            format!("spec.{field} is fixed at creation: it cannot be changed{removed} later"),
        ];
        let case = Case {
            title: field.into(),
            object: stored,
            refused: Some(says),
        };
        wrong.extend(case.judge(&causes(send(&client, &case.object, true, true).await)?));
    }
    cluster.stop().await?;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn what_is_not_fixed_may_come_change_and_go() -> anyhow::Result<()> {
    let (cluster, client) = cluster().await?;
    let mut stored = send(&client, &runtime::minimal(), false, false).await?;
    let code = json!({ "runtime": "NODE_22", "entryPoint": ["main.js"], "s3": { "bucket": "team-a-code", "prefix": "app.zip" } });
    for (pointer, value) in [
        ("/spec/adopt", json!({ "runtimeId": "support-abcdefghij" })),
        ("/spec/adopt/apply", json!(true)),
        ("/spec/adopt", Value::Null),
        ("/spec/suspend", json!(true)),
        ("/spec/suspend", Value::Null),
        ("/spec/deletionPolicy", json!("Retain")),
        ("/spec/deletionPolicy", Value::Null),
        ("/spec/artifact", json!({ "code": code })),
    ] {
        set(&mut stored, pointer, value.clone());
        stored = send(&client, &stored, true, false)
            .await
            .with_context(|| format!("{pointer} -> {value}"))?;
    }
    let mut stored = send(&client, &endpoint::minimal(), false, false).await?;
    for version in ["7", "Latest"] {
        set(&mut stored, "/spec/version", json!(version));
        stored = send(&client, &stored, true, false)
            .await
            .with_context(|| version.to_owned())?;
    }
    cluster.stop().await
}

#[tokio::test]
async fn a_new_object_has_the_unobserved_status_and_null_counts_as_absent() -> anyhow::Result<()> {
    let (cluster, client) = cluster().await?;
    for mut object in [runtime::minimal(), endpoint::minimal()] {
        let spec = object["spec"].clone();
        object["spec"]["tags"] = Value::Null;
        object["spec"]["suspend"] = Value::Null;
        let mut stored = send(&client, &object, false, false).await?;
        assert_eq!(stored["status"], json!({ "observedGeneration": -1 }));
        let fields = stored["spec"].as_object_mut().context("a spec")?;
        fields.retain(|_, value| !value.is_null());
        assert_eq!(stored["spec"], spec, "no default");
    }
    cluster.stop().await
}

fn kubectl(cluster: &Cluster, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(cluster.kubectl());
    for proxy in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(proxy);
    }
    command
        .args(arguments)
        .env("KUBECONFIG", cluster.kubeconfig())
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().context("run kubectl")?;
    let error = String::from_utf8_lossy(&stderr);
    ensure!(status.success(), "kubectl {arguments:?}: {error}");
    ensure!(!error.contains("Warning"), "kubectl {arguments:?}: {error}");
    Ok(String::from_utf8(stdout)?)
}

#[tokio::test]
async fn the_crds_and_examples_apply_cleanly_and_a_second_apply_changes_nothing()
-> anyhow::Result<()> {
    let (cluster, _) = cluster().await?;
    kubectl(
        &cluster,
        &["apply", "--server-side", "--force-conflicts", "-f", "crds/"],
    )?;
    let mut files = Vec::new();
    for folder in ["examples", "examples/full"] {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                files.push(
                    path.to_str()
                        .context("a name that is not UTF-8")?
                        .to_owned(),
                );
            }
        }
    }
    files.sort();
    let mut namespaces = BTreeSet::new();
    ensure!(files.len() >= 4, "only {files:?}");
    for (mode, flags) in [
        ("client-side", &["--validate=strict"][..]),
        ("server-side", &["--server-side", "--validate=strict"][..]),
    ] {
        for file in &files {
            let text = std::fs::read_to_string(file)?;
            let object: Value = serde_yaml::from_str(&text)?;
            let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
            let (kind, name) = (
                kind.as_str().context("kind")?,
                name.as_str().context("name")?,
            );
            let namespace = object["metadata"]["namespace"]
                .as_str()
                .context("namespace")?;
            let apply = [&["apply", "-f", file.as_str()], flags].concat();
            let read = [
                "get",
                kind,
                name,
                "-n",
                namespace,
                "-o",
                "jsonpath={.metadata.resourceVersion} {.metadata.generation}",
            ];
            if !namespaces.contains(namespace) {
                kubectl(&cluster, &["create", "namespace", namespace])?;
                namespaces.insert(namespace.to_owned());
            }
            kubectl(&cluster, &apply)?;
            // As its controller does at once. Until then the default of .status is not stored, and any write stores it.
            let seen = r#"--patch={"status":{"observedGeneration":1}}"#;
            kubectl(
                &cluster,
                &[
                    "patch",
                    kind,
                    name,
                    "-n",
                    namespace,
                    "--subresource=status",
                    "--type=merge",
                    seen,
                ],
            )?;
            let first = kubectl(&cluster, &read)?;
            kubectl(&cluster, &apply)?;
            assert_eq!(
                first,
                kubectl(&cluster, &read)?,
                "{file}, {mode}: the second apply changed the object"
            );
            // Full and minimal examples share names.
            kubectl(
                &cluster,
                &["delete", kind, name, "-n", namespace, "--timeout=60s"],
            )?;
        }
    }
    cluster.stop().await
}
