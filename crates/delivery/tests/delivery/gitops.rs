//! GitOps: health and actions of Argo CD, the rules of kstatus, Flux' expressions, on objects as the operator writes them; and that it
//! leaves specs alone.
//!
//! The objects below `gitops/argo-cd/resource_customizations/*/*/testdata` were read from an API server while the operator worked on them
//! against the local AgentCore.

mod flux;
mod kstatus;
mod lua;
mod scripts;
mod server;
mod table;

use std::path::PathBuf;

use serde_json::Value;

use super::support::root;

/// The scripts and objects of the kinds, in Argo CD's layout.
fn folder(kind: &str) -> PathBuf {
    root()
        .join("gitops/argo-cd/resource_customizations/agentcore.dev")
        .join(kind)
}

/// A file of a kind.
fn text(kind: &str, path: &str) -> String {
    let path = folder(kind).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An object of a kind.
fn object(kind: &str, path: &str) -> Value {
    serde_yaml::from_str(&text(kind, path)).unwrap()
}

/// The condition of a type.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
}
