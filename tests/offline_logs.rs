//! What the programs tell of answers that they cannot read: never a byte of them, at whatever level. A fake API server gives the answers;
//! the programs are real ones, with RUST_LOG=trace.

#[path = "logs/server.rs"]
mod server;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agentcore_sim::{Config, Sim};
use futures::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use server::{BADS, Bad, Fake, MARK, Target};

/// Longer than anything takes on a busy machine; reaching it is a failure.
const DEADLINE: Duration = Duration::from_secs(90);
const EVERY: Duration = Duration::from_millis(50);

/// A program of the operator with a fake API server; it ends with its owner.
struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    fn start(words: &[&str], dir: &Path, fake: &Fake, sim: &Sim) -> Self {
        let kubeconfig = dir.join("kubeconfig");
        std::fs::write(&kubeconfig, fake.kubeconfig()).expect("kubeconfig written");
        let log = dir.join("log");
        let file = File::create(&log).expect("log file");
        let child = Command::new(env!("CARGO_BIN_EXE_agentcore-operator"))
            .args(words)
            .args(["--admin-listen", "127.0.0.1:0"])
            .env_clear()
            .env("RUST_LOG", "trace")
            .env("KUBECONFIG", kubeconfig)
            .env("AWS_ENDPOINT_URL", sim.url())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::from(file.try_clone().expect("log file")))
            .stderr(Stdio::from(file))
            .spawn()
            .expect("starts");
        Self { child, log }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_some()
    }

    /// An address that the log names.
    async fn address(&self, message: &str) -> String {
        let start = Instant::now();
        loop {
            let text = self.text();
            let mut lines = text.lines().filter(|line| line.contains(message));
            let address = lines.next().and_then(|line| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                line["address"].as_str().map(str::to_owned)
            });
            if let Some(address) = address {
                return address;
            }
            assert!(start.elapsed() < DEADLINE, "{text}");
            tokio::time::sleep(EVERY).await;
        }
    }

    /// SIGTERM, and what it has written in its life.
    async fn stop(mut self) -> String {
        if !self.has_ended() {
            let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("pid"));
            kill(pid, Signal::SIGTERM).expect("SIGTERM");
        }
        let start = Instant::now();
        while !self.has_ended() {
            assert!(start.elapsed() < DEADLINE, "{}", self.text());
            tokio::time::sleep(EVERY).await;
        }
        self.text()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program whose API server answers some questions badly, until it has had so many bad answers, or has ended over them.
async fn run(words: &[&str], target: Target, bad: Bad, answers: usize) {
    let dir = tempfile::tempdir().expect("folder");
    let fake = Fake::start(target, bad).await;
    let sim = Sim::start(Config::default()).await.expect("simulator");
    let mut program = Program::start(words, dir.path(), &fake, &sim);
    let start = Instant::now();
    let mut calling = None;
    while fake.bad_answers() < answers && !program.has_ended() {
        assert!(
            start.elapsed() < DEADLINE,
            "{target:?} {bad:?}: {} bad answers\n{}",
            fake.bad_answers(),
            program.text()
        );
        if words[0] == "gateway" && target == Target::Reviews && calling.is_none() {
            let address = program.address("gateway listens").await;
            calling = Some(tokio::spawn(call(address)));
        }
        tokio::time::sleep(EVERY).await;
    }
    let text = program.stop().await;
    if let Some(calling) = calling {
        calling.abort();
    }
    assert!(fake.bad_answers() > 0, "{target:?}: {text}");
    for line in text.lines() {
        assert!(!line.contains(MARK), "{target:?} {bad:?}: {line}");
    }
}

/// Calls an agent until it is stopped.
async fn call(address: String) {
    let http = reqwest::Client::builder().no_proxy().build();
    let http = http.expect("client");
    for number in 0_u64.. {
        // Another token each time: what the API server said of one is remembered.
        let url = format!("http://{address}/v1/namespaces/team/agentruntimes/support/invocations");
        let request = http.post(url).bearer_auth(format!("token-{number}"));
        let _ = request.body("{}").send().await;
        tokio::time::sleep(EVERY).await;
    }
}

async fn run_all(words: &[&str], target: Target, answers: usize) {
    join_all(BADS.map(|bad| run(words, target, bad, answers))).await;
}

const CONTROLLER: &[&str] = &[
    "controller",
    "--cluster-id",
    "test-cluster",
    "--watch-namespace",
    "team",
    "--lease-namespace",
    "team",
];

fn controller(more: &[&'static str]) -> Vec<&'static str> {
    [CONTROLLER, more].concat()
}

fn gateway() -> Vec<&'static str> {
    vec![
        "gateway",
        "--listen",
        "127.0.0.1:0",
        "--plain-http",
        "--log-format",
        "json",
        "--lease-namespace",
        "team",
        "--watch-namespace",
        "team",
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_bad_namespace_is_told() {
    run_all(&controller(&[]), Target::Namespace, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_bad_lease_is_told() {
    run_all(&controller(&[]), Target::LeaseRead, 1).await;
    run_all(&controller(&[]), Target::LeaseWrite, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_bad_lists_is_told() {
    let words = controller(&["--leader-elect=false"]);
    run_all(&words, Target::Lists, 12).await;
    run_all(&gateway(), Target::Lists, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_bad_watches_is_told() {
    let words = controller(&["--leader-elect=false"]);
    run_all(&words, Target::Watches, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_bad_secrets_and_configmaps_is_told() {
    let words = controller(&["--leader-elect=false", "--log-format", "text"]);
    run_all(&words, Target::Key, 2).await;
    run_all(&words, Target::Sources, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_bad_answers_to_writes_is_told() {
    let words = controller(&["--leader-elect=false"]);
    run_all(&words, Target::Writes, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_bad_reviews_is_told() {
    run_all(&gateway(), Target::Reviews, 3).await;
}
