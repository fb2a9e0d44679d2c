//! Declared sessions by their names: one session for all who may, whatever ids they give.

use agentcore_api::{AgentSession, AgentSessionStatus};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::front::Front;
use super::tools::{SESSION, STARTED, UPSTREAM, good, refused};

fn api(front: &Front) -> Api<AgentSession> {
    Api::namespaced(front.rig.client.clone(), &front.rig.namespace)
}

async fn declare(front: &Front, name: &str, reference: Value) {
    let object: AgentSession = serde_json::from_value(json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentSession",
        "metadata": {"name": name}, "spec": reference,
    }))
    .expect("an AgentSession");
    let created = api(front).create(&PostParams::default(), &object).await;
    created.expect("AgentSession accepted");
}

async fn serving(front: &Front, name: &str) -> AgentSessionStatus {
    let probe = async || {
        let object = api(front).get(name).await.expect("get");
        let status = object.status.unwrap_or_default();
        let serves = status.session_id.is_some();
        serves.then_some(status).ok_or("none yet".to_owned())
    };
    front.rig.until("serving", probe).await
}

fn request(front: &Front, method: Method, name: &str, what: &str, token: &str) -> RequestBuilder {
    let url = format!(
        "{}/v1/namespaces/{}/agentsessions/{name}/{what}",
        front.gateway.url, front.rig.namespace
    );
    front.http.request(method, url).bearer_auth(token)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_may_call_a_declared_session_reach_the_same_process() {
    let front = Front::start("gw-declared").await;
    front.allow("other", &["create", "get", "delete"]).await;
    front.account("stranger").await;
    declare(&front, "bridge", json!({"runtimeRef": {"name": "support"}})).await;
    declare(&front, "early", json!({"runtimeRef": {"name": "later"}})).await;
    let status = serving(&front, "bridge").await;
    let id = status.session_id.expect("an id");
    let (mine, other) = (front.token("caller").await, front.token("other").await);
    front.callable("agentsessions", "bridge").await;

    let mut pids = Vec::new();
    let own = "own-id-of-a-caller-".repeat(3);
    for (number, token) in [&mine, &other].into_iter().enumerate() {
        let call = request(&front, Method::POST, "bridge", "invocations", token);
        let call = call.header(SESSION, &own).json(&json!({"prompt": "hello"}));
        let (headers, body) = good(call).await;
        assert_eq!(headers[SESSION], *id, "the caller's own id says nothing");
        assert_eq!(headers[UPSTREAM], *id);
        assert!(!headers.contains_key(STARTED));
        assert_eq!(body["turn"], number + 1);
        pids.push(body["pid"].clone());
    }
    assert_eq!(pids[0], pids[1], "one process for both");
    let call = request(&front, Method::POST, "bridge", "chat", &mine);
    let (_, body) = good(call.json(&json!({"prompt": "a b c"}))).await;
    assert_eq!(
        (&body["response"], &body["sessionId"]),
        (&json!("a b c"), &json!(id))
    );

    let (_, listed) = good(request(&front, Method::GET, "bridge", "sessions", &mine)).await;
    assert_eq!(listed["sessions"][0]["upstreamSessionId"], *id);
    assert_eq!(listed["sessions"][0]["version"], "1");
    let stop = request(
        &front,
        Method::DELETE,
        "bridge",
        &format!("sessions/{id}"),
        &mine,
    );
    assert_eq!(refused(stop).await.said(), (409, "DeclaredSession"));

    let stranger = front.token("stranger").await;
    let call = async |name: &str, token: &str| {
        let call = request(&front, Method::POST, name, "invocations", token);
        refused(call.json(&json!({"prompt": "hello"}))).await
    };
    assert_eq!(call("bridge", &stranger).await.status, 403);
    assert_eq!(call("none", &mine).await.status, 404);
    let early = call("early", &mine).await;
    assert_eq!(early.said(), (503, "AgentNotReady"));
    let detail = early.body["detail"].as_str().expect("text");
    assert!(detail.contains("RuntimeNotFound"), "{detail}");

    // A roll: callers reach the new session, under the same name.
    let edited = front.rig.spec_with(json!({"description": "two"}));
    front.rig.apply_runtime("support", edited).await;
    let probe = async || {
        let call = request(&front, Method::POST, "bridge", "invocations", &mine);
        let answer = call.json(&json!({"prompt": "hello"})).send().await;
        let answer = answer.expect("an answer");
        let named = answer.headers().get(UPSTREAM).cloned();
        let named = named.and_then(|value| value.to_str().ok().map(str::to_owned));
        match named {
            Some(new) if new != id && answer.status() == 200 => Ok(new),
            other => Err(format!("{other:?} {}", answer.status())),
        }
    };
    let new = front.rig.until("the new session", probe).await;
    let status = serving(&front, "bridge").await;
    assert_eq!(
        (status.session_id, status.version.as_deref()),
        (Some(new.clone()), Some("2"))
    );
    let id = new;

    let params = DeleteParams::default();
    api(&front)
        .delete("bridge", &params)
        .await
        .expect("deleted");
    front
        .rig
        .until("stopped", async || {
            let state = front.rig.aws().await;
            let sessions = state["sessions"].as_array().expect("sessions");
            let found = sessions.iter().find(|session| session["id"] == *id);
            let stopped = found.is_some_and(|session| session["state"] == "STOPPED");
            stopped.then_some(()).ok_or(state.to_string())
        })
        .await;
}
