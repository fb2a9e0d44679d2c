//! A leader that is cut off: its last change in AWS is sent before the next one's first, whatever the clocks say, and its process ends.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::agent::agent_program;
use super::proxy::Proxy;
use super::rig::Rig;

/// The simulator's name of the second replica.
const NEXT: &str = "next";
/// How often each cut is tried; a campaign sets more.
const TRIES: &str = "AGENTCORE_LEADER_TRIES";
const LEASE: &str = "agentcore-operator-controller";

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Connections to the API server end.
    Cut,
    /// They stay, and nothing comes.
    Freeze,
    /// Answers come too late.
    Lag,
}

/// When the first and the last change of a caller arrived at the simulator.
async fn changes(rig: &Rig, caller: &str) -> Option<(Timestamp, Timestamp)> {
    const READS: [&str; 5] = ["Get", "List", "Describe", "BatchGet", "Head"];
    let calls = rig.call_report().await;
    let callers = calls["timesByCaller"].as_object().cloned()?;
    let of = |times: &Value, which: &str| -> Timestamp {
        let text = times[which].as_str().expect("a time");
        text.parse().expect("a time")
    };
    let end = format!("user/{caller}");
    let times: Vec<_> = callers
        .iter()
        .filter(|(arn, _)| arn.ends_with(&end))
        .filter_map(|(_, operations)| operations.as_object())
        .flatten()
        .filter(|(operation, _)| !READS.iter().any(|read| operation.starts_with(read)))
        .map(|(_, times)| (of(times, "first"), of(times, "last")))
        .collect();
    let first = times.iter().map(|(first, _)| *first).min()?;
    let last = times.iter().map(|(_, last)| *last).max()?;
    Some((first, last))
}

async fn declare_session(rig: &Rig) {
    let spec = json!({"runtimeRef": {"name": "support"}, "version": "Latest"});
    rig.apply_endpoint("live", spec).await;
    let object = json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentSession", "metadata": {"name": "bridge"},
        "spec": {
            "endpointRef": {"name": "live"},
            "keepAlive": {"every": "10s", "payload": {"action": "keepalive"}},
        },
    });
    Api::<agentcore_api::AgentSession>::namespaced(rig.client.clone(), &rig.namespace)
        .patch(
            "bridge",
            &PatchParams::apply("test").force(),
            &Patch::Apply(&object),
        )
        .await
        .expect("AgentSession accepted");
}

/// One try: the leader has many runtimes under way when its way to the API server breaks.
async fn hand_over(name: &str, fault: Fault) {
    let rig = Rig::start(name).await;
    rig.push_program("support", "prod", agent_program()).await;
    let proxy = Proxy::before(Rig::kubeconfig()).await;
    let through = rig.dir.path().join("proxied.kubeconfig");
    let through = proxy.kubeconfig(Rig::kubeconfig(), through);
    let filter = "info,agentcore_operator=debug";
    let first = rig.operator_as(&through, filter, &["--lease-identity", "first"]);
    rig.says(&first, "leading").await;
    rig.apply_runtime("support", rig.spec()).await;
    declare_session(&rig).await;
    rig.runtime_ready("support").await;
    let next = rig.operator_with_key(NEXT, &["--lease-identity", "next"]);
    rig.says(&next, "waiting for the lease").await;

    // Slow enough that some are under way all the time.
    rig.faults(json!([{"operation": "CreateAgentRuntime", "when": "before", "delayMs": 2_000}]))
        .await;
    for number in 0..12 {
        rig.apply_runtime(&format!("more-{number}"), rig.spec())
            .await;
    }
    let before = rig.calls("CreateAgentRuntime").await;
    rig.until("creating", async || {
        let calls = rig.calls("CreateAgentRuntime").await;
        (calls > before.max(1))
            .then_some(())
            .ok_or(format!("{calls}"))
    })
    .await;
    match fault {
        Fault::Cut => proxy.cut(),
        Fault::Freeze => proxy.freeze(),
        Fault::Lag => proxy.lag(Duration::from_secs(6)),
    }
    let status = first.ended(&rig).await;
    assert!(!status.success(), "{fault:?}: {status}");
    rig.says(&next, "leading").await;
    rig.no_faults().await;
    for number in 0..12 {
        rig.runtime_ready(&format!("more-{number}")).await;
    }
    let (_, last) = changes(&rig, "controller").await.expect("changes");
    let (begin, _) = changes(&rig, NEXT).await.expect("changes");
    assert!(
        last < begin,
        "{fault:?}: the old leader changed AWS at {last}, after the next one's first change at {begin}"
    );
    assert_eq!(rig.aws_runtimes().await.len(), 13, "one for each object");
}

