//! The cluster as its users see it, through kubectl, and what is left of it when it ends in each possible way.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testcluster::Cluster;

/// Generous: machines that run this are often busy with builds.
const DEADLINE: Duration = Duration::from_mins(2);

/// Polls until `condition` gives a value; panics with `what` after [`DEADLINE`].
fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
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

fn run_kubectl(cluster: &Cluster, kubeconfig: &Path, args: &[&str]) -> Output {
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
fn kubectl(cluster: &Cluster, args: &[&str]) -> String {
    let output = run_kubectl(cluster, cluster.kubeconfig(), args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Processes whose command line names `dir`: every process of a cluster does.
fn processes_of(dir: &Path) -> Vec<String> {
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

fn assert_all_gone(dir: &Path) {
    let begun = Instant::now();
    let mut left = processes_of(dir);
    while !left.is_empty() {
        assert!(begun.elapsed() < DEADLINE, "still running: {left:#?}");
        std::thread::sleep(Duration::from_millis(50));
        left = processes_of(dir);
    }
}

/// A process that holds a cluster, killed at the latest when the test ends.
struct Up {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Up {
    fn spawn(dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_testcluster"))
            .arg("up")
            .arg("--dir")
            .arg(dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// Waits for a line with `prefix`, wherever in it, and returns what follows.
    fn wait_for(&mut self, prefix: &str) -> String {
        let mut lines = self.stdout.by_ref().lines().map(Result::unwrap);
        let found = lines.find_map(|line| Some(line.split_once(prefix)?.1.to_owned()));
        found.expect("it ended before it was ready")
    }

    /// Waits until it says how to reach the cluster, and returns the kubeconfig's path.
    fn wait_for_export(&mut self) -> String {
        self.wait_for("export KUBECONFIG=")
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        eventually("testcluster ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_cluster_behaves_like_one_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start_in(dir.path()).await.unwrap();
    assert_eq!(cluster.kubeconfig(), dir.path().join("kubeconfig"));

    // kubectl is of the server's version, and both know their version.
    let version = kubectl(&cluster, &["version", "--output=json"]);
    let version: serde_json::Value = serde_json::from_str(&version).unwrap();
    let wanted = format!("v{}", testcluster::programs::KUBERNETES_VERSION);
    assert_eq!(version["serverVersion"]["gitVersion"], wanted.as_str());
    assert_eq!(
        version["clientVersion"]["gitVersion"],
        version["serverVersion"]["gitVersion"]
    );

    owned_objects_go_with_their_owner(&cluster);
    a_deleted_namespace_goes_away_with_its_content(&cluster);
    rbac_decides_for_a_service_account(&cluster).await;

    assert!(
        processes_of(dir.path()).len() >= 4,
        "this test looks for its processes wrongly"
    );
    drop(cluster);
    assert_eq!(
        processes_of(dir.path()),
        Vec::<String>::new(),
        "alive after drop"
    );
}

fn owned_objects_go_with_their_owner(cluster: &Cluster) {
    kubectl(cluster, &["create", "configmap", "owner"]);
    let uid = kubectl(
        cluster,
        &[
            "get",
            "configmap",
            "owner",
            "--output=jsonpath={.metadata.uid}",
        ],
    );
    kubectl(cluster, &["create", "configmap", "owned"]);
    let reference = format!(
        r#"{{"metadata":{{"ownerReferences":[{{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"{uid}"}}]}}}}"#
    );
    kubectl(
        cluster,
        &["patch", "configmap", "owned", "--patch", &reference],
    );
    kubectl(cluster, &["delete", "configmap", "owner"]);
    eventually("the owned object is collected", || {
        let left = kubectl(
            cluster,
            &["get", "configmap", "owned", "--ignore-not-found"],
        );
        left.is_empty().then_some(())
    });
}

fn a_deleted_namespace_goes_away_with_its_content(cluster: &Cluster) {
    kubectl(cluster, &["create", "namespace", "short-lived"]);
    kubectl(
        cluster,
        &["create", "configmap", "content", "--namespace=short-lived"],
    );
    kubectl(
        cluster,
        &["delete", "namespace", "short-lived", "--wait=false"],
    );
    eventually("the namespace is gone", || {
        let left = kubectl(
            cluster,
            &["get", "namespace", "short-lived", "--ignore-not-found"],
        );
        left.is_empty().then_some(())
    });
}

async fn rbac_decides_for_a_service_account(cluster: &Cluster) {
    kubectl(cluster, &["create", "namespace", "team"]);
    kubectl(
        cluster,
        &["create", "serviceaccount", "reader", "--namespace=team"],
    );
    let config = cluster
        .kubeconfig_for_service_account("team", "reader")
        .await
        .unwrap();

    let who = run_kubectl(cluster, &config, &["auth", "whoami"]);
    let who = String::from_utf8(who.stdout).unwrap();
    assert!(who.contains("system:serviceaccount:team:reader"), "{who}");
    let refused = run_kubectl(cluster, &config, &["get", "configmaps"]);
    let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && reason.contains("Forbidden"),
        "{reason}"
    );

    kubectl(
        cluster,
        &[
            "create",
            "rolebinding",
            "reader",
            "--clusterrole=view",
            "--serviceaccount=team:reader",
            "--namespace=team",
        ],
    );
    // `view` has its rules from the aggregation of other roles, which a controller does.
    eventually("the ServiceAccount may read", || {
        let output = run_kubectl(cluster, &config, &["get", "configmaps"]);
        output.status.success().then_some(())
    });
    let elsewhere = run_kubectl(
        cluster,
        &config,
        &["get", "configmaps", "--namespace=default"],
    );
    assert!(
        !elsewhere.status.success(),
        "the binding reaches beyond its namespace"
    );

    let missing = cluster
        .kubeconfig_for_service_account("team", "nobody")
        .await
        .unwrap_err();
    assert!(
        format!("{missing:#}").contains("team/nobody"),
        "{missing:#}"
    );
}

#[tokio::test]
async fn two_clusters_run_side_by_side_and_stop_in_order() {
    let (one, two) = tokio::join!(Cluster::start(), Cluster::start());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.url(), two.url());
    let dir = one.kubeconfig().parent().unwrap().to_owned();

    kubectl(&one, &["create", "namespace", "only-here"]);
    let elsewhere = kubectl(
        &two,
        &["get", "namespace", "only-here", "--ignore-not-found"],
    );
    assert_eq!(elsewhere, "");

    one.stop().await.unwrap();
    assert_eq!(processes_of(&dir), Vec::<String>::new(), "alive after stop");
    assert!(!dir.exists(), "the temporary folder is left");
    // The other has not noticed.
    kubectl(&two, &["get", "namespace", "default"]);
}

#[tokio::test]
async fn a_folder_serves_one_cluster_at_a_time_and_each_begins_empty() {
    let dir = tempfile::tempdir().unwrap();
    let first = Cluster::start_in(dir.path()).await.unwrap();
    kubectl(&first, &["create", "namespace", "old"]);
    let refused = Cluster::start_in(dir.path()).await.unwrap_err();
    assert!(format!("{refused:#}").contains("in use"), "{refused:#}");
    kubectl(&first, &["get", "namespace", "old"]);
    drop(first);

    let second = Cluster::start_in(dir.path()).await.unwrap();
    let old = kubectl(&second, &["get", "namespace", "old", "--ignore-not-found"]);
    assert_eq!(old, "");
}

#[test]
fn nothing_survives_a_test_that_panics() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let panicked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _cluster = runtime.block_on(Cluster::start_in(&path)).unwrap();
        panic!("on purpose");
    })
    .join();
    assert!(panicked.is_err());
    assert_eq!(
        processes_of(dir.path()),
        Vec::<String>::new(),
        "alive after a panic"
    );
}

#[test]
fn a_signal_ends_the_command_cleanly() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let dir = tempfile::tempdir().unwrap();
        let mut up = Up::spawn(dir.path());
        let kubeconfig = dir.path().canonicalize().unwrap().join("kubeconfig");
        assert_eq!(up.wait_for_export(), kubeconfig.display().to_string());
        up.signal(signal);
        let status = up.wait();
        assert!(status.success(), "{signal}: {status}");
        assert_eq!(
            processes_of(dir.path()),
            Vec::<String>::new(),
            "alive after {signal}"
        );
        assert!(!dir.path().join("state").exists());
    }
}

#[test]
fn a_second_signal_ends_the_command_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut up = Up::spawn(dir.path());
    up.wait_for_export();
    // A stopped process ignores the orderly end that the first signal begins.
    let line = processes_of(dir.path())
        .into_iter()
        .find(|line| line.contains("--etcd-servers="))
        .unwrap();
    let pid = line.split_whitespace().next().unwrap().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    up.signal(Signal::SIGINT);
    eventually("kube-controller-manager has ended", || {
        let left = processes_of(dir.path());
        (!left.iter().any(|line| line.contains("--leader-elect="))).then_some(())
    });
    up.signal(Signal::SIGINT);
    assert_eq!(up.wait().code(), Some(130));
    assert_eq!(processes_of(dir.path()), Vec::<String>::new());
}

#[test]
fn nothing_survives_when_the_command_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut up = Up::spawn(dir.path());
    up.wait_for_export();
    let cluster: Vec<String> = processes_of(dir.path())
        .into_iter()
        .filter(|line| !line.contains(" up "))
        .collect();
    assert!(cluster.len() >= 4, "{cluster:#?}");
    up.signal(Signal::SIGKILL);
    up.wait();
    assert_all_gone(dir.path());
}

