//! The Helm chart, as helm renders it and as a real API server sees it.

mod accepted;
mod admission;
mod conform;
mod elsewhere;
mod programs;
mod release;
mod rendering;
mod rights;
mod running;

use std::path::PathBuf;

use serde::Deserialize as _;
use serde_json::Value;

use super::support::{Kubectl, chart, root};

/// The objects of a YAML stream, comments and empty documents left out.
pub fn objects(yaml: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(yaml)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .filter(|object| !object.is_null())
        .collect()
}

/// The one object of this kind and name.
pub fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects
        .iter()
        .filter(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    let first = found
        .next()
        .unwrap_or_else(|| panic!("there is no {kind} {name}"));
    assert!(found.next().is_none(), "there are several {kind} {name}");
    first
}

/// Every file of values that the chart is tried with.
pub fn all_values() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(chart().join("ci"))
        .expect("the chart has a folder ci/")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files
}

/// Definitions of other projects' kinds that the chart makes objects of, with the fields that it uses.
pub fn install_kinds_of_others(kubectl: &Kubectl<'_>) -> anyhow::Result<()> {
    let definitions = root().join("crates/delivery/tests/fixtures/kinds-of-others.yaml");
    let definitions = std::fs::read_to_string(definitions)?;
    kubectl.run(&["apply", "--server-side", "-f", "-"], &definitions)?;
    let established = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "-f",
        "-",
    ];
    kubectl.run(&established, &definitions)?;
    Ok(())
}