async fn tries(name: &str, fault: Fault) {
    let tries = std::env::var(TRIES).map_or(1, |text| text.parse().expect("a number"));
    for number in 0..tries {
        hand_over(&format!("{name}-{number}"), fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_has_stopped_before_the_next_one_begins() {
    tries("leader-cut", Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_connections_froze_has_stopped_before_the_next_one_begins() {
    tries("leader-frozen", Fault::Freeze).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_hears_too_late_has_stopped_before_the_next_one_begins() {
    tries("leader-late", Fault::Lag).await;
}

/// Another replica, whose clock is wrong by so much: it writes the lease as the operator does.
struct Skewed {
    api: Api<Lease>,
    skew: SignedDuration,
}

impl Skewed {
    async fn holds(rig: &Rig, skew: SignedDuration) -> Self {
        let api = Api::namespaced(rig.client.clone(), &rig.namespace);
        let now = MicroTime(Timestamp::now() + skew);
        let lease = Lease {
            metadata: kube::core::ObjectMeta {
                name: Some(LEASE.to_owned()),
                ..Default::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some("elsewhere".to_owned()),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                lease_duration_seconds: Some(15),
                ..Default::default()
            }),
        };
        api.create(&PostParams::default(), &lease)
            .await
            .expect("lease");
        Self { api, skew }
    }

    async fn renew(&self) {
        let now = MicroTime(Timestamp::now() + self.skew);
        let patch = json!({"spec": {"renewTime": now}});
        self.api
            .patch(LEASE, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("renewed");
    }
}

async fn clocks_apart(name: &str, skew: i64) {
    let rig = Rig::start(name).await;
    let other = Skewed::holds(&rig, SignedDuration::from_secs(skew)).await;
    let operator = rig.operator(&["--lease-identity", "here"]);
    rig.says(&operator, "waiting for the lease").await;
    // A holder that renews keeps it, for longer than a lease that is not renewed lasts.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(20) {
        other.renew().await;
        assert!(!operator.text().contains("leading"), "{}", operator.text());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    other.renew().await;
    // One that died loses it.
    let died = Instant::now();
    rig.says(&operator, "leading").await;
    let took = died.elapsed();
    assert!(
        took >= Duration::from_secs(13) && took < Duration::from_secs(20),
        "led {took:?} after the last renewal"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_whose_clock_is_a_minute_behind_is_not_robbed() {
    clocks_apart("clock-behind", -60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_whose_clock_is_a_minute_ahead_is_replaced_in_time() {
    clocks_apart("clock-ahead", 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_whose_connections_froze_sees_a_new_object_within_30_seconds() {
    let rig = Rig::start("frozen-watch").await;
    let proxy = Proxy::before(Rig::kubeconfig()).await;
    let through = rig.dir.path().join("proxied.kubeconfig");
    let through = proxy.kubeconfig(Rig::kubeconfig(), through);
    let operator = rig.operator_as(&through, "info", &[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
    proxy.freeze_connections();
    let frozen = Instant::now();
    rig.apply_runtime("another", rig.spec()).await;
    rig.until("seen", async || {
        let created = rig.calls("CreateAgentRuntime").await;
        (created >= 2).then_some(()).ok_or(operator.text())
    })
    .await;
    // The bound is the product's promise.
    let took = frozen.elapsed();
    assert!(took < Duration::from_secs(30), "seen after {took:?}");
    rig.runtime_ready("another").await;
    // Connections that froze once cost nobody the lease.
    assert_eq!(operator.text().matches("leading").count(), 1);
}
