//! TLS: certificates from files, and new ones while the server runs.

use std::path::PathBuf;

use base64::Engine as _;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

/// A folder with `tls.crt` and `tls.key`, as a mounted Secret has them.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn certificate(&self) -> PathBuf {
        self.0.path().join("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("tls.key")
    }

    fn write(&self, certificate: &str, key: &str) {
        // In place and in one go each, so that the server never reads half a file.
        for (path, content) in [(self.certificate(), certificate), (self.key(), key)] {
            let fresh = path.with_extension("new");
            std::fs::write(&fresh, content).expect("it is written");
            std::fs::rename(&fresh, &path).expect("it is put in place");
        }
    }

    async fn read(&self) -> Result<Reloading, TlsError> {
        Reloading::from_files(&self.certificate(), &self.key()).await
    }
}

/// A new certificate for `localhost`: itself, as PEM, and its key, as PEM.
fn issue() -> (CertificateDer<'static>, String, String) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    (
        certificate.der().clone(),
        certificate.pem(),
        key.serialize_pem(),
    )
}

/// A handshake with a client that trusts this certificate alone.
async fn handshake(
    server: &Running,
    trusted: &CertificateDer<'static>,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = TlsConnector::from(Arc::new(config));
    soon(connector.connect(name, server.connect().await)).await
}

async fn start(files: &Files) -> Running {
    let reloading = files
        .read()
        .await
        .expect("a good pair")
        .every(Duration::from_millis(10));
    Running::start(Transport::Tls(Box::new(reloading)), Limits::default(), LONG).await
}

#[tokio::test]
async fn tls_serves_http_1_and_http_2() {
    let (trusted, certificate, key) = issue();
    let files = Files::new();
    files.write(&certificate, &key);
    let server = start(&files).await;
    let mut stream = handshake(&server, &trusted, &["http/1.1"])
        .await
        .expect("trusted");
    send(&mut stream, &get("/")).await;
    until(&mut stream, "hello").await;

    let stream = handshake(&server, &trusted, &["h2", "http/1.1"])
        .await
        .expect("trusted");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream))
            .await
            .expect("a handshake");
    let connection = tokio::spawn(connection);
    let request = Request::get("https://localhost/")
        .body(Body::empty())
        .expect("a request");
    let answer = soon(sender.send_request(request)).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    drop((answer, sender));
    let _ = soon(connection).await;
    assert_eq!(server.stopped().await, 0);
}

