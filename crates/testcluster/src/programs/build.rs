//! Builds the programs with Go, from the sources that the module proxy has.
//!
//! The module in `go/` makes one binary of all four; `go.sum` pins every source file it is made of.

use std::io::{BufRead as _, BufReader, ErrorKind, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{KUBERNETES_VERSION, NAMES};
use crate::group::Group;
use crate::progress::{say, share};

pub(super) const GO_MOD: &str = include_str!("../../go/go.mod");
pub(super) const GO_SUM: &str = include_str!("../../go/go.sum");
pub(super) const MAIN_GO: &str = include_str!("../../go/main.go");

/// How often a line says how far it is.
const REPORT: Duration = Duration::from_secs(5);

/// How much of what Go said goes into an error.
const TAIL_LINES: usize = 15;

/// The file that does the work; the programs are links to it.
const BINARY: &str = "programs";

/// Builds the four programs into `target`.
pub(super) async fn build(target: &Path) -> anyhow::Result<()> {
    let begun = Instant::now();
    let source = target.join("go");
    std::fs::create_dir(&source)?;
    for (name, content) in [("go.mod", GO_MOD), ("go.sum", GO_SUM), ("main.go", MAIN_GO)] {
        std::fs::write(source.join(name), content)?;
    }
    say(&format!(
        "building Kubernetes {KUBERNETES_VERSION} with Go; the first time this takes about 4 minutes on 2 cores"
    ));

    let modules = modules();
    let listed = run(&source, &["list", "-deps", "."], |lines| {
        let done = lines.downloads;
        let share = share(done, modules, begun.elapsed());
        format!("fetched {done} of at most {modules} modules: {share}")
    })
    .await?;
    let packages = listed.stdout_lines;
    let compiling = Instant::now();
    let flags = linker_flags();
    let output = Path::new("..").join(BINARY);
    let output = output.to_str().context("a fixed name is UTF-8")?;
    run(
        &source,
        &[
            "build",
            "-v",
            "-trimpath",
            "-ldflags",
            &flags,
            "-o",
            output,
            ".",
        ],
        |lines| {
            if lines.last == env_module() {
                format!("linking ({} s)", begun.elapsed().as_secs())
            } else {
                let done = lines.others;
                let share = share(done, packages, compiling.elapsed());
                format!("compiled {done} of at most {packages} packages: {share}")
            }
        },
    )
    .await?;

    for name in NAMES {
        std::os::unix::fs::symlink(BINARY, target.join(name))?;
    }
    std::fs::remove_dir_all(&source)?;
    say(&format!("built in {} s", begun.elapsed().as_secs()));
    Ok(())
}

/// How many modules `go.sum` pins with their sources, which are those that are fetched where nothing is there yet.
fn modules() -> u64 {
    let sources = GO_SUM.lines().filter(|line| !line.contains("/go.mod "));
    sources.count() as u64
}

/// Go's name for the package in `go/`, the last to be compiled.
fn env_module() -> &'static str {
    GO_MOD
        .lines()
        .find_map(|line| line.strip_prefix("module "))
        .unwrap_or_default()
}

/// Without these, the programs take themselves for version 0.0.0 and kubectl cannot compare versions.
fn linker_flags() -> String {
    let mut parts = KUBERNETES_VERSION.split('.');
    let (major, minor) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let package = "k8s.io/component-base/version";
    format!(
        "-s -w -X {package}.gitVersion=v{KUBERNETES_VERSION} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
    )
}

/// What a Go command has printed so far.
#[derive(Default)]
struct Printed {
    stdout_lines: u64,
    /// "go: downloading ..." lines.
    downloads: u64,
    /// Other lines on standard error.
    others: u64,
    last: String,
    tail: Vec<String>,
}

impl Printed {
    fn take(&mut self, line: Line) {
        match line {
            Line::Out => self.stdout_lines += 1,
            Line::Err(line) => {
                if line.starts_with("go: downloading ") {
                    self.downloads += 1;
                } else {
                    self.others += 1;
                }
                if self.tail.len() == TAIL_LINES {
                    self.tail.remove(0);
                }
                self.tail.push(line.clone());
                self.last = line;
            }
        }
    }
}

enum Line {
    Out,
    Err(String),
}

/// Runs `go` in `source`; what `describe` makes of its output is said every few seconds.
async fn run(
    source: &Path,
    args: &[&str],
    describe: impl Fn(&Printed) -> String,
) -> anyhow::Result<Printed> {
    let mut command = Command::new("go");
    command
        .args(args)
        .current_dir(source)
        // Pure Go: no C compiler is needed, and the binary runs on any distribution.
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // In a group, so that an interrupted build leaves neither a compiler nor half of its files behind.
    let mut group = Group::new(source, source.parent(), None)?;
    let member = group.spawn(&mut command).map_err(explain_missing_go)?;
    let (lines, mut printed_lines) = mpsc::unbounded_channel();
    let (stdout, stderr) = group.take_output(&member);
    if let Some(stdout) = stdout {
        forward(stdout, lines.clone(), |_| Line::Out);
    }
    if let Some(stderr) = stderr {
        forward(stderr, lines, Line::Err);
    }

    let mut printed = Printed::default();
    let mut report = tokio::time::interval_at(Instant::now() + REPORT, REPORT);
    loop {
        tokio::select! {
            line = printed_lines.recv() => match line {
                Some(line) => printed.take(line),
                None => break,
            },
            _ = report.tick() => say(&describe(&printed)),
        }
    }
    let status = wait(&mut group, &member).await?;
    if !status.success() {
        bail!(
            "go {} failed ({status}):\n{}",
            args[0],
            printed.tail.join("\n")
        );
    }
    Ok(printed)
}

async fn wait(group: &mut Group, member: &crate::group::Member) -> anyhow::Result<ExitStatus> {
    loop {
        if let Some(status) = group.ended(member)? {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads lines on a thread of its own, which ends with the pipe.
fn forward(
    pipe: impl Read + Send + 'static,
    lines: mpsc::UnboundedSender<Line>,
    make: fn(String) -> Line,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if lines.send(make(line)).is_err() {
                break;
            }
        }
    });
}

fn explain_missing_go(error: anyhow::Error) -> anyhow::Error {
    let missing = error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|io| io.kind() == ErrorKind::NotFound);
    if !missing {
        return error;
    }
    let go = GO_MOD
        .lines()
        .find_map(|line| line.strip_prefix("go "))
        .unwrap_or_default();
    anyhow!(
        "go is not installed: install Go {go} or newer (https://go.dev/dl), or set KUBEBUILDER_ASSETS to a folder with {}",
        NAMES.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_requires_the_version_that_the_programs_are_told() {
        assert!(
            GO_MOD.contains(&format!("\tk8s.io/kubernetes v{KUBERNETES_VERSION}\n")),
            "go.mod names another version"
        );
        assert!(linker_flags().contains("gitMajor=1 "), "{}", linker_flags());
    }

    #[test]
    fn every_staging_module_is_replaced_by_the_same_release() {
        let wanted = format!("v0.{}", KUBERNETES_VERSION.trim_start_matches("1."));
        let replaced: Vec<_> = GO_MOD
            .lines()
            .filter_map(|line| line.split_once(" => "))
            .collect();
        assert!(replaced.len() > 20, "only {} replacements", replaced.len());
        for (old, new) in replaced {
            assert_eq!(new, format!("{} {wanted}", old.trim()));
        }
    }
}
