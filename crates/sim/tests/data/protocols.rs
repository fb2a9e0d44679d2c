//! MCP servers and their session ids; agent cards.

use http::HeaderMap;
use reqwest::Response;
use serde_json::{Value, json};

use crate::socket::headers;
use crate::stage::{SESSION, Stage, Wish, id, refused, told};

const MCP: &str = "mcp-session-id";

async fn stage(protocol: &str, settings: Value) -> Stage {
    let members = json!({ "protocolConfiguration": { "serverProtocol": protocol } });
    Stage::with(settings, members).await
}

async fn mcp(stage: &Stage, pairs: &[(&'static str, &str)], own: Option<&str>) -> Response {
    let mut body = json!({ "do": "mcp" });
    if let Some(own) = own {
        body["id"] = json!(own);
    }
    stage
        .invoke(Wish {
            headers: headers(pairs),
            body,
            ..Wish::default()
        })
        .await
}

fn head(answer: &Response, name: &str) -> Option<String> {
    Some(answer.headers().get(name)?.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_platform_makes_the_id_of_an_mcp_session_and_knows_it_again() {
    let stage = stage("MCP", json!({})).await;
    let first = mcp(&stage, &[], None).await;
    let made = head(&first, SESSION).unwrap();
    assert_eq!(head(&first, MCP), Some(made.clone()));
    let first = told(first).await;
    assert_eq!(first["mcp"], made.as_str(), "the agent is told");
    let again = mcp(&stage, &[(MCP, &made)], Some("the agent's")).await;
    assert_eq!(
        head(&again, MCP),
        Some(made.clone()),
        "the agent's own counts for nothing"
    );
    assert_eq!(told(again).await, first);

    let short = mcp(&stage, &[(MCP, "short")], None).await;
    assert_eq!(head(&short, SESSION).as_deref(), Some("short"));
    let short = told(short).await;
    assert_ne!(short["pid"], first["pid"]);
    assert_eq!(
        told(mcp(&stage, &[(MCP, "short")], None).await).await,
        short
    );
    let by_session = mcp(&stage, &[(SESSION, &id(1))], None).await;
    assert_eq!(head(&by_session, MCP), Some(id(1)));
    refused(
        mcp(&stage, &[(MCP, "")], None).await,
        400,
        "ValidationException",
    )
    .await;
}

#[tokio::test]
async fn an_agents_own_mcp_id_leads_to_the_session_that_answered_with_it() {
    let stage = stage("MCP", json!({ "mcpSessionSource": "agent" })).await;
    let first = mcp(&stage, &[], Some("inner-1")).await;
    assert_eq!(head(&first, MCP).as_deref(), Some("inner-1"));
    let session = head(&first, SESSION).unwrap();
    let first = told(first).await;
    assert_eq!(first["mcp"], Value::Null, "nobody has made one yet");
    let again = mcp(&stage, &[(MCP, "inner-1")], None).await;
    assert_eq!(head(&again, SESSION), Some(session.clone()));
    assert_eq!(head(&again, MCP), None);
    let again = told(again).await;
    assert_eq!(
        (&again["pid"], &again["mcp"]),
        (&first["pid"], &json!("inner-1"))
    );
    let other = told(mcp(&stage, &[(MCP, "inner-2")], None).await).await;
    assert_ne!(other["pid"], first["pid"]);

    let stop = stage.path("stopruntimesession", None);
    let stopped = stage
        .post(&stop, &headers(&[(SESSION, &session)]), String::new())
        .await;
    assert_eq!(stopped.unwrap().status(), 200);
    let later = mcp(&stage, &[(MCP, "inner-1")], None).await;
    assert_eq!(head(&later, SESSION).as_deref(), Some("inner-1"));
    assert_ne!(told(later).await["pid"], first["pid"]);
}

#[tokio::test]
async fn of_two_ids_that_differ_the_session_id_decides_unless_switched() {
    let stage = stage("MCP", json!({})).await;
    let one = told(mcp(&stage, &[(SESSION, &id(1))], None).await).await["pid"].clone();
    let two = told(mcp(&stage, &[(MCP, &id(2))], None).await).await["pid"].clone();
    assert_ne!(one, two);
    let both = [(SESSION, id(1)), (MCP, id(2))];
    let both: Vec<_> = both
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = mcp(&stage, &both, None).await;
    assert_eq!(
        (head(&answer, SESSION), head(&answer, MCP)),
        (Some(id(1)), Some(id(2)))
    );
    let answer = told(answer).await;
    assert_eq!(
        (&answer["pid"], &answer["mcp"]),
        (&one, &json!(id(2))),
        "the id passes as it came"
    );
    stage.bench.settings(json!({ "mcpIdsDiffer": "mcp" })).await;
    let answer = mcp(&stage, &both, None).await;
    assert_eq!(head(&answer, SESSION), Some(id(2)));
    assert_eq!(told(answer).await["pid"], two);
}

async fn card(stage: &Stage, headers: &HeaderMap) -> crate::client::Answer {
    let target = stage.path("invocations/.well-known/agent-card.json", None);
    let signer = crate::client::Signer::default();
    stage
        .bench
        .send(&signer, "GET", &target, headers, String::new())
        .await
        .unwrap()
}

#[tokio::test]
async fn an_a2a_agent_shows_its_card_in_the_callers_session() {
    let stage = stage("A2A", json!({})).await;
    let pid = stage.pid(1).await;
    let shown = card(&stage, &headers(&[(SESSION, &id(1))])).await;
    assert_eq!(shown.expect(200), json!({ "name": "agent", "pid": pid }));
    let shown = card(&stage, &HeaderMap::new()).await.expect(200);
    assert_ne!(shown["pid"], pid);
    let entry = stage.entry(shown["pid"].as_u64().unwrap()).await;
    assert!(entry["id"].as_str().unwrap().len() >= 33);
    let calls = stage.bench.admin("GET", "/_sim/calls", Value::Null).await;
    assert_eq!(calls.expect(200)["byOperation"]["GetAgentCard"], 2);
}

#[tokio::test]
async fn cards_name_their_session_and_are_refused_where_there_can_be_none() {
    let stage = stage("A2A", json!({})).await;
    let target = stage.path("invocations/.well-known/agent-card.json", None);
    let host = stage.bench.sim.addr().to_string();
    let signed = crate::client::sign(
        &crate::client::Signer::default(),
        "GET",
        &target,
        &host,
        &headers(&[(SESSION, &id(1))]),
        "",
    );
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}{target}", stage.bench.sim.url());
    let answer = http.get(url).headers(signed).send().await.unwrap();
    assert_eq!(head(&answer, SESSION), Some(id(1)));
    assert_eq!(answer.headers()["content-type"], "application/json");

    stage
        .update(json!({
            "protocolConfiguration": { "serverProtocol": "A2A" }, "environmentVariables": { "NO_CARD": "1" },
        }))
        .await;
    let message = card(&stage, &HeaderMap::new())
        .await
        .expect_error(424, "RuntimeClientError");
    assert!(message.contains("(503)"), "{message}");
    stage
        .update(json!({ "protocolConfiguration": { "serverProtocol": "MCP" } }))
        .await;
    card(&stage, &HeaderMap::new())
        .await
        .expect_error(400, "ValidationException");
}
