//! Sessions: whose they are, how they end, what a restart leaves of them; MCP's own; and agents that want tokens.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::front::{Front, Gateway};
use super::tools::{SESSION, STARTED, UPSTREAM, good, refused};

/// State of the session with this id in the simulated AWS.
async fn aws_session(front: &Front, id: &Value) -> Value {
    let state = front.rig.aws().await;
    let sessions = state["sessions"].as_array().expect("sessions");
    let found = sessions.iter().find(|session| session["id"] == *id);
    found
        .cloned()
        .unwrap_or_else(|| panic!("no {id} in {state}"))
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines)] // one story of one front
async fn a_session_is_its_callers_alone_and_ends_when_they_say() {
    let front = Front::start("gw-sessions").await;
    front.allow("other", &["create", "get", "delete"]).await;
    front
        .rig
        .apply_endpoint(
            "blue",
            json!({"runtimeRef": {"name": "support"}, "version": "1"}),
        )
        .await;
    front
        .rig
        .apply_endpoint(
            "green",
            json!({"runtimeRef": {"name": "support"}, "version": "1"}),
        )
        .await;
    front.rig.endpoint_ready("blue").await;
    front.rig.endpoint_ready("green").await;
    front.callable("agentendpoints", "blue").await;
    front.callable("agentendpoints", "green").await;
    let (mine, other) = (front.token("caller").await, front.token("other").await);
    let id = "shared-id-".repeat(4);
    let prompt = json!({"prompt": "hello"});
    let turn = async |kind: &str, name: &str, token: &str| {
        let request = front.post_to(kind, name, "invocations", token, &prompt);
        let (headers, body) = good(request.header(SESSION, &id)).await;
        assert_eq!(headers[SESSION], *id);
        assert_eq!(headers[UPSTREAM], body["sessionId"].as_str().expect("text"));
        (headers.contains_key(STARTED), body)
    };
    let mut pids = HashSet::new();
    for (kind, name) in [
        ("agentruntimes", "support"),
        ("agentendpoints", "blue"),
        ("agentendpoints", "green"),
    ] {
        for token in [&mine, &other] {
            let (started, body) = turn(kind, name, token).await;
            assert!(started && body["turn"] == 1, "{kind} {name}");
            pids.insert(body["pid"].to_string());
            let (started, body) = turn(kind, name, token).await;
            assert!(!started && body["turn"] == 2, "{kind} {name}");
        }
    }
    assert_eq!(pids.len(), 6, "each a process of its own");

    let list = async |token: &str| {
        good(front.request(Method::GET, "sessions", token)).await.1["sessions"].clone()
    };
    let (ours, theirs) = (list(&mine).await, list(&other).await);
    assert_eq!(
        (
            ours.as_array().map(Vec::len),
            theirs.as_array().map(Vec::len)
        ),
        (Some(1), Some(1))
    );
    assert_eq!(ours[0]["sessionId"], *id);
    assert_eq!(ours[0]["inFlight"], 0);
    assert_ne!(ours[0]["upstreamSessionId"], theirs[0]["upstreamSessionId"]);

    // What AgentCore would not take for an id names a conversation all the same.
    for odd in [
        "user-1",
        &"x".repeat(257),
        &format!("-{}", "x".repeat(40)),
        "auth0|x y",
    ] {
        let mut turns = Vec::new();
        for _ in 0..3 {
            let request = front.invoke(&mine, &prompt).header(SESSION, odd);
            let (headers, body) = good(request).await;
            turns.push((headers[UPSTREAM].clone(), body["turn"].clone()));
        }
        let upstream = turns[0].0.clone();
        let wanted = [1, 2, 3].map(|turn| (upstream.clone(), json!(turn)));
        assert_eq!(turns, wanted, "{odd}");
        let chat = json!({"prompt": "hello", "sessionId": odd});
        let (headers, _) = good(front.request(Method::POST, "chat", &mine).json(&chat)).await;
        assert_eq!(headers[UPSTREAM], upstream);
    }
    let user = front.request(Method::DELETE, "sessions/user-1", &mine);
    assert_eq!(user.send().await.expect("an answer").status(), 204);
    let controls = json!({"prompt": "hello", "sessionId": "user\n1"});
    let said = refused(front.request(Method::POST, "chat", &mine).json(&controls)).await;
    assert_eq!(said.said(), (400, "InvalidSessionId"));

    // A pooled socket goes with its session.
    let chat = json!({"prompt": "hello", "transport": "ws", "sessionId": id});
    good(front.request(Method::POST, "chat", &mine).json(&chat)).await;
    assert!(
        front
            .metrics()
            .await
            .contains("agentcore_gateway_pooled_web_sockets 1")
    );

    let stop =
        |token: &str, id: &str| front.request(Method::DELETE, &format!("sessions/{id}"), token);
    assert_eq!(
        refused(stop(&other, &"unknown-id".repeat(4))).await.status,
        404
    );
    let upstream = ours[0]["upstreamSessionId"].clone();
    assert_eq!(
        stop(&other, &id).send().await.expect("an answer").status(),
        204,
        "theirs of that name"
    );
    assert_eq!(
        aws_session(&front, &upstream).await["state"],
        "RUNNING",
        "not mine"
    );
    assert_eq!(
        refused(stop(&other, upstream.as_str().expect("text")))
            .await
            .status,
        404
    );
    assert_eq!(
        stop(&mine, &id).send().await.expect("an answer").status(),
        204
    );
    front
        .rig
        .until("a process that ended", async || {
            let session = aws_session(&front, &upstream).await;
            let gone = session["state"] == "STOPPED" && session["exitedAt"].is_string();
            gone.then_some(()).ok_or_else(|| session.to_string())
        })
        .await;
    front
        .rig
        .until("a closed socket", async || {
            let metrics = front.metrics().await;
            metrics
                .contains("agentcore_gateway_pooled_web_sockets 0")
                .then_some(())
                .ok_or(metrics)
        })
        .await;
    assert!(!list(&mine).await.to_string().contains(&id));
    assert_eq!(refused(stop(&mine, &id)).await.status, 404, "twice");
    let (started, body) = turn("agentruntimes", "support", &mine).await;
    assert!(started && body["turn"] == 1);
    assert_ne!(body["sessionId"], upstream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_gateway_finds_the_same_sessions_by_its_key() {
    let mut front = Front::start("gw-restart").await;
    let mine = front.token("caller").await;
    let id = "kept-id-".repeat(5);
    let prompt = json!({"prompt": "hello"});
    let key = front.rig.dir.path().join("key");
    std::fs::write(&key, [7; 32]).expect("written");
    let flags = ["--session-key-file", &*key.to_string_lossy()];
    let mut seen = Vec::new();
    for _ in 0..2 {
        front.gateway = Gateway::start(&front.rig, &flags).await;
        let request = front.post_to("agentruntimes", "support", "invocations", &mine, &prompt);
        seen.push(good(request.header(SESSION, &id)).await.1);
    }
    assert_eq!(seen[0]["sessionId"], seen[1]["sessionId"]);
    assert_eq!((&seen[0]["turn"], &seen[1]["turn"]), (&json!(1), &json!(2)));
    assert_eq!(seen[0]["pid"], seen[1]["pid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_sessions_at_once_each_get_their_own_answers() {
    let front = Front::start("gw-fifty").await;
    let token = front.token("caller").await;
    front.rig.settings(json!({"invokeRatePerSecond": 0})).await;
    let conversations = (0..50).map(|n| {
        let (front, token) = (&front, &token);
        async move {
            let id = format!("conversation-{n:040}");
            let mut pid = None;
            for turn in 1..=3 {
                let prompt = format!("prompt {n} {turn}");
                let request = front
                    .invoke(token, &json!({"prompt": prompt}))
                    .header(SESSION, &id);
                let (headers, body) = good(request).await;
                assert_eq!(
                    (&body["response"], &body["turn"]),
                    (&json!(prompt), &json!(turn))
                );
                assert_eq!(headers[SESSION], *id);
                assert_eq!(*pid.get_or_insert(body["pid"].clone()), body["pid"]);
            }
            pid.expect("turns").to_string()
        }
    });
    let pids: HashSet<_> = futures::future::join_all(conversations)
        .await
        .into_iter()
        .collect();
    assert_eq!(pids.len(), 50);
    let (_, listed) = good(front.request(Method::GET, "sessions", &token)).await;
    assert_eq!(listed["sessions"].as_array().map(Vec::len), Some(50));
    assert!(listed.get("continue").is_none(), "{listed}");
    let (mut ids, mut pages, mut query) = (HashSet::new(), Vec::new(), "limit=20".to_owned());
    loop {
        let page = format!("sessions?{query}");
        let (_, page) = good(front.request(Method::GET, &page, &token)).await;
        let sessions = page["sessions"].as_array().expect("sessions");
        pages.push(sessions.len());
        ids.extend(sessions.iter().map(|one| one["sessionId"].to_string()));
        let Some(next) = page["continue"].as_str() else {
            break;
        };
        query = format!("limit=20&continue={next}");
    }
    assert_eq!((pages, ids.len()), (vec![20, 20, 10], 50));
    for query in ["limit=0", "limit=1001", "limit=x", "continue=x"] {
        let page = format!("sessions?{query}");
        let said = refused(front.request(Method::GET, &page, &token)).await;
        assert_eq!(said.said(), (400, "InvalidPage"), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mcp_session_is_sealed_for_its_caller() {
    let front = Front::start("gw-mcp").await;
    front
        .echo("tools", json!({"protocol": {"serverProtocol": "MCP"}}))
        .await;
    front.allow("other", &["create"]).await;
    let (mine, other) = (front.token("caller").await, front.token("other").await);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let mcp = |token: &str| front.post_to("agentruntimes", "tools", "mcp", token, &call);
    let (headers, first) = good(mcp(&mine)).await;
    assert_eq!(first["path"], "/mcp");
    let sealed = headers["mcp-session-id"].to_str().expect("text").to_owned();
    let (bare, _) = sealed.split_once('.').expect("a seal");
    assert!(
        first["headers"].to_string().contains(bare),
        "the server sees its own id"
    );
    let (again, second) = good(mcp(&mine).header("mcp-session-id", &sealed)).await;
    assert_eq!(again["mcp-session-id"], *sealed);
    assert_eq!(second["requests"], 2, "the same process");
    for (token, id) in [
        (&other, &*sealed),
        (&mine, bare),
        (&other, bare),
        (&mine, "x.AAAAAAAAAAAAAAAAAAAAAA"),
    ] {
        let said = refused(mcp(token).header("mcp-session-id", id)).await;
        assert_eq!(said.said(), (404, "NotFound"), "{id}");
    }
    let (_, seen) = good(mcp(&mine).header("mcp-session-id", &sealed)).await;
    assert_eq!(seen["requests"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_want_a_token_get_the_callers_second_one() {
    let front = Front::start("gw-jwt").await;
    let authorizer = json!({"customJWT": {"discoveryUrl": "https://idp.example.com/.well-known/openid-configuration", "allowedAudience": ["support"]}});
    front
        .echo(
            "guarded",
            json!({"authorizer": authorizer, "requestHeaders": {"allowlist": ["Authorization"]}}),
        )
        .await;
    let token = front.token("caller").await;
    let call =
        |body: &Value| front.post_to("agentruntimes", "guarded", "invocations", &token, body);
    let said = refused(call(&json!({}))).await;
    assert_eq!(said.said(), (401, "NoAgentToken"));
    assert!(said.headers.contains_key("www-authenticate"));
    assert_eq!(front.rig.calls("InvokeAgentRuntime").await, 0);
    let (_, seen) =
        good(call(&json!({})).header("x-agentcore-authorization", "Bearer s3cond")).await;
    let headers = seen["headers"].to_string();
    assert!(
        headers.contains("[\"authorization\",\"Bearer s3cond\"]"),
        "{headers}"
    );
    assert!(
        !headers.contains(&token) && !headers.contains("x-agentcore"),
        "{headers}"
    );

    // Its body streams, at any length that is allowed.
    let large = || {
        reqwest::Body::wrap_stream(futures::stream::iter(
            (0..5).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 20])),
        ))
    };
    let path = front.path_at("agentruntimes", "guarded", "invocations");
    let send = |path: &str, body| {
        front
            .http
            .post(path)
            .bearer_auth(&token)
            .header("x-agentcore-authorization", "Bearer s3cond")
            .body(body)
    };
    let (_, seen) = good(send(&path, large())).await;
    assert_eq!(seen["length"], 5 << 20);
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 1 << 20]));
    let said = refused(send(&path, reqwest::Body::wrap_stream(endless))).await;
    assert_eq!(said.said(), (413, "PayloadTooLarge"));
    assert!(!front.gateway.text().contains("s3cond"));
}
