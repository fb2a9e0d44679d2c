//! What crds/ holds, and what every part of the schema must have.

#![allow(clippy::unwrap_used)] // a test's panic is its report

#[path = "../examples/crdgen/render.rs"]
mod render;

use std::path::Path;

use agentcore_api::runtime::{AgentRuntimeSpec, ServerProtocol};
use serde_json::{Value, json};

fn crds() -> Vec<(String, Value)> {
    let named = |crd| {
        let value = serde_json::to_value(crd).unwrap();
        (
            value["spec"]["names"]["kind"].as_str().unwrap().to_owned(),
            value,
        )
    };
    agentcore_api::crds().iter().map(named).collect()
}

fn root(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Calls `look` with every schema below `schema`, itself included, and its path.
fn walk(path: &str, schema: &Value, look: &mut impl FnMut(&str, &Value)) {
    look(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, look);
    }
    for (key, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[key].is_object() {
            walk(&format!("{path}{suffix}"), &schema[key], look);
        }
    }
}

#[test]
fn the_files_in_crds_are_what_the_types_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
    let mut names = Vec::new();
    for (name, text) in render::files().unwrap() {
        let found = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(
            found == text,
            "crds/{name} is out of date: run `make generate`"
        );
        names.push(name);
    }
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, names, "crds/ has one file a kind and nothing else");
}

#[test]
fn every_string_list_and_map_of_a_spec_has_a_maximum() {
    for (kind, crd) in crds() {
        walk(
            &format!("{kind}.spec"),
            &root(&crd)["properties"]["spec"],
            &mut |path, schema| {
                let limit = match schema["type"].as_str() {
                    Some("string") if schema["enum"].is_null() => "maxLength",
                    Some("array") => "maxItems",
                    Some("object") if schema["additionalProperties"].is_object() => "maxProperties",
                    Some("integer") => "maximum",
                    _ => return,
                };
                assert!(!schema[limit].is_null(), "{path} has no {limit}");
            },
        );
    }
}

#[test]
fn every_pattern_of_a_spec_is_said_in_words_with_an_example() {
    for (kind, crd) in crds() {
        walk(&kind, root(&crd), &mut |path, schema| {
            assert_eq!(
                schema["pattern"],
                Value::Null,
                "{path}: words.rs has no words for it"
            );
            for rule in schema["x-kubernetes-validations"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let text = rule["rule"].as_str().unwrap();
                let Some(pattern) = text.strip_prefix("self.matches(r'") else {
                    continue;
                };
                assert!(
                    pattern.starts_with('^') && pattern.ends_with("$')"),
                    "{path}: {pattern}"
                );
                let message = rule["message"].as_str().unwrap();
                assert!(
                    message.starts_with("must be ") && message.contains(", such as "),
                    "{path}: {message}"
                );
            }
        });
    }
}

#[test]
fn every_field_of_a_spec_is_described() {
    for (kind, crd) in crds() {
        walk(
            &format!("{kind}.spec"),
            &root(&crd)["properties"]["spec"],
            &mut |path, schema| {
                if !path.ends_with(']') && !path.ends_with('}') {
                    let text = schema["description"].as_str().unwrap_or_default();
                    assert!(
                        text.ends_with('.') || text.ends_with('`'),
                        "{path}: {text:?}"
                    );
                }
            },
        );
    }
}

#[test]
fn every_rule_has_a_message_of_one_line() {
    for (kind, crd) in crds() {
        walk(&kind, root(&crd), &mut |path, schema| {
            for rule in schema["x-kubernetes-validations"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let message = rule["message"].as_str().unwrap_or_default();
                assert!(
                    !message.is_empty() && !message.contains('\n'),
                    "{path}: {rule}"
                );
            }
        });
    }
}

#[test]
fn the_only_default_is_that_of_status() {
    for (kind, crd) in crds() {
        walk(&kind, root(&crd), &mut |path, schema| {
            if path == format!("{kind}.status") {
                assert_eq!(
                    schema["default"],
                    json!({ "observedGeneration": -1 }),
                    "{path}"
                );
            } else {
                assert_eq!(schema["default"], Value::Null, "{path}");
            }
        });
    }
}

#[test]
fn fields_of_a_spec_take_null_where_they_may_be_absent_and_formats_are_kubernetes_own() {
    for (kind, crd) in crds() {
        walk(&kind, root(&crd), &mut |path, schema| {
            let in_spec = path.starts_with(&format!("{kind}.spec"));
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let optional = in_spec && !is_required(schema, name);
                let nullable = property["nullable"].as_bool().unwrap_or_default();
                assert_eq!(nullable, optional, "{path}.{name}");
                // The API server finds null in no enum.
                assert!(!nullable || property["enum"].is_null(), "{path}.{name}");
            }
            assert_eq!(schema["items"]["nullable"], Value::Null, "{path}");
            let format = schema["format"].as_str().unwrap_or("int32");
            assert!(
                ["int32", "int64", "date-time"].contains(&format),
                "{path}: {format}"
            );
        });
    }
}

fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema["required"].as_array();
    required.is_some_and(|names| names.iter().any(|one| one == name))
}

