//! A namespace, a simulator and operator processes, and ways to wait for them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use agentcore_api::{AgentEndpoint, AgentGrant, AgentRuntime};
use agentcore_sim::{Config, Sim};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use testcluster::Cluster;

#[path = "../fixtures/guard.rs"]
mod guard;

/// Longer than anything takes on a busy machine; reaching it is a failure.
pub const DEADLINE: Duration = Duration::from_secs(90);
const EVERY: Duration = Duration::from_millis(100);
pub const ACCOUNT: &str = "111122223333";
pub const CLUSTER_ID: &str = "test-cluster";

/// The API server of all tests of this binary, with the CRDs in place.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Runtime::new().expect("runtime");
            let cluster = runtime.block_on(async {
                let cluster = Cluster::start().await.expect("API server");
                install_crds(&cluster);
                cluster
            });
            // The cluster's tasks live on this runtime as long as the tests do.
            std::mem::forget(runtime);
            cluster
        })
        .join()
        .expect("cluster thread")
    })
}

fn install_crds(cluster: &Cluster) {
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let kubectl = |words: &[&str]| {
        let output = Command::new(cluster.kubectl())
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig())
            .args(words)
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy")
            .output()
            .expect("kubectl");
        assert!(
            output.status.success(),
            "kubectl {words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    kubectl(&["apply", "--server-side", "-f", &crds.to_string_lossy()]);
    kubectl(&[
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "-f",
        &crds.to_string_lossy(),
    ]);
}

/// A namespace with a simulator of its own.
pub struct Rig {
    pub client: Client,
    pub namespace: String,
    pub sim: Sim,
    pub dir: tempfile::TempDir,
    http: reqwest::Client,
    operators: AtomicU32,
    _guard: guard::Guard,
}

impl Rig {
    /// Makes a namespace, starts a simulator with short delays, pushes the image `support:prod`.
    pub async fn start(name: &str) -> Self {
        let kubeconfig =
            kube::config::Kubeconfig::read_from(cluster().kubeconfig()).expect("kubeconfig");
        let mut config = kube::Config::from_custom_kubeconfig(
            kubeconfig,
            &kube::config::KubeConfigOptions::default(),
        )
        .await
        .expect("config");
        config.proxy_url = None;
        let client = Client::try_from(config).expect("client");
        let namespace = name.to_owned();
        let object = Namespace {
            metadata: kube::core::ObjectMeta {
                name: Some(namespace.clone()),
                ..Default::default()
            },
            ..Default::default()
        };
        Api::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .expect("namespace");
        let config = Config {
            credentials: guard::keys(),
            ..Config::default()
        };
        let sim = Sim::start(config).await.expect("simulator");
        let rig = Self {
            _guard: guard::Guard::of(&sim),
            client,
            namespace,
            sim,
            dir: tempfile::tempdir().expect("folder"),
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("http client"),
            operators: AtomicU32::new(0),
        };
        rig.settings(json!({
            "createDelayMs": 300, "updateDelayMs": 300, "deleteDelayMs": 300, "endpointDelayMs": 200,
            // Every test has an account to itself; what is tested here is not how long a bucket takes to fill.
            "ratePerSecond": 200, "burst": 200,
        }))
        .await;
        rig.push("support", "prod", &["arm64"]).await;
        rig
    }

    /// Of an administrator.
    pub fn kubeconfig() -> &'static Path {
        cluster().kubeconfig()
    }

    // ---- simulator

    pub async fn settings(&self, settings: Value) {
        self.sim_put("/_sim/settings", settings).await;
    }

    pub async fn faults(&self, faults: Value) {
        self.sim_put("/_sim/faults", faults).await;
    }

    pub async fn no_faults(&self) {
        self.send(self.http.delete(format!("{}/_sim/faults", self.sim.url())))
            .await;
    }

    pub async fn push(&self, repository: &str, tag: &str, architectures: &[&str]) {
        self.push_image(json!({
            "repository": repository, "tag": tag, "architectures": architectures,
            "program": {"argv": ["/bin/true"], "env": {}},
        }))
        .await;
    }

    /// Pushes an image that runs a program of this machine.
    pub async fn push_program(&self, repository: &str, tag: &str, program: &Path) {
        self.push_image(json!({
            "repository": repository, "tag": tag, "architectures": ["arm64"],
            "program": {"argv": [program], "env": {}},
        }))
        .await;
    }

    /// Pushes an image that runs a command, `{"argv", "env"}`.
    pub async fn push_argv(&self, repository: &str, tag: &str, program: &Value) {
        self.push_image(json!({
            "repository": repository, "tag": tag, "architectures": ["arm64"], "program": program,
        }))
        .await;
    }

    /// The address of a pushed image, such as `support:prod`.
    pub fn image(tagged: &str) -> String {
        format!("{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/{tagged}")
    }

    async fn push_image(&self, image: Value) {
        self.sim_post("/_sim/images", image).await;
    }

    /// A POST to the simulator's admin API, and its answer.
    pub async fn sim_post(&self, path: &str, body: Value) -> Value {
        self.send(
            self.http
                .post(format!("{}{path}", self.sim.url()))
                .json(&body),
        )
        .await
    }

    async fn sim_put(&self, path: &str, body: Value) {
        self.send(
            self.http
                .put(format!("{}{path}", self.sim.url()))
                .json(&body),
        )
        .await;
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let response = request.send().await.expect("simulator answers");
        let status = response.status();
        let text = response.text().await.expect("body");
        assert!(status.is_success(), "simulator said {status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// What is in the simulated AWS: runtimes, endpoints, sessions.
    pub async fn aws(&self) -> Value {
        self.send(self.http.get(format!("{}/_sim/state", self.sim.url())))
            .await
    }

    /// The sessions in the simulated AWS.
    pub async fn aws_sessions(&self) -> Vec<Value> {
        let state = self
            .send(
                self.http
                    .get(format!("{}/_sim/state/sessions", self.sim.url())),
            )
            .await;
        state["sessions"].as_array().cloned().unwrap_or_default()
    }

    /// The client tokens that AWS was given.
    pub async fn client_tokens(&self) -> String {
        let tokens = self.http.get(format!("{}/_sim/tokens", self.sim.url()));
        self.send(tokens).await.to_string()
    }

    /// The runtimes in the simulated AWS.
    pub async fn aws_runtimes(&self) -> Vec<Value> {
        self.aws().await["runtimes"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// The endpoints in the simulated AWS but DEFAULT.
    pub async fn aws_endpoints(&self) -> Vec<Value> {
        let state = self.aws().await;
        let endpoints = state["endpoints"].as_array().cloned().unwrap_or_default();
        endpoints
            .into_iter()
            .filter(|endpoint| endpoint["name"] != "DEFAULT")
            .collect()
    }

    /// How often an operation was called.
    pub async fn calls(&self, operation: &str) -> u64 {
        self.all_calls()
            .await
            .get(operation)
            .copied()
            .unwrap_or_default()
    }

    /// What the simulator knows of calls.
    pub async fn call_report(&self) -> Value {
        self.send(self.http.get(format!("{}/_sim/calls", self.sim.url())))
            .await
    }

    /// How often each operation was called.
    pub async fn all_calls(&self) -> BTreeMap<String, u64> {
        let calls = self.call_report().await;
        serde_json::from_value(calls["byOperation"].clone()).expect("byOperation")
    }

    /// How often a call was throttled.
    #[allow(dead_code)] // for the benchmark
    pub async fn throttled(&self) -> u64 {
        let calls = self
            .send(self.http.get(format!("{}/_sim/calls", self.sim.url())))
            .await;
        calls["throttled"].as_u64().expect("throttled")
    }

    /// How often anything was changed in AWS, or tried to.
    pub async fn mutations(&self) -> u64 {
        let reads = ["Get", "List", "Describe", "BatchGet", "Head"];
        self.all_calls()
            .await
            .iter()
            .filter(|(name, _)| !reads.iter().any(|read| name.starts_with(read)))
            .map(|(_, n)| n)
            .sum()
    }

    // ---- Kubernetes

    pub fn runtimes(&self) -> Api<AgentRuntime> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn endpoints(&self) -> Api<AgentEndpoint> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The smallest AgentRuntime spec.
    pub fn spec(&self) -> Value {
        json!({
            "artifact": {"container": {"image": format!("{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/support:prod")}},
            "executionRole": {"arn": format!("arn:aws:iam::{ACCOUNT}:role/agentcore/{}/support", self.namespace)},
            "network": {"mode": "PUBLIC"},
        })
    }

    /// The smallest spec with some fields replaced or added (null removes).
    pub fn spec_with(&self, changes: Value) -> Value {
        let mut spec = self.spec();
        merge(&mut spec, changes);
        spec
    }

    pub async fn apply_runtime(&self, name: &str, spec: Value) -> AgentRuntime {
        let object = json!({"apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime", "metadata": {"name": name}, "spec": spec});
        self.runtimes()
            .patch(
                name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(&object),
            )
            .await
            .expect("AgentRuntime accepted")
    }

    pub async fn apply_endpoint(&self, name: &str, spec: Value) -> AgentEndpoint {
        let object = json!({"apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentEndpoint", "metadata": {"name": name}, "spec": spec});
        self.endpoints()
            .patch(
                name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(&object),
            )
            .await
            .expect("AgentEndpoint accepted")
    }

    pub async fn annotate_runtime(&self, name: &str, key: &str, value: &str) {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        self.runtimes()
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("annotated");
    }

    pub async fn delete_runtime(&self, name: &str) {
        self.runtimes()
            .delete(name, &DeleteParams::default())
            .await
            .expect("delete accepted");
    }

    pub async fn delete_endpoint(&self, name: &str) {
        self.endpoints()
            .delete(name, &DeleteParams::default())
            .await
            .expect("delete accepted");
    }

    /// Waits until a runtime is as wished.
    pub async fn runtime_until(
        &self,
        name: &str,
        what: &str,
        good: impl Fn(&AgentRuntime) -> bool,
    ) -> AgentRuntime {
        self.until(what, async || {
            let object = self.runtimes().get_opt(name).await.expect("get");
            let seen = serde_json::to_string_pretty(
                &object.as_ref().and_then(|object| object.status.clone()),
            )
            .expect("json");
            object.filter(&good).ok_or(seen)
        })
        .await
    }

    /// Waits until an endpoint is as wished.
    pub async fn endpoint_until(
        &self,
        name: &str,
        what: &str,
        good: impl Fn(&AgentEndpoint) -> bool,
    ) -> AgentEndpoint {
        self.until(what, async || {
            let object = self.endpoints().get_opt(name).await.expect("get");
            let seen = serde_json::to_string_pretty(
                &object.as_ref().and_then(|object| object.status.clone()),
            )
            .expect("json");
            object.filter(&good).ok_or(seen)
        })
        .await
    }

    pub async fn runtime_ready(&self, name: &str) -> AgentRuntime {
        self.runtime_until(name, "Ready", runtime_is_ready).await
    }

    pub async fn endpoint_ready(&self, name: &str) -> AgentEndpoint {
        self.endpoint_until(name, "Ready", endpoint_is_ready).await
    }

    pub async fn runtime_gone(&self, name: &str) {
        self.until("gone", async || {
            match self.runtimes().get_opt(name).await.expect("get") {
                None => Ok(()),
                Some(object) => Err(format!("{:#?}", object.status)),
            }
        })
        .await;
    }

    pub async fn endpoint_gone(&self, name: &str) {
        self.until("gone", async || {
            match self.endpoints().get_opt(name).await.expect("get") {
                None => Ok(()),
                Some(object) => Err(format!("{:#?}", object.status)),
            }
        })
        .await;
    }

    /// Waits until a program has logged these words.
    pub async fn says(&self, operator: &Operator, words: &str) {
        self.until(words, async || {
            let text = operator.text();
            text.contains(words).then_some(()).ok_or(text)
        })
        .await;
    }

    /// Waits for `probe` to answer; on failure says what was seen last, with the operator's last words.
    pub async fn until<T>(&self, what: &str, probe: impl AsyncFn() -> Result<T, String>) -> T {
        let start = Instant::now();
        loop {
            let seen = match probe().await {
                Ok(found) => return found,
                Err(seen) => seen,
            };
            assert!(
                start.elapsed() < DEADLINE,
                "not {what} after {DEADLINE:?}; last seen: {seen}\n{}",
                self.last_words()
            );
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Reasons of the Events of an object, oldest first.
    pub async fn events(&self, name: &str) -> Vec<String> {
        let events: Api<k8s_openapi::api::events::v1::Event> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let mut events = events
            .list(&kube::api::ListParams::default())
            .await
            .expect("events")
            .items;
        events.retain(|event| {
            event
                .regarding
                .as_ref()
                .and_then(|object| object.name.as_deref())
                == Some(name)
        });
        events.sort_by_key(|event| event.event_time.clone().map(|time| time.0));
        events
            .into_iter()
            .filter_map(|event| event.reason)
            .collect()
    }

    /// Gives the rig's namespace what the built-in grant gives, and these fields of an AgentGrant: more, or something else.
    pub async fn grant(&self, fields: Value) {
        let mut spec = json!({
            "namespaces": {"names": [self.namespace]},
            "executionRoles": [format!("arn:aws:iam::{ACCOUNT}:role/agentcore/{{namespace}}/*")],
            "repositories": [format!("{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/*")],
            "resourcePolicies": "SameAccount",
        });
        merge(&mut spec, fields);
        let object = json!({"apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentGrant", "metadata": {"name": self.namespace}, "spec": spec});
        self.grants()
            .patch(
                &self.namespace,
                &PatchParams::apply("test").force(),
                &Patch::Apply(&object),
            )
            .await
            .expect("AgentGrant accepted");
    }

    pub fn grants(&self) -> Api<AgentGrant> {
        Api::all(self.client.clone())
    }

    // ---- operators

    /// Starts an operator that watches the rig's namespace, at rates that the simulator of a test allows.
    pub fn operator(&self, flags: &[&str]) -> Operator {
        let rates = [
            "--aws-rate",
            "CreateAgentRuntime=50",
            "--aws-rate",
            "GetAgentRuntime=50",
            "--aws-rate",
            "ListAgentRuntimes=50",
        ];
        self.operator_at_default_rates(&[&rates, flags].concat())
    }

    /// Starts an operator with the rates that AgentCore documents.
    pub fn operator_at_default_rates(&self, flags: &[&str]) -> Operator {
        self.operator_as(
            cluster().kubeconfig(),
            "info,agentcore_operator=debug",
            flags,
        )
    }

    /// Starts an operator that signs with a key of its own, one of [`guard::keys`].
    pub fn operator_with_key(&self, key: &str, flags: &[&str]) -> Operator {
        let key = [("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", key)];
        self.operator_in(&key, flags)
    }

    /// Starts an operator with other environment variables.
    pub fn operator_in(&self, environment: &[(&str, &str)], flags: &[&str]) -> Operator {
        let filter = "info,agentcore_operator=debug";
        self.start_operator(cluster().kubeconfig(), filter, environment, flags)
    }

    /// Starts an operator with somebody's rights and a log filter.
    pub fn operator_as(&self, kubeconfig: &Path, filter: &str, flags: &[&str]) -> Operator {
        self.start_operator(kubeconfig, filter, &[], flags)
    }

    fn start_operator(
        &self,
        kubeconfig: &Path,
        filter: &str,
        environment: &[(&str, &str)],
        flags: &[&str],
    ) -> Operator {
        let number = self.operators.fetch_add(1, Ordering::Relaxed);
        let log = self.dir.path().join(format!("operator-{number}.log"));
        let file = File::create(&log).expect("log file");
        let child = Command::new(env!("CARGO_BIN_EXE_agentcore-operator"))
            .arg("controller")
            .args([
                "--cluster-id",
                CLUSTER_ID,
                "--watch-namespace",
                &self.namespace,
                "--lease-namespace",
                &self.namespace,
            ])
            .args(["--admin-listen", "127.0.0.1:0", "--log-format", "text"])
            .args(flags)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RUST_LOG", filter)
            // As in the chart.
            .env("_RJEM_MALLOC_CONF", "dirty_decay_ms:0")
            .env("KUBECONFIG", kubeconfig)
            .env("AWS_ENDPOINT_URL", self.sim.url())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "controller")
            .env("AWS_SECRET_ACCESS_KEY", "controller")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::from(file.try_clone().expect("log file")))
            .stderr(Stdio::from(file))
            .spawn()
            .expect("operator starts");
        Operator { child, log }
    }

    fn last_words(&self) -> String {
        let mut words = String::new();
        for number in 0..self.operators.load(Ordering::Relaxed) {
            let log = self.dir.path().join(format!("operator-{number}.log"));
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let tail: Vec<_> = text.lines().rev().take(30).collect();
            let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
            let _ = writeln!(words, "--- operator {number}\n{tail}");
        }
        words
    }
}

/// An operator process; it ends with its owner.
pub struct Operator {
    child: Child,
    pub log: PathBuf,
}

impl Operator {
    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// SIGTERM; waits for the end.
    pub async fn stop(mut self) -> ExitStatus {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).expect("pid")),
            Signal::SIGTERM,
        )
        .expect("SIGTERM");
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status;
            }
            assert!(
                start.elapsed() < DEADLINE,
                "the operator does not stop:\n{}",
                self.text()
            );
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Waits until it ends by itself.
    pub async fn ended(mut self, rig: &Rig) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status;
            }
            assert!(
                start.elapsed() < DEADLINE,
                "the operator does not end:\n{}",
                rig.last_words()
            );
            tokio::time::sleep(EVERY).await;
        }
    }

    #[allow(dead_code)] // for the benchmark
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged.
    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process ended by itself with status 0.
