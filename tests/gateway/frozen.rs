//! A gateway whose connections to the API server froze: it learns of a new agent in time.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;

use super::front::{Front, Gateway};
use crate::proxy::Proxy;
use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_agent_is_callable_within_30_seconds_after_the_connections_froze() {
    let mut front = Front::start("frozen-gateway").await;
    let proxy = Proxy::before(Rig::kubeconfig()).await;
    let through = front.rig.dir.path().join("proxied.kubeconfig");
    let through = proxy.kubeconfig(Rig::kubeconfig(), through);
    let kubeconfig = through.to_str().expect("UTF-8");
    front.gateway = Gateway::start_in(&front.rig, &[], &[("KUBECONFIG", kubeconfig)]).await;
    let token = front.token("caller").await;
    let hello = json!({"prompt": "hello"});
    let answer = front.invoke(&token, &hello).send().await.expect("answer");
    assert_eq!(answer.status(), StatusCode::OK);

    proxy.freeze_connections();
    let frozen = Instant::now();
    let rig = &front.rig;
    rig.apply_runtime("another", rig.spec()).await;
    rig.runtime_ready("another").await;
    let url = front.path("invocations").replace("/support/", "/another/");
    rig.until("callable", async || {
        let request = front.http.post(&url).bearer_auth(&token).json(&hello);
        let status = request.send().await.expect("answer").status();
        (status == StatusCode::OK)
            .then_some(())
            .ok_or(format!("{status}"))
    })
    .await;
    // The bound is the product's promise.
    let took = frozen.elapsed();
    assert!(took < Duration::from_secs(30), "callable after {took:?}");
}
