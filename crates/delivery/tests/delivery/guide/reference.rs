//! The generated pages: what is committed is what the types and the examples say, and a gap is named.

use std::path::Path;
use std::process::{Command, Output};

use super::super::support::root;

/// Runs the generator in a folder with examples, writing below `out`.
fn generate(folder: &Path, out: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_delivery"))
        .arg("reference")
        .arg(out)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// A folder with all examples but one.
fn without(example: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let fields = folder.path().join("examples/fields");
    std::fs::create_dir_all(&fields).unwrap();
    for entry in std::fs::read_dir(root().join("examples/fields")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name != example {
            std::fs::copy(&path, fields.join(name)).unwrap();
        }
    }
    folder
}

#[test]
fn the_reference_is_what_the_types_and_the_examples_say() {
    let out = tempfile::tempdir().unwrap();
    let output = generate(root(), out.path());
    assert!(output.status.success(), "{output:?}");
    let (fresh, committed) = (
        out.path().join("docs/reference"),
        root().join("docs/reference"),
    );
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&fresh), names(&committed));
    for name in names(&fresh) {
        let text = |folder: &Path| std::fs::read_to_string(folder.join(&name)).unwrap();
        assert!(
            text(&fresh) == text(&committed),
            "docs/reference/{} is out of date: run `make generate`",
            name.display()
        );
    }
}

#[test]
fn a_field_without_an_example_ends_the_generator_with_its_name() {
    let folder = without("runtime-policy.yaml");
    let output = generate(folder.path(), folder.path());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        said.contains("no example shows spec.resourcePolicy"),
        "{said}"
    );
}

#[test]
fn an_example_that_does_not_show_what_it_says_is_named() {
    let folder = without("runtime-policy.yaml");
    let text = std::fs::read_to_string(root().join("examples/fields/runtime-policy.yaml")).unwrap();
    let file = folder.path().join("examples/fields/wrong.yaml");
    std::fs::write(
        file,
        text.replace("# Shows: resourcePolicy.", "# Shows: adopt."),
    )
    .unwrap();
    let output = generate(folder.path(), folder.path());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("wrong.yaml") && said.contains("shows adopt"),
        "{said}"
    );
}
