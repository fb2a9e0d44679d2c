//! A simulator for one test, and signed requests to it.

use agentcore_sim::sigv4::canonical::{self, Parts, PathRules};
use agentcore_sim::{Config, Settings, Sim};
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A role that is good.
pub const ROLE: &str = "arn:aws:iam::111122223333:role/agentcore/team-a/support";
/// An image that [`Bench::start`] has pushed.
pub const IMAGE: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com/support:prod";

/// A key pair to sign with, and where.
#[derive(Debug, Clone)]
pub struct Signer {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
    pub region: String,
    pub service: String,
    /// Signed instead of the current time.
    pub at: Option<Timestamp>,
}

impl Default for Signer {
    fn default() -> Self {
        Self {
            id: "test".to_owned(),
            secret: "test".to_owned(),
            token: None,
            region: "us-east-1".to_owned(),
            service: "bedrock-agentcore".to_owned(),
            at: None,
        }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// The `x-amzn-ErrorType` header.
    pub error: Option<String>,
    pub text: String,
    pub body: Value,
}

impl Answer {
    /// Panics unless the status is the given one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// Panics unless it is this error with this status; returns its message.
    #[track_caller]
    pub fn expect_error(self, status: u16, name: &str) -> String {
        assert_eq!(
            (self.status, self.error.as_deref()),
            (status, Some(name)),
            "{}",
            self.text
        );
        self.body["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// A simulator and a client of it.
pub struct Bench {
    pub sim: Sim,
    pub signer: Signer,
    http: reqwest::Client,
}

impl Bench {
    /// A simulator without delays and rates, with one image pushed.
    pub async fn start() -> Self {
        Self::with(json!({})).await
    }

    /// As [`Bench::start`], with these settings over it.
    pub async fn with(patch: Value) -> Self {
        let fast = json!({
            "createDelayMs": 0, "updateDelayMs": 0, "deleteDelayMs": 0, "endpointDelayMs": 0, "ratePerSecond": 0,
        });
        let settings = Settings::default()
            .merged(&fast)
            .unwrap()
            .merged(&patch)
            .unwrap();
        let sim = Sim::start(Config {
            settings,
            seed: Some(7),
            ..Config::default()
        })
        .await
        .unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let bench = Self {
            sim,
            signer: Signer::default(),
            http,
        };
        bench.push("support", "prod", &["arm64"]).await;
        bench
    }

    /// Pushes an image and returns its digest.
    pub async fn push(&self, repository: &str, tag: &str, architectures: &[&str]) -> String {
        let program = json!({ "argv": ["/bin/true", tag] });
        let body = json!({ "repository": repository, "tag": tag, "program": program, "architectures": architectures });
        let answer = self.admin("POST", "/_sim/images", body).await.expect(200);
        answer["digest"].as_str().unwrap().to_owned()
    }

    /// A call of the admin API.
    pub async fn admin(&self, method: &str, path: &str, body: Value) -> Answer {
        let url = format!("{}{path}", self.sim.url());
        let request = self.http.request(method.parse().unwrap(), url);
        let request = if body.is_null() {
            request
        } else {
            request.body(body.to_string())
        };
        read(request.send().await.unwrap()).await
    }

    pub async fn settings(&self, patch: Value) {
        self.admin("PUT", "/_sim/settings", patch).await.expect(200);
    }

    pub async fn faults(&self, faults: Value) {
        self.admin("PUT", "/_sim/faults", faults).await.expect(200);
    }

    pub async fn advance(&self, seconds: f64) {
        self.admin("POST", "/_sim/clock", json!({ "advanceSeconds": seconds }))
            .await
            .expect(200);
    }

    /// A signed call with a JSON body; `Null` for none.
    pub async fn call(&self, method: &str, target: &str, body: Value) -> Answer {
        self.try_call(method, target, body).await.unwrap()
    }

    /// As [`Bench::call`], for connections that may break.
    pub async fn try_call(
        &self,
        method: &str,
        target: &str,
        body: Value,
    ) -> reqwest::Result<Answer> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(&self.signer, method, target, &HeaderMap::new(), body)
            .await
    }

    /// A call signed by anybody.
    pub async fn send(
        &self,
        signer: &Signer,
        method: &str,
        target: &str,
        extra: &HeaderMap,
        body: String,
    ) -> reqwest::Result<Answer> {
        let headers = sign(
            signer,
            method,
            target,
            &self.sim.addr().to_string(),
            extra,
            &body,
        );
        let request = self.http.request(
            method.parse().unwrap(),
            format!("{}{target}", self.sim.url()),
        );
        Ok(read(request.headers(headers).body(body).send().await?).await)
    }

    /// An unsigned call with these headers.
    pub async fn raw(
        &self,
        method: &str,
        target: &str,
        headers: HeaderMap,
        body: String,
    ) -> Answer {
        let request = self.http.request(
            method.parse().unwrap(),
            format!("{}{target}", self.sim.url()),
        );
        read(request.headers(headers).body(body).send().await.unwrap()).await
    }

    /// Creates a runtime; it is READY with the next call unless delays are set.
    pub async fn create(&self, name: &str) -> String {
        let answer = self
            .call("PUT", "/runtimes/", runtime(name))
            .await
            .expect(202);
        answer["agentRuntimeId"].as_str().unwrap().to_owned()
    }

    pub async fn get(&self, id: &str) -> Value {
        self.call("GET", &format!("/runtimes/{id}/"), Value::Null)
            .await
            .expect(200)
    }

    pub async fn update(&self, id: &str, body: Value) -> Answer {
        self.call("PUT", &format!("/runtimes/{id}/"), body).await
    }
}

/// Headers of a signed request.
pub fn sign(
    signer: &Signer,
    method: &str,
    target: &str,
    host: &str,
    extra: &HeaderMap,
    body: &str,
) -> HeaderMap {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let at = signer
        .at
        .unwrap_or_else(Timestamp::now)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let mut headers = extra.clone();
    headers.insert("x-amz-date", at.parse().unwrap());
    if let Some(token) = &signer.token {
        headers.insert("x-amz-security-token", token.parse().unwrap());
    }
    let mut names: Vec<String> = headers.keys().map(ToString::to_string).collect();
    names.push("host".to_owned());
    names.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hash = canonical::sha256_hex(body.as_bytes());
    let parts = Parts {
        method,
        path,
        query,
        headers: &headers,
        host,
        signed_headers: &names,
        payload_hash: &hash,
    };
    let request = canonical::request(parts, PathRules::STANDARD, &[]);
    let scope = format!(
        "{}/{}/{}/aws4_request",
        &at[..8],
        signer.region,
        signer.service
    );
    let signature = canonical::signature(
        &signer.secret,
        &scope,
        &canonical::string_to_sign(&at, &scope, &request),
    );
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
        signer.id,
        names.join(";")
    );
    headers.insert("authorization", authorization.parse().unwrap());
    headers
}

async fn read(response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    let error = response
        .headers()
        .get("x-amzn-errortype")
        .map(|v| v.to_str().unwrap().to_owned());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer {
        status,
        error,
        text,
        body,
    }
}

/// A good CreateAgentRuntime request.
pub fn runtime(name: &str) -> Value {
    let mut body = configuration();
    body["agentRuntimeName"] = json!(name);
    body
}

/// A good UpdateAgentRuntime request.
pub fn configuration() -> Value {
    json!({
        "agentRuntimeArtifact": { "containerConfiguration": { "containerUri": IMAGE } },
        "roleArn": ROLE,
        "networkConfiguration": { "networkMode": "PUBLIC" },
    })
}

/// A client token that differs with `n`.
pub fn token(n: u32) -> String {
    format!("0123456789abcdef0123456789abcdef-{n}")
}

/// `base` with the members of `over` in it.
pub fn with(mut base: Value, over: Value) -> Value {
    let Value::Object(members) = over else {
        panic!("not an object: {over}")
    };
    for (name, value) in members {
        base[name.as_str()] = value;
    }
    base
}

/// Path-escapes an ARN.
pub fn escape(arn: &str) -> String {
    arn.replace(':', "%3A").replace('/', "%2F")
}
