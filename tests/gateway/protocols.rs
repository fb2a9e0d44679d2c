//! MCP, A2A and AG-UI, as clients of theirs see the gateway.

use std::collections::HashSet;

use agentcore_invoke::sse::Decoder;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::front::{Front, Gateway};
use super::tools::{SESSION, UPSTREAM, good, refused};
use crate::rig::condition;

/// An agent of any protocol.
pub const SPEAKER: &str = include_str!("speaker.py");
const MCP: &str = "mcp-session-id";

/// A front with a Ready agent `tools` that speaks this protocol.
async fn front(name: &str, changes: Value) -> Front {
    let front = Front::start(name).await;
    front.script("tools", SPEAKER, changes).await;
    front
}

fn call(method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": method})
}

fn mcp(front: &Front, token: &str, method: &str) -> RequestBuilder {
    front.post_to("agentruntimes", "tools", "mcp", token, &call(method))
}

/// Ids of the sessions that the simulated AWS has in this state.
async fn sessions(front: &Front, state: &str) -> HashSet<String> {
    let aws = front.rig.aws().await;
    let sessions = aws["sessions"].as_array().expect("sessions").iter();
    let sessions = sessions.filter(|session| session["state"] == state);
    let ids = sessions.map(|session| session["id"].as_str().expect("text").to_owned());
    ids.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_messages_that_name_no_session_share_one_of_their_caller() {
    let front = front(
        "gw-mcp-plain",
        json!({"protocol": {"serverProtocol": "MCP"}}),
    )
    .await;
    front.allow("other", &["create"]).await;
    let (mine, other) = (front.token("caller").await, front.token("other").await);
    let mut pids = HashSet::new();
    for _ in 0..7 {
        let (_, said) = good(mcp(&front, &mine, "tools/list")).await;
        pids.insert(said["result"]["pid"].as_u64().expect("pid"));
    }
    assert_eq!(
        (pids.len(), sessions(&front, "RUNNING").await.len()),
        (1, 1)
    );
    let list = front.path_at("agentruntimes", "tools", "sessions");
    let (_, listed) = good(front.http.get(&list).bearer_auth(&mine)).await;
    assert_eq!(
        listed["sessions"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    let (_, said) = good(mcp(&front, &other, "tools/list")).await;
    assert!(
        pids.insert(said["result"]["pid"].as_u64().expect("pid")),
        "another's"
    );
    let id = "a-session-of-my-own-".repeat(2);
    let (_, said) = good(mcp(&front, &mine, "tools/list").header(SESSION, id)).await;
    assert!(
        pids.insert(said["result"]["pid"].as_u64().expect("pid")),
        "by name"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mcp_message_has_a_session_where_the_object_says_so() {
    let changes =
        json!({"protocol": {"serverProtocol": "MCP"}, "sessions": {"unnamed": "PerRequest"}});
    let front = front("gw-mcp-each", changes).await;
    let token = front.token("caller").await;
    let (headers, first) = good(mcp(&front, &token, "initialize")).await;
    let (_, second) = good(mcp(&front, &token, "initialize")).await;
    assert_ne!(first["result"]["pid"], second["result"]["pid"]);
    let again = mcp(&front, &token, "tools/list").header(MCP, &headers[MCP]);
    let (_, again) = good(again).await;
    assert_eq!(again["result"]["pid"], first["result"]["pid"]);
    assert_eq!(sessions(&front, "RUNNING").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mcp_client_ends_its_session_but_not_one_that_it_shares() {
    let changes =
        |unnamed| json!({"protocol": {"serverProtocol": "MCP"}, "sessions": {"unnamed": unnamed}});
    let front = front("gw-mcp-delete", changes("PerRequest")).await;
    front.script("shared", SPEAKER, changes("PerCaller")).await;
    front.allow("client", &["create"]).await;
    let token = front.token("client").await;
    let request = |method: Method, agent: &str| {
        let path = front.path_at("agentruntimes", agent, "mcp");
        front.http.request(method, path).bearer_auth(&token)
    };
    let begin = async |agent: &str| {
        let call = call("initialize");
        let (headers, _) = good(request(Method::POST, agent).json(&call)).await;
        (headers[MCP].clone(), headers[UPSTREAM].clone())
    };
    let (mine, upstream) = begin("tools").await;
    let (shared, kept) = begin("shared").await;
    let running = async || sessions(&front, "RUNNING").await;
    let upstream = upstream.to_str().expect("text");
    assert!(running().await.contains(upstream));
    let end = |agent: &str, id| request(Method::DELETE, agent).header(MCP, id);
    let ended = end("tools", &mine).send().await.expect("an answer");
    assert_eq!(ended.status(), 204);
    assert!(!running().await.contains(upstream));
    let said = refused(end("tools", &mine)).await;
    assert_eq!(said.said(), (404, "NotFound"));
    let said = refused(request(Method::DELETE, "tools")).await;
    assert_eq!(said.said(), (400, "InvalidSessionId"));
    let said = refused(end("shared", &shared)).await;
    assert_eq!(said.said(), (405, "MethodNotAllowed"));
    assert!(running().await.contains(kept.to_str().expect("text")));
    // A client asks whether there is a stream beside its requests.
    let said = refused(request(Method::GET, "tools")).await;
    assert_eq!(said.said(), (405, "MethodNotAllowed"));
    assert_eq!(said.headers["allow"], "POST, DELETE");
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_sessions_are_listed_and_end_after_a_roll() {
    let changes = |roll: &str| {
        json!({
            "protocol": {"serverProtocol": "MCP"}, "sessions": {"onUpdate": "Stop"}, "env": [{"name": "ROLL", "value": roll}],
        })
    };
    let front = front("gw-mcp-drain", changes("1")).await;
    // As servers with sessions of their own have it.
    front
        .rig
        .settings(json!({"mcpSessionSource": "agent"}))
        .await;
    let token = front.token("caller").await;
    let (headers, first) = good(mcp(&front, &token, "initialize")).await;
    let (sealed, upstream) = (&headers[MCP], headers[UPSTREAM].to_str().expect("text"));
    let goes_on = || mcp(&front, &token, "tools/list").header(MCP, sealed);
    let (_, second) = good(goes_on()).await;
    assert_eq!(second["result"]["pid"], first["result"]["pid"]);
    let made = format!("made-by-{}", first["result"]["pid"]);
    assert_eq!(
        second["result"]["headers"][MCP], made,
        "the server sees its own id"
    );
    let list = front.path_at("agentruntimes", "tools", "sessions");
    let (_, listed) = good(front.http.get(&list).bearer_auth(&token)).await;
    assert_eq!(
        listed["sessions"][0]["upstreamSessionId"], upstream,
        "{listed}"
    );
    assert_eq!(
        sessions(&front, "RUNNING").await,
        HashSet::from([upstream.to_owned()])
    );

    let mut spec = front.rig.spec_with(changes("2"));
    spec["artifact"]["container"]["image"] = json!(crate::rig::Rig::image("tools:prod"));
    front.rig.apply_runtime("tools", spec).await;
    front
        .rig
        .until("an end of the session", async || {
            let running = sessions(&front, "RUNNING").await;
            if running.contains(upstream) {
                Err(format!("{running:?}"))
            } else {
                Ok(())
            }
        })
        .await;
    front
        .rig
        .runtime_until("tools", "a stopped session", |object| {
            let status = object.status.as_ref().expect("a status");
            let numbers = serde_json::to_value(&status.sessions).expect("JSON");
            numbers["stopped"] == 1
                && condition(&status.conditions, "SessionsCurrent")
                    .is_some_and(|current| current.reason == "AllCurrent")
        })
        .await;
    let said = refused(goes_on()).await;
    assert_eq!(said.said(), (404, "NotFound"), "a client begins anew");
    let (headers, anew) = good(mcp(&front, &token, "initialize")).await;
    assert_ne!(headers[UPSTREAM], *upstream);
    assert_ne!(anew["result"]["pid"], first["result"]["pid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_server_without_sessions_go_on_after_a_roll() {
    let front = front(
        "gw-mcp-roll",
        json!({"protocol": {"serverProtocol": "MCP"}}),
    )
    .await;
    let token = front.token("caller").await;
    let (headers, first) = good(mcp(&front, &token, "tools/list")).await;
    let sealed = &headers[MCP];
    let id = headers[SESSION].to_str().expect("text");
    let stop = front.path_at("agentruntimes", "tools", &format!("sessions/{id}"));
    let stopped = front.http.delete(stop).bearer_auth(&token).send().await;
    assert_eq!(stopped.expect("an answer").status(), 204);
    // AgentCore made that id: a server without sessions knows nothing of it.
    let (headers, second) = good(mcp(&front, &token, "tools/list").header(MCP, sealed)).await;
    assert_ne!(second["result"]["pid"], first["result"]["pid"]);
    assert_ne!(headers[MCP], *sealed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_a2a_card_leads_to_the_gateway_and_messages_reach_the_agent() {
    let front = front("gw-a2a", json!({"protocol": {"serverProtocol": "A2A"}})).await;
    let token = front.token("caller").await;
    let url = front.path_at("agentruntimes", "tools", "a2a");
    let get = |what: &str| {
        let path = front.path_at("agentruntimes", "tools", what);
        front.http.get(path).bearer_auth(&token)
    };
    for path in [
        "agent-card",
        "a2a/.well-known/agent-card.json",
        "invocations/.well-known/agent-card.json",
    ] {
        let (_, card) = good(get(path)).await;
        assert_eq!(
            (&card["name"], &card["url"]),
            (&json!("speaker"), &json!(url)),
            "{path}"
        );
        let text = card.to_string();
        assert!(
            !text.contains("signatures") && !text.contains("GRPC"),
            "{text}"
        );
        assert_eq!(card["supportedInterfaces"][0]["url"], *url);
        assert_eq!(card["securitySchemes"]["gateway"]["scheme"], "bearer");
    }
    let invented = get("agent-card")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "agents.example.com");
    let (_, card) = good(invented).await;
    assert_eq!(card["url"], *url, "whoever sends it is no proxy for that");
    let behind = ["--external-url", "https://agents.example.com/ai/"];
    let behind = Gateway::start(&front.rig, &behind).await;
    let path = url.strip_prefix(&front.gateway.url).expect("a path");
    let card = format!("{}{path}/.well-known/agent-card.json", behind.url);
    let (_, card) = good(front.http.get(card).bearer_auth(&token)).await;
    let public = format!("https://agents.example.com/ai{path}");
    assert_eq!(card["url"], public);

    let send = |method: &str| {
        front
            .http
            .post(&url)
            .bearer_auth(&token)
            .json(&call(method))
    };
    let (headers, said) = good(send("SendMessage").header("a2a-version", "1.0")).await;
    assert_eq!(said["result"]["headers"]["a2a-version"], "1.0");
    assert!(headers.contains_key(SESSION));
    for method in ["GetExtendedAgentCard", "agent/getAuthenticatedExtendedCard"] {
        let (_, said) = good(send(method)).await;
        assert_eq!(
            (&said["id"], &said["result"]["url"]),
            (&json!(7), &json!(url))
        );
    }
    let said = refused(
        front
            .request(Method::POST, "a2a", &token)
            .json(&call("SendMessage")),
    )
    .await;
    assert_eq!(said.said(), (404, "WrongProtocol"));
}

/// The data of the events of a stream that ended in order.
async fn events(request: RequestBuilder) -> Vec<Value> {
    let answer = request.header("accept", "text/event-stream, application/json");
    let answer = answer.send().await.expect("an answer");
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let body = answer.bytes().await.expect("a whole answer");
    let (mut decoder, mut events) = (Decoder::new(1 << 20), Vec::new());
    decoder.feed(&body, &mut events).expect("events");
    let data = events
        .iter()
        .map(|event| serde_json::from_str(&event.data).unwrap_or_default());
    data.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_says_so_in_the_protocol_of_its_agent() {
    let front = Front::start("gw-broken").await;
    let token = front.token("caller").await;
    for (protocol, path) in [("MCP", "mcp"), ("A2A", "a2a")] {
        let name = protocol.to_lowercase();
        front
            .script(
                &name,
                SPEAKER,
                json!({"protocol": {"serverProtocol": protocol}}),
            )
            .await;
        // What does not fit into memory is kept in a file.
        let mut large = call("die");
        large["params"] = json!({"id": 8, "pad": "]}\"".repeat(500_000)});
        for call in [call("die"), large] {
            let request = front.post_to("agentruntimes", &name, path, &token, &call);
            let events = events(request).await;
            let last = events.last().expect("an event");
            assert_eq!(
                (&last["jsonrpc"], &last["id"]),
                (&json!("2.0"), &json!(7)),
                "{events:?}"
            );
            assert_eq!(last["error"]["data"]["reason"], "UpstreamBrokeOff");
        }
    }
    front
        .script(
            "agui",
            SPEAKER,
            json!({"protocol": {"serverProtocol": "AGUI"}}),
        )
        .await;
    let run = json!({"threadId": "t", "runId": "r", "messages": [{"id": "m", "role": "user", "content": "die"}], "tools": [], "context": [], "state": {}, "forwardedProps": {}});
    let request = front.post_to("agentruntimes", "agui", "invocations", &token, &run);
    let events = events(request).await;
    let last = events.last().expect("an event");
    assert_eq!(
        (&last["type"], &last["code"]),
        (&json!("RUN_ERROR"), &json!("UpstreamBrokeOff")),
        "{events:?}"
    );
}
