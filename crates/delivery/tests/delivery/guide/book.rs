//! The documentation as a whole: every page is in the book, every link leads to a place that is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::support::root;

/// All pages below a folder.
pub fn pages(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.insert(path);
        }
    }
    found
}

/// Targets of the links in a text, blocks and quoted words apart.
fn links(text: &str) -> Vec<String> {
    let mut code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        let targets = plain.split("](").skip(1);
        found.extend(targets.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    }
    found
}

/// The anchors of a page, as GitHub and mdBook make them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let words = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = words.chars().filter_map(|c| match c {
                ' ' => Some('-'),
                '-' | '_' => Some(c),
                _ => c.is_alphanumeric().then_some(c),
            });
            kept.collect()
        })
        .collect()
}

#[test]
fn the_book_has_every_page_once_and_no_other() {
    let docs = root().join("docs");
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let mut listed = BTreeSet::new();
    for target in links(&summary) {
        assert!(listed.insert(docs.join(&target)), "{target} is there twice");
    }
    let mut pages = pages(&docs);
    pages.remove(&docs.join("SUMMARY.md"));
    let lacking: Vec<_> = pages.difference(&listed).collect();
    assert!(lacking.is_empty(), "not in docs/SUMMARY.md: {lacking:?}");
    let gone: Vec<_> = listed.difference(&pages).collect();
    assert!(
        gone.is_empty(),
        "in docs/SUMMARY.md, but not there: {gone:?}"
    );
}

#[test]
fn every_link_leads_to_a_heading_that_is_there() {
    let documents = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ];
    let own = documents.map(|name| root().join(name));
    let mut wrong = Vec::new();
    for page in pages(&root().join("docs")).into_iter().chain(own) {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in links(&text) {
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            let Ok(there) = std::fs::read_to_string(&file) else {
                if !file.is_dir() {
                    wrong.push(format!("{}: {target}", page.display()));
                }
                continue;
            };
            if !anchor.is_empty() && !anchors(&there).contains(anchor) {
                wrong.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
