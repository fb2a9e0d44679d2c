//! A simulator with the tests' agent pushed, and what a caller of the data plane does.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use http::HeaderMap;
use reqwest::Response;
use serde_json::{Value, json};

use crate::client::{Bench, IMAGE, Signer, configuration, escape, runtime, sign, with};

pub const SESSION: &str = "x-amzn-bedrock-agentcore-runtime-session-id";
/// Far beyond what any step needs, so that only a hang reaches it.
pub const DEADLINE: Duration = Duration::from_mins(2);

/// A session id of 33 characters or more that differs with `n`.
pub fn id(n: u32) -> String {
    format!("session-0123456789-0123456789-{n:08}")
}

/// Waits until `check` gives something.
pub async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a process is there and not just waiting to be collected.
pub fn alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with('Z')
    })
}

/// The image's program: the interpreter stays out of argv, which is read whole at every push.
pub fn agent(extra: Value) -> Value {
    static PYTHON: OnceLock<String> = OnceLock::new();
    let python = PYTHON.get_or_init(|| {
        let found = Command::new("python3")
            .args(["-c", "import sys; print(sys.executable)"])
            .output()
            .unwrap();
        String::from_utf8(found.stdout).unwrap().trim().to_owned()
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/agent.py");
    let run = r#"exec "$PYTHON" -S "$0" "$@""#;
    json!({
        "argv": ["/bin/sh", "-c", run, script, "--port={port}"],
        "env": with(json!({ "PYTHON": python, "FROM": "image", "LOG_LEVEL": "image" }), extra),
    })
}

/// A simulator and a runtime in it.
pub struct Stage {
    pub bench: Bench,
    pub runtime: String,
    pub arn: String,
}

/// How to invoke.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    pub session: Option<String>,
    pub qualifier: Option<&'static str>,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Wish {
    pub fn of(session: u32, body: Value) -> Self {
        Self {
            session: Some(id(session)),
            body,
            ..Self::default()
        }
    }
}

impl Stage {
    pub async fn start(settings: Value) -> Self {
        Self::with(settings, json!({})).await
    }

    /// As [`Stage::start`], with these members in the runtime.
    pub async fn with(settings: Value, members: Value) -> Self {
        let calm = json!({ "invokeRatePerSecond": 0, "stopRatePerSecond": 0, "pingEveryMs": 50 });
        let bench = Bench::with(with(calm, settings)).await;
        push(&bench, json!({})).await;
        let made = bench
            .call("PUT", "/runtimes/", with(runtime("support"), members))
            .await
            .expect(202);
        let runtime = made["agentRuntimeId"].as_str().unwrap().to_owned();
        let arn = made["agentRuntimeArn"].as_str().unwrap().to_owned();
        Self {
            bench,
            runtime,
            arn,
        }
    }

    /// Moves the runtime to another configuration.
    pub async fn update(&self, members: Value) {
        self.bench
            .update(&self.runtime, with(configuration(), members))
            .await
            .expect(202);
    }

    /// An endpoint on version 1.
    pub async fn endpoint(&self, name: &str) {
        let path = format!("/runtimes/{}/runtime-endpoints/", self.runtime);
        self.bench
            .call(
                "PUT",
                &path,
                json!({ "name": name, "agentRuntimeVersion": "1" }),
            )
            .await
            .expect(202);
    }

    pub fn path(&self, operation: &str, qualifier: Option<&str>) -> String {
        let query = qualifier
            .map(|name| format!("?qualifier={name}"))
            .unwrap_or_default();
        format!("/runtimes/{}/{operation}{query}", escape(&self.arn))
    }

    /// A signed POST.
    pub async fn post(
        &self,
        target: &str,
        headers: &HeaderMap,
        body: String,
    ) -> reqwest::Result<Response> {
        post(&self.bench.sim.url(), target, headers, body).await
    }

    pub async fn try_invoke(&self, wish: Wish) -> reqwest::Result<Response> {
        let mut headers = wish.headers;
        if let Some(session) = &wish.session {
            headers.insert(SESSION, session.parse().unwrap());
        }
        self.post(
            &self.path("invocations", wish.qualifier),
            &headers,
            wish.body.to_string(),
        )
        .await
    }

    pub async fn invoke(&self, wish: Wish) -> Response {
        self.try_invoke(wish).await.unwrap()
    }

    /// What the agent of a session tells about itself.
    pub async fn told(&self, session: u32) -> Value {
        told(self.invoke(Wish::of(session, json!({}))).await).await
    }

    pub async fn pid(&self, session: u32) -> u64 {
        self.told(session).await["pid"].as_u64().unwrap()
    }

    pub async fn stop(&self, session: u32, qualifier: Option<&str>, body: Value) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(SESSION, id(session).parse().unwrap());
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.post(&self.path("stopruntimesession", qualifier), &headers, body)
            .await
            .unwrap()
    }

    /// `sessions[]` of the simulator's state.
    pub async fn sessions(&self) -> Vec<Value> {
        let state = self
            .bench
            .admin("GET", "/_sim/state", Value::Null)
            .await
            .expect(200);
        state["sessions"].as_array().unwrap().clone()
    }

    /// The entry of the session that ran as this process.
    pub async fn entry(&self, pid: u64) -> Value {
        let sessions = self.sessions().await;
        sessions
            .into_iter()
            .find(|entry| entry["pid"] == pid)
            .unwrap()
    }

    /// Waits until the session of this process has ended and the process is gone; returns why.
    pub async fn ended(&self, pid: u64) -> String {
        until("the session's end", async || {
            let entry = self.entry(pid).await;
            let gone = entry["exitedAt"].is_string() && !alive(pid);
            gone.then(|| entry["endReason"].as_str().unwrap().to_owned())
        })
        .await
    }

    pub async fn log(&self, pid: u64) -> String {
        std::fs::read_to_string(self.entry(pid).await["log"].as_str().unwrap()).unwrap()
    }
}

/// A signed POST to a simulator.
pub async fn post(
    url: &str,
    target: &str,
    extra: &HeaderMap,
    body: String,
) -> reqwest::Result<Response> {
    let host = url.strip_prefix("http://").unwrap();
    let headers = sign(&Signer::default(), "POST", target, host, extra, &body);
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(DEADLINE)
        .build()
        .unwrap();
    http.post(format!("{url}{target}"))
        .headers(headers)
        .body(body)
        .send()
        .await
}

/// Pushes the agent under the tag that runtimes use, with these variables in its image.
pub async fn push(bench: &Bench, variables: Value) {
    let (repository, tag) = IMAGE.rsplit_once('/').unwrap().1.split_once(':').unwrap();
    let body = json!({ "repository": repository, "tag": tag, "program": agent(variables) });
    bench.admin("POST", "/_sim/images", body).await.expect(200);
}

pub async fn told(answer: Response) -> Value {
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Panics unless the answer is this error; returns its message.
pub async fn refused(answer: Response, status: u16, name: &str) -> String {
    let found = answer.status().as_u16();
    let kind = answer
        .headers()
        .get("x-amzn-errortype")
        .map(|value| value.to_str().unwrap().to_owned());
    let text = answer.text().await.unwrap();
    assert_eq!((found, kind.as_deref()), (status, Some(name)), "{text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    body["message"].as_str().unwrap().to_owned()
}
