//! The reference agent as a program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The reference agent's program: built, unless it is there and up to date.
pub fn agent_program() -> &'static Path {
    static AGENT: OnceLock<PathBuf> = OnceLock::new();
    AGENT.get_or_init(|| {
        let beside = Path::new(env!("CARGO_BIN_EXE_agentcore-operator"));
        let folder = beside.parent().expect("a folder of programs");
        let target = folder.parent().expect("a target folder");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build
            .args([
                "build",
                "--locked",
                "--quiet",
                "-p",
                "agentcore-agent",
                "--target-dir",
            ])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(
            build.status().expect("cargo runs").success(),
            "the agent does not build"
        );
        folder.join("agentcore-agent")
    })
}
