//! A drain that a person asks for: the sessions that run end, though no version moved.

use agentcore_api::names::annotations::DRAIN_REQUESTED_AT;
use serde_json::json;

use super::{good, live, roll, running, sessions_until, turn, turns, until_stopped};
use crate::gateway::front::Front;
use reqwest::Method;

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_request_ends_what_runs_once_and_the_version_stays() {
    let front = Front::start("gw-drain-asked").await;
    let token = front.token("caller").await;
    let drain = json!({"onUpdate": "Drain", "drain": {"idleAfter": "1s"}});
    roll(&front, &drain, 1).await;
    let old = turns(&front, &token, 3).await;
    sessions_until(&front, "current sessions", |_, reason, seen| {
        reason == "AllCurrent" && seen["tracked"] == 3
    })
    .await;
    let asked = "2026-11-21T12:00:00Z";
    front
        .rig
        .annotate_runtime("support", DRAIN_REQUESTED_AT, asked)
        .await;
    until_stopped(&front, &old).await;
    sessions_until(&front, "all stopped", |status, reason, seen| {
        (status, reason) == ("True", "AllCurrent")
            && (&seen["tracked"], &seen["stopped"]) == (&json!(0), &json!(3))
    })
    .await;
    let (upstream, started, _) = turn(&front, &token, 0).await;
    assert!(started && upstream != old[0]);
    let (_, listed) = good(front.request(Method::GET, "sessions", &token)).await;
    assert_eq!(listed["sessions"][0]["version"], "1", "{listed}");
    sessions_until(&front, "one new session", |_, reason, seen| {
        reason == "AllCurrent" && seen["byVersion"] == json!({"1": 1})
    })
    .await;

    // Taking the annotation away, or emptying it, asks for nothing.
    front
        .rig
        .annotate_runtime("support", DRAIN_REQUESTED_AT, "")
        .await;
    let patch =
        json!({"metadata": {"annotations": {DRAIN_REQUESTED_AT: null}, "labels": {"seen": "yes"}}});
    let object = front
        .rig
        .runtimes()
        .patch(
            "support",
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(&patch),
        )
        .await
        .expect("patched");
    assert_eq!(live(&object).map(String::as_str), Some("1"));
    let (again, started, _) = turn(&front, &token, 0).await;
    assert!(!started && again == upstream);
    assert!(running(&front).await.contains(&upstream));
}
