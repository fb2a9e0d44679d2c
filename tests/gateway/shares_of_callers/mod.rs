//! One caller takes all that it can get, and another is served.

mod revoked;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use reqwest::Method;
use serde_json::{Value, json};

use super::front::Front;
use super::tools::{SESSION, good, refused};
use crate::rig::DEADLINE;

/// Resident memory of the gateway, in MiB.
fn resident(front: &Front) -> u64 {
    let status = format!("/proc/{}/status", front.gateway.pid());
    let status = std::fs::read_to_string(status).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().split(' ').next());
    kib.expect("a number").parse::<u64>().expect("KiB") >> 10
}

/// A Ready agent `greedy`.
async fn greedy_agent(front: &Front) {
    let text = include_str!("greedy.py");
    front.script("greedy", text, json!({})).await;
}

async fn soon<T>(what: &str, task: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, task).await;
    done.unwrap_or_else(|_| panic!("no {what} in time"))
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_of_one_caller_end_at_its_share_and_another_caller_is_answered() {
    let front = Front::start("gw-long-answers").await;
    greedy_agent(&front).await;
    front.allow("other", &["create"]).await;
    let (token, other) = (front.token("caller").await, front.token("other").await);
    let chat = |token: &str, body: Value| {
        let request = front.post_to("agentruntimes", "greedy", "chat", token, &body);
        async move { request.send().await.expect("an answer") }
    };
    // Together 72 MiB of 32, which nobody finishes.
    let mut chats: FuturesUnordered<_> = (0..12)
        .map(|_| chat(&token, json!({"prompt": "a", "mebibytes": 6})))
        .collect();
    for _ in 0..5 {
        let answer = soon("end of a long answer", chats.next()).await;
        let answer = answer.expect("chats are left");
        let status = answer.status();
        let body: Value = answer.json().await.expect("JSON");
        if status == 200 {
            let error = &body["error"];
            assert_eq!(
                (&body["partial"], &error["status"]),
                (&json!(true), &json!(429))
            );
            assert_eq!(error["reason"], "CallerShare");
            assert!(body["response"].as_str().expect("text").starts_with("xxx"));
        } else {
            assert_eq!(
                (status.as_u16(), &body["reason"]),
                (429, &json!("CallerShare"))
            );
        }
    }
    // The others still hold what they have, and it is no more than the share.
    let answer = chat(&other, json!({"prompt": "hello"})).await;
    let status = answer.status();
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!((status.as_u16(), &body["response"]), (200, &json!("hello")));
    let now = resident(&front);
    assert!(now < 200, "{now} MiB");
    // What they held is there again.
    drop(chats);
    front
        .rig
        .until("room again", async || {
            let answer = chat(&token, json!({"prompt": "hello"})).await;
            let body: Value = answer.json().await.expect("JSON");
            (body["response"] == "hello")
                .then_some(())
                .ok_or(body.to_string())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_line_of_an_agent_ends_at_a_mebibyte() {
    let front = Front::start("gw-endless-line").await;
    greedy_agent(&front).await;
    let token = front.token("caller").await;
    for accept in ["application/json", "text/event-stream"] {
        let body = json!({"prompt": "a", "line": true});
        let request = front.post_to("agentruntimes", "greedy", "chat", &token, &body);
        let answer = request.header("accept", accept).send().await;
        let text = soon("end", answer.expect("an answer").text()).await;
        let text = text.expect("a whole answer");
        assert!(
            text.contains("server-sent line of more than 1048576 bytes"),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invented_names_of_a_caller_without_rights_keep_nobody_out() {
    let front = Front::start("gw-invented").await;
    front.account("stranger").await;
    let stranger = front.token("stranger").await;
    let body = json!({"prompt": "a"});
    let invented: Vec<_> = (0..600)
        .map(|number| {
            let name = format!("invented-{number}");
            front.post_to("agentruntimes", &name, "invocations", &stranger, &body)
        })
        .collect();
    let flood = futures::stream::iter(invented)
        .map(|request| async move { request.send().await.expect("an answer").status().as_u16() })
        .buffer_unordered(100)
        .collect::<Vec<_>>();
    // Each of them new to the gateway, so that it has to ask.
    let others = async {
        for number in 0..12 {
            let account = format!("other-{number}");
            front.allow(&account, &["create"]).await;
            let token = front.token(&account).await;
            good(front.invoke(&token, &body)).await;
        }
    };
    let (flood, ()) = tokio::join!(flood, others);
    for status in &flood {
        assert!([403, 429, 503].contains(status), "{status}");
    }
    let turned_away = flood.iter().filter(|status| **status == 429).count();
    assert!(turned_away >= 300, "{turned_away} of 600");
    // A name that is there says no more than one that is not.
    let there = refused(front.invoke(&stranger, &body)).await;
    assert!(matches!(
        there.said(),
        (403, "Forbidden") | (429, "UnknownNames")
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_callers_stops_keep_to_its_pace_and_another_caller_stops_too() {
    let front = Front::start("gw-stops").await;
    front.allow("other", &["create", "delete"]).await;
    let (token, other) = (front.token("caller").await, front.token("other").await);
    let prompt = json!({"prompt": "a"});
    let (headers, _) = good(front.invoke(&other, &prompt)).await;
    let session = headers[SESSION].to_str().expect("text").to_owned();
    let delete = |token: &str, id: &str| {
        let request = front.request(Method::DELETE, &format!("sessions/{id}"), token);
        async move { request.send().await.expect("an answer") }
    };
    let ids: Vec<_> = (0..60).map(|n| format!("conversation-{n:040}")).collect();
    let flood = async {
        let all = ids.iter().map(|id| delete(&token, id));
        futures::future::join_all(all).await
    };
    let (flood, stopped) = tokio::join!(flood, delete(&other, &session));
    assert_eq!(stopped.status(), 204);
    let (turned_away, through): (Vec<_>, Vec<_>) =
        flood.into_iter().partition(|one| one.status() == 429);
    // One now, one for a second that was not used, and those that wait for up to 3 s.
    assert!(
        (1..=6).contains(&through.len()),
        "{} through",
        through.len()
    );
    assert!(through.iter().all(|one| one.status() == 404));
    for one in turned_away {
        let wait = one.headers()["retry-after"].to_str().expect("text");
        assert!(wait.parse::<u64>().expect("seconds") >= 1);
        let body: Value = one.json().await.expect("JSON");
        assert_eq!(body["reason"], "CallerShare");
    }
    assert!(front.rig.calls("StopRuntimeSession").await <= 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_all_its_streams_is_refused_and_another_is_answered() {
    let front = Front::start_with("gw-streams", &["--caller-streams", "3"]).await;
    front.allow("other", &["create"]).await;
    let (token, other) = (front.token("caller").await, front.token("other").await);
    let endless = json!({"prompt": "a b c", "chunks": 100_000, "delayMs": 50});
    let mut open = Vec::new();
    for _ in 0..3 {
        let stream = front.invoke(&token, &endless);
        let stream = stream.header("accept", "text/event-stream").send().await;
        open.push(stream.expect("a head"));
    }
    let prompt = json!({"prompt": "a"});
    let said = refused(front.invoke(&token, &prompt)).await;
    assert_eq!(said.said(), (429, "CallerQuota"));
    assert!(said.retry_after().is_some());
    good(front.invoke(&other, &prompt)).await;
    drop(open);
    front
        .rig
        .until("room again", async || {
            let answer = front.invoke(&token, &prompt).send().await;
            let status = answer.expect("an answer").status();
            (status == 200).then_some(()).ok_or(status.to_string())
        })
        .await;
}
