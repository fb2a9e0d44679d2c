//! Two replicas: one acts; the other takes over.

use std::time::{Duration, Instant};

use super::rig::{Operator, Rig, clean};

async fn leads(rig: &Rig, operator: &Operator) {
    rig.until("leading", async || {
        operator
            .text()
            .contains("leading")
            .then_some(())
            .ok_or_else(|| operator.text())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_at_once_after_a_clean_stop() {
    let rig = Rig::start("lease-stop").await;
    let first = rig.operator(&["--lease-identity", "first"]);
    leads(&rig, &first).await;
    let second = rig.operator(&["--lease-identity", "second"]);
    rig.until("standing by", async || {
        second
            .text()
            .contains("waiting for the lease")
            .then_some(())
            .ok_or_else(|| second.text())
    })
    .await;
    let log = first.log.clone();
    assert!(clean(first.stop().await));
    let words = std::fs::read_to_string(log).expect("log");
    assert!(words.contains("lease released"), "{words}");
    leads(&rig, &second).await;
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_within_20_seconds_of_a_kill() {
    let rig = Rig::start("lease-kill").await;
    let first = rig.operator(&["--lease-identity", "first"]);
    leads(&rig, &first).await;
    let second = rig.operator(&["--lease-identity", "second"]);
    rig.until("standing by", async || {
        second
            .text()
            .contains("waiting for the lease")
            .then_some(())
            .ok_or_else(|| second.text())
    })
    .await;
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
    first.kill();
    let killed = Instant::now();
    leads(&rig, &second).await;
    // The bound is the product's promise (lease of 12 s), not a measure of this machine.
    assert!(
        killed.elapsed() < Duration::from_secs(20),
        "took over after {:?}",
        killed.elapsed()
    );
    rig.apply_runtime("another", rig.spec()).await;
    rig.runtime_ready("another").await;
    assert_eq!(rig.aws_runtimes().await.len(), 2);
}
