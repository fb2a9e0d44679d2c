//! The table of requirements: all of them, with tests that exist.

use std::collections::BTreeMap;

use super::super::support::{root, rust_sources};

/// How many requirements each chapter has.
const CHAPTERS: [(u32, u32); 8] = [
    (1, 11),
    (2, 3),
    (3, 5),
    (4, 8),
    (5, 6),
    (6, 1),
    (7, 3),
    (8, 4),
];

/// State and tests by requirement.
fn rows() -> BTreeMap<String, (String, Vec<String>)> {
    let text = std::fs::read_to_string(root().join("docs/requirements.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| R")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, id, what, state, tests, _] = cells[..] else {
            panic!("a row of four cells: {line}");
        };
        assert!(!what.is_empty(), "{id}");
        let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned);
        let row = (state.to_owned(), tests.collect());
        assert!(rows.insert(id.to_owned(), row).is_none(), "{id} twice");
    }
    rows
}

#[test]
fn every_requirement_is_there_once_and_nothing_else() {
    let wanted = CHAPTERS
        .iter()
        .flat_map(|(chapter, last)| (1..=*last).map(move |number| format!("R{chapter}.{number}")));
    let mut wanted: Vec<String> = wanted.collect();
    wanted.sort();
    let found: Vec<String> = rows().into_keys().collect();
    assert_eq!(found, wanted);
}

#[test]
fn what_is_not_open_is_shown_by_a_test_and_what_is_partly_done_says_what_is_missing() {
    for (id, (state, tests)) in rows() {
        match state.split_once(": ") {
            Some(("partly", missing)) => assert!(!missing.is_empty() && !tests.is_empty(), "{id}"),
            None if state == "done" => assert!(!tests.is_empty(), "{id}"),
            None if state == "open" => assert!(tests.is_empty(), "{id}"),
            _ => {
                panic!("{id}: `{state}` is neither done, nor partly with what is missing, nor open")
            }
        }
    }
}

/// The sources that a file's name stands for: itself, and those below its folder where it has one.
fn sources(file: &str) -> Vec<String> {
    let path = root().join(file);
    let folder = path.with_extension("");
    let below = folder.is_dir().then(|| rust_sources(&folder));
    let below = below.into_iter().flatten().map(|(_, text)| text);
    std::fs::read_to_string(&path)
        .into_iter()
        .chain(below)
        .collect()
}

/// Whether a source has a test of this name: the attribute stands within the few lines before it.
fn has_test(source: &str, name: &str) -> bool {
    source.find(&format!("fn {name}(")).is_some_and(|at| {
        let mut before = source[..at].lines().rev().take(6);
        before.any(|line| line.contains("test"))
    })
}

#[test]
fn every_named_test_exists() {
    let mut missing = Vec::new();
    for (id, (_, tests)) in rows() {
        for test in tests {
            let there = test
                .split_once("::")
                .is_some_and(|(file, name)| sources(file).iter().any(|text| has_test(text, name)));
            if !there {
                missing.push(format!("{id}: {test}"));
            }
        }
    }
    assert!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
}
