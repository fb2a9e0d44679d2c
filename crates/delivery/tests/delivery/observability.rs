//! Alert rules and dashboards against the metrics that the programs export, with promtool.
//!
//! promtool is `$AGENTCORE_TEST_PROMTOOL`, else the one of the path.

mod alerts;
mod boards;
mod promql;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::support::root;

/// The promtool program.
fn promtool() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = std::env::var_os("AGENTCORE_TEST_PROMTOOL")
            .map_or_else(|| "promtool".into(), PathBuf::from);
        let found = Command::new(&program).arg("--version").output();
        assert!(
            found.is_ok_and(|output| output.status.success()),
            "{} does not run: install promtool (Debian: apt-get install prometheus), or name it in AGENTCORE_TEST_PROMTOOL",
            program.display()
        );
        program
    })
}

/// Runs promtool in a folder; what it says, if it is content, else as an error.
fn run_promtool(folder: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new(promtool())
        .args(args)
        .current_dir(folder)
        .output()
        .expect("promtool runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(text.into_owned())
    } else {
        Err(text.into_owned())
    }
}

/// A file of the repository.
fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