#[test]
fn nothing_survives_when_the_command_is_killed_while_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    let mut up = Up::spawn(dir.path());
    eventually("kube-apiserver is starting", || {
        let lines = processes_of(dir.path());
        lines
            .iter()
            .any(|line| line.contains("--etcd-servers="))
            .then_some(())
    });
    up.signal(Signal::SIGKILL);
    up.wait();
    assert_all_gone(dir.path());
}

#[test]
fn the_programs_command_prints_the_folder_that_has_them() {
    let output = Command::new(env!("CARGO_BIN_EXE_testcluster"))
        .arg("programs")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    let folder = String::from_utf8(output.stdout).unwrap();
    let folder = Path::new(folder.trim_end());
    for name in [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kubectl",
    ] {
        assert!(folder.join(name).is_file(), "{name} is not in {folder:?}");
    }
}

/// Not a test of its own: the process that the next test kills.
#[tokio::test]
#[ignore = "runs until it is killed; started by the test below"]
async fn helper_that_holds_a_temporary_cluster() {
    let cluster = Cluster::start().await.unwrap();
    println!("kubeconfig={}", cluster.kubeconfig().display());
    std::future::pending::<()>().await;
}

#[test]
fn a_killed_test_binary_leaves_neither_processes_nor_its_temporary_folder() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("helper_that_holds_a_temporary_cluster")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut helper = Up { child, stdout };
    let kubeconfig = helper.wait_for("kubeconfig=");
    let dir = Path::new(&kubeconfig).parent().unwrap();
    assert!(processes_of(dir).len() >= 4);
    helper.signal(Signal::SIGKILL);
    helper.wait();
    assert_all_gone(dir);
    assert!(!dir.exists(), "{} is left", dir.display());
}
