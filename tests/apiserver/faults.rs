//! AWS answers badly: the end is the same.

use serde_json::json;

use super::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_every_call_is_survived() {
    let rig = Rig::start("fau-storm").await;
    let operator = rig.operator(&[]);
    // The storm is for the calls about objects, not for the first question who we are.
    rig.says(&operator, "leading").await;
    // The pause doubles with each fault in a row: more of them than these, and the storm outlasts the time that a test waits.
    rig.faults(json!([
        {"operation": "*", "when": "before", "error": "ThrottlingException", "times": 3},
        {"operation": "*", "when": "before", "error": "InternalServerException", "times": 2},
        {"operation": "CreateAgentRuntime", "when": "after", "error": "InternalServerException", "times": 1},
        {"operation": "CreateAgentRuntimeEndpoint", "when": "after", "error": "drop", "times": 1},
        {"operation": "UpdateAgentRuntime", "when": "after", "error": "drop", "times": 1},
        {"operation": "UpdateAgentRuntimeEndpoint", "when": "after", "error": "InternalServerException", "times": 1},
        {"operation": "GetAgentRuntime", "when": "before", "error": "drop", "times": 2},
    ]))
    .await;
    rig.apply_runtime("support", rig.spec()).await;
    rig.apply_endpoint(
        "live",
        json!({"runtimeRef": {"name": "support"}, "version": "Latest"}),
    )
    .await;
    rig.runtime_ready("support").await;
    rig.endpoint_ready("live").await;
    rig.apply_runtime("support", rig.spec_with(json!({"description": "two"})))
        .await;
    rig.runtime_ready("support").await;
    rig.endpoint_until("live", "on version 2", |object| {
        object
            .status
            .as_ref()
            .and_then(|status| status.live_version.as_deref())
            == Some("2")
    })
    .await;
    assert_eq!(rig.aws_runtimes().await.len(), 1, "no duplicate");
    assert_eq!(
        rig.aws_runtimes().await[0]["agentRuntimeVersion"],
        "2",
        "no needless version"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_is_lost_makes_one_runtime() {
    let rig = Rig::start("fau-create").await;
    rig.faults(
        json!([{"operation": "CreateAgentRuntime", "when": "after", "error": "drop", "times": 2}]),
    )
    .await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime("support", rig.spec()).await;
    rig.runtime_ready("support").await;
    assert_eq!(rig.aws_runtimes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_half_of_all_calls_throttled_creates_end_and_read_nothing_twice() {
    const MANY: u64 = 20;
    let rig = Rig::start("fau-half").await;
    let operator = rig.operator(&[]);
    rig.says(&operator, "leading").await;
    rig.faults(json!([{"operation": "*", "error": "ThrottlingException", "probability": 0.5}]))
        .await;
    let names: Vec<_> = (0..MANY).map(|n| format!("agent-{n}")).collect();
    for name in &names {
        rig.apply_runtime(name, rig.spec()).await;
    }
    for name in &names {
        rig.runtime_ready(name).await;
    }
    // Twice as many as without throttling are what is expected; a pass that begins anew after each fault makes many times as many.
    let creates = rig.calls("CreateAgentRuntime").await;
    assert!(creates < 4 * MANY, "{creates} creates");
    let looks = rig.calls("BatchGetImage").await;
    assert!(looks < 5 * MANY, "{looks} looks");
}
