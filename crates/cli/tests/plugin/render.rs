//! `render`: requests that AgentCore takes, with what only the operator can fill in said to be open.

use std::path::Path;

use agentcore_sim::wire::runtime_shapes::{CREATE, UPDATE};
use agentcore_sim::wire::shape::check;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::run::{Ran, offline, stream};
use crate::{authorizer, runtime};

fn requests(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut all = serde_json::Deserializer::from_str(&ran.out);
    let mut found = Vec::new();
    while let Ok(value) = Value::deserialize(&mut all) {
        found.push(value);
    }
    found
}

/// Names of places in a value where it has something that the other has not.
fn beyond(value: &Value, other: &Value, path: &str, found: &mut Vec<String>) {
    match (value, other) {
        (Value::Object(fields), Value::Object(others)) => {
            for (name, below) in fields {
                match others.get(name) {
                    Some(other) => beyond(below, other, &format!("{path}.{name}"), found),
                    None => found.push(format!("{path}.{name}")),
                }
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (at, (item, other)) in items.iter().zip(others).enumerate() {
                beyond(item, other, &format!("{path}[{at}]"), found);
            }
        }
        (value, other) if value == other => {}
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn what_is_rendered_has_no_member_that_the_api_does_not_know() {
    let tables = [runtime::cases(), authorizer::cases()];
    // Policies and ranges of x are none to the operator; everything else that the API server takes is rendered.
    let refused = |object: &Value| {
        object.pointer("/spec/resourcePolicy").is_some()
            || object
                .pointer("/spec/artifact/container/follow/semver")
                .is_some()
    };
    let good: Vec<Value> = tables
        .into_iter()
        .flatten()
        .filter(|case| case.refused.is_none() && !refused(&case.object))
        .map(|case| case.object)
        .collect();
    let stream = stream(&good);
    for (arguments, members) in [
        (&["render", "-"][..], CREATE),
        (&["render", "--update", "support-abcdefghij", "-"], UPDATE),
    ] {
        let rendered = requests(&offline(arguments, &stream));
        assert_eq!(rendered.len(), good.len());
        let mut wrong = Vec::new();
        for (request, object) in rendered.iter().zip(&good) {
            let mut input = request["input"].clone();
            // The id is in the path.
            input
                .as_object_mut()
                .expect("an object")
                .remove("agentRuntimeId");
            match check(members, input.clone()) {
                Ok(known) => beyond(
                    &input,
                    &Value::Object(known),
                    &object["spec"].to_string(),
                    &mut wrong,
                ),
                Err(error) => wrong.push(format!("{object}: {}", error.message())),
            }
        }
        assert!(wrong.is_empty(), "{arguments:?}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn what_only_the_cluster_knows_is_said_to_be_open() {
    let mut object = runtime::minimal();
    object["spec"]["env"] = json!([{"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "support", "key": "api-key"}}}]);
    object["spec"]["envFrom"] = json!([{"prefix": "DB_", "configMapRef": {"name": "database"}}]);
    let ran = offline(&["render", "-n", "team-a", "-"], &object.to_string());
    let request = &requests(&ran)[0];
    assert_eq!(request["operation"], "CreateAgentRuntime");
    assert_eq!(
        request["input"]["environmentVariables"]["API_KEY"],
        "<Secret support, key api-key>"
    );
    let open = request["unresolved"].as_array().expect("a list");
    for says in [
        "digest unresolved",
        "API_KEY: from Secret support, key api-key",
        "DB_* from ConfigMap database",
        "region: that of the operator",
        "cluster's id",
    ] {
        assert!(
            open.iter()
                .any(|text| text.as_str().is_some_and(|text| text.contains(says))),
            "{says}: {open:?}"
        );
    }
    let known = offline(
        &[
            "render",
            "-n",
            "team-a",
            "--cluster-id",
            "prod",
            "--cluster-uid",
            "0000",
            "--region",
            "us-east-1",
            "-",
        ],
        &runtime::minimal().to_string(),
    );
    let request = &requests(&known)[0];
    assert_eq!(request["region"], "us-east-1");
    let name = request["input"]["agentRuntimeName"]
        .as_str()
        .expect("a name");
    let prefix = offline(
        &["iam", "team-a", "--cluster-uid", "0000", "-o", "json"],
        "",
    );
    let patterns: Value = serde_json::from_str(&prefix.out).expect("JSON");
    let prefix = patterns["namespacePrefix"].as_str().expect("a prefix");
    assert!(
        name.starts_with(&format!("{prefix}support_")),
        "{name}, {patterns}"
    );
    assert_eq!(patterns["runtimes"], format!("{prefix}*"));
    assert_eq!(
        request["input"]["tags"]["agentcore.dev/cluster-uid"],
        "0000"
    );
    assert_eq!(request["input"]["tags"]["agentcore.dev/cluster"], "prod");
}

#[test]
fn what_cannot_be_rendered_names_file_and_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let skipped = offline(
        &[
            "render",
            root.join("examples/agentsession.yaml").to_str().unwrap(),
        ],
        "",
    );
    assert_eq!(skipped.code, 1, "{skipped:?}");
    assert!(
        skipped.err.contains("no AgentRuntime and no AgentEndpoint"),
        "{skipped:?}"
    );
    let mut object = runtime::minimal();
    object["spec"]["lifecycle"] = json!({"maxLifetime": "soon"});
    let wrong = offline(&["render", "-"], &format!("# first\n{object}\n"));
    assert_eq!(wrong.code, 1);
    assert!(
        wrong
            .err
            .starts_with("error: <stdin>:2: InvalidSpec: spec.lifecycle.maxLifetime: "),
        "{wrong:?}"
    );
}
