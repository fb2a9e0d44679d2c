//! The tree of objects whose status is written here.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::model::{Forest, World};
use super::tree::{Look, draw};
use crate::objects::Reference;
use crate::output::{Paint, Symbols};

fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": format!("about {reason}"),
           "lastTransitionTime": "2026-11-21T11:00:00Z"})
}

fn object(name: &str, spec: &Value, status: &Value) -> Value {
    json!({"apiVersion": "agentcore.dev/v1alpha1", "kind": "Any", "spec": spec, "status": status,
           "metadata": {"name": name, "namespace": "team-a", "generation": 1, "creationTimestamp": "2026-11-21T10:00:00Z"}})
}

fn world(runtimes: Vec<Value>, endpoints: Vec<Value>, sessions: Vec<Value>) -> World {
    let all = |values: Vec<Value>| {
        let objects = values.into_iter().map(serde_json::from_value);
        objects.collect::<Result<_, _>>().unwrap()
    };
    World {
        runtimes: all(runtimes),
        endpoints: all(endpoints),
        sessions: all(sessions),
    }
}

fn look(width: Option<usize>, details: bool) -> Look {
    Look {
        paint: Paint::new(false),
        symbols: Symbols::of_locale_named(Some("C.UTF-8")),
        width,
        details,
        wide: false,
        namespaces: false,
        now: "2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap(),
    }
}

/// The rows of the tree, without what stands above it.
fn rows(forest: &Forest, look: &Look) -> Vec<String> {
    let text = draw(forest, look);
    let rows = text.lines().skip_while(|line| !line.starts_with("NAME"));
    rows.skip(1).map(ToOwned::to_owned).collect()
}

fn good(more: &Value) -> Value {
    let mut status =
        json!({"observedGeneration": 1, "conditions": [condition("Ready", "True", "Ready")]});
    for (name, value) in more.as_object().into_iter().flatten() {
        status[name] = value.clone();
    }
    status
}

#[test]
fn sessions_stand_below_what_they_run_behind_and_what_belongs_to_nothing_stands_alone() {
    let runtime = object("a", &json!({}), &good(&json!({})));
    let live = object(
        "live",
        &json!({"runtimeRef": {"name": "a"}}),
        &good(&json!({})),
    );
    let lost = object("lost", &json!({"runtimeRef": {"name": "b"}}), &json!({}));
    let behind = |name: &str, spec: &Value| object(name, spec, &good(&json!({})));
    let sessions = vec![
        behind("x", &json!({"endpointRef": {"name": "live"}})),
        behind("y", &json!({"runtimeRef": {"name": "a"}})),
        behind("z", &json!({"endpointRef": {"name": "nowhere"}})),
    ];
    let forest = world(vec![runtime], vec![lost, live], sessions).forest();
    let names: Vec<String> = rows(&forest, &look(None, false))
        .iter()
        .map(|row| {
            row.split("   ")
                .find(|cell| !cell.is_empty())
                .unwrap()
                .trim()
                .to_owned()
        })
        .collect();
    let expected = [
        "AgentRuntime/a",
        "├─ AgentEndpoint/live",
        "│",
        "└─ AgentSession/y",
        "AgentEndpoint/lost",
        "AgentSession/z",
    ];
    assert_eq!(names.len(), expected.len(), "{names:?}");
    for (name, expected) in names.iter().zip(expected) {
        assert!(name.starts_with(expected), "{names:?}");
    }
}

#[test]
fn versions_say_which_is_live_which_is_made_and_which_failed() {
    let cause = |version: &str| json!({"version": version, "type": "Spec", "message": "edited", "time": "2026-11-21T11:00:00Z", "generation": 1});
    let status = |conditions: Value| {
        json!({"observedGeneration": 1, "latestVersion": "4", "readyVersion": "3", "previousVersion": "1",
               "defaultEndpoint": {"liveVersion": "3", "status": "READY"},
               "causes": [cause("4"), cause("3"), cause("2"), cause("1")], "conditions": conditions})
    };
    let words = |conditions: Value| -> Vec<String> {
        let forest = world(
            vec![object("a", &json!({}), &status(conditions))],
            vec![],
            vec![],
        )
        .forest();
        let rows = rows(&forest, &look(None, true));
        let versions = rows.iter().filter(|row| row.contains("version "));
        versions
            .map(|row| {
                row.split("   ")
                    .nth(1)
                    .unwrap_or_default()
                    .trim()
                    .to_owned()
            })
            .collect()
    };
    let making = json!([
        condition("Ready", "False", "Updating"),
        condition("Reconciling", "True", "Updating")
    ]);
    assert_eq!(words(making), ["◌ being made", "✔ live", "· old", "· old"]);
    let failed = json!([
        condition("Ready", "False", "UpdateFailed"),
        condition("Stalled", "True", "UpdateFailed")
    ]);
    assert_eq!(words(failed), ["✖ not ready", "✔ live", "· old", "· old"]);
}

#[test]
fn what_is_wrong_comes_first_with_its_whole_message_and_the_next_attempt() {
    let failed = json!({
        "observedGeneration": 1,
        "retry": {"failures": 3, "at": "2026-11-21T12:05:00Z", "wishHash": "x", "reason": "RoleInvalid", "message": "m"},
        "conditions": [condition("Ready", "False", "RoleInvalid"), condition("Stalled", "True", "RoleInvalid")],
    });
    let forest = world(
        vec![
            object("a", &json!({}), &good(&json!({}))),
            object("b", &json!({}), &failed),
        ],
        vec![],
        vec![],
    )
    .forest();
    let text = draw(&forest, &look(Some(40), false));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "2 runtimes: 1 failed, 1 ready");
    assert_eq!(
        lines[2], "✖ AgentRuntime b: RoleInvalid: about RoleInvalid",
        "not cut at 40 columns"
    );
    let wide = draw(&forest, &look(None, false));
    assert!(
        wide.contains("retrying in 5m; to retry now: retry runtime/b"),
        "{wide}"
    );
}

#[test]
fn a_status_of_a_newer_operator_is_shown_as_far_as_it_is_known() {
    let newer = good(&json!({"phase": "DREAMING"}));
    let forest = world(vec![object("a", &json!({}), &newer)], vec![], vec![]).forest();
    let node = &forest.items[0];
    assert_eq!(node.verdict.reason, "Ready", "conditions are for every age");
    assert!(
        node.verdict.message.contains("older than the operator"),
        "{}",
        node.verdict.message
    );
}

#[test]
fn a_name_chooses_its_part_of_the_tree() {
    let runtime = object("a", &json!({}), &good(&json!({})));
    let live = object(
        "live",
        &json!({"runtimeRef": {"name": "a"}}),
        &good(&json!({})),
    );
    let forest = world(vec![runtime], vec![live], vec![]).forest();
    let wanted: Reference = "endpoint/live".parse().unwrap();
    let part = forest.clone().only(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(part.references(), [wanted]);
    let missing: Reference = "endpoint/a".parse().unwrap();
    assert_eq!(
        forest.only(std::slice::from_ref(&missing)).unwrap_err(),
        missing
    );
}
