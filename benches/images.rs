//! What following images costs and how soon a push is taken, on a real API server and the local AgentCore: `make bench`. Each line says
//! what is asked and what was measured; a miss is shown as a miss and makes the program fail at its end.

#[path = "../tests/apiserver/by_hand.rs"]
#[allow(dead_code)] // the tests use more of it
mod by_hand;
#[path = "../tests/apiserver/rig.rs"]
#[allow(dead_code)]
mod rig;
mod support;

use std::time::{Duration, Instant};

use futures::stream::{StreamExt, iter};
use rig::{Rig, runtime_is_ready};
use serde_json::{Value, json};
use support::table::{Table, filter, seconds};

/// Shortest interval that the API takes; all figures are for it.
const INTERVAL: Duration = Duration::from_secs(30);
/// How many objects are written at a time.
const AT_ONCE: usize = 20;

#[tokio::main]
async fn main() {
    let filter = filter();
    let wants = |name: &str| name.contains(&filter);
    let mut table = Table::begin();
    if wants("push") {
        push(&mut table).await;
    }
    if wants("scans") {
        scans(&mut table).await;
    }
    table.end();
}

/// A push to the tag that many runtimes follow, until each has its new version.
async fn push(table: &mut Table) {
    const RUNTIMES: usize = 20;
    let rig = Rig::start("bench-push").await;
    write(&rig, "agent", 1).await;
    // Updates at AgentCore's own rate of 5 a second; creation is not what is measured.
    let _operator = rig.operator_at_default_rates(&["--aws-rate", "CreateAgentRuntime=50"]);
    following(&rig, RUNTIMES, 1).await;
    let start = Instant::now();
    write(&rig, "agent", 2).await;
    let limit = INTERVAL.mul_f64(1.1) + Duration::from_secs(5 + RUNTIMES as u64 / 5);
    while rig.calls("UpdateAgentRuntime").await < RUNTIMES as u64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(start.elapsed() < limit * 5, "not submitted");
    }
    let taken = start.elapsed();
    table.row(
        "push to the last of 20 new versions submitted",
        format!("<= {}", seconds(limit)),
        seconds(taken),
        taken <= limit,
    );
}

/// 500 runtimes on 20 repositories, where nothing changes, for 4 intervals or INTERVALS.
async fn scans(table: &mut Table) {
    const RUNTIMES: usize = 500;
    const REPOSITORIES: usize = 20;
    let intervals = std::env::var("INTERVALS").ok();
    let intervals: u32 = intervals.map_or(4, |text| text.parse().expect("INTERVALS is a number"));
    let rig = Rig::start("bench-scans").await;
    for number in 0..REPOSITORIES {
        write(&rig, &repository(number, REPOSITORIES), 1).await;
    }
    let _operator = rig.operator(&[]);
    following(&rig, RUNTIMES, REPOSITORIES).await;
    let (looks, mutations) = (rig.calls("BatchGetImage").await, rig.mutations().await);
    tokio::time::sleep(INTERVAL * intervals).await;
    let looks = rig.calls("BatchGetImage").await - looks;
    let mutations = rig.mutations().await - mutations;
    // Jitter of 10 % may bring each look forward by as much.
    let most = REPOSITORIES as u64 * u64::from(intervals) * 10 / 9 + REPOSITORIES as u64;
    table.row(
        &format!("looks at 20 repositories in {intervals} intervals, 500 runtimes"),
        format!("<= {most}"),
        looks.to_string(),
        looks <= most && looks >= REPOSITORIES as u64,
    );
    table.row(
        &format!(
            "mutating calls of 500 runtimes that follow, in {} s",
            (INTERVAL * intervals).as_secs()
        ),
        "0",
        mutations.to_string(),
        mutations == 0,
    );
}

fn repository(number: usize, repositories: usize) -> String {
    if repositories == 1 {
        "agent".to_owned()
    } else {
        format!("agent-{}", number % repositories)
    }
}

/// Writes this content behind `prod`.
async fn write(rig: &Rig, repository: &str, content: u32) {
    let content = format!("{repository} {content}");
    rig.push_argv(
        repository,
        "prod",
        &json!({"argv": ["/bin/true", content], "env": {}}),
    )
    .await;
}

/// Makes runtimes that follow, spread over the repositories, and waits until all are Ready.
async fn following(rig: &Rig, runtimes: usize, repositories: usize) {
    let spec = |number: usize| -> Value {
        let image = Rig::image(&format!("{}:prod", repository(number, repositories)));
        let follow = json!({"tag": "prod", "interval": "30s", "settle": "0s"});
        rig.spec_with(json!({"artifact": {"container": {"image": image, "follow": follow}}}))
    };
    iter(0..runtimes)
        .for_each_concurrent(AT_ONCE, async |number| {
            rig.apply_runtime(&format!("agent-{number}"), spec(number))
                .await;
        })
        .await;
    iter(0..runtimes)
        .for_each_concurrent(AT_ONCE, async |number| {
            rig.runtime_until(&format!("agent-{number}"), "Ready", runtime_is_ready)
                .await;
        })
        .await;
}