/// An object of a schema in which all is left empty that may be; `deep`: but for what holds other fields.
fn empty(schema: &Value, deep: bool) -> Value {
    if deep && schema["additionalProperties"].is_object() {
        return json!({ "key": empty_or(&schema["additionalProperties"], deep) });
    }
    let Some(fields) = schema["properties"].as_object() else {
        return match schema["type"].as_str() {
            Some("array") => json!([empty(&schema["items"], deep)]),
            Some("object") => json!({}),
            Some("integer") => json!(1),
            Some("boolean") => json!(true),
            _ => schema["enum"].get(0).cloned().unwrap_or_else(|| json!("x")),
        };
    };
    let fields = fields.iter();
    fields
        .map(|(name, property)| (name.clone(), empty_or(property, deep)))
        .collect()
}

fn empty_or(schema: &Value, deep: bool) -> Value {
    let holds = !schema["properties"].is_null()
        || !schema["items"].is_null()
        || !schema["additionalProperties"].is_null();
    if schema["nullable"] == true && !(deep && holds) {
        Value::Null
    } else {
        empty(schema, deep)
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| !value.is_null());
            given
                .map(|(name, value)| (name.clone(), without_nulls(value)))
                .collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        value => value.clone(),
    }
}

fn read<S: serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(crd: &Value) {
    for deep in [false, true] {
        let spec = empty(&root(crd)["properties"]["spec"], deep);
        let absent = without_nulls(&spec);
        assert_ne!(spec, absent, "nothing is empty");
        let spec: S = serde_json::from_value(spec).unwrap();
        let mut absent: Value = absent;
        // A map of which all is empty is none.
        prune(&mut absent);
        assert_eq!(spec, serde_json::from_value(absent).unwrap());
    }
}

/// Takes out the maps that have lost their only entry.
fn prune(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in ["tags", "advertisedScopeMapping"] {
                if fields.get(name) == Some(&json!({})) {
                    fields.remove(name);
                }
            }
            fields.values_mut().for_each(prune);
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

#[test]
fn what_is_left_empty_is_read_as_absent_by_every_kind() {
    let all: std::collections::BTreeMap<_, _> = crds().into_iter().collect();
    read::<agentcore_api::AgentEndpointSpec>(&all["AgentEndpoint"]);
    read::<agentcore_api::AgentGrantSpec>(&all["AgentGrant"]);
    read::<agentcore_api::AgentRuntimeSpec>(&all["AgentRuntime"]);
    read::<agentcore_api::AgentSessionSpec>(&all["AgentSession"]);
    assert_eq!(all.len(), 4);
}

#[test]
fn what_every_object_has_is_in_the_schema_too() {
    for (kind, crd) in crds() {
        let properties = &root(&crd)["properties"];
        for (name, says) in [("apiVersion", "agentcore.dev/v1alpha1"), ("kind", &kind)] {
            let text = properties[name]["description"].as_str();
            assert!(
                text.is_some_and(|text| text.contains(says)),
                "{kind}.{name}: {text:?}"
            );
        }
        assert_eq!(
            properties["metadata"],
            json!({ "type": "object" }),
            "{kind}"
        );
    }
}

#[test]
fn lists_with_a_key_are_maps_and_status_is_a_subresource() {
    for (kind, crd) in crds() {
        if kind == "AgentGrant" {
            // Nobody reports on a grant: what it gives shows at the objects of its namespaces.
            continue;
        }
        assert_eq!(
            crd["spec"]["names"]["categories"],
            json!(["agentcore"]),
            "{kind}"
        );
        let root = root(&crd);
        let conditions = &root["properties"]["status"]["properties"]["conditions"];
        assert_eq!(
            conditions["x-kubernetes-list-map-keys"],
            json!(["type"]),
            "{kind}"
        );
        assert_eq!(
            crd["spec"]["versions"][0]["subresources"]["status"],
            json!({}),
            "{kind}"
        );
    }
    let (_, runtime) = crds()
        .into_iter()
        .find(|(kind, _)| kind == "AgentRuntime")
        .unwrap();
    let spec = &root(&runtime)["properties"]["spec"]["properties"];
    assert_eq!(spec["env"]["x-kubernetes-list-map-keys"], json!(["name"]));
    let claims = &spec["authorizer"]["properties"]["customJWT"]["properties"]["customClaims"];
    assert_eq!(
        claims["x-kubernetes-list-map-keys"],
        json!(["inboundTokenClaimName"])
    );
}

#[test]
fn names_of_aws_that_a_newer_definition_lets_in_are_kept_as_they_are() {
    let spec = json!({
        "artifact": {"code": {"runtime": "PYTHON_3_20", "entryPoint": ["main.py"], "s3": {"bucket": "team-a-code", "prefix": "support.zip"}}},
        "executionRole": {"arn": "arn:aws:iam::111122223333:role/support"},
        "network": {"mode": "MESH"},
        "protocol": {"serverProtocol": "GRPC"},
    });
    let read: AgentRuntimeSpec = serde_json::from_value(spec.clone()).expect("a spec");
    let protocol = read.protocol.as_ref().expect("a protocol");
    assert_eq!(
        protocol.server_protocol,
        Some(ServerProtocol::Other("GRPC".to_owned()))
    );
    assert_eq!(serde_json::to_value(&read).expect("JSON"), spec);
    // What the operator itself is to do must be known.
    let mut spec = spec;
    spec["deletionPolicy"] = json!("Archive");
    serde_json::from_value::<AgentRuntimeSpec>(spec).expect_err("an unknown policy");
}