pub fn clean(status: ExitStatus) -> bool {
    status.code() == Some(0) && status.signal().is_none()
}

pub fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

fn is_ready(generation: Option<i64>, observed: Option<i64>, conditions: &[Condition]) -> bool {
    observed == generation
        && condition(conditions, "Ready").is_some_and(|ready| ready.status == "True")
}

/// Ready for this generation.
pub fn runtime_is_ready(object: &AgentRuntime) -> bool {
    object.status.as_ref().is_some_and(|status| {
        is_ready(
            object.metadata.generation,
            status.observed_generation,
            &status.conditions,
        )
    })
}

/// Ready for this generation.
pub fn endpoint_is_ready(object: &AgentEndpoint) -> bool {
    object.status.as_ref().is_some_and(|status| {
        is_ready(
            object.metadata.generation,
            status.observed_generation,
            &status.conditions,
        )
    })
}

/// Reason of a runtime's Ready condition.
pub fn reason(object: &AgentRuntime) -> &str {
    object
        .status
        .as_ref()
        .and_then(|status| condition(&status.conditions, "Ready"))
        .map_or("", |ready| ready.reason.as_str())
}

/// Reason of an endpoint's Ready condition.
pub fn endpoint_reason(object: &AgentEndpoint) -> &str {
    object
        .status
        .as_ref()
        .and_then(|status| condition(&status.conditions, "Ready"))
        .map_or("", |ready| ready.reason.as_str())
}

/// The runtime's id in AWS.
pub fn id(object: &AgentRuntime) -> String {
    object
        .status
        .as_ref()
        .and_then(|status| status.id.clone())
        .unwrap_or_else(|| panic!("{} has no id", object.name_any()))
}

fn merge(target: &mut Value, changes: Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (key, value) in changes {
                if value.is_null() {
                    target.remove(&key);
                } else {
                    merge(target.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (target, changes) => *target = changes,
    }
}
