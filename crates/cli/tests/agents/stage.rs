//! One stage for all tests: an agent `support` with an endpoint `live` in namespace team-a, callers, and the program.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use agentcore_sim::{Config, Sim};
use serde_json::{Value, json};
use testcluster::Cluster;

/// Far beyond what any step needs, so that only a hang reaches it.
pub const DEADLINE: Duration = Duration::from_mins(2);
pub const NAMESPACE: &str = "team-a";
/// Ends a process when the one that started it is gone, however that went: then the pipe that is its standard input ends.
const GUARD: &str = r#""$@" </dev/null & child=$!; read -r _; kill "$child""#;

/// Everything that runs.
pub struct Stage {
    pub sim: Sim,
    pub gateway: String,
    cluster: Cluster,
    folder: tempfile::TempDir,
    /// Kept so that they run.
    children: Mutex<Vec<Child>>,
}

/// The stage, set by the first test that asks.
pub fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let set = || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let stage = runtime.block_on(Stage::set());
            // Its tasks live on this runtime as long as the tests do.
            std::mem::forget(runtime);
            stage
        };
        std::thread::spawn(set).join().expect("the stage is set")
    })
}

/// The folder of the programs, this one's and the operator's.
fn programs() -> PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_kubectl-agentcore"));
    own.parent().unwrap().to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A program of another package. `make test` builds all of them first; here it is built only if it is not there.
fn program(package: &str) -> PathBuf {
    let folder = programs();
    let program = folder.join(package);
    if program.exists() {
        return program;
    }
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .args([
            "build",
            "--locked",
            "--quiet",
            "-p",
            package,
            "--bins",
            "--target-dir",
        ])
        .arg(folder.parent().unwrap())
        .current_dir(root());
    if folder.ends_with("release") {
        build.arg("--release");
    }
    assert!(
        build.status().unwrap().success(),
        "{package} does not build"
    );
    program
}

impl Stage {
    async fn set() -> Self {
        let cluster = Cluster::start().await.expect("an API server");
        let sim = Sim::start(Config::default()).await.unwrap();
        let mut stage = Self {
            sim,
            gateway: String::new(),
            cluster,
            folder: tempfile::tempdir().unwrap(),
            children: Mutex::default(),
        };
        let agent = program("agentcore-agent");
        let settings = json!({
            "createDelayMs": 0, "updateDelayMs": 0, "endpointDelayMs": 0, "ratePerSecond": 200, "burst": 200,
        });
        stage
            .admin(reqwest::Method::PUT, "/_sim/settings", settings)
            .await;
        let program = json!({"argv": [agent], "env": {}});
        let image = json!({"repository": "support", "tag": "prod", "program": program});
        stage
            .admin(reqwest::Method::POST, "/_sim/images", image)
            .await;

        let crds = root().join("crds");
        stage.kubectl(
            &["apply", "--server-side", "-f", crds.to_str().unwrap()],
            "",
        );
        stage.kubectl(
            &[
                "wait",
                "--for=condition=Established",
                "--timeout=60s",
                "-f",
                crds.to_str().unwrap(),
            ],
            "",
        );
        stage.kubectl(&["apply", "-f", "-"], &manifests());
        stage.spawn(&["controller", "--cluster-id", "test"], "controller.log");
        stage.gateway = format!("http://{}", stage.gateway_with(&["--plain-http"]));
        for object in [
            "agentruntime/support",
            "agentendpoint/live",
            "agentsession/night",
        ] {
            stage.kubectl(
                &[
                    "-n",
                    NAMESPACE,
                    "wait",
                    "--for=condition=Ready",
                    "--timeout=90s",
                    object,
                ],
                "",
            );
        }
        // It knows the agent once its watch has seen it.
        until("the agent behind the gateway", || {
            let run = stage.run(["invoke", "support", "{\"action\": \"keepalive\"}"]);
            run.status.success().then_some(())
        });
        stage
    }

    /// Starts a gateway of its own and returns its address. The agents are known to it a moment later.
    pub fn gateway_with(&self, flags: &[&str]) -> String {
        let number = self.children.lock().unwrap().len();
        let log = format!("gateway-{number}.log");
        let gateway = ["gateway", "--listen", "127.0.0.1:0", "--log-format", "json"];
        self.spawn(&[&gateway, flags].concat(), &log);
        until("the gateway's address", || {
            let log = self.log(&log);
            let lines = log.lines();
            let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let listens = lines.find(|line| line["message"] == "gateway listens")?;
            listens["address"].as_str().map(str::to_owned)
        })
    }

    /// Starts a part of the operator.
    fn spawn(&self, arguments: &[&str], log: &str) {
        let log = File::create(self.folder.path().join(log)).unwrap();
        let child = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .arg(program("agentcore-operator"))
            .args(arguments)
            .args(["--admin-listen", "127.0.0.1:0"])
            .args(["--lease-namespace", "agentcore-system"])
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.children.lock().unwrap().push(child);
    }

