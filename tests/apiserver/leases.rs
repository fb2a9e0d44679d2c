//! Two replicas: one acts; the other takes over.

use std::time::{Duration, Instant};

use super::rig::{Rig, clean};

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_at_once_after_a_clean_stop() {
    let rig = Rig::start("lease-stop").await;
    let first = rig.operator(&["--lease-identity", "first"]);
    rig.says(&first, "leading").await;
    let second = rig.operator(&["--lease-identity", "second"]);
    rig.says(&second, "waiting for the lease").await;
    let log = first.log.clone();
    assert!(clean(first.stop().await));
    let words = std::fs::read_to_string(log).expect("log");
    assert!(words.contains("lease released"), "{words}");
    rig.says(&second, "leading").await;
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_within_20_seconds_of_a_kill() {
    let rig = Rig::start("lease-kill").await;
    let first = rig.operator(&["--lease-identity", "first"]);
    rig.says(&first, "leading").await;
    let second = rig.operator(&["--lease-identity", "second"]);
    rig.says(&second, "waiting for the lease").await;
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
    first.kill();
    let killed = Instant::now();
    rig.says(&second, "leading").await;
    // The bound is the product's promise (a lease of 15 s, and a retry), not a measure of this machine.
    assert!(
        killed.elapsed() < Duration::from_secs(20),
        "took over after {:?}",
        killed.elapsed()
    );
    rig.apply_runtime("another", rig.spec()).await;
    rig.runtime_ready("another").await;
    assert_eq!(rig.aws_runtimes().await.len(), 2);
}