#[tokio::test]
async fn handshakes_that_do_not_go_on_make_room_for_one_that_does() {
    let (trusted, certificate, key) = issue();
    let files = Files::new();
    files.write(&certificate, &key);
    let reloading = files.read().await.expect("a good pair");
    let transport = Transport::Tls(Box::new(reloading));
    let server = Running::start_for(8, transport, PATIENT, LONG).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(server.connect().await);
    }
    let mut stream = handshake(&server, &trusted, &["http/1.1"])
        .await
        .expect("trusted");
    send(&mut stream, &get("/")).await;
    until(&mut stream, "hello").await;
    for stream in &mut silent[..18] {
        assert_eq!(rest(stream).await, "", "it was not cut");
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut() {
    let (_, certificate, key) = issue();
    let files = Files::new();
    files.write(&certificate, &key);
    let reloading = files.read().await.expect("a good pair");
    let limits = Limits {
        handshake: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = Running::start(Transport::Tls(Box::new(reloading)), limits, LONG).await;
    rest(&mut server.connect().await).await;
    let mut plain = server.connect().await;
    send(&mut plain, &get("/")).await;
    rest(&mut plain).await;
    assert_eq!(*server.agent.begun.borrow(), 0);
}

#[tokio::test]
async fn a_new_certificate_is_used_for_new_connections_and_old_ones_go_on() {
    let (old, old_certificate, old_key) = issue();
    let (new, new_certificate, new_key) = issue();
    let files = Files::new();
    files.write(&old_certificate, &old_key);
    let server = start(&files).await;
    let mut before = handshake(&server, &old, &[]).await.expect("trusted");
    files.write(&new_certificate, &new_key);
    let reloaded = async {
        while handshake(&server, &new, &[]).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon(reloaded).await;
    assert!(handshake(&server, &old, &[]).await.is_err());
    send(&mut before, &get("/")).await;
    until(&mut before, "hello").await;
}

#[tokio::test]
async fn a_broken_pair_is_refused_and_the_last_good_one_stays() {
    let (old, certificate, key) = issue();
    let (_, other_certificate, other_key) = issue();
    let files = Files::new();
    files.write(&certificate, &key);
    let mut reloading = files.read().await.expect("a good pair");
    for (certificate, key) in [
        (other_certificate.as_str(), key.as_str()),
        ("", key.as_str()),
        (certificate.as_str(), "no key"),
    ] {
        files.write(certificate, key);
        assert!(reloading.look().await.is_err());
    }
    std::fs::remove_file(files.key()).expect("it is removed");
    assert!(reloading.look().await.is_err());
    let server = Running::start(Transport::Tls(Box::new(reloading)), Limits::default(), LONG).await;
    handshake(&server, &old, &[])
        .await
        .expect("the old one is in use");
    drop(server);

    let mut reloading = {
        files.write(&certificate, &key);
        files.read().await.expect("a good pair")
    };
    assert!(!reloading.look().await.expect("good"), "nothing changed");
    files.write(&other_certificate, &other_key);
    assert!(reloading.look().await.expect("good"), "the pair changed");
}

#[tokio::test]
async fn what_is_wrong_with_a_pair_is_said_with_the_files_name() {
    let (_, certificate, key) = issue();
    let (_, _, other_key) = issue();
    let files = Files::new();
    let (crt, pem) = (
        files.certificate().display().to_string(),
        files.key().display().to_string(),
    );
    let missing = files.read().await.expect_err("missing").to_string();
    assert_eq!(missing, format!("cannot read {crt}"));
    for (certificate, key, expected) in [
        ("", key.as_str(), format!("{crt} holds no certificate")),
        (
            key.as_str(),
            key.as_str(),
            format!("{crt} holds no certificate"),
        ),
        (
            certificate.as_str(),
            "",
            format!("{pem} holds no private key"),
        ),
        (
            certificate.as_str(),
            certificate.as_str(),
            format!("{pem} holds no private key"),
        ),
        (
            "-----BEGIN CERTIFICATE-----\n?",
            key.as_str(),
            format!("{crt} is not PEM"),
        ),
        (
            certificate.as_str(),
            other_key.as_str(),
            format!("the key in {pem} cannot serve the certificate in {crt}"),
        ),
    ] {
        files.write(certificate, key);
        let error = files.read().await.expect_err("broken").to_string();
        assert!(error.starts_with(&expected), "{error} is not {expected}");
    }
}

#[tokio::test]
async fn keys_of_every_usual_form_are_read() {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let files = Files::new();
    files.write(&certificate, &key.serialize_pem());
    files.read().await.expect("PKCS #8");

    // PKCS #8 wraps SEC 1's ECPrivateKey: a sequence that begins with version 1 and 32 bytes of key.
    let der = key.serialize_der();
    let begin = [0x02, 0x01, 0x01, 0x04, 0x20];
    let at = der
        .windows(5)
        .position(|bytes| bytes == begin)
        .expect("a P-256 key")
        - 2;
    let end = at + 2 + usize::from(der[at + 1]);
    let text = base64::engine::general_purpose::STANDARD.encode(&der[at..end]);
    let pem = format!("-----BEGIN EC PRIVATE KEY-----\n{text}\n-----END EC PRIVATE KEY-----\n");
    files.write(&certificate, &pem);
    files.read().await.expect("SEC 1");
}
