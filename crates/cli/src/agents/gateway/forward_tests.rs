// A server that lists pods and speaks the port-forward protocol (v4.channel.k8s.io), in place of an API server with a kubelet.

use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use kube::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use super::*;

/// What the pod's end of a stream does.
#[derive(Clone, Copy)]
enum Pod {
    /// Sends everything back.
    Echo,
    /// Has nobody who listens.
    Refuses,
}

fn pod(name: &str, ready: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "gateway", "ports": [{"name": "agents", "containerPort": 9443}]}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    })
}

async fn serve(pods: Vec<Value>, kind: Pod) -> (Api<Pod_>, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (pods, seen) = (pods.clone(), seen.clone());
            tokio::spawn(async move {
                let mut head = [0; 2048];
                let length = stream.peek(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                seen.lock().unwrap().push(path.clone());
                if path.contains("/portforward") {
                    forward(stream, kind).await;
                } else {
                    list(stream, &pods).await;
                }
            });
        }
    });
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let client = Client::try_from(config).unwrap();
    (Api::namespaced(client, "system"), asked)
}

type Pod_ = k8s_openapi::api::core::v1::Pod;

async fn list(mut stream: TcpStream, pods: &[Value]) {
    let body =
        json!({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": pods}).to_string();
    let mut head = [0; 2048];
    let _ = stream.read(&mut head).await.unwrap();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

#[allow(clippy::result_large_err)] // as the library has it
async fn forward(stream: TcpStream, kind: Pod) {
    let choose = |_: &Request, mut response: Response| {
        let protocol = "v4.channel.k8s.io".parse().unwrap();
        response
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, choose)
        .await
        .unwrap();
    // Each channel begins with its number and the port: data first, then errors.
    for channel in [0, 1] {
        let [low, high] = 9443_u16.to_le_bytes();
        socket
            .send(Message::binary(vec![channel, low, high]))
            .await
            .unwrap();
    }
    match kind {
        Pod::Refuses => {
            let text = [&[1][..], b"dial tcp 127.0.0.1:9443:\nconnection refused"].concat();
            socket.send(Message::binary(text)).await.unwrap();
            socket.close(None).await.unwrap();
        }
        Pod::Echo => {
            while let Some(Ok(message)) = socket.next().await {
                if message.is_binary() {
                    socket.send(message).await.unwrap();
                }
            }
        }
    }
}

fn named() -> Port {
    Port::Name("agents".to_owned())
}

#[tokio::test]
async fn bytes_go_to_a_ready_pod_and_back() {
    let pods = vec![pod("gw-0", "False"), pod("gw-1", "True")];
    let (api, asked) = serve(pods, Pod::Echo).await;
    let forward = Forward::new(api, "app=gw".to_owned(), named());
    // Each connection is a stream of its own.
    let mut one = forward.open().await.unwrap();
    let mut two = forward.open().await.unwrap();
    one.write_all(b"hello").await.unwrap();
    two.write_all(b"there").await.unwrap();
    let (mut first, mut second) = ([0; 5], [0; 5]);
    one.read_exact(&mut first).await.unwrap();
    two.read_exact(&mut second).await.unwrap();
    assert_eq!((&first, &second), (b"hello", b"there"));
    let asked = asked.lock().unwrap();
    let pods = "/api/v1/namespaces/system/pods";
    assert!(
        asked[0].starts_with(&format!("{pods}?")) && asked[0].contains("labelSelector=app%3Dgw"),
        "{asked:?}"
    );
    assert!(
        asked[1].starts_with(&format!("{pods}/gw-1/portforward?"))
            && asked[1].contains("ports=9443"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_a_pod_says_about_a_stream_that_it_cannot_serve_is_kept() {
    let (api, _) = serve(vec![pod("gw-0", "True")], Pod::Refuses).await;
    let forward = Forward::new(api, String::new(), named());
    let mut stream = forward.open().await.unwrap();
    let mut nothing = Vec::new();
    assert_eq!(stream.read_to_end(&mut nothing).await.unwrap(), 0);
    let said = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        loop {
            if let Some(said) = forward.said() {
                return said;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(
        said.await.unwrap(),
        "dial tcp 127.0.0.1:9443: connection refused"
    );
    assert_eq!(forward.said(), None);
}

#[tokio::test]
async fn without_a_ready_pod_there_is_no_stream() {
    let (api, _) = serve(vec![pod("gw-0", "False")], Pod::Echo).await;
    let error = Forward::new(api, String::new(), named())
        .open()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("no pod of the gateway is ready"),
        "{error}"
    );
}
