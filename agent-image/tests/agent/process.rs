//! A running agent, its log, and its end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Client;
use serde_json::Value;

/// The header that names the session.
pub const SESSION: &str = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id";
/// Far beyond what any step needs, so that only a hang reaches it.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// A running agent; killed when dropped.
pub struct Agent {
    pub child: Child,
    pub base: String,
    pub http: Client,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Agent {
    /// Starts the binary on a port of the kernel's choice, which its first log line tells.
    pub fn start(environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_agentcore-agent"))
            .env("PORT", "0")
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let first: Value = serde_json::from_str(&line).unwrap();
        let address = first["address"].as_str().unwrap();
        assert!(address.starts_with("0.0.0.0:"), "{address}");
        let port = address.rsplit(':').next().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let lines = Arc::new(Mutex::new(Vec::new()));
        // The pipe is read to its end, or a talkative agent would block on it.
        std::thread::spawn({
            let lines = Arc::clone(&lines);
            move || {
                for line in log.lines().map_while(Result::ok) {
                    lines
                        .lock()
                        .unwrap()
                        .extend(serde_json::from_str::<Value>(&line));
                }
            }
        });
        let http = Client::builder()
            .no_proxy()
            .timeout(DEADLINE)
            .build()
            .unwrap();
        Self {
            child,
            base,
            http,
            log: lines,
        }
    }

    pub async fn ping(&self) -> Value {
        let answer = self
            .http
            .get(format!("{}/ping", self.base))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// The log line of this turn, as soon as it is written.
    pub async fn logged(&self, turn: u64) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            let line = self
                .log
                .lock()
                .unwrap()
                .iter()
                .find(|line| line["message"] == "turn" && line["turn"] == turn)
                .cloned();
            if let Some(line) = line {
                return line;
            }
            assert!(Instant::now() < end, "turn {turn} was not logged");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    pub fn exit_status(&mut self) -> ExitStatus {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the agent did not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
