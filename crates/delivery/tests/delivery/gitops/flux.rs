//! Flux' health check expressions, in the order in which its controllers evaluate them.

use std::collections::BTreeMap;

use cel::{Context, Program, Value as Cel};
use serde::Deserialize as _;
use serde_json::Value;

use super::table::KINDS;
use crate::support::root;

/// The expressions of a kind.
pub struct Expressions {
    in_progress: Program,
    failed: Program,
    current: Program,
}

/// All documents of a file.
fn documents(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    serde_yaml::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

/// Those of the example.
pub fn expressions() -> BTreeMap<String, Expressions> {
    let documents = documents("gitops/flux/agents.yaml");
    let kustomization = documents
        .iter()
        .find(|it| it["kind"] == "Kustomization")
        .unwrap();
    let listed = kustomization["spec"]["healthCheckExprs"]
        .as_array()
        .unwrap();
    let compiled = |one: &Value, name: &str| {
        let text = one[name].as_str().unwrap();
        Program::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    listed
        .iter()
        .map(|one| {
            assert_eq!(one["apiVersion"], "agentcore.dev/v1alpha1");
            let expressions = Expressions {
                in_progress: compiled(one, "inProgress"),
                failed: compiled(one, "failed"),
                current: compiled(one, "current"),
            };
            (one["kind"].as_str().unwrap().to_owned(), expressions)
        })
        .collect()
}

impl Expressions {
    /// What Flux says of an object; an error would fail the health check.
    pub fn evaluate(&self, object: &Value) -> Result<&'static str, String> {
        if object["status"]["observedGeneration"] != object["metadata"]["generation"] {
            return Ok("InProgress");
        }
        let mut context = Context::default();
        for (name, value) in object.as_object().unwrap() {
            let value = cel::to_value(value).map_err(|error| error.to_string())?;
            context.add_variable_from_value(name, value);
        }
        let steps = [
            (&self.in_progress, "InProgress"),
            (&self.failed, "Failed"),
            (&self.current, "Current"),
        ];
        for (program, status) in steps {
            match program.execute(&context) {
                Ok(Cel::Bool(true)) => return Ok(status),
                Ok(Cel::Bool(false)) => {}
                other => return Err(format!("{status}: {other:?}")),
            }
        }
        Ok("InProgress")
    }
}

#[test]
fn the_examples_are_whole_and_name_each_other() {
    assert_eq!(
        expressions().keys().map(String::as_str).collect::<Vec<_>>(),
        {
            let mut kinds = KINDS;
            kinds.sort_unstable();
            kinds
        }
    );
    let mut all = documents("gitops/flux/agents.yaml");
    all.extend(documents("gitops/flux/image-automation.yaml"));
    let name = |kind: &str| {
        let found = all.iter().find(|it| it["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}"))["metadata"]["name"].clone()
    };
    let referred = |kind: &str, path: &str| {
        let found = all.iter().find(|it| it["kind"] == kind).unwrap();
        found
            .pointer(path)
            .unwrap_or_else(|| panic!("{kind} has no {path}"))
            .clone()
    };
    assert_eq!(
        referred("Kustomization", "/spec/sourceRef/name"),
        name("GitRepository")
    );
    assert_eq!(
        referred("ImageUpdateAutomation", "/spec/sourceRef/name"),
        name("GitRepository")
    );
    assert_eq!(
        referred("ImagePolicy", "/spec/imageRepositoryRef/name"),
        name("ImageRepository")
    );
    assert_eq!(referred("Kustomization", "/spec/wait"), true);
    let checks = all
        .iter()
        .filter_map(|it| it["spec"]["healthChecks"].as_array());
    let checks: Vec<_> = checks.flatten().collect();
    assert!(!checks.is_empty());
    for check in checks {
        assert_eq!(check["apiVersion"], "agentcore.dev/v1alpha1");
        assert!(KINDS.contains(&check["kind"].as_str().unwrap()), "{check}");
    }
    // The marker in the comment names the policy.
    let text = std::fs::read_to_string(root().join("gitops/flux/image-automation.yaml")).unwrap();
    let marker = format!(
        "{{\"$imagepolicy\": \"team-a:{}\"}}",
        name("ImagePolicy").as_str().unwrap()
    );
    assert!(text.contains(&marker), "no {marker}");
}
