//! Rules about dependencies, from what cargo makes of the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::root;

/// Which of ours each package may use in its programs and libraries. What is not here may use none.
const OURS: &[(&str, &[&str])] = &[
    ("agentcore-api", &[]),
    ("agentcore-plan", &["agentcore-api"]),
    ("agentcore-invoke", &["agentcore-api"]),
    ("agentcore-cluster", &["agentcore-api", "agentcore-plan"]),
    ("agentcore-process", &["agentcore-api", "agentcore-cluster"]),
    (
        "agentcore-aws",
        &[
            "agentcore-api",
            "agentcore-plan",
            "agentcore-invoke",
            "agentcore-cluster",
        ],
    ),
    (
        "agentcore-controller",
        &[
            "agentcore-api",
            "agentcore-plan",
            "agentcore-invoke",
            "agentcore-cluster",
            "agentcore-process",
            "agentcore-aws",
        ],
    ),
    (
        "agentcore-gateway",
        &[
            "agentcore-api",
            "agentcore-invoke",
            "agentcore-cluster",
            "agentcore-process",
        ],
    ),
    (
        "agentcore-operator",
        &[
            "agentcore-api",
            "agentcore-plan",
            "agentcore-cluster",
            "agentcore-process",
            "agentcore-controller",
            "agentcore-gateway",
        ],
    ),
    ("agentcore-delivery", &["agentcore-api"]),
    (
        "agentcore-cli",
        &["agentcore-api", "agentcore-plan", "agentcore-invoke"],
    ),
];

/// Which of ours tests may use besides.
const OURS_IN_TESTS: &[&str] = &[
    "agentcore-aws",
    "agentcore-invoke",
    "agentcore-sim",
    "testcluster",
    "testfuzz",
    "agentcore-agent",
];

/// Packages that use none of ours, not even in tests: a second opinion, the agent, and the ground that all stand on.
const STRANGERS: &[&str] = &[
    "agentcore-sim",
    "agentcore-agent",
    "testcluster",
    "testfuzz",
];

struct Dependency {
    name: String,
    test_only: bool,
    features: Vec<String>,
    default_features: bool,
}

/// What cargo says.
fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Dependencies of each package of the workspace.
fn packages() -> BTreeMap<String, Vec<Dependency>> {
    let told = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&told).expect("JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dependency = |value: Value| Dependency {
        name: text(&value["name"]),
        test_only: value["kind"] == "dev",
        features: list(&value["features"]).iter().map(text).collect(),
        default_features: value["uses_default_features"] == true,
    };
    list(&metadata["packages"])
        .iter()
        .map(|package| {
            let dependencies = list(&package["dependencies"])
                .into_iter()
                .map(dependency)
                .collect();
            (text(&package["name"]), dependencies)
        })
        .collect()
}

#[test]
fn packages_use_those_of_ours_that_they_may() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    assert!(
        ours.contains("agentcore-plan") && ours.contains("agentcore-sim"),
        "{ours:?}"
    );
    let mut found = Vec::new();
    for (package, dependencies) in &packages {
        let allowed = OURS
            .iter()
            .find(|(name, _)| name == package)
            .map_or(&[][..], |(_, allowed)| allowed);
        for dependency in dependencies
            .iter()
            .filter(|one| ours.contains(one.name.as_str()))
        {
            let name = dependency.name.as_str();
            let in_tests = dependency.test_only
                && OURS_IN_TESTS.contains(&name)
                && !STRANGERS.contains(&package.as_str());
            if !allowed.contains(&name) && !in_tests {
                found.push(format!("{package} -> {name}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn api_and_planner_have_no_client_no_runtime_and_no_aws() {
    const WORLD: &[&str] = &[
        "tokio", "hyper", "reqwest", "axum", "tower", "futures", "rustls",
    ];
    let packages = packages();
    let mut found = Vec::new();
    for package in ["agentcore-api", "agentcore-plan"] {
        for dependency in packages[package].iter().filter(|one| !one.test_only) {
            let name = dependency.name.as_str();
            if WORLD.contains(&name) || name.starts_with("aws-") || name.starts_with("tokio-") {
                found.push(format!("{package} -> {name}"));
            }
            if name.starts_with("kube") {
                let only_derive = !dependency.default_features && dependency.features == ["derive"];
                if package == "agentcore-plan" || name != "kube" || !only_derive {
                    found.push(format!("{package} -> {name} {:?}", dependency.features));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:?}");
}

/// Tests run what all packages want together, images have the operator alone.
#[test]
fn the_operator_alone_has_tls_for_its_spans() {
    let features = cargo(&[
        "tree",
        "--locked",
        "--package=agentcore-operator",
        "--edges=normal",
        "--invert=reqwest",
        "--depth=0",
        "--format={f}",
    ]);
    assert!(
        features.trim().split(',').any(|one| one == "rustls"),
        "{features}"
    );
}

#[test]
fn programs_for_tests_stay_out_of_the_operator() {
    let packages = packages();
    for dependency in packages["agentcore-operator"]
        .iter()
        .filter(|one| !one.test_only)
    {
        assert!(
            !STRANGERS.contains(&dependency.name.as_str()),
            "{} is more than a test's dependency",
            dependency.name
        );
    }
}
