// Tokens from an API server that gives each of them a short life, and from files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Serves tokens that live for so many seconds; counts them.
async fn server(seconds: i64) -> (Api<ServiceAccount>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let given = Arc::new(AtomicUsize::new(0));
    let counted = given.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let read = stream.read_buf(&mut request).await;
                assert_ne!(read.unwrap(), 0, "the request ended early");
            }
            let request = String::from_utf8(request).unwrap();
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with("POST /api/v1/namespaces/team-a/serviceaccounts/caller/token"),
                "{head}"
            );
            let asked: Value = serde_json::from_str(body).unwrap();
            assert_eq!(asked["spec"]["audiences"], json!(["gateway"]));
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
            let answer = json!({
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {}, "spec": {"audiences": ["gateway"]},
                "status": {"token": format!("token-{number}"), "expirationTimestamp": format!("{until:.0}")},
            });
            let body = answer.to_string();
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let client = Client::try_from(Config::new(format!("http://{address}").parse().unwrap()));
    (Api::namespaced(client.unwrap(), "team-a"), given)
}

fn tokens(source: Source) -> Tokens {
    Tokens {
        source,
        held: Mutex::default(),
    }
}

fn account(accounts: Api<ServiceAccount>) -> Tokens {
    tokens(Source::Account(Box::new(Account {
        accounts,
        namespace: "team-a".to_owned(),
        name: "caller".to_owned(),
        audience: "gateway".to_owned(),
    })))
}

#[tokio::test]
async fn a_token_is_used_until_most_of_its_life_is_over() {
    let (accounts, given) = server(3600).await;
    let tokens = account(accounts);
    for _ in 0..3 {
        assert_eq!(tokens.header().await.unwrap(), "Bearer token-0");
    }
    assert_eq!(given.load(Ordering::SeqCst), 1);

    // These are over when they come.
    let (accounts, given) = server(-1).await;
    let tokens = account(accounts);
    assert_eq!(tokens.header().await.unwrap(), "Bearer token-0");
    assert_eq!(tokens.header().await.unwrap(), "Bearer token-1");
    assert_eq!(given.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_file_is_read_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let tokens = tokens(Source::File(file.clone()));
    assert!(
        tokens
            .header()
            .await
            .unwrap_err()
            .to_string()
            .contains("cannot be read")
    );
    for text in ["one", "two\n"] {
        std::fs::write(&file, text).unwrap();
        let header = tokens.header().await.unwrap();
        assert_eq!(header, format!("Bearer {}", text.trim()));
        assert!(header.is_sensitive());
    }
    for text in ["", "\n", "a\nb"] {
        std::fs::write(&file, text).unwrap();
        assert!(tokens.header().await.is_err(), "{text:?}");
    }
}
