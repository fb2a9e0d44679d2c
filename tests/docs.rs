//! The user guide names what users meet: every reason, every flag, every metric. The API reference is generated, and
//! `crates/delivery` tests the guide as a whole.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_reason_is_documented_and_every_documented_reason_exists() {
    let text = read("docs/conditions-and-reasons.md");
    let documented: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next())
        .filter(|cell| !cell.contains('='))
        .flat_map(|cell| {
            cell.split('`')
                .step_by(2)
                .filter(|word| !word.trim_matches([',', ' ']).is_empty())
        })
        .collect();
    let declared: BTreeSet<&str> = agentcore_api::reasons::ALL.iter().copied().collect();
    assert_eq!(documented, declared);
}

#[test]
fn every_flag_is_documented_and_has_the_environment_name_that_the_page_promises() {
    let text = read("docs/configuration.md");
    let command = <agentcore_operator::args::Args as clap::CommandFactory>::command();
    for program in ["controller", "gateway", "check"] {
        let (_, section) = text.split_once(&format!("## The {program}\n")).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let program = command.find_subcommand(program).unwrap();
        for argument in program.get_arguments() {
            let Some(flag) = argument.get_long() else {
                continue;
            };
            assert!(
                section.contains(&format!("`--{flag}")),
                "docs/configuration.md does not name --{flag}"
            );
            let name = argument.get_env().and_then(|name| name.to_str());
            let promised = format!("AGENTCORE_{}", flag.to_ascii_uppercase().replace('-', "_"));
            assert_eq!(name, Some(promised.as_str()), "--{flag}");
        }
    }
}

/// All sources under a folder, those of tests apart.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.to_string_lossy().ends_with("tests.rs")
        {
            found.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The words of a text between quotes of this kind.
fn quoted(text: &str, quote: char) -> BTreeSet<String> {
    let words = text.split(quote).skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

/// Metrics that a source makes, with their labels. They are read from the text: a metric with labels is exported only once it has a value.
fn metrics_made(source: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    const MAKERS: [&str; 7] = [
        "gauge(",
        "counter(",
        "counters(",
        "histogram(",
        "Opts::new(",
        "IntGauge::new(",
        "IntCounter::new(",
    ];
    let mut made: Vec<(usize, &str)> = MAKERS
        .iter()
        .flat_map(|maker| source.match_indices(maker))
        .filter_map(|(at, maker)| {
            let name = source[at + maker.len()..].trim_start().strip_prefix('"')?;
            Some((at, name.split('"').next()?))
        })
        .collect();
    made.sort_unstable();
    for (number, (at, name)) in made.iter().enumerate() {
        let end = made.get(number + 1).map_or(source.len(), |(next, _)| *next);
        let lists = source[*at..end].split("&[").skip(1);
        let labels = lists
            .map(|list| list.split(']').next().unwrap())
            .find(|list| list.trim_start().starts_with('"'));
        let labels = labels.map_or_else(BTreeSet::new, |list| quoted(list, '"'));
        found.insert(format!("agentcore_{name}"), labels);
    }
}

#[test]
fn every_metric_is_documented_with_its_labels_and_every_documented_metric_exists() {
    let (mut texts, mut made) = (Vec::new(), BTreeMap::new());
    for part in ["aws", "cluster", "controller", "gateway", "process"] {
        sources(&root().join(format!("crates/{part}/src")), &mut texts);
    }
    for text in &texts {
        metrics_made(text, &mut made);
    }
    let documented: BTreeMap<String, BTreeSet<String>> = read("docs/metrics.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| {
            let (name, cells) = row.split_once('`').unwrap();
            // After the name: nothing, the type, the labels.
            (
                name.to_owned(),
                quoted(cells.split('|').nth(2).unwrap(), '`'),
            )
        })
        .collect();
    assert!(made.len() > 20, "only {made:?}");
    assert_eq!(documented, made);
}
