//! The operator's figures, on a real API server and the local AgentCore: `make bench`. Each line says what is asked and what was
//! measured; a miss is shown as a miss and makes the program fail at its end.

#[path = "../tests/apiserver/by_hand.rs"]
#[allow(dead_code)] // the tests use more of it
mod by_hand;
#[path = "../tests/apiserver/rig.rs"]
#[allow(dead_code)]
mod rig;
mod support;

use std::time::{Duration, Instant};

use futures::future::join_all;
use rig::{Operator, Rig, runtime_is_ready};
use serde_json::json;
use support::process::resident_mb;
use support::table::{Table, filter, seconds};

#[tokio::main]
async fn main() {
    let filter = filter();
    let wants = |name: &str| name.contains(&filter);
    let mut table = Table::begin();
    if wants("single") {
        single(&mut table).await;
    }
    if wants("many") {
        many(&mut table).await;
    }
    if wants("memory") {
        memory(&mut table).await;
    }
    table.end();
}

/// Time and calls of one create, one edit, one edit without effect.
async fn single(table: &mut Table) {
    const SERVICE: Duration = Duration::from_secs(3);
    const ROUNDS: usize = 10;
    let rig = Rig::start("bench-single").await;
    rig.settings(json!({"createDelayMs": 3000, "updateDelayMs": 3000, "endpointDelayMs": 0, "ratePerSecond": 5, "burst": 5})).await;
    let _operator = rig.operator_at_default_rates(&[]);
    rig.apply_runtime("warm-up", rig.spec()).await;
    rig.runtime_ready("warm-up").await;
    let mut lags = Vec::new();
    let before = rig.all_calls().await;
    let since = |calls: &std::collections::BTreeMap<String, u64>,
                 before: &std::collections::BTreeMap<String, u64>,
                 name: &str| {
        calls.get(name).copied().unwrap_or_default() - before.get(name).copied().unwrap_or_default()
    };
    for round in 0..ROUNDS {
        let start = Instant::now();
        let name = format!("support-{round}");
        rig.apply_runtime(&name, rig.spec()).await;
        rig.runtime_ready(&name).await;
        lags.push(start.elapsed().saturating_sub(SERVICE));
    }
    lags.sort();
    let p50 = lags[ROUNDS / 2];
    table.row(
        "apply to Ready less the service's delay, p50",
        "<= 2.5 s",
        seconds(p50),
        p50 <= Duration::from_millis(2500),
    );
    let calls = rig.all_calls().await;
    let per_round = |name: &str| {
        #[allow(clippy::cast_precision_loss)] // counts of a bench
        let per_round = since(&calls, &before, name) as f64 / ROUNDS as f64;
        per_round
    };
    let (creates, gets) = (
        per_round("CreateAgentRuntime"),
        per_round("GetAgentRuntime") + per_round("GetAgentRuntimeEndpoint"),
    );
    table.row(
        "AWS calls of a create",
        "1 create + 2 gets",
        format!("{creates:.1} + {gets:.1}"),
        creates <= 1.0 && gets <= 2.0,
    );

    let before = rig.all_calls().await;
    rig.apply_runtime("support-0", rig.spec_with(json!({"description": "two"})))
        .await;
    rig.runtime_ready("support-0").await;
    let calls = rig.all_calls().await;
    let updates = since(&calls, &before, "UpdateAgentRuntime");
    let gets = since(&calls, &before, "GetAgentRuntime")
        + since(&calls, &before, "GetAgentRuntimeEndpoint");
    table.row(
        "AWS calls of an edit",
        "1 update + <= 3 gets",
        format!("{updates} + {gets}"),
        updates == 1 && gets <= 3,
    );

    let before = rig.mutations().await;
    let defaults = json!({"description": "two", "lifecycle": {"idleRuntimeSessionTimeout": "15m", "maxLifetime": "8h"}});
    let generation = rig
        .apply_runtime("support-0", rig.spec_with(defaults))
        .await
        .metadata
        .generation;
    rig.runtime_until("support-0", "observed", |object| {
        object
            .status
            .as_ref()
            .and_then(|status| status.observed_generation)
            == generation
    })
    .await;
    let mutations = rig.mutations().await - before;
    table.row(
        "mutating calls of an edit without effect",
        "0",
        mutations.to_string(),
        mutations == 0,
    );
}

