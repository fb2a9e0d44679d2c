//! Writes Argo CD's settings, `argocd-cm.yaml`, from the scripts in Argo CD's own layout.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;
use serde_yaml::Mapping;

/// Where they stand in the repository.
const FOLDER: &str = "gitops/argo-cd";
/// The group of all kinds, as a folder and in keys.
const GROUP: &str = "agentcore.dev";

const HEAD: &str = "\
# Health and actions of agentcore.dev's kinds for Argo CD, written by `make generate` from resource_customizations/. Merge the keys into the
# ConfigMap that is there:
#   kubectl patch configmap argocd-cm --namespace argocd --patch-file argocd-cm.yaml
";

/// Actions of a kind, as Argo CD reads them.
#[derive(Serialize)]
struct Actions {
    #[serde(rename = "discovery.lua")]
    discovery: String,
    definitions: Vec<Definition>,
}

/// One of them.
#[derive(Serialize)]
struct Definition {
    name: String,
    #[serde(rename = "action.lua")]
    action: String,
}

/// Writes them below this folder.
pub fn write(root: &Path) -> anyhow::Result<()> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scripts = repository
        .join("../..")
        .join(FOLDER)
        .join("resource_customizations")
        .join(GROUP);
    let mut data = Mapping::new();
    for kind in folders(&scripts)? {
        let name = name(&kind)?;
        let health = read(&kind.join("health.lua"))?;
        data.insert(
            format!("resource.customizations.health.{GROUP}_{name}").into(),
            health.into(),
        );
        let actions = serde_yaml::to_string(&actions(&kind.join("actions"))?)?;
        data.insert(
            format!("resource.customizations.actions.{GROUP}_{name}").into(),
            actions.into(),
        );
    }
    let object: serde_yaml::Value = serde_yaml::from_str(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: argocd-cm, namespace: argocd, labels: {app.kubernetes.io/name: argocd-cm, app.kubernetes.io/part-of: argocd}}}",
    )?;
    let mut object: Mapping = serde_yaml::from_value(object)?;
    object.insert("data".into(), data.into());
    let folder = root.join(FOLDER);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join("argocd-cm.yaml");
    std::fs::write(&path, HEAD.to_owned() + &serde_yaml::to_string(&object)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn actions(folder: &Path) -> anyhow::Result<Actions> {
    let mut definitions = Vec::new();
    for action in folders(folder)? {
        let name = name(&action)?;
        if name != "testdata" {
            let action = read(&action.join("action.lua"))?;
            definitions.push(Definition { name, action });
        }
    }
    Ok(Actions {
        discovery: read(&folder.join("discovery.lua"))?,
        definitions,
    })
}

/// Folders of a folder, by name.
fn folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn name(path: &Path) -> anyhow::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(name.context("a name that is no text")?.to_owned())
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
