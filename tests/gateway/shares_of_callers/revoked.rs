//! Rights that end while nobody reads the stream: an HTTP/2 caller that closes its window gets nothing of what its agent said after that.

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use super::soon;
use crate::gateway::front::Front;
use crate::gateway::tools::{connect, last_error};

/// What the caller takes in before it reads nothing more: a few events.
const WINDOW: u32 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_reads_ends_with_its_right_and_so_does_what_was_buffered() {
    let front = Front::start_with("gw-closed-window", &["--recheck-interval", "1s"]).await;
    front.echo("echo", json!({})).await;
    for (account, what) in [("passes", "invocations"), ("chats", "chat")] {
        front.allow(account, &["create"]).await;
        let token = front.token(account).await;
        let io = TokioIo::new(connect(&front.gateway).await);
        let (mut sender, connection) =
            hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(WINDOW)
                .handshake(io)
                .await
                .expect("a connection");
        let connection = tokio::spawn(connection);
        let body = json!({"prompt": "a", "stream": true}).to_string();
        let request = Request::post(front.path_at("agentruntimes", "echo", what))
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "text/event-stream")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);

        Api::<RoleBinding>::namespaced(front.rig.client.clone(), &front.rig.namespace)
            .delete(account, &DeleteParams::default())
            .await
            .expect("deleted");
        // The stream is over although nobody has asked for more of it.
        let caller = format!("system:serviceaccount:{}:{account}", front.rig.namespace);
        front
            .rig
            .until("an end of the stream", async || {
                let lines = front.gateway.accesses();
                let line = lines.iter().find(|line| line["caller"] == caller.as_str());
                match line.map(|line| &line["reason"]) {
                    Some(reason) if reason == "Forbidden" => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
        let all = soon("whole body", answer.into_body().collect()).await;
        let all = all.expect("an orderly end").to_bytes();
        let text = std::str::from_utf8(&all).expect("text");
        let (before, error) = last_error(text);
        let reason = error.get("error").unwrap_or(&error);
        assert_eq!(reason["reason"], "Forbidden", "{error}");
        // Its window, what the connection had taken beyond it, and nothing of what came later.
        assert!(
            before.len() <= 2 * WINDOW as usize,
            "{} bytes: {before}",
            before.len()
        );
        drop(sender);
        connection.abort();
    }
}
