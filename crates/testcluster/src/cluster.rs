//! One running cluster: start, readiness, stop.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;

use crate::client::Admin;
use crate::folder::Folder;
use crate::group::{Daemon, Group};
use crate::kubeconfig::{self, User};
use crate::pki::{Pki, write_private};
use crate::ports::HeldPort;
use crate::programs::{self, Programs};

/// A start takes a second or two; a machine busy with builds may need many more.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How long one program may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// How often readiness is looked at.
const POLL: Duration = Duration::from_millis(20);

/// What must be readable before a cluster counts as started: the server's own verdict, the first namespace, and a
/// ServiceAccount and CA bundle, which only a working kube-controller-manager creates.
const SERVER_READY: [&str; 2] = ["/readyz", "/api/v1/namespaces/default"];
const CONTROLLERS_READY: [&str; 2] = [
    "/api/v1/namespaces/default/serviceaccounts/default",
    "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
];

/// The controllers of kube-controller-manager that need no nodes.
const CONTROLLERS: &str = "garbage-collector-controller,namespace-controller,serviceaccount-controller,\
    root-ca-certificate-publisher-controller,clusterrole-aggregation-controller";

/// A running etcd, kube-apiserver and kube-controller-manager.
///
/// Dropping it kills the three at once; [`Cluster::stop`] ends them in order. If the owner dies without either, a
/// guard process kills them.
#[derive(Debug)]
pub struct Cluster {
    // Fields are dropped in this order: processes end before their folder and their port are given back.
    group: Group,
    etcd: Daemon,
    apiserver: Daemon,
    controllers: Daemon,
    _port: HeldPort,
    folder: Folder,
    kubeconfig: PathBuf,
    ca_pem: String,
    url: String,
    kubectl: PathBuf,
    admin: Admin,
}

impl Cluster {
    /// Starts a cluster whose files are in a temporary folder, removed at the end. The first call on a machine may
    /// download or build the programs, which takes minutes and is reported on standard error.
    ///
    /// # Errors
    /// When the programs cannot be had, or one of them ends early or is not ready after two minutes; the error
    /// then carries the end of its log.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Folder::temporary().await?).await
    }

    /// Starts a cluster whose files are in `dir`, which is made if absent: `kubeconfig`, one `.log` for each program,
    /// and `state`. A cluster begins empty: what an earlier one left in `dir` is replaced.
    ///
    /// # Errors
    /// As [`Cluster::start`], and when another running cluster uses `dir`.
    pub async fn start_in(dir: &Path) -> anyhow::Result<Self> {
        Self::start_with(Folder::given(dir).await?).await
    }

    async fn start_with(folder: Folder) -> anyhow::Result<Self> {
        let programs = programs::find().await?;
        let deadline = Instant::now() + START_LIMIT;
        let state = folder.state();
        let pki = Pki::create(&state).context("cannot make the cluster's certificates")?;
        let port = HeldPort::take()?;
        let url = format!("https://127.0.0.1:{}", port.number());
        let user = User::Certificate {
            cert_pem: &pki.admin_pem,
            key_pem: &pki.admin_key_pem,
        };
        let kubeconfig = kubeconfig::render(&url, &pki.ca_pem, "admin", &user, "default")?;
        let kubeconfig = write_private(&folder.path().join("kubeconfig"), &kubeconfig)?;
        let admin = Admin::new(&url, &pki)?;

        let mut group = Group::new(
            folder.path(),
            folder.to_remove(),
            Some(folder.share_lock()?),
        )?;
        let spawn = |group: &mut Group, name, command: &mut Command| {
            Daemon::spawn(
                group,
                name,
                folder.path().join(format!("{name}.log")),
                command.current_dir(&state),
            )
        };
        let etcd = spawn(&mut group, "etcd", &mut etcd_command(&programs, &state))?;
        until(deadline, &mut group, &[&etcd], async || {
            state.join("etcd.sock").exists()
        })
        .await?;
        let apiserver = spawn(
            &mut group,
            "kube-apiserver",
            &mut apiserver_command(&programs, &pki, &port),
        )?;
        for path in SERVER_READY {
            until(deadline, &mut group, &[&apiserver, &etcd], async || {
                admin.answers(path).await
            })
            .await?;
        }
        let mut command = controllers_command(&programs, &pki, &kubeconfig);
        let controllers = spawn(&mut group, "kube-controller-manager", &mut command)?;
        for path in CONTROLLERS_READY {
            until(
                deadline,
                &mut group,
                &[&controllers, &apiserver, &etcd],
                async || admin.answers(path).await,
            )
            .await?;
        }
        let ca_pem = pki.ca_pem;
        Ok(Self {
            group,
            etcd,
            apiserver,
            controllers,
            _port: port,
            folder,
            kubeconfig,
            ca_pem,
            url,
            kubectl: programs.kubectl(),
            admin,
        })
    }

    /// A kubeconfig file whose user is in group `system:masters`.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The API server's address, `https://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A kubectl of the same version. It does not know of this cluster: give it `--kubeconfig`.
    pub fn kubectl(&self) -> &Path {
        &self.kubectl
    }

    /// Writes a kubeconfig file whose user is an existing ServiceAccount, with a token that is good for 24 hours, and
    /// returns its path. This is how a test sees what RBAC lets a workload do.
    ///
    /// # Errors
    /// When the ServiceAccount does not exist, or the file cannot be written.
    pub async fn kubeconfig_for_service_account(
        &self,
        namespace: &str,
        name: &str,
    ) -> anyhow::Result<PathBuf> {
        let token = self.admin.service_account_token(namespace, name).await;
        let token =
            token.with_context(|| format!("no token for ServiceAccount {namespace}/{name}"))?;
        let user = format!("system:serviceaccount:{namespace}:{name}");
        let config = kubeconfig::render(
            &self.url,
            &self.ca_pem,
            &user,
            &User::Token(&token),
            namespace,
        )?;
        write_private(
            &self
                .folder
                .path()
                .join(format!("kubeconfig-{namespace}-{name}")),
            &config,
        )
    }

    /// Ends kube-controller-manager, kube-apiserver and etcd, in that order, and removes the state. The logs in a
    /// folder given to [`Cluster::start_in`] stay.
    ///
    /// # Errors
    /// When a program has not ended 30 s after SIGTERM; all are killed then.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for daemon in [&self.controllers, &self.apiserver, &self.etcd] {
            daemon.stop(&mut self.group, STOP_LIMIT).await?;
        }
        self.folder.remove_state()
    }
}

