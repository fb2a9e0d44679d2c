//! Examples: each is accepted by a real API server, and together they show every field.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::super::support::{Kubectl, cluster_with, root};

/// Manifests of a folder below examples/, with their texts.
fn manifests(folder: &str) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(root().join("examples").join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect();
    files.sort();
    files
}

/// Paths of all leaves of a value; indexes of lists and keys of maps are left to the schema.
fn leaves(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    let properties = schema["properties"].as_object();
    for (name, property) in properties.into_iter().flatten() {
        leaves(&format!("{path}.{name}"), property, found);
    }
    if schema["items"]["properties"].is_object() {
        leaves(path, &schema["items"], found);
    } else if properties.is_none() {
        found.insert(path.to_owned());
    }
}

fn shown(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    found.insert(path.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                shown(&format!("{path}.{name}"), member, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                shown(path, item, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_field_of_every_spec_is_shown_by_an_example() {
    let examples: Vec<Value> = ["fields", "full", ""]
        .iter()
        .flat_map(|folder| manifests(folder))
        .map(|(_, text)| serde_yaml::from_str(&text).unwrap())
        .collect();
    for crd in agentcore_api::crds() {
        let crd = serde_json::to_value(crd).unwrap();
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let (mut wanted, mut found) = (BTreeSet::new(), BTreeSet::new());
        leaves("spec", schema, &mut wanted);
        for example in examples.iter().filter(|example| example["kind"] == kind) {
            shown("spec", &example["spec"], &mut found);
        }
        let missing: Vec<_> = wanted
            .difference(&found)
            // One and the same structure: shown where it is used the first time.
            .filter(|path| !path.contains("privateEndpointOverrides"))
            .collect();
        assert!(missing.is_empty(), "{kind}: no example shows {missing:?}");
    }
}

#[tokio::test]
async fn an_api_server_takes_every_example_of_a_field_without_a_warning() -> anyhow::Result<()> {
    let cluster = cluster_with(&["team-a"]).await?;
    let kubectl = Kubectl(&cluster);
    let crds = root().join("crds");
    let crds = crds.to_string_lossy();
    kubectl.run(&["apply", "--server-side", "-f", &crds], "")?;
    kubectl.run(&["wait", "--for=condition=Established", "-f", &crds], "")?;
    let mut all = String::new();
    for (path, text) in manifests("fields") {
        let own = path.file_stem().unwrap().to_string_lossy().into_owned();
        anyhow::ensure!(text.starts_with("# Shows: "), "{own} says what it shows");
        all.push_str("---\n");
        all.push_str(&text);
    }
    let apply = [
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
    ];
    let output = kubectl.command(cluster.kubeconfig(), &apply, &all)?;
    let stderr = String::from_utf8(output.stderr)?;
    anyhow::ensure!(output.status.success() && stderr.is_empty(), "{stderr}");
    let accepted = String::from_utf8(output.stdout)?;
    anyhow::ensure!(
        accepted.lines().count() == manifests("fields").len(),
        "{accepted}"
    );
    cluster.stop().await
}
