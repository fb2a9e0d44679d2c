//! Downloads the published programs and verifies their checksums.
//!
//! etcd, kube-apiserver and kubectl come from the envtest archives of controller-tools. Those have no
//! kube-controller-manager, which comes from the Kubernetes release of the same version; it is published for Linux only.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use flate2::read::GzDecoder;
use reqwest::Client;
use serde::Deserialize;
use sha2::{Digest as _, Sha512};
use tokio::time::Instant;

use super::KUBERNETES_VERSION;
use crate::progress::{say, share};

/// Building is the way out of a slow network: do not wait long for a first answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The longest silence within an answer.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// How often a line says how far it is.
const REPORT: Duration = Duration::from_secs(5);
/// The three programs of an archive, in the folder `controller-tools/envtest`.
const ARCHIVED: [&str; 3] = ["etcd", "kube-apiserver", "kubectl"];

/// Where things are published.
pub(super) struct Sources {
    /// The list of envtest archives with their SHA-512 sums.
    pub(super) index: String,
    /// Kubernetes releases; a program is at `/v1.2.3/bin/linux/amd64/NAME`, its sum beside it with `.sha512`.
    pub(super) releases: String,
}

impl Sources {
    /// The projects' own addresses.
    pub(super) fn published() -> Self {
        let repository = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools";
        Self {
            index: format!("{repository}/HEAD/envtest-releases.yaml"),
            releases: "https://dl.k8s.io/release".to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct Index {
    /// By version (`v1.36.0`), then by the archive's file name.
    releases: BTreeMap<String, BTreeMap<String, Archive>>,
}

#[derive(Deserialize)]
struct Archive {
    /// SHA-512, hexadecimal.
    hash: String,
    #[serde(rename = "selfLink")]
    address: String,
}

/// Downloads the four programs into `target`. On an error `target` is as it was, or has some of them.
pub(super) async fn download(sources: &Sources, target: &Path) -> anyhow::Result<()> {
    if std::env::consts::OS != "linux" {
        bail!("kube-controller-manager is published for Linux only");
    }
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => bail!("nothing is published for {other}"),
    };
    let http = Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .read_timeout(SILENCE_LIMIT)
        .build()?;
    let index: Index = serde_yaml::from_slice(&fetch(&http, &sources.index).await?)
        .context("cannot read the index")?;
    let (version, archive) = newest(index, arch)?;
    let packed = fetch(&http, &archive.address).await?;
    verify(&packed, &archive.hash, &archive.address)?;

    let program = format!(
        "{}/{version}/bin/linux/{arch}/kube-controller-manager",
        sources.releases
    );
    let sum = String::from_utf8(fetch(&http, &format!("{program}.sha512")).await?)
        .context("a checksum is not text")?;
    let controllers = fetch(&http, &program).await?;
    verify(&controllers, &sum, &program)?;

    unpack(&packed, target).context("cannot unpack the archive")?;
    install(target, "kube-controller-manager", &controllers)?;
    say(&format!("downloaded Kubernetes {version}"));
    Ok(())
}

/// The archive with the highest patch version of the minor version that we use.
fn newest(index: Index, arch: &str) -> anyhow::Result<(String, Archive)> {
    let wanted = KUBERNETES_VERSION
        .rsplit_once('.')
        .map_or(KUBERNETES_VERSION, |(minor, _)| minor);
    let prefix = format!("v{wanted}.");
    // A pre-release has more than digits after the last dot and is left out.
    let patch = |version: &str| {
        version
            .strip_prefix(&prefix)
            .and_then(|patch| patch.parse::<u32>().ok())
    };
    let candidates = index
        .releases
        .into_iter()
        .filter_map(|(version, mut files)| {
            let archive = files.remove(&format!("envtest-{version}-linux-{arch}.tar.gz"))?;
            Some((patch(&version)?, version, archive))
        });
    let best = candidates.max_by_key(|(patch, ..)| *patch);
    let (_, version, archive) =
        best.with_context(|| format!("no envtest archive of {wanted} for {arch}"))?;
    Ok((version, archive))
}

/// GETs `address`, saying how far it is every few seconds.
async fn fetch(http: &Client, address: &str) -> anyhow::Result<Vec<u8>> {
    let response = http
        .get(address)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status);
    let mut response = response
        .map_err(reqwest::Error::without_url)
        .with_context(|| format!("GET {address}"))?;
    let total = response.content_length();
    let mut body = Vec::new();
    let begun = Instant::now();
    let mut reported = begun;
    while let Some(chunk) = response
        .chunk()
        .await
        .with_context(|| format!("GET {address}"))?
    {
        body.extend_from_slice(&chunk);
        if reported.elapsed() > REPORT {
            reported = Instant::now();
            let done = body.len() as u64;
            let share = total.map_or_else(String::new, |total| {
                format!(", {}", share(done, total, begun.elapsed()))
            });
            say(&format!(
                "downloading {address}: {} MB{share}",
                done / 1_000_000
            ));
        }
    }
    Ok(body)
}

fn verify(content: &[u8], expected: &str, address: &str) -> anyhow::Result<()> {
    let found = hex::encode(Sha512::digest(content));
    // Some publish "SUM  NAME", as sha512sum prints it.
    let expected = expected.split_whitespace().next().unwrap_or_default();
    if found != expected.to_lowercase() {
        bail!("{address} has SHA-512 {found}, not the published {expected}");
    }
    Ok(())
}

/// Takes the programs out of the archive, wherever in it they are, and nothing else.
fn unpack(packed: &[u8], target: &Path) -> anyhow::Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(packed));
    let mut missing = ARCHIVED.to_vec();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let Some(index) = missing
            .iter()
            .position(|name| path.file_name().is_some_and(|file| file == *name))
        else {
            continue;
        };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        install(target, missing.swap_remove(index), &content)?;
    }
    if !missing.is_empty() {
        bail!("{} not in it", missing.join(", "));
    }
    Ok(())
}

fn install(target: &Path, name: &str, content: &[u8]) -> anyhow::Result<()> {
    let path = target.join(name);
    std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
#[path = "download_tests.rs"]
mod tests;
