//! What the tests of the cluster share: kubectl, the list of processes, and processes to kill.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testcluster::Cluster;

/// Generous: machines that run this are often busy with builds.
pub const DEADLINE: Duration = Duration::from_mins(2);

/// Polls until `condition` gives a value; panics with `what` after [`DEADLINE`].
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            begun.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn run_kubectl(cluster: &Cluster, kubeconfig: &Path, args: &[&str]) -> Output {
    Command::new(cluster.kubectl())
        .arg("--kubeconfig")
        .arg(kubeconfig)
        // Its discovery cache would otherwise be in the home folder, by port.
        .arg("--cache-dir")
        .arg(kubeconfig.with_file_name("kubectl-cache"))
        .args(args)
        .output()
        .unwrap()
}

/// What an administrator's kubectl prints; panics if it fails.
pub fn kubectl(cluster: &Cluster, args: &[&str]) -> String {
    let output = run_kubectl(cluster, cluster.kubeconfig(), args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Processes whose command line names `dir`: every process of a cluster does.
pub fn processes_of(dir: &Path) -> Vec<String> {
    let output = Command::new("ps")
        .args(["-A", "-o", "pid=,args=", "-ww"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let dir = dir.to_str().unwrap();
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines
        .lines()
        .filter(|line| line.contains(dir))
        .map(str::to_owned)
        .collect()
}

pub fn assert_all_gone(dir: &Path) {
    let begun = Instant::now();
    let mut left = processes_of(dir);
    while !left.is_empty() {
        assert!(begun.elapsed() < DEADLINE, "still running: {left:#?}");
        std::thread::sleep(Duration::from_millis(50));
        left = processes_of(dir);
    }
}

/// A process that holds a cluster, killed at the latest when the test ends.
pub struct Up {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Up {
    /// Starts `testcluster up --dir DIR`.
    pub fn spawn(dir: &Path) -> Self {
        Self::run(
            Command::new(env!("CARGO_BIN_EXE_testcluster"))
                .args(["up", "--dir"])
                .arg(dir),
        )
    }

    /// Starts any program that holds a cluster.
    pub fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// Waits for a line with `prefix`, wherever in it, and returns what follows.
    pub fn wait_for(&mut self, prefix: &str) -> String {
        let mut lines = self.stdout.by_ref().lines().map(Result::unwrap);
        let found = lines.find_map(|line| Some(line.split_once(prefix)?.1.to_owned()));
        found.expect("it ended before it was ready")
    }

    /// Waits until it says how to reach the cluster, and returns the kubeconfig's path.
    pub fn wait_for_export(&mut self) -> String {
        self.wait_for("export KUBECONFIG=")
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        eventually("testcluster ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
