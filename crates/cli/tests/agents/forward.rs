//! The port-forward: a gateway with TLS that only the API server leads to.
//!
//! A test cluster has no kubelet, so one program stands between: it hands everything on to the API server, and serves `portforward` of pods
//! as API server and kubelet would together (v4.channel.k8s.io), from the gateway's real port.

use std::net::SocketAddr;
use std::path::PathBuf;

use futures::{SinkExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::stage::{Run, Stage, stage, until};

/// Where the gateway is.
const NAMESPACE: &str = "gateways";
/// Port that the gateway's container has.
const PORT: u16 = 8443;

/// A gateway with TLS, its Service, and a pod that is said to be ready.
struct Tls {
    address: SocketAddr,
    certificate: PathBuf,
    another: PathBuf,
    _folder: tempfile::TempDir,
}

impl Tls {
    fn start(stage: &'static Stage) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let named = rcgen::generate_simple_self_signed(vec![format!("agents.{NAMESPACE}.svc")]);
        let named = named.unwrap();
        let certificate = write("tls.crt", named.cert.pem());
        let key = write("tls.key", named.signing_key.serialize_pem());
        let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
        let another = write("other.crt", other.cert.pem());
        let address = stage.gateway_with(&[
            "--tls-cert",
            certificate.to_str().unwrap(),
            "--tls-key",
            key.to_str().unwrap(),
        ]);
        let labels = json!({"app.kubernetes.io/name": "agentcore-operator", "app.kubernetes.io/component": "gateway"});
        let metadata = |name: &str| json!({"name": name, "namespace": NAMESPACE, "labels": labels});
        let ports = json!([{"name": "agents", "containerPort": PORT}]);
        let objects = [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": metadata("agents"),
                "spec": {"selector": labels, "ports": [{"name": "https", "port": 443, "targetPort": "agents", "appProtocol": "https"}]},
            }),
            // As the chart has it: the same pods, another port.
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": metadata("agents-metrics"),
                "spec": {"selector": labels, "ports": [{"name": "admin", "port": 9090, "targetPort": "admin", "appProtocol": "http"}]},
            }),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "gateway", "namespace": NAMESPACE}}),
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": metadata("agents-0"),
                "spec": {"serviceAccountName": "gateway", "containers": [{"name": "gateway", "image": "gateway", "ports": ports}]},
            }),
        ];
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        stage.kubectl(&["apply", "-f", "-"], &list.to_string());
        let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        let ready = ready.to_string();
        stage.kubectl(
            &[
                "-n",
                NAMESPACE,
                "patch",
                "pod",
                "agents-0",
                "--subresource=status",
                "--type=merge",
                "-p",
                &ready,
            ],
            "",
        );
        Self {
            address: address.parse().unwrap(),
            certificate,
            another,
            _folder: folder,
        }
    }
}

/// Serves the API without TLS to whoever is on this machine, as an administrator; returns its address.
async fn stand_in(stage: &'static Stage, gateway: SocketAddr) -> SocketAddr {
    let kubeconfig = Kubeconfig::read_from(stage.kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let client = Client::try_from(config.unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let client = client.clone();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let length = stream.peek(&mut head).await.unwrap();
                let line = String::from_utf8_lossy(&head[..length]).into_owned();
                let path = line.split(' ').nth(1).unwrap_or_default();
                if path.starts_with(&format!(
                    "/api/v1/namespaces/{NAMESPACE}/pods/agents-0/portforward"
                )) {
                    forward(stream, gateway).await;
                } else {
                    hand_on(stream, &client).await;
                }
            });
        }
    });
    address
}

