//! The rules, a file for each kind of evidence.

mod manifests;
mod source;
mod sources;

use std::path::{Path, PathBuf};

/// The repository's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder of the repository, tests and all.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut open = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The source folders of every package: what ends up in a program or a library.
fn source_folders() -> Vec<String> {
    let mut folders = vec!["src".to_owned(), "agent-image/src".to_owned()];
    let crates = std::fs::read_dir(root().join("crates")).expect("crates/ is there");
    for entry in crates {
        let name = entry.expect("a readable folder").file_name();
        folders.push(format!("crates/{}/src", name.to_string_lossy()));
    }
    folders
}

/// A file's path as people write it.
fn shown(file: &Path) -> String {
    file.strip_prefix(root())
        .unwrap_or(file)
        .display()
        .to_string()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", shown(file)))
}
