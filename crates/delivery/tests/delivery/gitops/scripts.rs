//! Argo CD's scripts, run as its own tests run them.

use std::collections::BTreeMap;
use std::process::Command;

use regex::Regex;
use serde_json::{Value, json};

use super::{folder, lua, object, table::KINDS, text};
use crate::support::root;

/// A file of a kind's tests.
fn tests(kind: &str, path: &str) -> Value {
    serde_yaml::from_str(&text(kind, path)).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name]
        .as_array()
        .unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn health_is_as_the_tests_beside_it_say_for_every_object() {
    for kind in KINDS {
        let listed = tests(kind, "health_test.yaml");
        let mut seen = 0;
        for test in list(&listed, "tests") {
            let path = test["inputPath"].as_str().unwrap();
            let said = lua::health(&text(kind, "health.lua"), &object(kind, path)).unwrap();
            assert_eq!(test["healthStatus"]["status"], said.status, "{kind} {path}");
            assert_eq!(
                test["healthStatus"]["message"], said.message,
                "{kind} {path}"
            );
            seen += 1;
        }
        let there = std::fs::read_dir(folder(kind).join("testdata"))
            .unwrap()
            .count();
        assert_eq!(seen, there, "{kind}");
    }
}

#[test]
fn health_of_an_object_without_any_status_is_progressing() {
    for kind in KINDS {
        for status in [
            Value::Null,
            json!({}),
            json!({"conditions": []}),
            json!({"observedGeneration": 1}),
        ] {
            let object =
                json!({"metadata": {"generation": 1, "name": "a"}, "spec": {}, "status": status});
            let said = lua::health(&text(kind, "health.lua"), &object).unwrap();
            assert_eq!(said.status, "Progressing", "{kind} {status}");
        }
    }
}

#[test]
fn all_kinds_have_one_text_for_their_health() {
    let first = text(KINDS[0], "health.lua");
    assert!(KINDS.iter().all(|kind| text(kind, "health.lua") == first));
}

#[test]
fn actions_are_offered_where_they_make_sense() {
    for kind in KINDS {
        let listed = tests(kind, "actions/action_test.yaml");
        for test in list(&listed, "discoveryTests") {
            let path = test["inputPath"].as_str().unwrap();
            let offered = lua::run(
                &text(kind, "actions/discovery.lua"),
                &object(kind, &format!("actions/{path}")),
            );
            let wanted: serde_json::Map<_, _> = list(test, "result")
                .iter()
                .map(|action| {
                    let mut fields = action.as_object().unwrap().clone();
                    let name = fields.remove("name").unwrap();
                    (name.as_str().unwrap().to_owned(), Value::Object(fields))
                })
                .collect();
            assert_eq!(offered.unwrap(), Value::Object(wanted), "{kind} {path}");
        }
    }
}

#[test]
fn an_action_sets_its_annotation_and_touches_nothing_else() {
    let time = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$").unwrap();
    let annotations = agentcore_api::names::annotations::REQUESTED_AT;
    assert_eq!(annotations, "agentcore.dev/requested-at");
    for kind in KINDS {
        let listed = tests(kind, "actions/action_test.yaml");
        let mut tested = Vec::new();
        for test in list(&listed, "actionTests") {
            let name = test["action"].as_str().unwrap();
            tested.push(name.to_owned());
            let annotation = match name {
                "retry" => agentcore_api::names::annotations::REQUESTED_AT,
                "resolve" => agentcore_api::names::annotations::RESOLVE_REQUESTED_AT,
                "drain" => agentcore_api::names::annotations::DRAIN_REQUESTED_AT,
                other => panic!("{kind}: {other} is no action"),
            };
            let script = text(kind, &format!("actions/{name}/action.lua"));
            let path = |field: &str| format!("actions/{}", test[field].as_str().unwrap());
            let before = object(kind, &path("inputPath"));
            let mut after = lua::run(&script, &before).unwrap();
            let set = &mut after["metadata"]["annotations"][annotation];
            assert!(time.is_match(set.as_str().unwrap()), "{kind} {name}: {set}");
            *set = json!("0001-01-01T00:00:00Z");
            let wanted = object(kind, &path("expectedOutputPath"));
            assert_eq!(
                lua::without_empty(&after),
                lua::without_empty(&wanted),
                "{kind} {name}"
            );
            after["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("annotations");
            assert_eq!(
                lua::without_empty(&after),
                lua::without_empty(&before),
                "{kind} {name}"
            );
            // What is annotated already keeps its other annotations.
            let mut annotated = before.clone();
            annotated["metadata"]["annotations"] = json!({"team": "a", annotation: "before"});
            let after = lua::run(&script, &annotated).unwrap();
            assert_eq!(after["metadata"]["annotations"]["team"], "a");
            assert_ne!(after["metadata"]["annotations"][annotation], "before");
        }
        tested.sort();
        let mut there: Vec<_> = std::fs::read_dir(folder(kind).join("actions"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("action.lua").exists())
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        there.sort();
        assert_eq!(tested, there, "{kind}");
    }
}

#[test]
fn the_settings_of_argo_cd_hold_the_scripts_as_they_are() {
    let path = "gitops/argo-cd/argocd-cm.yaml";
    let written = std::fs::read_to_string(root().join(path)).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_delivery"))
        .arg("argo-cd")
        .arg(fresh.path())
        .status();
    assert!(status.unwrap().success());
    let again = std::fs::read_to_string(fresh.path().join(path)).unwrap();
    assert!(
        again == written,
        "{path} is out of date: run 'make generate'"
    );

    let settings: Value = serde_yaml::from_str(&written).unwrap();
    let data: BTreeMap<String, String> = serde_json::from_value(settings["data"].clone()).unwrap();
    assert_eq!(data.len(), 2 * KINDS.len());
    for kind in KINDS {
        let health = &data[&format!("resource.customizations.health.agentcore.dev_{kind}")];
        assert_eq!(*health, text(kind, "health.lua"));
        let actions = &data[&format!("resource.customizations.actions.agentcore.dev_{kind}")];
        let actions: Value = serde_yaml::from_str(actions).unwrap();
        assert_eq!(
            actions["discovery.lua"],
            text(kind, "actions/discovery.lua")
        );
        for action in list(&actions, "definitions") {
            let name = action["name"].as_str().unwrap();
            assert_eq!(
                action["action.lua"],
                text(kind, &format!("actions/{name}/action.lua"))
            );
        }
    }
}
