//! The Grafana dashboards of the chart.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde::Deserialize as _;
use serde_json::Value;

use super::promql::{Exported, answered};
use super::{read, run_promtool};
use crate::support::{helm, root};

const FOLDER: &str = "charts/agentcore-operator/dashboards";

/// All of them, by the name of their file.
fn boards() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(root().join(FOLDER)).unwrap();
    let boards: BTreeMap<_, _> = files
        .map(|file| {
            let name = file.unwrap().file_name().into_string().unwrap();
            let board = serde_json::from_str(&read(&format!("{FOLDER}/{name}"))).unwrap();
            (name, board)
        })
        .collect();
    assert_eq!(boards.len(), 2, "{:?}", boards.keys());
    boards
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name]
        .as_array()
        .unwrap_or_else(|| panic!("no {name}: {value}"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name}: {value}"))
}

/// Panels that ask something, with the name of their dashboard and their title.
fn panels(boards: &BTreeMap<String, Value>) -> Vec<(String, &Value)> {
    let all = boards
        .iter()
        .flat_map(|(name, board)| list(board, "panels").iter().map(move |panel| (name, panel)));
    all.filter(|(_, panel)| panel["type"] != "row")
        .map(|(name, panel)| (format!("{name}: {}", text(panel, "title")), panel))
        .collect()
}

#[test]
fn prometheus_takes_every_query_and_the_programs_export_what_it_names() {
    let (exported, boards) = (Exported::read(), boards());
    let variable = Regex::new(r"\$\w+").unwrap();
    let mut rules = Vec::new();
    for (within, panel) in panels(&boards) {
        assert!(!list(panel, "targets").is_empty(), "{within}: asks nothing");
        for target in list(panel, "targets") {
            let query = text(target, "expr");
            assert_eq!(exported.faults(query), Vec::<String>::new(), "{within}");
            let query = query.replace("$__rate_interval", "5m");
            let query = variable.replace_all(&query, ".*").into_owned();
            rules.push(
                serde_json::json!({"record": format!("query:{}", rules.len()), "expr": query}),
            );
        }
    }
    assert!(rules.len() > 40, "only {}", rules.len());
    let folder = tempfile::tempdir().unwrap();
    let text = serde_json::json!({"groups": [{"name": "queries", "rules": rules}]}).to_string();
    std::fs::write(folder.path().join("rules.yaml"), text).unwrap();
    if let Err(said) = run_promtool(folder.path(), &["check", "rules", "rules.yaml"]) {
        panic!("{said}");
    }
}

#[test]
fn every_variable_is_declared_used_and_can_be_filled() {
    let exported = Exported::read();
    let asked = Regex::new(r"\$\{?(\w+)\}?").unwrap();
    let values = Regex::new(r"^label_values\((.*), (\w+)\)$").unwrap();
    for (name, board) in boards() {
        let variables = list(&board["templating"], "list");
        let mut declared = BTreeSet::new();
        for variable in variables {
            if variable["type"] == "query" {
                let query = text(&variable["query"], "query");
                let parts = values
                    .captures(query)
                    .unwrap_or_else(|| panic!("{name}: {query}"));
                let probe = format!("max by ({}) ({})", &parts[2], &parts[1]);
                assert_eq!(exported.faults(&probe), Vec::<String>::new(), "{name}");
                // Grafana fills variables in their order.
                for used in asked.captures_iter(query) {
                    assert!(declared.contains(&used[1]), "{name}: {query}");
                }
            }
            declared.insert(text(variable, "name").to_owned());
        }
        let mut used = BTreeSet::from(["datasource".to_owned()]);
        let whole = serde_json::to_string(&board["panels"]).unwrap();
        for found in asked.captures_iter(&whole) {
            if &found[1] != "__rate_interval" {
                used.insert(found[1].to_owned());
            }
        }
        assert_eq!(used, declared, "{name}");
    }
}

#[test]
fn every_panel_says_what_it_shows_and_its_legend_names_what_the_answer_has() {
    let boards = boards();
    let label = Regex::new(r"\{\{(\w+)\}\}").unwrap();
    let source = serde_json::json!({"type": "prometheus", "uid": "${datasource}"});
    for (within, panel) in panels(&boards) {
        assert!(text(panel, "description").len() > 10, "{within}");
        assert!(
            !text(&panel["fieldConfig"]["defaults"], "unit").is_empty(),
            "{within}"
        );
        assert_eq!(panel["datasource"], source, "{within}");
        for target in list(panel, "targets") {
            assert_eq!(target["datasource"], source, "{within}");
            let known = answered(text(target, "expr"));
            let legend = text(target, "legendFormat");
            for found in label.captures_iter(legend) {
                assert!(known.contains(&found[1]), "{within}: {legend}: {known:?}");
            }
            if panel["type"] == "timeseries" {
                assert!(!legend.is_empty(), "{within}: no legend");
                let shown: BTreeSet<_> = label
                    .captures_iter(legend)
                    .map(|it| it[1].to_owned())
                    .collect();
                assert_eq!(shown, known, "{within}: lines that look the same");
            }
        }
    }
}

#[test]
fn panels_fill_their_lines_and_none_lies_on_another() {
    for (name, board) in boards() {
        let mut taken: BTreeMap<(u64, u64), &str> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for panel in list(&board, "panels") {
            assert!(
                ids.insert(panel["id"].as_u64().unwrap()),
                "{name}: an id twice"
            );
            let title = text(panel, "title");
            let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
            for x in side("x")..side("x") + side("w") {
                for y in side("y")..side("y") + side("h") {
                    assert!(x < 24, "{name}: {title} is too wide");
                    let other = taken.insert((x, y), title);
                    assert_eq!(other, None, "{name}: {title} lies on another");
                }
            }
        }
        let bottom = taken.keys().map(|(_, y)| y + 1).max().unwrap();
        let area = u64::try_from(taken.len()).unwrap();
        assert_eq!(area, bottom * 24, "{name}: there are holes");
    }
}

#[test]
fn the_chart_mounts_the_dashboards_for_grafanas_sidecar() {
    let args = [
        "--set=clusterId=a",
        "--set=grafanaDashboard.enabled=true",
        "--set=grafanaDashboard.namespace=monitoring",
        "--set=grafanaDashboard.annotations.grafana_folder=AgentCore",
    ];
    let rendered = helm(args).unwrap();
    let mut mounted = BTreeMap::new();
    for document in serde_yaml::Deserializer::from_str(&rendered) {
        let object = Value::deserialize(document).unwrap();
        if object["metadata"]["labels"]["grafana_dashboard"] != "1" {
            continue;
        }
        assert_eq!(object["kind"], "ConfigMap");
        assert_eq!(object["metadata"]["namespace"], "monitoring");
        assert_eq!(
            object["metadata"]["annotations"]["grafana_folder"],
            "AgentCore"
        );
        for (name, text) in object["data"].as_object().unwrap() {
            let text = text.as_str().unwrap();
            // kubectl apply keeps the object once more in an annotation, which may have 256 KiB.
            assert!(text.len() < 200_000, "{name} is too long");
            mounted.insert(name.clone(), serde_json::from_str::<Value>(text).unwrap());
        }
    }
    assert_eq!(mounted, boards());
    // Not asked for; or `helm upgrade --reuse-values` from a chart that did not have them.
    let (dashboards, rules) = ("--set=grafanaDashboard=null", "--set=prometheusRule=null");
    for more in [&[][..], &[dashboards, rules]] {
        let without = helm([&["--set=clusterId=a"], more].concat()).unwrap();
        assert!(!without.contains("grafana_dashboard"));
    }
}
