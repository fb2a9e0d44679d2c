//! What passes between caller and agent, and when.

use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use crate::stage::{Stage, Wish, id, refused, told, until};

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect()
}

async fn seen(stage: &Stage, pairs: &[(&str, &str)]) -> Value {
    let wish = Wish {
        headers: headers(pairs),
        ..Wish::of(1, json!({}))
    };
    told(stage.invoke(wish).await).await["headers"].clone()
}

const CUSTOM: &str = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Tenant";
const USER: &str = "X-Amzn-Bedrock-AgentCore-Runtime-User-Id";

#[tokio::test]
async fn only_headers_of_the_model_and_the_allowlist_reach_the_agent() {
    let allowlist = json!({ "requestHeaderAllowlist": ["X-Tenant", CUSTOM] });
    let stage = Stage::with(
        json!({}),
        json!({ "requestHeaderConfiguration": allowlist }),
    )
    .await;
    let seen = seen(
        &stage,
        &[
            ("content-type", "text/plain"),
            ("accept", "text/event-stream"),
            ("mcp-method", "tools/list"),
            ("traceparent", "00-1-2-01"),
            ("x-tenant", "blue"),
            ("x-unlisted", "red"),
            ("cookie", "a=b"),
            ("x-amz-meta", "secret"),
            (CUSTOM, "custom"),
            (USER, "someone"),
        ],
    )
    .await;
    for (name, value) in [
        ("content-type", "text/plain"),
        ("accept", "text/event-stream"),
        ("mcp-method", "tools/list"),
        ("traceparent", "00-1-2-01"),
        ("x-tenant", "blue"),
        (&CUSTOM.to_lowercase(), "custom"),
        (&USER.to_lowercase(), "someone"),
    ] {
        assert_eq!(seen[name], value, "{name}");
    }
    for name in [
        "x-unlisted",
        "cookie",
        "x-amz-meta",
        "x-amz-date",
        "authorization",
        "user-agent",
    ] {
        assert_eq!(seen.get(name), None, "{name}");
    }
    assert!(
        seen["x-amzn-bedrock-agentcore-runtime-request-id"]
            .as_str()
            .unwrap()
            .len()
            >= 32
    );
}

#[tokio::test]
async fn switches_decide_about_custom_user_and_trace_headers() {
    let strict = json!({ "customPrefixNeedsAllowlist": true, "forwardUserId": false, "forwardTraceHeaders": false });
    let stage = Stage::start(strict).await;
    let sent = [(CUSTOM, "custom"), (USER, "someone"), ("baggage", "a=b")];
    let strict = seen(&stage, &sent).await;
    stage.bench.settings(json!({ "customPrefixNeedsAllowlist": false, "forwardUserId": true, "forwardTraceHeaders": true })).await;
    let open = seen(&stage, &sent).await;
    for (name, value) in sent {
        let name = name.to_lowercase();
        assert_eq!((strict.get(&name), &open[&name]), (None, &json!(value)));
    }
}

#[tokio::test]
async fn the_headers_of_a2a_reach_its_agents_unless_switched() {
    let sent = [("A2A-Version", "1.0"), ("A2A-Extensions", "e")];
    for (protocol, forward, reached) in [
        ("A2A", true, true),
        ("A2A", false, false),
        ("HTTP", true, false),
    ] {
        let members = json!({ "protocolConfiguration": { "serverProtocol": protocol } });
        let stage = Stage::with(json!({ "forwardA2aHeaders": forward }), members).await;
        let seen = seen(&stage, &sent).await;
        for (name, value) in sent {
            let found = seen.get(name.to_lowercase());
            assert_eq!(found == Some(&json!(value)), reached, "{protocol} {name}");
        }
    }
}

#[tokio::test]
async fn headers_that_are_too_long_are_refused() {
    let allowlist = json!({ "requestHeaderAllowlist": ["X-Tenant"] });
    let stage = Stage::with(
        json!({}),
        json!({ "requestHeaderConfiguration": allowlist }),
    )
    .await;
    for (name, limit) in [
        ("x-tenant", 4096),
        ("content-type", 256),
        ("mcp-name", 1024),
        ("traceparent", 128),
    ] {
        let fits = "v".repeat(limit);
        assert_eq!(seen(&stage, &[(name, &fits)]).await[name], fits.as_str());
        let longer = "v".repeat(limit + 1);
        let wish = Wish {
            headers: headers(&[(name, &longer)]),
            ..Wish::of(1, json!({}))
        };
        refused(stage.invoke(wish).await, 400, "ValidationException").await;
    }
}

#[tokio::test]
async fn the_caller_gets_the_documented_headers_of_the_agent_and_no_others() {
    let stage = Stage::start(json!({})).await;
    let answer = stage.invoke(Wish::of(1, json!({}))).await;
    let got = answer.headers();
    assert_eq!(got["content-type"], "application/json");
    assert_eq!(got["mcp-session-id"], "inner");
    assert_eq!(got["traceparent"], "00-a-b-01");
    assert!(got.contains_key("x-amzn-requestid"));
    for name in ["set-cookie", "x-own", "server"] {
        assert!(!got.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn an_answer_comes_as_it_is_made_and_ends_when_the_caller_goes() {
    let stage = Stage::start(json!({})).await;
    // The stream never ends by itself.
    let mut answer = stage.invoke(Wish::of(1, json!({ "do": "stream" }))).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: 0\n\n");
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    let pid = stage.pid(1).await;
    assert_eq!(stage.entry(pid).await["inFlight"], 1);
    drop(answer);
    until("the agent's notice", async || {
        stage
            .log(pid)
            .await
            .contains("the caller is gone")
            .then_some(())
    })
    .await;
    until("the end of use", async || {
        (stage.entry(pid).await["inFlight"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_payload_may_have_100_000_000_bytes_and_not_one_more() {
    let stage = Stage::start(json!({})).await;
    let headers = headers(&[(crate::stage::SESSION, &id(1))]);
    let path = stage.path("invocations", None);
    let largest = stage
        .post(&path, &headers, "x".repeat(100_000_000))
        .await
        .unwrap();
    assert_eq!(told(largest).await["length"], 100_000_000);
    let over = stage
        .post(&path, &headers, "x".repeat(100_000_001))
        .await
        .unwrap();
    refused(over, 413, "RequestEntityTooLargeException").await;
}

#[tokio::test]
async fn protocols_have_paths_of_their_own() {
    for (protocol, path) in [
        (json!({ "serverProtocol": "MCP" }), "/mcp"),
        (json!({ "serverProtocol": "A2A" }), "/"),
        (json!({ "serverProtocol": "AGUI" }), "/invocations"),
    ] {
        let stage = Stage::with(json!({}), json!({ "protocolConfiguration": protocol })).await;
        assert_eq!(stage.told(1).await["path"], path);
    }
}
