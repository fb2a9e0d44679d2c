//! How soon a roll ends the sessions of the old version, and whether many of them go at AgentCore's pace: `make bench`. A real API server,
//! the local AgentCore, and agents that are processes of their own.

#[path = "../tests/apiserver/by_hand.rs"]
#[allow(dead_code)] // the tests use more of it
mod by_hand;
#[path = "../tests/gateway/front.rs"]
#[allow(dead_code)]
mod front;
#[path = "../tests/apiserver/rig.rs"]
#[allow(dead_code)]
mod rig;
mod support;

use std::time::{Duration, Instant};

use front::Front;
use futures::stream::{StreamExt, iter};
use jiff::Timestamp;
use serde_json::{Value, json};
use support::table::{Table, filter, seconds};

const SESSION: &str = "x-amzn-bedrock-agentcore-runtime-session-id";
/// How often it is looked whether something has come.
const LOOK: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() {
    let filter = filter();
    let wants = |name: &str| name.contains(&filter);
    let mut table = Table::begin();
    if wants("first") {
        first(&mut table).await;
    }
    if wants("many") {
        many(&mut table).await;
    }
    table.end();
}

/// From READY of a new version to the first end of a session that runs the old one.
async fn first(table: &mut Table) {
    const ROUNDS: u32 = 10;
    const MOST: Duration = Duration::from_secs(5);
    let front = Front::start("bench-first-stop").await;
    let token = front.token("caller").await;
    let mut times = Vec::new();
    for round in 1..=ROUNDS {
        turns(&front, &token, 4).await;
        let before = front.rig.calls("StopRuntimeSession").await;
        serve(&front, &json!({"onUpdate": "Stop"}), round).await;
        let ready = Instant::now();
        while front.rig.calls("StopRuntimeSession").await == before {
            tokio::time::sleep(LOOK).await;
            assert!(ready.elapsed() < MOST * 10, "nothing stopped");
        }
        times.push(ready.elapsed());
    }
    times.sort();
    let (middle, worst) = (times[times.len() / 2], times[times.len() - 1]);
    table.told(
        "READY to the first stale session stopped, p50",
        seconds(middle),
    );
    table.row(
        "READY to the first stale session stopped, worst of 10",
        format!("<= {}", seconds(MOST)),
        seconds(worst),
        worst <= MOST,
    );
}

/// A thousand stale sessions, AgentCore's own rate the only limit.
async fn many(table: &mut Table) {
    const SESSIONS: u32 = 1_000;
    let front = Front::start_with("bench-many-stops", &["--stop-rate", "5"]).await;
    let token = front.token("caller").await;
    let limits =
        json!({"stopRatePerSecond": 0, "invokeRatePerSecond": 0, "maxSessions": 2 * SESSIONS});
    front.rig.settings(limits).await;
    turns(&front, &token, SESSIONS).await;
    let rules = json!({"drain": {"idleAfter": "0s", "maxPerMinute": 60000}});
    serve(&front, &rules, 1).await;
    let floor = f64::from(SESSIONS - 1) / 5.0;
    let begun = Instant::now();
    while front.rig.calls("StopRuntimeSession").await < SESSIONS.into() {
        tokio::time::sleep(LOOK * 50).await;
        assert!(begun.elapsed().as_secs_f64() < floor * 3.0, "not stopped");
    }
    let stops = stops(&front);
    let took = stops[stops.len() - 1]
        .duration_since(stops[0])
        .as_secs_f64();
    let most = floor * 1.1;
    table.row(
        "1,000 stale sessions stopped at 5 a second",
        format!("<= {most:.1} s"),
        format!("{took:.1} s"),
        took <= most && took >= floor * 0.95,
    );
}

/// Has the next version serve, with these rules for its sessions.
async fn serve(front: &Front, sessions: &Value, round: u32) {
    let env = json!([{"name": "ROUND", "value": round.to_string()}]);
    let spec = front
        .rig
        .spec_with(json!({"sessions": sessions, "env": env}));
    let object = front.rig.apply_runtime("support", spec).await;
    let generation = object.metadata.generation;
    front
        .rig
        .runtime_until("support", "the next version", |object| {
            let status = object.status.as_ref();
            let live =
                status.and_then(|status| status.default_endpoint.as_ref()?.live_version.as_deref());
            status.is_some_and(|status| status.observed_generation == generation)
                && live == Some(&(round + 1).to_string())
        })
        .await;
}

/// A turn of as many conversations.
async fn turns(front: &Front, token: &str, conversations: u32) {
    iter(0..conversations)
        .for_each_concurrent(8, async |number| {
            let request = front.invoke(token, &json!({"prompt": "hello"}));
            let request = request.header(SESSION, format!("conversation-{number:040}"));
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), 200, "{}", front.gateway.text());
        })
        .await;
}

/// When sessions were stopped, as the gateway's log has it.
fn stops(front: &Front) -> Vec<Timestamp> {
    let lines = front.gateway.lines().into_iter();
    let stops = lines.filter(|line| line["message"] == "stale session stopped");
    let time = |line: Value| line["timestamp"].as_str()?.parse().ok();
    stops.filter_map(time).collect()
}
