//! A gateway with an agent behind it, and callers in front of it.

#[path = "../apiserver/agent.rs"]
mod agent;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::rig::{DEADLINE, Operator, Rig};
pub use agent::agent_program;

/// A namespace with a Ready agent `support`, the operator that made it, and a gateway.
pub struct Front {
    pub rig: Rig,
    /// Kept so that it runs.
    pub operator: Operator,
    pub gateway: Gateway,
    pub http: reqwest::Client,
}

/// A gateway process; it ends with its owner.
pub struct Gateway {
    child: Child,
    log: PathBuf,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// Of /metrics.
    pub admin: String,
}

impl Front {
    /// Starts everything; `support` is Ready and the gateway serves.
    pub async fn start(name: &str) -> Self {
        Self::start_with(name, &[]).await
    }

    /// With further flags of the gateway.
    pub async fn start_with(name: &str, flags: &[&str]) -> Self {
        let rig = Rig::start(name).await;
        rig.push_program("support", "prod", agent_program()).await;
        let operator = rig.operator(&[]);
        rig.apply_runtime("support", rig.spec()).await;
        rig.runtime_ready("support").await;
        let gateway = Gateway::start(&rig, flags).await;
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("http client");
        let front = Self {
            rig,
            operator,
            gateway,
            http,
        };
        front.allow("caller", &["create", "get", "delete"]).await;
        front
    }

    /// A ServiceAccount that may do this with everything of the gateway in the namespace.
    pub async fn allow(&self, account: &str, verbs: &[&str]) {
        self.account(account).await;
        let (client, namespace) = (&self.rig.client, &self.rig.namespace);
        let role: Role = serde_json::from_value(json!({
            "metadata": {"name": account},
            "rules": [{
                "apiGroups": ["agentcore.dev"],
                "resources": ["agentruntimes/invocations", "agentendpoints/invocations", "agentsessions/invocations", "agentruntimes/sessions", "agentendpoints/sessions", "agentsessions/sessions"],
                "verbs": verbs,
            }],
        }))
        .expect("role");
        let binding: RoleBinding = serde_json::from_value(json!({
            "metadata": {"name": account},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        }))
        .expect("binding");
        let post = PostParams::default();
        Api::<Role>::namespaced(client.clone(), namespace)
            .create(&post, &role)
            .await
            .expect("role accepted");
        Api::<RoleBinding>::namespaced(client.clone(), namespace)
            .create(&post, &binding)
            .await
            .expect("binding accepted");
    }

    /// A ServiceAccount that may do nothing.
    pub async fn account(&self, account: &str) {
        let object = ServiceAccount {
            metadata: kube::core::ObjectMeta {
                name: Some(account.to_owned()),
                ..Default::default()
            },
            ..Default::default()
        };
        Api::<ServiceAccount>::namespaced(self.rig.client.clone(), &self.rig.namespace)
            .create(&PostParams::default(), &object)
            .await
            .expect("ServiceAccount accepted");
    }

    /// A token of a ServiceAccount for an audience.
    pub async fn token_for(&self, account: &str, audience: &str) -> String {
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(vec![audience.to_owned()]),
                expiration_seconds: Some(3600),
                bound_object_ref: None,
            }),
            ..Default::default()
        };
        Api::<ServiceAccount>::namespaced(self.rig.client.clone(), &self.rig.namespace)
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .expect("token")
            .status
            .expect("a token was issued")
            .token
            .expect("with its text")
    }

    /// A token of a ServiceAccount for the gateway.
    pub async fn token(&self, account: &str) -> String {
        self.token_for(account, "agentcore-gateway").await
    }

    /// The path of something of the agent `support`.
    pub fn path(&self, what: &str) -> String {
        format!(
            "{}/v1/namespaces/{}/agentruntimes/support/{what}",
            self.gateway.url, self.rig.namespace
        )
    }

    /// A request of the caller with this token.
    pub fn request(&self, method: Method, what: &str, token: &str) -> RequestBuilder {
        self.http
            .request(method, self.path(what))
            .bearer_auth(token)
    }

    /// POST invocations.
    pub fn invoke(&self, token: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, "invocations", token).json(body)
    }

    /// The gateway's metrics as text.
    pub async fn metrics(&self) -> String {
        let answer = self.http.get(format!("{}/metrics", self.gateway.admin));
        answer
            .send()
            .await
            .expect("metrics")
            .text()
            .await
            .expect("text")
    }
}

impl Gateway {
    /// Starts a gateway on loopback and waits until it is ready.
    pub async fn start(rig: &Rig, flags: &[&str]) -> Self {
        Self::start_in(rig, flags, &[]).await
    }

    /// With other environment variables.
    pub async fn start_in(rig: &Rig, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = rig.dir.path().join(format!("gateway-{number}.log"));
        let file = File::create(&log).expect("log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentcore-operator"));
        command
            .arg("gateway")
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--log-format", "json", "--lease-namespace", &rig.namespace])
            .args(flags);
        if !flags.contains(&"--tls-cert") {
            command.arg("--plain-http");
        }
        let child = command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RUST_LOG", "info")
            .env("KUBECONFIG", Rig::kubeconfig())
            .env("AWS_ENDPOINT_URL", rig.sim.url())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "gateway")
            .env("AWS_SECRET_ACCESS_KEY", "gateway")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::from(file.try_clone().expect("log file")))
            .stderr(Stdio::from(file))
            .spawn()
            .expect("gateway starts");
        let mut gateway = Self {
            child,
            log,
            url: String::new(),
            admin: String::new(),
        };
        let scheme = if flags.contains(&"--tls-cert") {
            "https"
        } else {
            "http"
        };
        gateway.url = format!(
            "{scheme}://{}",
            gateway.address(rig, "gateway listens").await
        );
        gateway.admin = format!(
            "http://{}",
            gateway.address(rig, "admin endpoint listens").await
        );
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("client");
        let readyz = format!("{}/readyz", gateway.admin);
        rig.until("a ready gateway", async || {
            match http.get(&readyz).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                other => Err(format!("{other:?}\n{}", gateway.text())),
            }
        })
        .await;
        gateway
    }

    /// An address that the log names.
    async fn address(&self, rig: &Rig, message: &str) -> String {
        rig.until(message, async || {
            self.lines()
                .iter()
                .find(|line| line["message"] == message)
                .and_then(|line| line["address"].as_str().map(str::to_owned))
                .ok_or_else(|| self.text())
        })
        .await
    }

    /// What it logged.
    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it logged, line by line.
    pub fn lines(&self) -> Vec<Value> {
        self.text()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The access log.
    pub fn accesses(&self) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line["target"] == "agentcore_operator::access");
        lines
    }

    /// The access log's line after so many others: lines are written soon after their answers, not before.
    pub async fn access_after(&self, others: usize) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(line) = self.accesses().get(others) {
                return line.clone();
            }
            assert!(Instant::now() < deadline, "no line: {}", self.text());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[allow(dead_code)] // for the benchmark
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("pid"));
        kill(pid, Signal::SIGTERM).expect("SIGTERM");
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status;
            }
            assert!(
                start.elapsed() < DEADLINE,
                "the gateway does not stop:\n{}",
                self.text()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
