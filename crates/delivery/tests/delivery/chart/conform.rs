//! What kubeconform says, which many pipelines run: the same objects against JSON Schemas, made here from what the API server publishes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::ensure;
use serde_json::{Value, json};

use super::super::support::{Kubectl, NAMESPACE, cluster_with, helm, plain_manifests, tool};
use super::accepted::deliveries;
use super::install_kinds_of_others;
use super::running::until;

/// Where kubeconform finds the schema of a kind. The group of the core is its version.
const LOCATION: &str = "{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json";

/// An OpenAPI 2 schema as a JSON Schema that refuses fields which are not there.
fn strict(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(strict),
        Value::Object(fields) => {
            let either = fields.get("format") == Some(&json!("int-or-string"))
                || fields.get("x-kubernetes-int-or-string") == Some(&json!(true));
            if either {
                fields.insert("type".to_owned(), json!(["string", "integer"]));
                fields.remove("format");
            }
            let open = fields.contains_key("additionalProperties")
                || fields.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
            // `properties` may be a field's name as well: it holds schemas only beside a type.
            let object = fields.get("type") == Some(&json!("object"))
                && fields.get("properties").is_some_and(Value::is_object);
            if object && !open {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            fields.values_mut().for_each(strict);
        }
        _ => {}
    }
}

/// Writes a file for each kind that the API server knows, and one with all that they refer to; how many kinds there are.
fn write_schemas(kubectl: &Kubectl<'_>, folder: &Path) -> anyhow::Result<usize> {
    let published: Value =
        serde_json::from_str(&kubectl.run(&["get", "--raw", "/openapi/v2"], "")?)?;
    let mut definitions = published["definitions"].clone();
    strict(&mut definitions);
    let any = "io.k8s.apimachinery.pkg.api.resource.Quantity";
    definitions[any]["type"] = json!(["string", "number"]);
    let mut files = BTreeMap::new();
    for (name, definition) in published["definitions"].as_object().unwrap() {
        let Some(kinds) = definition["x-kubernetes-group-version-kind"].as_array() else {
            continue;
        };
        for kind in kinds {
            let of = |field: &str| kind[field].as_str().unwrap_or_default();
            let group = if of("group").is_empty() {
                of("version")
            } else {
                of("group")
            };
            let file = format!(
                "{group}/{}_{}.json",
                of("kind").to_lowercase(),
                of("version")
            );
            let schema = json!({"$ref": format!("../definitions.json#/definitions/{name}")});
            files.insert(file, schema);
        }
    }
    let all = json!({"definitions": definitions}).to_string();
    std::fs::write(folder.join("definitions.json"), all)?;
    for (file, schema) in &files {
        let file = folder.join(file);
        std::fs::create_dir_all(file.parent().unwrap())?;
        std::fs::write(file, schema.to_string())?;
    }
    Ok(files.len())
}

/// Runs kubeconform on manifests.
fn conform(program: &Path, schemas: &Path, manifests: &str) -> anyhow::Result<Output> {
    let mut child = Command::new(program)
        .args(["-strict", "-summary", "-output", "text"])
        .arg("-schema-location")
        .arg(schemas.join(LOCATION))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .unwrap()
        .write_all(manifests.as_bytes())?;
    Ok(child.wait_with_output()?)
}

#[tokio::test]
async fn kubeconform_finds_nothing_in_any_delivery() -> anyhow::Result<()> {
    let cluster = cluster_with(&[NAMESPACE]).await?;
    let kubectl = Kubectl(&cluster);
    install_kinds_of_others(&kubectl)?;
    let minimal = helm(["--set", "clusterId=a"])?;
    kubectl.run(&["apply", "--server-side", "-f", "-"], &minimal)?;
    // Kinds are published a moment after they are served.
    until("published", || {
        let published = kubectl.run(&["get", "--raw", "/openapi/v2"], "")?;
        ensure!(published.contains("dev.agentcore.v1alpha1.AgentSession"));
        Ok(())
    })
    .await?;
    let folder = tempfile::tempdir()?;
    let kinds = write_schemas(&kubectl, folder.path())?;
    assert!(kinds > 100, "{kinds}");
    let program = tool("kubeconform");
    let agents = plain_manifests().join("kustomize");
    let agents = kubectl.run(&["kustomize", &agents.to_string_lossy()], "")?;
    let mut all = deliveries(&kubectl)?;
    all.push(("kustomize".to_owned(), agents));
    for (name, manifests) in all {
        let output = conform(&program, folder.path(), &manifests)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && said.contains("Skipped: 0"),
            "{name}: {said}"
        );
    }
    for (right, wrong) in [
        ("maxUnavailable:", "maxUnavailabel:"),
        ("containerPort: 9090", "containerPort: admin"),
    ] {
        let output = conform(&program, folder.path(), &minimal.replace(right, wrong))?;
        assert!(!output.status.success(), "{wrong} is not found");
    }
    cluster.stop().await
}
