//! The tools that the tests share: helm, kubectl, and clusters to try them on.
//!
//! helm is `$AGENTCORE_TEST_HELM`, else the one that `scripts/tools.sh helm` installs into the user's cache.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, bail, ensure};
use testcluster::Cluster;

/// The repository's root.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        own.ancestors()
            .nth(2)
            .expect("crates/delivery is two folders below the root")
            .to_owned()
    })
}

/// The Rust files below a folder, with their texts.
pub fn rust_sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            found.extend(rust_sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            found.push((path, text));
        }
    }
    found
}

/// The chart's folder.
pub fn chart() -> PathBuf {
    root().join("charts/agentcore-operator")
}

/// The plain manifests, written by the first test that asks.
pub fn plain_manifests() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manifests");
        let status = Command::new(root().join("scripts/manifests.sh"))
            .arg(&folder)
            .status()
            .expect("the script runs");
        assert!(status.success(), "scripts/manifests.sh failed");
        folder
    })
}

/// Where the chart's tests install it.
pub const NAMESPACE: &str = "agentcore-system";

/// The path of a tool that `scripts/tools.sh` installs.
pub fn tool(name: &str) -> PathBuf {
    let output = Command::new(root().join("scripts/tools.sh"))
        .arg(name)
        .stderr(Stdio::inherit())
        .output()
        .expect("the script runs");
    assert!(output.status.success(), "scripts/tools.sh {name} failed");
    String::from_utf8(output.stdout)
        .expect("a path in UTF-8")
        .trim()
        .into()
}

/// The helm program, installed by the first test that asks.
pub fn helm_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        std::env::var_os("AGENTCORE_TEST_HELM").map_or_else(|| tool("helm"), Into::into)
    })
}

/// What `helm template` renders of the chart.
pub fn helm<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> anyhow::Result<String> {
    helm_of("agentcore-operator", NAMESPACE, args)
}

/// The same for a release of another name, in another namespace.
pub fn helm_of<S: AsRef<OsStr>>(
    release: &str,
    namespace: &str,
    args: impl IntoIterator<Item = S>,
) -> anyhow::Result<String> {
    let chart = chart();
    let fixed = ["template", release, "--namespace", namespace].map(OsStr::new);
    let args: Vec<S> = args.into_iter().collect();
    let args = args.iter().map(AsRef::as_ref);
    helm_run(fixed.into_iter().chain([chart.as_os_str()]).chain(args))
}

/// What helm prints.
pub fn helm_run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> anyhow::Result<String> {
    let output = Command::new(helm_program())
        .args(args)
        .output()
        .with_context(|| format!("cannot run {}", helm_program().display()))?;
    if !output.status.success() {
        bail!("helm: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// kubectl on a cluster.
pub struct Kubectl<'a>(pub &'a Cluster);

impl Kubectl<'_> {
    /// Runs it with this kubeconfig and standard input.
    pub fn command(&self, kubeconfig: &Path, args: &[&str], input: &str) -> anyhow::Result<Output> {
        let mut child = Command::new(self.0.kubectl())
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .arg("--cache-dir")
            .arg(kubeconfig.with_file_name("kubectl-cache"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child
            .stdin
            .take()
            .context("no stdin")?
            .write_all(input.as_bytes())?;
        Ok(child.wait_with_output()?)
    }

    /// Its standard output, if it succeeds.
    pub fn run(&self, args: &[&str], input: &str) -> anyhow::Result<String> {
        let output = self.command(self.0.kubeconfig(), args, input)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl {args:?}: {stderr}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Whether a ServiceAccount may do this, as `kubectl auth can-i` says.
    pub fn can(&self, account: &str, question: &[&str]) -> anyhow::Result<bool> {
        let user = format!("system:serviceaccount:{NAMESPACE}:{account}");
        let args = [&["auth", "can-i", "--quiet", "--as", &user], question].concat();
        Ok(self
            .command(self.0.kubeconfig(), &args, "")?
            .status
            .success())
    }
}

/// The arguments for a file of values below the chart's `ci/`.
pub fn values(name: &str) -> [PathBuf; 2] {
    ["--values".into(), chart().join("ci").join(name)]
}

/// A cluster with these namespaces.
pub async fn cluster_with(namespaces: &[&str]) -> anyhow::Result<Cluster> {
    let cluster = Cluster::start().await?;
    for namespace in namespaces {
        Kubectl(&cluster).run(&["create", "namespace", namespace], "")?;
    }
    Ok(cluster)
}

/// A program of this repository, built beside the tests. `make test` builds all of them before: a build of one package from here would compile
/// what they share once more, with the features of that package alone.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.ancestors().nth(2).context("a target folder")?;
    let program = folder.join(name);
    ensure!(
        program.exists(),
        "{} is not built: cargo build --bins --workspace",
        program.display()
    );
    Ok(program)
}

/// A controller that runs; it ends with its owner.
pub struct Operator {
    child: Child,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Operator {
    /// Starts one on a cluster, with AWS at this address, and more of an environment.
    pub fn start(
        cluster: &Cluster,
        aws: &str,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("operator.log");
        let file = File::create(&log)?;
        let child = Command::new(program("agentcore-operator")?)
            .args(["controller", "--cluster-id", "test", "--log-format", "text"])
            .args([
                "--lease-namespace",
                NAMESPACE,
                "--admin-listen",
                "127.0.0.1:0",
            ])
            .args([
                "--aws-rate",
                "CreateAgentRuntime=50",
                "--aws-rate",
                "GetAgentRuntime=50",
            ])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KUBECONFIG", cluster.kubeconfig())
            .env("AWS_ENDPOINT_URL", aws)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::from(file.try_clone()?))
            .stderr(Stdio::from(file))
            .spawn()?;
        Ok(Self {
            child,
            log,
            _folder: folder,
        })
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
