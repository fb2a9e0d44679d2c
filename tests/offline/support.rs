//! A simulator, an AWS client for it, and patience.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use agentcore_aws::{Aws, Call, CallObserver, Control, Operation, Priority, Rates};
use agentcore_plan::aws::{Runtime, RuntimeAccepted, ServiceStatus, Tags};
use agentcore_sim::{Config, Settings, Sim};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::full_config::minimal;

#[path = "../fixtures/guard.rs"]
mod guard;

pub const REGION: &str = "us-east-1";

/// Content of every image. It is hashed when it is pushed, and never started here: small is all it has to be.
pub const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

/// Longest wait for anything. Far beyond what a slow machine needs.
const DEADLINE: Duration = Duration::from_secs(30);

/// Settings without delays and rates: tests that are about those say so.
pub fn quick() -> Settings {
    Settings {
        create_delay_ms: 0,
        update_delay_ms: 0,
        delete_delay_ms: 0,
        endpoint_delay_ms: 0,
        rate_per_second: 0,
        ..Settings::default()
    }
}

/// Every call that was observed: operation, code, lane.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<(Operation, String, Priority)>>);

impl CallObserver for Recorder {
    fn observe(&self, call: &Call<'_>) {
        self.0
            .lock()
            .push((call.operation, call.code.to_owned(), call.priority));
    }
}

impl Recorder {
    pub fn codes(&self, operation: Operation) -> Vec<String> {
        self.0
            .lock()
            .iter()
            .filter(|call| call.0 == operation)
            .map(|call| call.1.clone())
            .collect()
    }
}

/// A simulator with a client. The simulator ends when this is dropped.
pub struct World {
    pub sim: Sim,
    pub aws: Aws,
    pub observed: Arc<Recorder>,
    http: reqwest::Client,
    _guard: guard::Guard,
}

pub fn credentials(id: &str, secret: &str) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new(id, secret, None, None, "test"))
}

/// Where and who, as the standard chain would have found it.
pub fn sdk_config(url: &str, credentials: SharedCredentialsProvider) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(url)
        .credentials_provider(credentials)
        .build()
}

/// So many calls a second of each operation.
pub fn rates(per_second: f64) -> Rates {
    Rates::new(
        Operation::ALL
            .iter()
            .map(|one| (one.to_string(), per_second)),
    )
    .expect("a good rate")
}

impl World {
    pub async fn start(settings: Settings) -> Self {
        Self::with_rates(settings, rates(5_000.0)).await
    }

    pub async fn with_rates(settings: Settings, rates: Rates) -> Self {
        let sim = Sim::start(Config {
            settings,
            credentials: guard::keys(),
            ..Config::default()
        })
        .await
        .expect("a free port");
        let observed = Arc::new(Recorder::default());
        let config = sdk_config(&sim.url(), credentials("controller", "controller"));
        let aws = Aws::with_config(config, rates, observed.clone()).expect("a region");
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            _guard: guard::Guard::of(&sim),
            sim,
            aws,
            observed,
            http,
        }
    }

    pub fn control(&self) -> Control {
        self.aws.control(REGION)
    }

    /// A request to the simulator's admin API.
    pub async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let method = method.parse().expect("a method");
        let request = self
            .http
            .request(method, format!("{}/_sim/{path}", self.sim.url()));
        let response = request
            .json(&body)
            .send()
            .await
            .expect("the simulator answers");
        let status = response.status();
        let text = response.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    pub async fn fault(&self, fault: Value) {
        self.admin("PUT", "faults", json!([fault])).await;
    }

    /// Calls that the simulator counted, by operation.
    pub async fn calls(&self, operation: Operation) -> u64 {
        let calls = self.admin("GET", "calls", json!({})).await;
        calls["byOperation"][operation.as_str()]
            .as_u64()
            .unwrap_or_default()
    }

    /// Pushes an image for these architectures and answers with its URI.
    pub async fn push(&self, tag: &str, architectures: &[&str]) -> String {
        let program = json!({ "argv": [PROGRAM] });
        let image = json!({ "repository": "support", "tag": tag, "program": program, "architectures": architectures });
        let pushed = self.admin("POST", "images", image).await;
        pushed["imageUri"].as_str().expect("a URI").to_owned()
    }

    /// Sends the create of a runtime with no more than it needs.
    pub async fn create(&self, name: &str) -> RuntimeAccepted {
        let image = self.push("prod", &["arm64"]).await;
        let config = minimal(&image);
        self.control()
            .create_runtime(Priority::Urgent, name, &config, &tags(), &token(name))
            .await
            .expect("accepted")
    }

    /// Waits until the runtime is in this status.
    pub async fn until_status(&self, id: &str, status: ServiceStatus) -> Runtime {
        until(&format!("{id} is {}", status.as_str()), async || {
            let runtime = self
                .control()
                .get_runtime(Priority::Urgent, id)
                .await
                .expect("an answer")
                .expect("there");
            (runtime.status == status).then_some(runtime)
        })
        .await
    }
}

/// Asks again until there is an answer.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asked)
        .await
        .unwrap_or_else(|_| panic!("waited too long: {what}"))
}

/// Waits for an end that must come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("waited too long: {what}"))
}

pub fn tags() -> Tags {
    BTreeMap::from([
        ("agentcore.dev/name".to_owned(), "support".to_owned()),
        ("Project".to_owned(), "support".to_owned()),
    ])
}

/// A client token of the right length, the same for the same seed.
pub fn token(seed: &str) -> String {
    format!("{:z<40}", seed.replace('_', "-"))
}
