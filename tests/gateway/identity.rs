//! Callers that lose their right while a stream is open, and an API server that cannot be asked.

use futures::SinkExt as _;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::front::{Front, Gateway};
use super::tools::{Forwarder, close_code, good, last_error, refused, web_socket};

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_soon_after_their_callers_lost_the_right_to_them() {
    let front = Front::start_with("gw-revoked", &["--recheck-interval", "1s"]).await;
    let verbs = ["create", "get"];
    front.allow("leaver", &verbs).await;
    front.allow("demoted", &verbs).await;
    let (leaver, demoted) = (front.token("leaver").await, front.token("demoted").await);
    let endless = json!({"prompt": "a b c", "chunks": 100_000, "delayMs": 50});
    let open = async |token: &str| {
        let stream = front
            .invoke(token, &endless)
            .header("accept", "text/event-stream");
        stream.send().await.expect("a head")
    };
    let left = open(&leaver).await;
    let also = open(&demoted).await;
    let mut stays = open(&front.token("caller").await).await;
    let mut socket = web_socket(&front, &front.path("ws"), &demoted).await;
    socket
        .send(Message::text(endless.to_string()))
        .await
        .expect("sent");

    let (client, namespace) = (front.rig.client.clone(), &front.rig.namespace);
    let delete = DeleteParams::default();
    Api::<ServiceAccount>::namespaced(client.clone(), namespace)
        .delete("leaver", &delete)
        .await
        .expect("deleted");
    Api::<RoleBinding>::namespaced(client, namespace)
        .delete("demoted", &delete)
        .await
        .expect("deleted");
    let (left, also) = tokio::join!(left.text(), also.text());
    for (text, reason) in [(left, "InvalidToken"), (also, "Forbidden")] {
        let text = text.expect("an orderly end");
        let (before, error) = last_error(&text);
        assert_eq!(error["reason"], reason);
        assert!(before.starts_with("data: "));
    }
    assert_eq!(close_code(&mut socket).await, 1008);
    // What was found out holds for new requests too.
    let prompt = json!({"prompt": "a"});
    assert_eq!(refused(front.invoke(&leaver, &prompt)).await.status, 401);
    assert_eq!(refused(front.invoke(&demoted, &prompt)).await.status, 403);
    for _ in 0..20 {
        assert!(stays.chunk().await.expect("still open").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_new_is_let_in_while_the_api_server_cannot_be_asked() {
    let mut front = Front::start("gw-unasked").await;
    let (forwarder, kubeconfig) = Forwarder::before_api_server().await;
    let environment = [("KUBECONFIG", &*kubeconfig.path().to_string_lossy())];
    front.gateway = Gateway::start_in(&front.rig, &[], &environment).await;
    let prompt = json!({"prompt": "a"});
    let (known, stranger) = (front.token("caller").await, front.token("caller").await);
    assert_ne!(known, stranger);
    good(front.invoke(&known, &prompt)).await;
    forwarder.shut();
    let said = refused(front.invoke(&stranger, &prompt)).await;
    assert_eq!(said.said(), (503, "ReviewUnavailable"));
    assert!(said.retry_after().is_some());
    assert!(!said.body.to_string().contains(&forwarder.address));
    good(front.invoke(&known, &prompt)).await;
    // Nobody is let in on an answer of long ago.
    front
        .rig
        .until("a known caller forgotten", async || {
            let answer = front.invoke(&known, &prompt).send().await;
            let status = answer.expect("an answer").status();
            (status == 503)
                .then_some(())
                .ok_or_else(|| status.to_string())
        })
        .await;
    assert!(front.gateway.text().contains("callers are refused"));
    forwarder.open();
    front
        .rig
        .until("both let in again", async || {
            for token in [&known, &stranger] {
                let answer = front.invoke(token, &prompt).send().await;
                let status = answer.expect("an answer").status();
                if status != 200 {
                    return Err(status.to_string());
                }
            }
            Ok(())
        })
        .await;
}
