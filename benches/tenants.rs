//! What one namespace notices of another's thousands of objects, on a real API server and the local AgentCore: `make bench`. Each line says
//! what is asked and what was measured; a miss is shown as a miss and makes the program fail at its end.
//!
//! `OBJECTS` (5,000) of the crowd are AgentRuntimes of 3 KB, and `SESSIONS` (100) are AgentSessions that ask for twice as many keepalives as the
//! rate allows.

#[path = "../tests/apiserver/agent.rs"]
mod agent;
#[path = "../tests/apiserver/by_hand.rs"]
#[allow(dead_code)] // the tests use more of it
mod by_hand;
#[path = "../tests/apiserver/rig.rs"]
#[allow(dead_code)]
mod rig;
mod support;

use std::time::{Duration, Instant};

use agentcore_api::{AgentRuntime, AgentSession};
use futures::stream::{StreamExt, iter};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use rig::{Rig, runtime_is_ready};
use serde_json::{Value, json};
use support::table::{Table, seconds};

/// How many objects are written at a time.
const AT_ONCE: usize = 16;
/// How often it is looked whether something has come.
const LOOK: Duration = Duration::from_millis(50);
/// Longest that anything is waited for.
const PATIENCE: Duration = Duration::from_mins(10);
/// What is asked of a create and of an edit.
const MOST: Duration = Duration::from_secs(3);
/// Between keepalives, the shortest that the API takes.
const EVERY: Duration = Duration::from_secs(10);
/// Keepalives that are watched.
const KEEPALIVES: u32 = 6;

const CROWD: &str = "bench-tenants-crowd";
const OTHER: &str = "bench-tenants-other";

#[tokio::main]
async fn main() {
    let size = |name: &str, default: usize| {
        let text = std::env::var(name).ok();
        text.map_or(default, |text| text.parse().expect("a number"))
    };
    let (objects, sessions) = (size("OBJECTS", 5_000), size("SESSIONS", 100));
    let mut table = Table::begin();
    let rig = Rig::start(CROWD).await;
    rig.push_program("support", "prod", agent::agent_program())
        .await;
    rig.settings(json!({
        "createDelayMs": 300, "updateDelayMs": 300, "endpointDelayMs": 0, "ratePerSecond": 5, "burst": 5,
        "invokeRatePerSecond": 0, "maxSessions": 2 * sessions + 10, "maxRuntimes": objects + 10,
    }))
    .await;
    let other = other(&rig.client).await;
    let invokes = format!("InvokeAgentRuntime={}", sessions.div_ceil(20).max(1));
    let operator =
        rig.operator_at_default_rates(&["--watch-namespace", OTHER, "--aws-rate", &invokes]);
    // Both have an agent, and the other's session runs.
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
    apply_runtime(&other, "support", spec(&rig, "one")).await;
    ready(&other, "support").await;
    apply_session(&rig.client, OTHER, "watched").await;

    crowd(&rig, objects, sessions).await;
    let (asked, name) = (Instant::now(), "first");
    apply_runtime(&other, name, spec(&rig, "one")).await;
    until(async || submitted(&other, name).await == Some(1)).await;
    row(
        &mut table,
        "the other's first create submitted",
        asked.elapsed(),
    );
    ready(&other, name).await;

    // The crowd edits what it has by now.
    let all = rig.aws_runtimes().await.len().min(objects);
    edit(&rig, all).await;
    let asked = Instant::now();
    apply_runtime(&other, name, spec(&rig, "two")).await;
    until(async || submitted(&other, name).await == Some(2)).await;
    row(&mut table, "the other's edit submitted", asked.elapsed());

    let worst = keepalives(&rig, &other).await;
    let most = EVERY.mul_f64(1.2);
    table.row(
        "longest time between the other's keepalives",
        format!("<= {}", seconds(most)),
        seconds(worst),
        worst <= most,
    );
    table.told(
        "resident memory of the controller",
        format!("{} MB", support::process::resident_mb(operator.pid())),
    );
    table.end();
}

fn row(table: &mut Table, what: &str, took: Duration) {
    let asked = format!("<= {}", seconds(MOST));
    table.row(what, asked, seconds(took), took <= MOST);
}

