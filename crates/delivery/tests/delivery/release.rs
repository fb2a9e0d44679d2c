//! What a release is made from: the files that the build of the images sees, and one version everywhere.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, ensure};

use super::support::root;

/// What `.dockerignore` lets through: all is left out, and these are not.
fn build_context() -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(root().join(".dockerignore"))?;
    let mut let_through = Vec::new();
    for line in text.lines() {
        match line.strip_prefix('!') {
            Some(path) => let_through.push(path.to_owned()),
            None if matches!(line, "" | "*" | "**/target") || line.starts_with('#') => {}
            None => {
                anyhow::bail!("this test does not know what `{line}` in .dockerignore leaves out")
            }
        }
    }
    Ok(let_through)
}

/// Whether cargo takes the manifests in a folder, as a build does. Nothing is built, and nothing fetched that a build here has not fetched.
fn manifests_are_taken(folder: &Path) -> anyhow::Result<()> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["fetch", "--locked", "--target", "host-tuple"])
        .current_dir(folder)
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo fetch: {stderr}");
    Ok(())
}

#[test]
fn the_images_are_built_from_all_that_the_manifests_name() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for path in build_context()? {
        let link = folder.path().join(&path);
        std::fs::create_dir_all(link.parent().context("a path below the folder")?)?;
        let source = root().join(&path);
        ensure!(source.exists(), "{path} in .dockerignore is not there");
        symlink(source, link)?;
    }
    manifests_are_taken(folder.path())?;
    // The test can fail: what a manifest names and is not there is refused.
    std::fs::remove_file(folder.path().join("benches"))?;
    let refused = manifests_are_taken(folder.path()).expect_err("refused without benches");
    ensure!(refused.to_string().contains("bench"), "{refused}");
    Ok(())
}

/// `scripts/version.sh`, with a tag or none.
fn version(tag: Option<&str>) -> anyhow::Result<Output> {
    Ok(Command::new(root().join("scripts/version.sh"))
        .args(tag)
        .output()?)
}

#[test]
fn programs_chart_and_manifests_have_one_version_and_a_release_has_its_tag() -> anyhow::Result<()> {
    let ours = env!("CARGO_PKG_VERSION");
    let told = version(None)?;
    let stderr = String::from_utf8_lossy(&told.stderr);
    ensure!(told.status.success(), "{stderr}");
    ensure!(String::from_utf8(told.stdout)?.trim() == ours);
    ensure!(version(Some(&format!("v{ours}")))?.status.success());
    for tag in [ours, "v99.0.0", "main"] {
        let refused = version(Some(tag))?;
        ensure!(!refused.status.success(), "{tag} was taken");
        ensure!(String::from_utf8_lossy(&refused.stderr).contains(tag));
    }
    Ok(())
}
