//! The alert rules, as helm renders them.

use std::collections::BTreeSet;

use regex::Regex;
use serde_yaml::Value;

use super::promql::{Exported, answered};
use super::{read, run_promtool};
use crate::support::{helm, root};

/// Makes an alert wrong.
type Spoil = fn(&mut Value);

/// Everything that has an alert.
const ALL: &[&str] = &[
    "--set=clusterId=a",
    "--set=prometheusRule.enabled=true",
    "--set=gateway.enabled=true",
    "--set=gateway.plainHttp=true",
];
const SERVED: &str = "--api-versions=monitoring.coreos.com/v1";
const RUNBOOKS: &str = "docs/runbooks";

/// The PrometheusRule that these arguments render, if any.
fn rule(args: &[&str]) -> anyhow::Result<Option<Value>> {
    use serde::Deserialize as _;
    let rendered = helm([ALL, args].concat())?;
    for document in serde_yaml::Deserializer::from_str(&rendered) {
        let document = Value::deserialize(document)?;
        if document["kind"] == "PrometheusRule" {
            return Ok(Some(document));
        }
    }
    Ok(None)
}

/// The chart's own rules.
fn rules() -> Value {
    rule(&[SERVED]).unwrap().unwrap()["spec"].clone()
}

fn alerts(rules: &mut Value) -> impl Iterator<Item = &mut Value> {
    let groups = rules["groups"].as_sequence_mut().unwrap();
    groups
        .iter_mut()
        .flat_map(|group| group["rules"].as_sequence_mut().unwrap())
}

fn name(alert: &Value) -> String {
    alert["alert"].as_str().unwrap().to_owned()
}

fn names() -> BTreeSet<String> {
    alerts(&mut rules()).map(|alert| name(alert)).collect()
}

/// What the unit tests say of these rules.
fn tested(rules: &Value) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let text = serde_yaml::to_string(rules).unwrap();
    std::fs::write(folder.path().join("rules.yaml"), text).unwrap();
    let tests = root().join("observability/alerts_test.yaml");
    std::fs::copy(tests, folder.path().join("alerts_test.yaml")).unwrap();
    run_promtool(folder.path(), &["check", "rules", "rules.yaml"])?;
    run_promtool(folder.path(), &["test", "rules", "alerts_test.yaml"])
}

/// Alerts that promtool's failures name.
fn failed(said: &str) -> BTreeSet<String> {
    let named = Regex::new(r"alertname: ?(\w+), time").unwrap();
    named
        .captures_iter(said)
        .map(|found| found[1].to_owned())
        .collect()
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    if let Err(said) = tested(&rules()) {
        panic!("{said}");
    }
}

#[test]
fn the_unit_tests_notice_an_alert_that_never_fires_one_that_always_does_and_one_that_is_late() {
    let wrong: [(&str, Spoil); 3] = [
        ("never", |alert| alert["expr"] = "vector(1) == 2".into()),
        ("always", |alert| {
            alert["expr"] = "vector(1)".into();
            alert["for"] = "0m".into();
        }),
        ("late", |alert| {
            let wait = alert["for"].as_str().unwrap().strip_suffix('m').unwrap();
            let wait = wait.parse::<u32>().unwrap() + 1;
            alert["for"] = format!("{wait}m").into();
        }),
    ];
    for (what, spoil) in wrong {
        let mut rules = rules();
        alerts(&mut rules).for_each(spoil);
        let said = tested(&rules).unwrap_err();
        assert_eq!(failed(&said), names(), "{what}: {said}");
    }
}

#[test]
fn alerts_name_only_what_is_exported_and_describe_only_what_they_know() {
    let exported = Exported::read();
    let named = Regex::new(r"\$labels\.(\w+)").unwrap();
    let mut rules = rules();
    for alert in alerts(&mut rules) {
        let expression = alert["expr"].as_str().unwrap();
        assert_eq!(
            exported.faults(expression),
            Vec::<String>::new(),
            "{}",
            name(alert)
        );
        let known = answered(expression);
        for (_, text) in alert["annotations"].as_mapping().unwrap() {
            for label in named.captures_iter(text.as_str().unwrap()) {
                assert!(
                    known.contains(&label[1]),
                    "{}: {} is not in {known:?}",
                    name(alert),
                    &label[1]
                );
            }
        }
    }
}

#[test]
fn every_alert_has_a_severity_words_and_a_page_that_tells_what_to_do() {
    let base = "--set=prometheusRule.runbookUrl=https://runbooks.example/agentcore/";
    let mut rules = rule(&[SERVED, base]).unwrap().unwrap()["spec"].clone();
    let page = read("docs/observability.md");
    for alert in alerts(&mut rules) {
        let name = name(alert);
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}"
        );
        let notes = &alert["annotations"];
        for note in ["summary", "description"] {
            assert!(notes[note].as_str().unwrap().len() > 10, "{name}: {note}");
        }
        let address = format!("https://runbooks.example/agentcore/{name}.md");
        assert_eq!(notes["runbook_url"], address.as_str());
        let runbook = read(&format!("{RUNBOOKS}/{name}.md"));
        assert!(runbook.starts_with(&format!("# {name}\n")), "{name}");
        for heading in ["Meaning", "Impact", "Diagnosis", "Mitigation"] {
            let found = runbook.split(&format!("\n## {heading}\n")).nth(1);
            let text = found.unwrap_or_else(|| panic!("{name}: no {heading}"));
            let text = text.split("\n## ").next().unwrap().trim();
            assert!(text.len() > 40, "{name}: {heading} says nothing");
        }
        let row = format!("| [`{name}`](runbooks/{name}.md) | {severity} |");
        assert!(page.contains(&row), "docs/observability.md has no {row}");
    }
    let pages: BTreeSet<_> = std::fs::read_dir(root().join(RUNBOOKS))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(pages, names(), "pages without an alert");
}