/// How many runtimes the crowd is.
const COUNT: usize = 200;

/// 200 runtimes: submitted, at rest, restarted, drifted.
async fn many(table: &mut Table) {
    let rig = Rig::start("bench-many").await;
    rig.settings(json!({"createDelayMs": 2000, "updateDelayMs": 500, "endpointDelayMs": 200, "ratePerSecond": 5, "burst": 5})).await;
    let operator = rig.operator_at_default_rates(&[]);
    rig.says(&operator, "leading").await;
    let start = Instant::now();
    join_all((0..COUNT).map(|number| rig_apply(&rig, number))).await;
    while rig.calls("CreateAgentRuntime").await < COUNT as u64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(start.elapsed() < Duration::from_mins(5), "not submitted");
    }
    let submitted = start.elapsed();
    let floor = Duration::from_secs(COUNT as u64 / 5);
    table.row(
        "200 at once: submitted",
        format!("<= {}", seconds(floor.mul_f64(1.1))),
        seconds(submitted),
        submitted <= floor.mul_f64(1.1),
    );
    all_ready(&rig, COUNT).await;
    let throttled = rig.throttled().await;
    table.row(
        "200 at once: throttling answers",
        "0",
        throttled.to_string(),
        throttled == 0,
    );
    let made = rig.aws_runtimes().await.len();
    table.row(
        "200 at once: runtimes in AWS",
        COUNT.to_string(),
        made.to_string(),
        made == COUNT,
    );

    at_rest(&rig, table).await;
    let operator = restart(&rig, table, operator).await;
    drift(&rig, table).await;
    drop(operator);
}

/// Calls of three minutes in which nothing happens.
async fn at_rest(rig: &Rig, table: &mut Table) {
    // Let the last transitions and status writes end, then count three minutes.
    tokio::time::sleep(Duration::from_secs(70)).await;
    let before = rig.all_calls().await;
    tokio::time::sleep(Duration::from_mins(3)).await;
    let after = rig.all_calls().await;
    let lists = after["ListAgentRuntimes"] - before["ListAgentRuntimes"];
    let all: u64 = after.values().sum::<u64>() - before.values().sum::<u64>();
    table.row(
        "at rest, 3 min: List calls",
        "<= 8",
        lists.to_string(),
        lists <= 8,
    );
    table.row(
        "at rest, 3 min: other calls (sweep)",
        "<= 36",
        (all - lists).to_string(),
        all - lists <= 37,
    );
}

/// SIGTERM and start.
async fn restart(rig: &Rig, table: &mut Table, operator: Operator) -> Operator {
    let versions = resource_versions(rig).await;
    let stopped = operator.stop().await;
    assert!(rig::clean(stopped), "clean stop");
    let before = rig.all_calls().await;
    let operator = rig.operator_at_default_rates(&[]);
    rig.says(&operator, "leading").await;
    let led = Instant::now();
    let admin = admin_address(&operator);
    while reconciled(&admin).await < COUNT as u64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(led.elapsed() < Duration::from_mins(1), "not observed");
    }
    let observed = led.elapsed();
    table.row(
        "restart with 200: all observed after leading",
        "<= 10 s",
        seconds(observed),
        observed <= Duration::from_secs(10),
    );
    let after = rig.all_calls().await;
    let delta = |name: &str| {
        after.get(name).copied().unwrap_or_default() - before.get(name).copied().unwrap_or_default()
    };
    let writes = versions
        .iter()
        .zip(resource_versions(rig).await)
        .filter(|(before, after)| *before != after)
        .count();
    table.row(
        "restart with 200: List calls",
        "<= 5",
        delta("ListAgentRuntimes").to_string(),
        delta("ListAgentRuntimes") <= 5,
    );
    table.row(
        "restart with 200: Get calls",
        "0",
        delta("GetAgentRuntime").to_string(),
        delta("GetAgentRuntime") == 0,
    );
    table.row(
        "restart with 200: status writes",
        "0",
        writes.to_string(),
        writes == 0,
    );
    let mutations = delta("CreateAgentRuntime")
        + delta("UpdateAgentRuntime")
        + delta("DeleteAgentRuntime")
        + delta("TagResource");
    table.row(
        "restart with 200: mutating calls",
        "0",
        mutations.to_string(),
        mutations == 0,
    );

    operator
}

