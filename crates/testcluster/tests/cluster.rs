//! The cluster as its users see it, through kubectl, and what is left of it when it ends in each possible way.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testcluster::Cluster;

use support::{Up, assert_all_gone, eventually, kubectl, processes_of, run_kubectl};

#[tokio::test]
async fn a_cluster_behaves_like_one_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start_in(dir.path()).await.unwrap();
    assert_eq!(
        cluster.kubeconfig(),
        dir.path().canonicalize().unwrap().join("kubeconfig")
    );

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
    // The folder can be used again at once, whether or not the last of them is gone.
    let mut next = Up::spawn(dir.path());
    next.wait_for_export();
    let left: Vec<String> = processes_of(dir.path())
        .into_iter()
        .filter(|line| cluster.contains(line))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    next.signal(Signal::SIGKILL);
    next.wait();
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
    let mut helper = Up::run(
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture"])
            .arg("helper_that_holds_a_temporary_cluster"),
    );
    let kubeconfig = helper.wait_for("kubeconfig=");
    let dir = Path::new(&kubeconfig).parent().unwrap();
    assert!(processes_of(dir).len() >= 4);
    helper.signal(Signal::SIGKILL);
    helper.wait();
    assert_all_gone(dir);
    assert!(!dir.exists(), "{} is left", dir.display());
}
