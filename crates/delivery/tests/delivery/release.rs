//! What a release is made from: the files that the build of the images sees, and one version everywhere.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, ensure};

use super::support::root;

/// What the build of a Dockerfile sees: its own `.dockerignore` or else the root's leaves all out but these.
fn build_context(dockerfile: &str) -> anyhow::Result<Vec<String>> {
    let own = root().join(format!("{dockerfile}.dockerignore"));
    let file = if own.exists() {
        own
    } else {
        root().join(".dockerignore")
    };
    let text = std::fs::read_to_string(file)?;
    let mut let_through = Vec::new();
    for line in text.lines() {
        match line.strip_prefix('!') {
            Some(path) => let_through.push(path.to_owned()),
            None if matches!(line, "" | "*" | "**/target") || line.starts_with('#') => {}
            None => {
                anyhow::bail!("this test does not know what `{line}` leaves out of {dockerfile}")
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
    for dockerfile in ["Dockerfile", "agent-image/Dockerfile"] {
        let folder = tempfile::tempdir()?;
        for path in build_context(dockerfile)? {
            let link = folder.path().join(&path);
            std::fs::create_dir_all(link.parent().context("a path below the folder")?)?;
            let source = root().join(&path);
            ensure!(source.exists(), "{dockerfile}: {path} is not there");
            symlink(source, link)?;
        }
        manifests_are_taken(folder.path()).with_context(|| dockerfile.to_owned())?;
        // The test can fail: what a manifest names and is not there is refused.
        std::fs::remove_file(folder.path().join("benches"))?;
        let refused = manifests_are_taken(folder.path()).expect_err("refused without benches");
        ensure!(refused.to_string().contains("bench"), "{refused}");
    }
    Ok(())
}

#[test]
fn a_machine_without_what_the_tests_need_is_told_of_all_of_it_at_once() -> anyhow::Result<()> {
    let path = tempfile::tempdir()?;
    for tool in ["bash", "dirname", "id"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").context("a PATH")?)
            .map(|folder| folder.join(tool))
            .find(|program| program.exists());
        symlink(
            found.with_context(|| tool.to_owned())?,
            path.path().join(tool),
        )?;
    }
    let set_up = Command::new(path.path().join("bash"))
        .arg(root().join("scripts/setup.sh"))
        .env_clear()
        .env("PATH", path.path())
        .output()?;
    let said = String::from_utf8(set_up.stderr)?;
    ensure!(!set_up.status.success(), "{said}");
    ensure!(said.matches("error: ").count() == 1, "{said}");
    for program in ["cargo", "cc", "go", "python3", "curl", "redis-server"] {
        ensure!(
            said.contains(&format!("  {program}: ")),
            "{program}: {said}"
        );
    }
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