/// The other namespace.
async fn other(client: &Client) -> Api<AgentRuntime> {
    let namespace = Namespace {
        metadata: ObjectMeta {
            name: Some(OTHER.to_owned()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
        .expect("namespace");
    Api::namespaced(client.clone(), OTHER)
}

fn spec(rig: &Rig, description: &str) -> Value {
    let role = format!("arn:aws:iam::111122223333:role/agentcore/{OTHER}/support");
    rig.spec_with(json!({"description": description, "executionRole": {"arn": role}}))
}

async fn apply_runtime(api: &Api<AgentRuntime>, name: &str, spec: Value) {
    let object = json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime", "metadata": {"name": name}, "spec": spec,
    });
    let params = PatchParams::apply("bench").force();
    api.patch(name, &params, &Patch::Apply(&object))
        .await
        .expect("AgentRuntime accepted");
}

async fn apply_session(client: &Client, namespace: &str, name: &str) {
    let object = json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentSession", "metadata": {"name": name},
        "spec": {
            "runtimeRef": {"name": "support"},
            "keepAlive": {"every": "10s", "payload": {"action": "keepalive"}},
        },
    });
    let params = PatchParams::apply("bench").force();
    Api::<AgentSession>::namespaced(client.clone(), namespace)
        .patch(name, &params, &Patch::Apply(&object))
        .await
        .expect("AgentSession accepted");
}

/// An AgentRuntime of the crowd, of 3 KB.
fn large(rig: &Rig, description: &str) -> Value {
    let env: Vec<_> = (0..10)
        .map(|number| json!({"name": format!("SETTING_{number}"), "value": "x".repeat(250)}))
        .collect();
    rig.spec_with(json!({"description": description, "env": env}))
}

async fn crowd(rig: &Rig, objects: usize, sessions: usize) {
    iter(0..sessions)
        .for_each_concurrent(AT_ONCE, async |number| {
            apply_session(&rig.client, CROWD, &format!("crowd-{number}")).await;
        })
        .await;
    let spec = large(rig, "crowd");
    iter(0..objects)
        .for_each_concurrent(AT_ONCE, async |number| {
            rig.apply_runtime(&format!("crowd-{number}"), spec.clone())
                .await;
        })
        .await;
}

async fn edit(rig: &Rig, objects: usize) {
    let spec = large(rig, "edited");
    iter(0..objects)
        .for_each_concurrent(AT_ONCE, async |number| {
            rig.apply_runtime(&format!("crowd-{number}"), spec.clone())
                .await;
        })
        .await;
}

/// The version that a runtime's object says AWS was asked for. (A look at thousands of runtimes in the simulator would hold up what is measured.)
async fn submitted(api: &Api<AgentRuntime>, name: &str) -> Option<u64> {
    let status = api.get(name).await.expect("get").status?;
    status.latest_version?.parse().ok()
}

async fn ready(api: &Api<AgentRuntime>, name: &str) {
    until(async || {
        let object = api.get(name).await.expect("get");
        runtime_is_ready(&object)
    })
    .await;
}

async fn until(good: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !good().await {
        assert!(start.elapsed() < PATIENCE, "waited too long");
        tokio::time::sleep(LOOK).await;
    }
}

/// The longest time between keepalives of the other's session.
async fn keepalives(rig: &Rig, other: &Api<AgentRuntime>) -> Duration {
    let agent = other.get("support").await.expect("get").status;
    let agent = agent.and_then(|status| status.arn).expect("its ARN");
    let invocations = async || {
        let sessions = rig.aws_sessions().await;
        let watched = sessions.iter().filter(|one| one["runtimeArn"] == *agent);
        watched
            .filter_map(|one| one["invocations"].as_u64())
            .sum::<u64>()
    };
    let (mut seen, mut last, mut worst) = (invocations().await, None, Duration::ZERO);
    for _ in 0..=KEEPALIVES {
        until(async || invocations().await > seen).await;
        let now = Instant::now();
        if let Some(last) = last.replace(now) {
            worst = worst.max(now.duration_since(last));
        }
        seen = invocations().await;
    }
    worst
}