    /// Of an administrator.
    pub fn kubeconfig(&self) -> &Path {
        self.cluster.kubeconfig()
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn environment(&self) -> Vec<(&'static str, std::ffi::OsString)> {
        vec![
            ("PATH", std::env::var_os("PATH").unwrap_or_default()),
            ("HOME", self.folder.path().into()),
            ("KUBECONFIG", self.cluster.kubeconfig().into()),
            ("AWS_ENDPOINT_URL", self.sim.url().into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            ("NO_PROXY", "127.0.0.1,localhost".into()),
        ]
    }

    /// kubectl, as an administrator.
    pub fn kubectl(&self, arguments: &[&str], input: &str) {
        let mut child = Command::new(self.cluster.kubectl())
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success(), "kubectl {arguments:?}");
    }

    /// A call of the local AgentCore's admin API.
    pub async fn admin(&self, method: reqwest::Method, path: &str, body: Value) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.request(method, format!("{}{path}", self.sim.url()));
        let answer = request.json(&body).send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
    }

    /// The program, in namespace team-a.
    pub fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-agentcore"));
        command
            .args(["--namespace", NAMESPACE])
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The program, through the gateway as ServiceAccount `caller`.
    pub fn caller(&self) -> Command {
        let mut command = self.program();
        command.env("AGENTCORE_GATEWAY", &self.gateway);
        command
    }

    /// Runs it as `caller` and waits for its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        let mut command = self.caller();
        command
            .args(arguments)
            .args(["--as-serviceaccount", "caller"]);
        Run::of(&mut command, "")
    }

    /// Runs it with AWS credentials and waits for its end.
    pub fn direct<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        Run::of(self.program().args(arguments).arg("--direct"), "")
    }

    /// Sessions of AgentCore that run, by its own account.
    pub fn sessions(&self) -> Vec<Value> {
        let mut sessions = self.sim.app().data.state();
        sessions.retain(|session| session["state"] == "RUNNING");
        sessions
    }
}

/// What a run of the program came to.
pub struct Run {
    pub status: std::process::ExitStatus,
    pub out: String,
    pub err: String,
}

impl Run {
    /// Runs a command with this standard input.
    pub fn of(command: &mut Command, input: &str) -> Self {
        if !input.is_empty() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).unwrap();
        }
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().unwrap();
        Self {
            status,
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Panics unless it ended well; its output.
    #[track_caller]
    pub fn good(self) -> String {
        assert!(
            self.status.success(),
            "{:?}: {}{}",
            self.status,
            self.out,
            self.err
        );
        self.out
    }

    /// Panics unless it ended with this code; its one line on standard error.
    #[track_caller]
    pub fn bad(self, code: i32) -> String {
        assert_eq!(self.status.code(), Some(code), "{}{}", self.out, self.err);
        assert_eq!(self.err.trim_end().lines().count(), 1, "{}", self.err);
        self.err
    }

    /// The output as JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        let out = self.good();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }
}

/// Waits until `check` gives something.
pub fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A session id that differs with its name.
pub fn session(name: &str) -> String {
    format!("{name}-0123456789-0123456789-0123456789")
}

fn manifests() -> String {
    let namespace =
        |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let account = |name: &str| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}});
    let kinds = ["agentruntimes", "agentendpoints", "agentsessions"];
    let resources = kinds
        .iter()
        .flat_map(|kind| [format!("{kind}/invocations"), format!("{kind}/sessions")]);
    let resources: Vec<String> = resources.collect();
    let object = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "agentcore.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec});
    let objects = [
        namespace(NAMESPACE),
        namespace("agentcore-system"),
        account("caller"),
        account("stranger"),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "caller", "namespace": NAMESPACE},
            "rules": [{"apiGroups": ["agentcore.dev"], "resources": resources, "verbs": ["create", "get", "delete"]}],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "caller", "namespace": NAMESPACE},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "caller"},
            "subjects": [{"kind": "ServiceAccount", "name": "caller", "namespace": NAMESPACE}],
        }),
        object(
            "AgentRuntime",
            "support",
            json!({
                "artifact": {"container": {"image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/support:prod"}},
                "executionRole": {"arn": "arn:aws:iam::111122223333:role/agentcore/team-a/support"},
                "network": {"mode": "PUBLIC"},
            }),
        ),
        object(
            "AgentEndpoint",
            "live",
            json!({"runtimeRef": {"name": "support"}, "version": "Latest"}),
        ),
        object(
            "AgentSession",
            "night",
            json!({"runtimeRef": {"name": "support"}}),
        ),
    ];
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}
