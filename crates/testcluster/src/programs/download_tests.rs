//! Downloads from a small HTTP server on loopback that publishes what the real ones do, in the same shapes.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const ARCH: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

/// Serves `files` by path until the test process ends; any other path is a 404.
fn serve(listener: TcpListener, files: HashMap<String, Vec<u8>>) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map(Result::unwrap);
            let request = lines.next().unwrap();
            lines.find(String::is_empty);
            let (status, body) = match files.get(request.split(' ').nth(1).unwrap()) {
                Some(body) => ("200 OK", body.as_slice()),
                None => ("404 Not Found", [].as_slice()),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(body))
                .unwrap();
        }
    });
}

fn archive(names: &[&str]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for name in names {
        let content = format!("this is {name}");
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        builder
            .append_data(
                &mut header,
                format!("controller-tools/envtest/{name}"),
                content.as_bytes(),
            )
            .unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn sum(content: &[u8]) -> String {
    hex::encode(Sha512::digest(content))
}

/// A server that publishes v1.36.9 and v1.36.10, the latter with what `change` makes of its files.
fn publish(change: impl FnOnce(&mut HashMap<String, Vec<u8>>)) -> Sources {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let packed = archive(&ARCHIVED);
    let entry = |version: &str, hash: &str| {
        let name = format!("envtest-{version}-linux-{ARCH}.tar.gz");
        format!(
            "  {version}:\n    {name}:\n      hash: {hash}\n      selfLink: {base}/{version}.tar.gz\n"
        )
    };
    let index = format!(
        "releases:\n{}{}",
        entry("v1.36.9", "unused"),
        entry("v1.36.10", &sum(&packed))
    );
    let program = format!("/release/v1.36.10/bin/linux/{ARCH}/kube-controller-manager");
    let mut files = HashMap::from([
        ("/index.yaml".to_owned(), index.into_bytes()),
        ("/v1.36.10.tar.gz".to_owned(), packed),
        (
            format!("{program}.sha512"),
            sum(b"controllers").into_bytes(),
        ),
        (program, b"controllers".to_vec()),
    ]);
    change(&mut files);
    serve(listener, files);
    Sources {
        index: format!("{base}/index.yaml"),
        releases: format!("{base}/release"),
    }
}

async fn failure(change: impl FnOnce(&mut HashMap<String, Vec<u8>>)) -> String {
    let target = tempfile::tempdir().unwrap();
    format!(
        "{:#}",
        download(&publish(change), target.path()).await.unwrap_err()
    )
}

#[tokio::test]
async fn the_newest_patch_release_is_unpacked_and_executable() {
    let target = tempfile::tempdir().unwrap();
    download(&publish(|_| {}), target.path()).await.unwrap();
    super::super::Programs::in_folder(target.path()).unwrap();
    assert_eq!(
        std::fs::read(target.path().join("etcd")).unwrap(),
        b"this is etcd"
    );
    assert_eq!(
        std::fs::read(target.path().join("kube-controller-manager")).unwrap(),
        b"controllers"
    );
}

#[tokio::test]
async fn an_archive_with_another_checksum_is_refused() {
    let error = failure(|files| files.get_mut("/v1.36.10.tar.gz").unwrap().push(0)).await;
    assert!(error.contains("not the published"), "{error}");
}

#[tokio::test]
async fn a_program_with_another_checksum_is_refused() {
    let program = format!("/release/v1.36.10/bin/linux/{ARCH}/kube-controller-manager");
    let error = failure(|files| files.get_mut(&program).unwrap().push(0)).await;
    assert!(error.contains("not the published"), "{error}");
}

#[tokio::test]
async fn an_index_without_our_minor_version_is_said_so() {
    let error = failure(|files| {
        files.insert(
            "/index.yaml".to_owned(),
            b"releases: {v1.20.1: {}}".to_vec(),
        );
    })
    .await;
    assert!(error.contains("no envtest archive of 1.36"), "{error}");
}

#[tokio::test]
async fn a_missing_file_is_named_with_its_status() {
    let error = failure(|files| {
        files.remove("/v1.36.10.tar.gz");
    })
    .await;
    assert!(
        error.contains("v1.36.10.tar.gz") && error.contains("404"),
        "{error}"
    );
}