/// Waits for `condition` while `daemons` run. The first of them is the one waited for: its log explains a time-out.
async fn until(
    deadline: Instant,
    group: &mut Group,
    daemons: &[&Daemon],
    condition: impl AsyncFn() -> bool,
) -> anyhow::Result<()> {
    loop {
        if condition().await {
            return Ok(());
        }
        for daemon in daemons {
            daemon.check_running(group)?;
        }
        if Instant::now() > deadline {
            let log = daemons
                .first()
                .map(|daemon| daemon.log_tail())
                .unwrap_or_default();
            bail!("not ready after {} s; {log}", START_LIMIT.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// etcd listens on unix sockets in a folder that only its owner may enter. Their paths are relative to the working
/// folder, because the path of a socket is limited to about 100 characters. The addresses that it advertises are used
/// by nobody, but need a port to pass its own check; there are no peers, and their socket's file gets the port's name.
fn etcd_command(programs: &Programs, state: &Path) -> Command {
    let mut command = Command::new(programs.etcd());
    command
        .arg("--name=testcluster")
        .arg(format!("--data-dir={}", state.join("etcd").display()))
        .args([
            "--listen-client-urls=unix://etcd.sock",
            "--advertise-client-urls=unix://etcd.sock:0",
        ])
        .args([
            "--listen-peer-urls=unix://peer.sock:0",
            "--initial-advertise-peer-urls=unix://peer.sock:0",
        ])
        .args([
            "--initial-cluster=testcluster=unix://peer.sock:0",
            "--unsafe-no-fsync",
        ]);
    command
}

fn apiserver_command(programs: &Programs, pki: &Pki, port: &HeldPort) -> Command {
    let mut command = Command::new(programs.kube_apiserver());
    command
        .args([
            "--etcd-servers=unix://etcd.sock",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
        ])
        .args([
            "--permit-port-sharing=true",
            "--endpoint-reconciler-type=none",
            "--authorization-mode=RBAC",
        ])
        .args([
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
        ])
        .arg(format!("--secure-port={}", port.number()))
        .arg(format!(
            "--tls-cert-file={}",
            pki.server_files.public.display()
        ))
        .arg(format!(
            "--tls-private-key-file={}",
            pki.server_files.private.display()
        ))
        .arg(format!("--client-ca-file={}", pki.ca_file.display()))
        .arg(format!(
            "--service-account-key-file={}",
            pki.service_account_files.public.display()
        ))
        .arg(format!(
            "--service-account-signing-key-file={}",
            pki.service_account_files.private.display()
        ));
    command
}

/// kube-controller-manager serves nothing: whether it works shows in the API.
fn controllers_command(programs: &Programs, pki: &Pki, kubeconfig: &Path) -> Command {
    let mut command = Command::new(programs.kube_controller_manager());
    command
        .args([
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ])
        .arg(format!("--controllers={CONTROLLERS}"))
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--root-ca-file={}", pki.ca_file.display()));
    command
}
