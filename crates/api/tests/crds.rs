//! What crds/ holds, and what every part of the schema must have.

#![allow(clippy::unwrap_used)] // a test's panic is its report

#[path = "../examples/crdgen/render.rs"]
mod render;

use std::path::Path;

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
fn every_pattern_is_anchored_at_both_ends() {
    for (kind, crd) in crds() {
        walk(&kind, root(&crd), &mut |path, schema| {
            if let Some(pattern) = schema["pattern"].as_str() {
                assert!(
                    pattern.starts_with('^') && pattern.ends_with('$'),
                    "{path}: {pattern}"
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
fn null_is_no_value_anywhere_and_formats_are_kubernetes_own() {
    for (kind, crd) in crds() {
        walk(&kind, root(&crd), &mut |path, schema| {
            assert_eq!(schema["nullable"], Value::Null, "{path}");
            let format = schema["format"].as_str().unwrap_or("int32");
            assert!(
                ["int32", "int64", "date-time"].contains(&format),
                "{path}: {format}"
            );
        });
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
