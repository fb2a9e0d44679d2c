//! Nobody is let through to a runtime that is another's by its tags, whatever status says of where it is.

use serde_json::json;

use super::front::Front;
use super::tools::{good, refused};
use crate::rig::{endpoint_reason, reason};

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_runtime_is_not_called_and_serves_again_once_it_is_given_back() {
    let front = Front::start("gw-theft").await;
    let rig = &front.rig;
    rig.apply_endpoint(
        "live",
        json!({"runtimeRef": {"name": "support"}, "version": "Latest"}),
    )
    .await;
    rig.endpoint_ready("live").await;
    front.callable("agentendpoints", "live").await;
    let token = front.token("caller").await;
    let of_endpoint = || {
        let url = format!(
            "{}/v1/namespaces/{}/agentendpoints/live/invocations",
            front.gateway.url, rig.namespace
        );
        front
            .http
            .post(url)
            .bearer_auth(&token)
            .json(&json!({"prompt": "hello"}))
    };
    let of_runtime = || front.invoke(&token, &json!({"prompt": "hello"}));
    good(of_runtime()).await;
    let object = rig.runtimes().get("support").await.expect("object");
    let arn = object.status.and_then(|status| status.arn).expect("an ARN");
    let tags = rig.aws_runtimes().await[0]["tags"].clone();
    let own = tags["agentcore.dev/cluster-uid"].as_str().expect("a tag");
    rig.tag_by_hand(&arn, &[("agentcore.dev/cluster-uid", "another")])
        .await;
    rig.annotate_runtime("support", "agentcore.dev/requested-at", "1")
        .await;
    rig.runtime_until("support", "told", |object| reason(object) == "NotOwned")
        .await;
    rig.endpoint_until("live", "told", |object| {
        endpoint_reason(object) == "NotOwned"
    })
    .await;
    // The gateway hears of it by its own watch.
    rig.until("refused", async || {
        let status = of_runtime().send().await.expect("an answer").status();
        (status == 503).then_some(()).ok_or(status.to_string())
    })
    .await;
    let calls = rig.calls("InvokeAgentRuntime").await;
    assert_eq!(refused(of_runtime()).await.said(), (503, "NotOwned"));
    assert_eq!(refused(of_endpoint()).await.said(), (503, "NotOwned"));
    assert_eq!(rig.calls("InvokeAgentRuntime").await, calls);
    rig.tag_by_hand(&arn, &[("agentcore.dev/cluster-uid", own)])
        .await;
    rig.annotate_runtime("support", "agentcore.dev/requested-at", "2")
        .await;
    rig.runtime_ready("support").await;
    rig.until("served", async || {
        let status = of_runtime().send().await.expect("an answer").status();
        (status == 200).then_some(()).ok_or(status.to_string())
    })
    .await;
}
