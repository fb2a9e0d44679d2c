//! Commands of the documentation, run as they stand there.
//!
//! A block that follows a line `<!-- run -->` is run by bash from the repository's root, with a real API server behind kubectl. The other
//! blocks need what a test has not: nodes, AWS, an image registry.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::super::support::{cluster_with, helm_program, root};

/// Pages in the order of a reader, who has one cluster.
const PAGES: [&str; 10] = [
    "quick-start.md",
    "concepts.md",
    "images.md",
    "versions.md",
    "declared-sessions.md",
    "gateway.md",
    "how-to/follow-an-image.md",
    "how-to/drain-sessions.md",
    "how-to/adopt.md",
    "how-to/regions.md",
];

const MARK: &str = "<!-- run -->";

/// The blocks of a page that are to be run.
fn blocks(page: &str) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(root().join("docs").join(page))?;
    let mut blocks = Vec::new();
    for rest in text.split(MARK).skip(1) {
        let mut lines = rest.lines().skip_while(|line| line.trim().is_empty());
        let fence = lines.next().context("nothing after the mark")?;
        ensure!(
            fence.trim() == "```console",
            "{page}: no block of commands after the mark"
        );
        let indent = fence.len() - fence.trim_start().len();
        let own = lines.take_while(|line| line.trim() != "```");
        let own: Vec<&str> = own
            .map(|line| line.get(indent..).unwrap_or_default())
            .collect();
        blocks.push(own.join("\n"));
    }
    Ok(blocks)
}

/// A folder with links to the programs that the commands name.
fn programs(folder: &Path, kubectl: &Path) -> anyhow::Result<String> {
    for (name, program) in [("kubectl", kubectl), ("helm", helm_program())] {
        std::os::unix::fs::symlink(program, folder.join(name))?;
    }
    Ok(format!("{}:{}", folder.display(), std::env::var("PATH")?))
}

#[tokio::test]
async fn the_commands_of_the_guide_do_what_it_says() -> anyhow::Result<()> {
    let cluster = cluster_with(&[]).await?;
    let folder = tempfile::tempdir()?;
    let path = programs(folder.path(), cluster.kubectl())?;
    let mut ran = 0;
    for page in PAGES {
        for block in blocks(page)? {
            let output = Command::new("bash")
                .args(["-euo", "pipefail", "-c", &block])
                .current_dir(root())
                .env("PATH", &path)
                .env("HOME", folder.path())
                .env("KUBECONFIG", cluster.kubeconfig())
                .env("AWS_ACCESS_KEY_ID", "example")
                .env("AWS_SECRET_ACCESS_KEY", "example")
                .stdin(Stdio::null())
                .output()?;
            let stderr = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{page}:\n{block}\n{stderr}");
            ran += 1;
        }
    }
    ensure!(ran >= 8, "only {ran} blocks were run");
    cluster.stop().await
}

#[test]
fn every_page_with_commands_to_run_is_read() -> anyhow::Result<()> {
    let docs = root().join("docs");
    for page in super::book::pages(&docs) {
        let name = page.strip_prefix(&docs)?.to_string_lossy().into_owned();
        let marked = std::fs::read_to_string(&page)?
            .lines()
            .any(|line| line.trim() == MARK);
        ensure!(
            marked == PAGES.contains(&name.as_str()),
            "{name}: marked: {marked}"
        );
    }
    Ok(())
}
