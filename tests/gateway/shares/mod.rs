//! One caller, or a stranger, that takes as much as it can of what callers share; another caller is served all the same.

mod bodies;
mod connections;

use serde_json::json;

use super::front::Front;
use super::tools::good;
use reqwest::Method;

/// Another caller of the same agent is answered, over a new connection: small and large bodies, and `chat`.
async fn served(front: &Front, token: &str) {
    let http = reqwest::Client::builder().no_proxy().build();
    let http = http.expect("client");
    for (what, words) in [
        ("invocations", 1),
        ("invocations", 300_000),
        ("chat", 1),
        ("chat", 100_000),
    ] {
        let body = json!({"prompt": "a ".repeat(words)});
        let request = http.request(Method::POST, front.path(what));
        good(request.bearer_auth(token).json(&body)).await;
    }
}

/// A figure of a pool, which has one.
async fn figure(front: &Front, name: &str, labels: &str) -> u64 {
    let series = format!("agentcore_gateway_share_{name}{{{labels}}} ");
    let text = front.metrics().await;
    let value = text.lines().find_map(|line| line.strip_prefix(&series));
    value
        .unwrap_or_else(|| panic!("no {series} in {text}"))
        .parse()
        .expect("a whole number")
}
