//! Gateways that end, and several that share a ledger.

use serde_json::json;

use super::{id, roll, running, sessions_until, turn, turns, until_stopped};
use crate::gateway::front::{Front, Gateway};
use crate::gateway::redis_server::RedisServer;
use crate::gateway::tools::SESSION;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_a_shared_ledger_loses_what_is_stale_and_nothing_else() {
    let mut front = Front::start("gw-drain-forgets").await;
    let (token, key) = (front.token("caller").await, key(&front));
    let flags = ["--session-key-file", key.as_str(), "--stop-rate", "0.5"];
    front.gateway = Gateway::start(&front.rig, &flags).await;
    let stop = json!({"onUpdate": "Stop"});
    roll(&front, &stop, 1).await;
    let old = turns(&front, &token, 6).await;
    roll(&front, &stop, 2).await;
    front
        .rig
        .until("a drain that has begun", async || {
            let calls = front.rig.calls("StopRuntimeSession").await;
            if calls >= 1 {
                Ok(())
            } else {
                Err(front.gateway.text())
            }
        })
        .await;
    front.gateway.kill();
    let left = running(&front).await;
    front.gateway = Gateway::start(&front.rig, &flags).await;
    for (number, old) in old.iter().enumerate() {
        let (upstream, _, body) = turn(&front, &token, number).await;
        assert_eq!(upstream, *old, "the id follows from the key");
        let turn = if left.contains(old) { 2 } else { 1 };
        assert_eq!(body["turn"], turn, "a session that was stopped begins anew");
    }
}

/// Flags of a gateway that shares the ledger on this server.
fn shared<'a>(url: &'a str, key: &'a str) -> [&'a str; 6] {
    [
        "--ledger",
        url,
        "--session-key-file",
        key,
        "--stop-rate",
        "2",
    ]
}

fn key(front: &Front) -> String {
    let key = front.rig.dir.path().join("key");
    std::fs::write(&key, [7; 32]).expect("written");
    key.to_string_lossy().into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_in_mid_drain_goes_on_where_it_was() {
    let server = RedisServer::start();
    let mut front = Front::start("gw-drain-kill").await;
    let (token, key, url) = (front.token("caller").await, key(&front), server.url());
    front.gateway = Gateway::start(&front.rig, &shared(&url, &key)).await;
    let stop = json!({"onUpdate": "Stop"});
    roll(&front, &stop, 1).await;
    let old = turns(&front, &token, 10).await;
    roll(&front, &stop, 2).await;
    front
        .rig
        .until("a drain that has begun", async || {
            let calls = front.rig.calls("StopRuntimeSession").await;
            if calls >= 2 {
                Ok(())
            } else {
                Err(front.gateway.text())
            }
        })
        .await;
    front.gateway.kill();
    assert!(running(&front).await.len() > 2, "in the middle");
    front.gateway = Gateway::start(&front.rig, &shared(&url, &key)).await;
    let (upstream, started, _) = turn(&front, &token, 9).await;
    assert!(
        started && upstream != old[9],
        "its generation was not forgotten"
    );
    until_stopped(&front, &old).await;
    sessions_until(&front, "all stopped", |status, reason, seen| {
        (status, reason) == ("True", "AllCurrent") && seen["stopped"].as_u64() >= Some(10)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_a_ledger_and_stop_each_session_once() {
    let server = RedisServer::start();
    let mut front = Front::start("gw-drain-two").await;
    let (token, key, url) = (front.token("caller").await, key(&front), server.url());
    front.gateway = Gateway::start(&front.rig, &shared(&url, &key)).await;
    let mut other = Gateway::start(&front.rig, &shared(&url, &key)).await;
    let stop = json!({"onUpdate": "Stop"});
    roll(&front, &stop, 1).await;
    let mut old = turns(&front, &token, 4).await;
    std::mem::swap(&mut front.gateway, &mut other);
    // The same sessions by the other one, and some of its own.
    let again = turns(&front, &token, 8).await;
    assert_eq!(again[..4], old);
    old = again;
    roll(&front, &stop, 2).await;
    until_stopped(&front, &old).await;
    assert_eq!(front.rig.calls("StopRuntimeSession").await, 8, "each once");
    let (_, started, _) = turn(&front, &token, 0).await;
    assert!(started);
    std::mem::swap(&mut front.gateway, &mut other);
    assert!(!turn(&front, &token, 0).await.1, "one session by either");
    sessions_until(&front, "one session", |status, _, seen| {
        status == "True" && (&seen["tracked"], &seen["stopped"]) == (&json!(1), &json!(8))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_ledger_a_gateway_says_so_and_recovers_by_itself() {
    let mut server = RedisServer::start();
    let mut front = Front::start("gw-drain-away").await;
    let (token, key, url) = (front.token("caller").await, key(&front), server.url());
    front.gateway = Gateway::start(&front.rig, &shared(&url, &key)).await;
    turn(&front, &token, 0).await;
    server.stop();
    let request = front.invoke(&token, &json!({"prompt": "hello"}));
    let said = crate::gateway::tools::refused(request.header(SESSION, id(0))).await;
    assert_eq!(said.said(), (503, "LedgerUnavailable"));
    assert!(said.retry_after().is_some());
    server.restart();
    front
        .rig
        .until("an answer", async || {
            let request = front.invoke(&token, &json!({"prompt": "hello"}));
            let answer = request.header(SESSION, id(0)).send().await.expect("one");
            if answer.status() == 200 {
                Ok(())
            } else {
                Err(front.gateway.text())
            }
        })
        .await;
}