/// Bytes between a WebSocket and the gateway. Each message begins with its channel: 0 has data, 1 errors.
#[allow(clippy::result_large_err)] // as the library has it
async fn forward(stream: TcpStream, gateway: SocketAddr) {
    let choose = |_: &Request, mut response: Response| {
        let protocol = "v4.channel.k8s.io".parse().unwrap();
        response
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, choose).await;
    let (mut to_client, mut from_client) = socket.unwrap().split();
    for channel in [0, 1] {
        let [low, high] = PORT.to_le_bytes();
        let first = Message::binary(vec![channel, low, high]);
        to_client.send(first).await.unwrap();
    }
    let (mut from_pod, mut to_pod) = TcpStream::connect(gateway).await.unwrap().into_split();
    tokio::spawn(async move {
        while let Some(Ok(message)) = from_client.next().await {
            if let Message::Binary(bytes) = message
                && bytes.first() == Some(&0)
                && to_pod.write_all(&bytes[1..]).await.is_err()
            {
                break;
            }
        }
    });
    let mut piece = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from_pod.read(&mut piece).await {
        let message = [&[0], &piece[..length]].concat();
        if to_client.send(Message::binary(message)).await.is_err() {
            return;
        }
    }
    let _ = to_client.close().await;
}

/// One request to the API server, and its answer.
async fn hand_on(mut stream: TcpStream, client: &Client) {
    let mut read = Vec::new();
    let end = loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap();
        if length == 0 {
            return;
        }
        read.extend_from_slice(&piece[..length]);
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let field = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned())
    };
    let length: usize = field("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = read[end..].to_vec();
    while body.len() < length {
        let mut piece = [0; 4096];
        let more = stream.read(&mut piece).await.unwrap();
        body.extend_from_slice(&piece[..more]);
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let mut request = http::Request::builder().method(method).uri(path);
    if let Some(kind) = field("content-type") {
        request = request.header("content-type", kind);
    }
    let answer = client.send(request.body(Body::from(body)).unwrap()).await;
    let (head, body) = answer.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let kind = head
        .headers
        .get("content-type")
        .map_or("", |kind| kind.to_str().unwrap());
    let (status, length) = (head.status.as_u16(), body.len());
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_address_the_gateway_is_found_and_reached_by_a_forward_with_its_own_certificate()
{
    let stage = tokio::task::spawn_blocking(stage).await.unwrap();
    let tls = tokio::task::spawn_blocking(move || Tls::start(stage))
        .await
        .unwrap();
    let server = stand_in(stage, tls.address).await;
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{server}")}}],
        "users": [{"name": "c", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    });
    let check = move || {
        let file = tls.certificate.with_file_name("kubeconfig");
        std::fs::write(&file, kubeconfig.to_string()).unwrap();
        let run = |arguments: &[&str]| {
            let mut command = stage.program();
            command.env("KUBECONFIG", &file).args(arguments);
            command.args([
                "--as-serviceaccount",
                "caller",
                "--gateway-namespace",
                NAMESPACE,
            ]);
            Run::of(&mut command, "one two three four\nfive\n")
        };
        let ca = ["--gateway-ca", tls.certificate.to_str().unwrap()];
        let invoke = ["invoke", "support", r#"{"prompt": "hello"}"#];
        // The gateway knows its agents a moment after it listens.
        let answer = until("the agent behind the gateway", || {
            let run = run(&[&invoke[..], &ca].concat());
            (!run.err.contains("NotFound")).then(|| run.json())
        });
        assert_eq!(answer["response"], "hello");
        let chat = run(&[&["chat", "support"][..], &ca].concat()).good();
        assert_eq!(chat, "one two three four\nfive\n");

        // This machine does not know its issuer, and another one did not issue it.
        let error = run(&invoke).bad(6);
        assert!(error.contains("certificate"), "{error}");
        let other = ["--gateway-ca", tls.another.to_str().unwrap()];
        let error = run(&[&invoke[..], &other].concat()).bad(6);
        assert!(error.contains("certificate"), "{error}");
        let none = run(&[&invoke[..], &["--insecure-skip-tls-verify"]].concat());
        assert!(
            none.err
                .contains("warning: the gateway's certificate is not verified"),
            "{}",
            none.err
        );
        assert_eq!(none.json()["response"], "hello");
    };
    tokio::task::spawn_blocking(check).await.unwrap();
}