#[test]
fn every_threshold_time_and_severity_comes_from_the_values() {
    let values: Value =
        serde_yaml::from_str(&read("charts/agentcore-operator/values.yaml")).unwrap();
    let values = values["prometheusRule"]["alerts"].as_mapping().unwrap();
    let listed: BTreeSet<_> = values
        .keys()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, names());
    let mut args = vec![SERVED.to_owned()];
    for alert in &listed {
        args.push(format!("--set=prometheusRule.alerts.{alert}.for=77m"));
        args.push(format!("--set=prometheusRule.alerts.{alert}.severity=page"));
        if values[alert.as_str()].get("threshold").is_some() {
            args.push(format!(
                "--set-json=prometheusRule.alerts.{alert}.threshold=0.123"
            ));
        }
    }
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let mut changed = rule(&args).unwrap().unwrap();
    for alert in alerts(&mut changed["spec"]) {
        let name = name(alert);
        assert_eq!(alert["for"], "77m", "{name}");
        assert_eq!(alert["labels"]["severity"], "page", "{name}");
        let has = alert["expr"].as_str().unwrap().contains("0.123");
        let wanted = values[name.as_str()].get("threshold").is_some();
        assert_eq!(has, wanted, "{name}: {}", alert["expr"].as_str().unwrap());
    }
}

#[test]
fn an_alert_can_be_left_out_and_a_group_without_alerts_is_not_there() {
    let off = |alert: &str| format!("--set=prometheusRule.alerts.{alert}.enabled=false");
    let (one, two) = (off("AgentSessionsStaleOverdue"), off("AgentSessionsFailed"));
    let mut some = rule(&[SERVED, &one]).unwrap().unwrap();
    assert_eq!(alerts(&mut some["spec"]).count(), names().len() - 1);
    let fewer = rule(&[SERVED, &one, &two]).unwrap().unwrap();
    let groups = fewer["spec"]["groups"].as_sequence().unwrap();
    assert!(
        groups
            .iter()
            .all(|group| group["name"] != "agentcore-sessions")
    );
    let without = rule(&[SERVED, "--set=gateway.enabled=false"])
        .unwrap()
        .unwrap();
    let groups = without["spec"]["groups"].as_sequence().unwrap();
    assert!(
        groups
            .iter()
            .all(|group| group["name"] != "agentcore-gateway")
    );
}

#[test]
fn where_the_cluster_has_no_prometheus_operator_the_render_mode_decides() {
    let mode = |mode: &str| format!("--set=prometheusRule.renderMode={mode}");
    let (fail, always) = (mode("failIfMissing"), mode("alwaysRender"));
    assert!(rule(&[]).unwrap().is_none());
    assert!(rule(&[&always]).unwrap().is_some());
    let error = rule(&[&fail]).unwrap_err().to_string();
    assert!(error.contains("renderMode"), "{error}");
    for mode in [&fail, &always] {
        assert!(rule(&[mode, SERVED]).unwrap().is_some());
    }
    assert!(
        rule(&[SERVED, "--set=prometheusRule.enabled=false"])
            .unwrap()
            .is_none()
    );
    // A label that would overwrite the alerts' own is refused, and so is an alert that there is not.
    for value in [
        "prometheusRule.alertLabels.severity=info",
        "prometheusRule.alerts.AgentNobody.enabled=true",
        "prometheusRule.alerts.AgentQuotaNear.threshold=15",
        "prometheusRule.alerts.AgentQuotaNear.for=soon",
    ] {
        rule(&[SERVED, "--set", value]).unwrap_err();
    }
}

#[test]
fn labels_and_namespace_of_the_rule_are_as_asked() {
    let rule = rule(&[
        SERVED,
        "--set=prometheusRule.namespace=monitoring",
        "--set=prometheusRule.labels.release=prometheus",
        // One of the chart's own, which may be another here.
        "--set=prometheusRule.labels.app\\.kubernetes\\.io/name=alerts",
        "--set=prometheusRule.alertLabels.team=platform",
    ]);
    let mut rule = rule.unwrap().unwrap();
    assert_eq!(rule["metadata"]["namespace"], "monitoring");
    let labels = &rule["metadata"]["labels"];
    assert_eq!(labels["release"], "prometheus");
    assert_eq!(labels["app.kubernetes.io/name"], "alerts");
    assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm");
    let alert = alerts(&mut rule["spec"]).next().unwrap();
    assert_eq!(alert["labels"]["team"], "platform");
}