/// A configuration changed by hand.
async fn drift(rig: &Rig, table: &mut Table) {
    let id = rig::id(&rig.runtimes().get("support-7").await.expect("support-7"));
    rig.update_by_hand(&id, "changed by hand").await;
    let drifted = Instant::now();
    while rig
        .aws_runtimes()
        .await
        .iter()
        .any(|runtime| runtime["description"] == "changed by hand")
    {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(drifted.elapsed() < Duration::from_secs(200), "not repaired");
    }
    let repaired = drifted.elapsed();
    table.row(
        "drift of a configuration: repair submitted after",
        "<= 90 s",
        seconds(repaired),
        repaired <= Duration::from_secs(90),
    );
}

/// Resident memory with 1,000 runtimes.
async fn memory(table: &mut Table) {
    const MANY: usize = 1000;
    let rig = Rig::start("bench-memory").await;
    rig.settings(
        json!({"createDelayMs": 200, "endpointDelayMs": 50, "ratePerSecond": 1000, "burst": 1000}),
    )
    .await;
    let rates = [
        "CreateAgentRuntime=200",
        "GetAgentRuntime=200",
        "GetAgentRuntimeEndpoint=200",
        "ListAgentRuntimes=50",
    ];
    let flags: Vec<&str> = rates.iter().flat_map(|rate| ["--aws-rate", rate]).collect();
    let operator = rig.operator_at_default_rates(&flags);
    rig.says(&operator, "leading").await;
    for chunk in (0..MANY).collect::<Vec<_>>().chunks(50) {
        join_all(chunk.iter().map(|number| rig_apply(&rig, *number))).await;
    }
    all_ready(&rig, MANY).await;
    let creating = resident_mb(operator.pid());
    assert!(rig::clean(operator.stop().await), "clean stop");
    let operator = rig.operator_at_default_rates(&flags);
    rig.says(&operator, "leading").await;
    let admin = admin_address(&operator);
    while reconciled(&admin).await < MANY as u64 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let rest = resident_mb(operator.pid());
    table.row(
        "RSS with 1,000 runtimes, after creating them",
        "< 60 MB",
        format!("{creating} MB"),
        creating < 60,
    );
    table.row(
        "RSS with 1,000 runtimes, after a restart",
        "< 60 MB",
        format!("{rest} MB"),
        rest < 60,
    );
}

async fn rig_apply(rig: &Rig, number: usize) {
    rig.apply_runtime(&format!("support-{number}"), rig.spec())
        .await;
}

async fn all_ready(rig: &Rig, count: usize) {
    let start = Instant::now();
    loop {
        let objects = rig
            .runtimes()
            .list(&kube::api::ListParams::default())
            .await
            .expect("list")
            .items;
        if objects
            .iter()
            .filter(|object| runtime_is_ready(object))
            .count()
            >= count
        {
            return;
        }
        assert!(start.elapsed() < Duration::from_mins(10), "not all Ready");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn resource_versions(rig: &Rig) -> Vec<Option<String>> {
    let objects = rig
        .runtimes()
        .list(&kube::api::ListParams::default())
        .await
        .expect("list")
        .items;
    objects
        .into_iter()
        .map(|object| object.metadata.resource_version)
        .collect()
}

/// The admin address, from the log line that says it.
fn admin_address(operator: &Operator) -> String {
    let text = operator.text();
    let (_, rest) = text
        .split_once("admin endpoint listens")
        .expect("the log names the admin address");
    let line = rest.lines().next().unwrap_or_default();
    line.split("127.0.0.1:")
        .nth(1)
        .map(|port| {
            format!(
                "127.0.0.1:{}",
                port.trim_matches(|c: char| !c.is_ascii_digit())
            )
        })
        .expect("address")
}

/// Passes over AgentRuntimes that ended well, from the operator's own metrics.
async fn reconciled(admin: &str) -> u64 {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("client");
    let text = client
        .get(format!("http://{admin}/metrics"))
        .send()
        .await
        .expect("metrics")
        .text()
        .await
        .expect("text");
    text.lines()
        .filter(|line| {
            line.starts_with(
                "agentcore_reconcile_total{controller=\"agentruntime\",result=\"success\"}",
            )
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}
