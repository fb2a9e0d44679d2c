//! What a query names, against what the programs export: docs/metrics.md, which the root package's tests compare with the sources.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::read;

/// Labels of each metric, and whether it is a histogram.
pub struct Exported(BTreeMap<String, (BTreeSet<String>, bool)>);

impl Exported {
    /// As the page lists them.
    pub fn read() -> Self {
        let page = read("docs/metrics.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let metrics: BTreeMap<_, _> = rows
            .map(|row| {
                let (name, cells) = row.split_once('`').unwrap();
                let cells: Vec<_> = cells.split('|').collect();
                let labels = cells[2].split('`').skip(1).step_by(2);
                let histogram = cells[1].trim() == "histogram";
                (
                    name.to_owned(),
                    (labels.map(str::to_owned).collect(), histogram),
                )
            })
            .collect();
        assert!(metrics.len() > 25, "only {:?}", metrics.keys());
        Self(metrics)
    }

    /// What is wrong with the names in a query.
    pub fn faults(&self, query: &str) -> Vec<String> {
        let mut faults = Vec::new();
        // What a label may be called by the aggregations around: those of all series, and what a query makes itself.
        let mut known = BTreeSet::from(["le", "instance"].map(str::to_owned));
        let made =
            Regex::new(r#"label_replace\(.*?, "(\w+)", "[^"]*", "[^"]*", "[^"]*"\)"#).unwrap();
        known.extend(made.captures_iter(query).map(|found| found[1].to_owned()));
        let series = Regex::new(r"agentcore_\w+(?:\{([^}]*)\})?").unwrap();
        let matcher = Regex::new(r#"(\w+)\s*(?:=~|!~|!=|=)\s*"[^"]*""#).unwrap();
        for found in series.captures_iter(query) {
            let name = found[0].split('{').next().unwrap().to_owned();
            let Some((labels, _)) = self.find(&name) else {
                faults.push(format!("{name} is not exported"));
                continue;
            };
            known.extend(labels.iter().cloned());
            for label in matcher.captures_iter(found.get(1).map_or("", |it| it.as_str())) {
                if !labels.contains(&label[1]) && &label[1] != "le" {
                    faults.push(format!("{name} has no label {}", &label[1]));
                }
            }
        }
        let lists =
            Regex::new(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
                .unwrap();
        for list in lists.captures_iter(query) {
            for label in words(&list[1]) {
                if !known.contains(label) {
                    faults.push(format!("no series of the query has a label {label}"));
                }
            }
        }
        faults
    }

    fn find(&self, name: &str) -> Option<&(BTreeSet<String>, bool)> {
        self.0
            .get(name)
            .filter(|(_, histogram)| !histogram)
            .or_else(|| {
                let base = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| name.strip_suffix(end))?;
                self.0.get(base).filter(|(_, histogram)| *histogram)
            })
    }
}

/// Labels of a query's answer: those of its outermost aggregation, which is the first, and those that it makes.
pub fn answered(query: &str) -> BTreeSet<String> {
    let list = Regex::new(r"\bby\s*\(([^)]*)\)").unwrap();
    let outermost = list
        .captures(query)
        .map_or(String::new(), |list| list[1].to_owned());
    let made = Regex::new(r#", "(\w+)", "[^"]*", "[^"]*", "[^"]*"\)"#).unwrap();
    let made = made.captures_iter(query).map(|found| found[1].to_owned());
    let labels = words(&outermost).map(str::to_owned).chain(made);
    labels.filter(|label| label != "le").collect()
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

#[test]
fn a_name_or_a_label_that_nobody_exports_is_found() {
    let exported = Exported::read();
    for good in [
        "agentcore_leader",
        r#"max by (namespace, name) (agentcore_condition{kind="AgentRuntime", status=~"a|b"}) == 1"#,
        "histogram_quantile(0.9, sum by (le, controller) (rate(agentcore_reconcile_duration_seconds_bucket[5m])))",
    ] {
        assert_eq!(exported.faults(good), Vec::<String>::new(), "{good}");
    }
    for bad in [
        "agentcore_leaders",
        "agentcore_leader_bucket",
        "rate(agentcore_reconcile_duration_seconds[5m])",
        r#"agentcore_condition{reason="Stalled"}"#,
        "sum by (region) (agentcore_condition)",
    ] {
        assert_eq!(
            exported.faults(bad).len(),
            1,
            "{bad}: {:?}",
            exported.faults(bad)
        );
    }
}
