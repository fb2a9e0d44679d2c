//! A simulator with an agent in it, a client for it, and patience.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use agentcore_invoke::{
    Answer, Auth, Client, Credentials, DataPlane, Failed, Invoke, Payload, Resend, SESSION_HEADER,
    SessionId, Settings, Target,
};
use agentcore_sim::{Config, Sim};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

/// Far beyond what any step needs, so that only a hang reaches it.
pub const DEADLINE: Duration = Duration::from_mins(2);
pub const REGION: &str = "us-east-1";
pub const ROLE: &str = "arn:aws:iam::111122223333:role/agent";
const IMAGE: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com/support:prod";

/// Static keys, as a provider gives them.
pub fn keys(id: &str, secret: &str) -> aws_credential_types::Credentials {
    aws_credential_types::Credentials::new(id, secret, None, None, "test")
}

/// Settings that wait for next to nothing before they try again.
pub fn hasty() -> Settings {
    Settings {
        backoff_base: Duration::from_millis(1),
        ..Settings::default()
    }
}

/// A session id that differs with `n`.
pub fn session(n: u32) -> SessionId {
    format!("session-0123456789-0123456789-{n:08}")
        .parse()
        .unwrap()
}

/// A target that nothing answers for unless a test's own server does.
pub fn nobody() -> Target {
    let arn = "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/support-AbCdEfGhIj";
    Target {
        arn: arn.parse().unwrap(),
        qualifier: None,
    }
}

/// A client of one address with the simulator's static key.
pub fn client_of(url: &str) -> Client {
    let credentials = Credentials::new(keys("test", "test"));
    Client::new(DataPlane::at(url).unwrap(), credentials, hasty()).unwrap()
}

/// An invocation with a JSON body, signed, in session 1.
pub fn wish<'a>(target: &'a Target, body: &Value) -> Invoke<'a> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert(SESSION_HEADER, session(1).as_str().parse().unwrap());
    Invoke {
        target,
        headers,
        payload: Payload::Memory(Bytes::from(body.to_string())),
        auth: Auth::SigV4,
        first_byte: DEADLINE,
        resend: Resend::Safe,
    }
}

pub async fn read(answer: Answer) -> Value {
    let body = answer.body.collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&body)))
}

/// A simulator with a runtime, and a client with its static key.
pub struct Stage {
    pub sim: Sim,
    pub target: Target,
    pub client: Client,
    http: reqwest::Client,
}

impl Stage {
    pub async fn start() -> Self {
        Self::with(json!({})).await
    }

    /// With these members in the runtime.
    pub async fn with(members: Value) -> Self {
        let sim = Sim::start(Config::default()).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut stage = Self {
            client: client_of(&sim.url()),
            target: nobody(),
            sim,
            http,
        };
        let calm = json!({
            "createDelayMs": 0, "endpointDelayMs": 0, "invokeRatePerSecond": 0, "stopRatePerSecond": 0, "pingEveryMs": 50,
        });
        stage.admin("PUT", "settings", calm).await;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client/agent.py");
        let program = json!({
            "argv": ["/bin/sh", "-c", r#"exec "$PYTHON" -S "$0" "$@""#, script],
            "env": { "PYTHON": python() },
        });
        let image = json!({ "repository": "support", "tag": "prod", "program": program });
        stage.admin("POST", "images", image).await;
        let mut body = json!({
            "agentRuntimeName": "support",
            "agentRuntimeArtifact": { "containerConfiguration": { "containerUri": IMAGE } },
            "roleArn": ROLE,
            "networkConfiguration": { "networkMode": "PUBLIC" },
        });
        for (name, value) in members.as_object().unwrap() {
            body[name.as_str()] = value.clone();
        }
        let made = stage.control("PUT", "/runtimes/", &body).await;
        stage.target.arn = made["agentRuntimeArn"].as_str().unwrap().parse().unwrap();
        stage.until_ready().await;
        stage
    }

    async fn until_ready(&self) {
        let ready = async {
            loop {
                let state = self.admin("GET", "state", Value::Null).await;
                let live = |one: &Value| one["status"] == "READY";
                let endpoints = state["endpoints"].as_array().unwrap();
                if !endpoints.is_empty() && endpoints.iter().all(live) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon("the endpoint is READY", ready).await;
    }

    /// A request to the control plane that must be good.
    async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let uri = format!("{}{path}", self.sim.url());
        let identity = keys("test", "test").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("bedrock-agentcore")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let signed_body = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new(method, &uri, std::iter::empty(), signed_body).unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        let mut request = self.http.request(method.parse().unwrap(), &uri);
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A request to the simulator's admin API.
    pub async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}/_sim/{path}", self.sim.url());
        let request = self.http.request(method.parse().unwrap(), url);
        let answer = request.json(&body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Sets the faults of an operation.
    pub async fn fault(&self, operation: &str, when: &str, error: &str, times: u32) {
        let fault =
            json!([{ "operation": operation, "when": when, "error": error, "times": times }]);
        self.admin("PUT", "faults", fault).await;
    }

    /// Calls of an operation that arrived.
    pub async fn calls(&self, operation: &str) -> u64 {
        let calls = self.admin("GET", "calls", Value::Null).await;
        calls["byOperation"][operation].as_u64().unwrap_or_default()
    }

    pub async fn invoke(&self, body: &Value) -> Result<Answer, Failed> {
        self.client.invoke(wish(&self.target, body)).await
    }

    /// How often the agent of session 1 saw a wish of this name.
    pub async fn seen(&self, name: &str) -> u64 {
        let told = read(self.invoke(&json!({})).await.unwrap()).await;
        told["seen"][name].as_u64().unwrap_or_default()
    }
}

/// Waits for an end that must come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let found = std::process::Command::new("python3")
            .args(["-c", "import sys; print(sys.executable)"])
            .output()
            .unwrap();
        String::from_utf8(found.stdout).unwrap().trim().to_owned()
    })
}
