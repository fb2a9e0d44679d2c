//! kill -9 right before and right after each mutating call: one runtime, the same end.

use serde_json::{Value, json};

use super::rig::{Rig, clean, endpoint_is_ready};

/// A killed holder's lease has to run out, which is not what is tested here.
pub const NO_LEASE: &[&str] = &["--leader-elect=false"];

/// What happens in the life of a runtime and its endpoint, each step with the call at which the operator dies.
const STEPS: &[(&str, &str)] = &[
    ("create", "CreateAgentRuntime"),
    ("create", "PutResourcePolicy"),
    ("expose", "CreateAgentRuntimeEndpoint"),
    ("edit", "UpdateAgentRuntime"),
    ("edit", "UpdateAgentRuntimeEndpoint"),
    ("retag", "TagResource"),
    ("retag", "UntagResource"),
    ("delete", "DeleteAgentRuntimeEndpoint"),
    ("delete", "DeleteAgentRuntime"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_each_call_changes_nothing() {
    live_through("kill-before", "before").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_each_call_changes_nothing() {
    live_through("kill-after", "after").await;
}

async fn live_through(namespace: &str, when: &str) {
    let rig = Rig::start(namespace).await;
    for phase in ["create", "expose", "edit", "retag", "delete"] {
        wish(&rig, phase).await;
        for (_, operation) in STEPS.iter().filter(|(of, _)| *of == phase) {
            die_at(&rig, operation, when).await;
        }
        let operator = rig.operator(NO_LEASE);
        reached(&rig, phase).await;
        assert!(clean(operator.stop().await));
        // At rest: another start changes nothing more.
        let mutations = rig.mutations().await;
        let operator = rig.operator(NO_LEASE);
        rig.says(&operator, "leader election is off").await;
        reached(&rig, phase).await;
        assert!(clean(operator.stop().await));
        assert_eq!(
            rig.mutations().await,
            mutations,
            "{when} {phase}: a restart at rest changes nothing"
        );
    }
}

/// Starts an operator and kills it while `operation` is under way: before its effect, or after it and before the answer.
pub async fn die_at(rig: &Rig, operation: &str, when: &str) {
    rig.faults(json!([{"operation": operation, "when": when, "delayMs": 600_000}]))
        .await;
    let (before, aws) = (rig.calls(operation).await, rig.aws().await);
    let operator = rig.operator(NO_LEASE);
    rig.until(&format!("calling {operation}"), async || {
        let calls = rig.calls(operation).await;
        (calls > before)
            .then_some(())
            .ok_or(format!("{calls} calls"))
    })
    .await;
    if when == "after" {
        rig.until("done in AWS", async || {
            (rig.aws().await != aws)
                .then_some(())
                .ok_or_else(|| aws.to_string())
        })
        .await;
    }
    operator.kill();
    rig.no_faults().await;
}

async fn wish(rig: &Rig, phase: &str) {
    let policy = "{\"Version\": \"2012-10-17\", \"Statement\": []}";
    let spec = |changes: Value| rig.spec_with(changes);
    match phase {
        "create" => {
            rig.apply_runtime(
                "support",
                spec(json!({"resourcePolicy": policy, "tags": {"Old": "1", "Keep": "1"}})),
            )
            .await;
        }
        "expose" => {
            rig.apply_endpoint(
                "live",
                json!({"runtimeRef": {"name": "support"}, "version": "Latest"}),
            )
            .await;
        }
        "edit" => {
            let edited = json!({"resourcePolicy": policy, "tags": {"Old": "1", "Keep": "1"}, "description": "two"});
            rig.apply_runtime("support", spec(edited)).await;
        }
        "retag" => {
            let retagged = json!({"resourcePolicy": policy, "tags": {"New": "1", "Keep": "1"}, "description": "two"});
            rig.apply_runtime("support", spec(retagged)).await;
        }
        _ => {
            rig.delete_endpoint("live").await;
            rig.delete_runtime("support").await;
        }
    }
}

/// Waits until the endpoint `live` is ready on a version.
pub async fn live_on(rig: &Rig, version: &str) {
    rig.endpoint_until("live", "on the version", |object| {
        let live = object
            .status
            .as_ref()
            .and_then(|status| status.live_version.as_deref());
        endpoint_is_ready(object) && live == Some(version)
    })
    .await;
}

/// The only runtime in AWS, which is on a version.
pub async fn one_runtime(rig: &Rig, version: &str) -> Value {
    let (name, mut runtimes) = (&rig.namespace, rig.aws_runtimes().await);
    assert_eq!(runtimes.len(), 1, "{name}: one runtime: {runtimes:?}");
    let runtime = runtimes.remove(0);
    assert_eq!(
        runtime["agentRuntimeVersion"], version,
        "{name}: no needless version"
    );
    runtime
}

async fn reached(rig: &Rig, phase: &str) {
    if phase == "delete" {
        rig.endpoint_gone("live").await;
        rig.runtime_gone("support").await;
        assert!(rig.aws_runtimes().await.is_empty(), "nothing orphaned");
        return;
    }
    rig.runtime_ready("support").await;
    let version = if matches!(phase, "create" | "expose") {
        "1"
    } else {
        "2"
    };
    if phase != "create" {
        live_on(rig, version).await;
    }
    let runtime = one_runtime(rig, version).await;
    if phase == "retag" {
        assert_eq!(runtime["tags"]["New"], "1");
        assert!(runtime["tags"].get("Old").is_none());
    }
}
