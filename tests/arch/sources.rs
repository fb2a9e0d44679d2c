//! Rules about what sources name and how long they are.

use std::collections::BTreeSet;

use super::source::{Token, paths, tokens};
use super::{read, root, rust_files, shown, source_folders};

/// Longest file, in lines.
const LONGEST: usize = 400;
/// Longest driver of a controller, in lines.
const LONGEST_DRIVER: usize = 150;
/// Files of one subject that would not get clearer in two, each with its own limit.
const LONGER: &[(&str, usize)] = &[("crates/plan/src/desk.rs", 450)];

fn words(text: &str) -> BTreeSet<String> {
    let word = |token| match token {
        Token::Word(word) => Some(word),
        Token::Mark(_) => None,
    };
    tokens(text).into_iter().filter_map(word).collect()
}

/// Where the AWS SDK may be named: the operator's one way to AWS, and the plugin's way to the logs of agents, which the operator never reads.
const SDK: &[&str] = &[
    "crates/aws/src/",
    "crates/cli/src/agents/logs/cloudwatch.rs",
];

#[test]
fn only_the_ways_to_aws_name_the_aws_sdk() {
    let mut found = Vec::new();
    let folders = source_folders();
    for file in folders.iter().flat_map(|folder| rust_files(folder)) {
        let name = shown(&file);
        let names = words(&read(&file));
        let may = SDK.iter().any(|place| name.starts_with(place));
        if !may && names.iter().any(|word| word.starts_with("aws_sdk_")) {
            found.push(name);
        }
    }
    assert!(found.is_empty(), "aws_sdk_* is named in {found:?}");
}

#[test]
fn the_planner_has_no_clock_and_no_input_or_output() {
    let forbidden = [
        "tokio",
        "futures",
        "SystemTime",
        "Instant",
        "rand",
        "println",
        "eprintln",
    ];
    let paths_of = |text: &str| {
        paths(&tokens(text))
            .iter()
            .map(|path| path.join("::"))
            .collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for file in rust_files("crates/plan/src") {
        let text = read(&file);
        let named = words(&text);
        found.extend(
            forbidden
                .iter()
                .filter(|word| named.contains(**word))
                .map(|word| format!("{}: {word}", shown(&file))),
        );
        let reaches = |path: &String| {
            ["std::fs", "std::net", "std::io", "std::process", "std::env"]
                .iter()
                .any(|world| path.starts_with(world))
                || path.ends_with("Timestamp::now")
        };
        found.extend(
            paths_of(&text)
                .into_iter()
                .filter(reaches)
                .map(|path| format!("{}: {path}", shown(&file))),
        );
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn files_stay_short_and_say_what_they_own() {
    let mut found = Vec::new();
    let folders = source_folders();
    let files: Vec<_> = folders
        .iter()
        .flat_map(|folder| rust_files(folder))
        .collect();
    assert!(files.len() > 50, "only {} files were found", files.len());
    for file in files {
        let (name, text) = (shown(&file), read(&file));
        let limit = LONGER
            .iter()
            .find(|(longer, _)| *longer == name)
            .map_or(LONGEST, |(_, limit)| *limit);
        let lines = text.lines().count();
        if lines > limit {
            found.push(format!("{name} has {lines} lines, more than {limit}"));
        }
        let about_itself = text.starts_with("//!");
        if !about_itself && !name.ends_with("tests.rs") {
            found.push(format!("{name} does not begin with //!"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_controller_is_a_folder_with_the_same_five_files_and_a_short_driver() {
    for kind in ["runtime", "endpoint", "session"] {
        let folder = root().join("crates/controller/src").join(kind);
        for file in ["mod.rs", "gather.rs", "act.rs", "report.rs", "events.rs"] {
            assert!(
                folder.join(file).is_file(),
                "{} has no {file}",
                shown(&folder)
            );
        }
        let driver = read(&folder.join("mod.rs")).lines().count();
        assert!(
            driver < LONGEST_DRIVER,
            "{}/mod.rs has {driver} lines",
            shown(&folder)
        );
    }
}
