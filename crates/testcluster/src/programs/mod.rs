//! Where etcd, kube-apiserver, kube-controller-manager and kubectl come from.
//!
//! They are taken from the first place that has all four: the folder `$KUBEBUILDER_ASSETS`, one folder of `$PATH`, the
//! user's cache. Else the cache is filled, by download or, where that cannot be, by building them with Go.

mod build;
mod download;

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::progress::say;

/// The Kubernetes version that is built; a download has the newest patch release of the same minor version.
pub const KUBERNETES_VERSION: &str = "1.36.3";

const NAMES: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kubectl",
];

/// How often a person who waits for another process's build hears of it.
const REMINDER: Duration = Duration::from_secs(15);

/// A folder that has the four programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The folder, or the names of those that are missing from it.
    fn in_folder(folder: &Path) -> Result<Self, Vec<&'static str>> {
        let executable =
            |meta: std::fs::Metadata| meta.is_file() && meta.permissions().mode() & 0o111 != 0;
        let lacks = |name: &&str| !folder.join(name).metadata().is_ok_and(executable);
        let missing: Vec<_> = NAMES.into_iter().filter(lacks).collect();
        if missing.is_empty() {
            Ok(Self {
                folder: folder.to_owned(),
            })
        } else {
            Err(missing)
        }
    }

    /// The folder that has them all.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of etcd.
    pub fn etcd(&self) -> PathBuf {
        self.folder.join("etcd")
    }

    /// The path of kube-apiserver.
    pub fn kube_apiserver(&self) -> PathBuf {
        self.folder.join("kube-apiserver")
    }

    /// The path of kube-controller-manager.
    pub fn kube_controller_manager(&self) -> PathBuf {
        self.folder.join("kube-controller-manager")
    }

    /// The path of kubectl.
    pub fn kubectl(&self) -> PathBuf {
        self.folder.join("kubectl")
    }
}

/// Finds the programs, filling the cache if need be. That takes minutes the first time; progress goes to standard
/// error, a line every few seconds. Processes that do this at once wait for one another.
///
/// # Errors
/// When they can neither be downloaded nor built. The error says what to install.
pub async fn find() -> anyhow::Result<Programs> {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty());
    if let Some(found) = installed(assets.as_deref(), std::env::var_os("PATH").as_deref()) {
        return Ok(found);
    }
    let cache = cache_root()?;
    let folder = cache.join(cache_name());
    if let Ok(found) = Programs::in_folder(&folder) {
        return Ok(found);
    }
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let _lock = lock(&cache.join(format!("{}.lock", cache_name()))).await?;
    if let Ok(found) = Programs::in_folder(&folder) {
        return Ok(found); // somebody else has filled it meanwhile
    }
    fill(&cache, &folder).await?;
    Programs::in_folder(&folder)
        .map_err(|missing| anyhow!("{} still lacks {}", folder.display(), missing.join(", ")))
}

/// What the environment offers.
fn installed(assets: Option<&OsStr>, path: Option<&OsStr>) -> Option<Programs> {
    if let Some(folder) = assets.map(Path::new) {
        match Programs::in_folder(folder) {
            Ok(found) => return Some(found),
            Err(missing) => {
                let missing = missing.join(", ");
                say(&format!(
                    "KUBEBUILDER_ASSETS={} lacks {missing}: looking elsewhere",
                    folder.display()
                ));
            }
        }
    }
    std::env::split_paths(path?).find_map(|folder| Programs::in_folder(&folder).ok())
}

/// Puts the programs into a temporary folder of the cache and moves that into place, so that the folder with the final
/// name is always complete.
async fn fill(cache: &Path, folder: &Path) -> anyhow::Result<()> {
    let work = tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(cache)
        .context("cannot make a folder")?;
    say(&format!(
        "etcd, kube-apiserver, kube-controller-manager and kubectl are not here yet; they go to {}",
        folder.display()
    ));
    match download::download(&download::Sources::published(), work.path()).await {
        Ok(()) => {}
        Err(error) => {
            say(&format!(
                "cannot download them ({error:#}): building them from source instead"
            ));
            build::build(work.path()).await?;
        }
    }
    // An incomplete folder may be there if files were deleted from it by hand.
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let work = work.keep();
    std::fs::rename(&work, folder)
        .with_context(|| format!("cannot move {} to {}", work.display(), folder.display()))
}

/// `$XDG_CACHE_HOME` or `~/.cache`, and the project's part of it.
fn cache_root() -> anyhow::Result<PathBuf> {
    let from = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")));
    let Some(base) = base else {
        bail!("HOME is not set, so there is no cache folder for the programs")
    };
    Ok(base.join("agentcore-operator").join("testcluster"))
}

/// A name that changes with whatever is built.
fn cache_name() -> String {
    let digest = Sha256::new()
        .chain_update(build::GO_MOD)
        .chain_update(build::MAIN_GO)
        .finalize();
    format!("{KUBERNETES_VERSION}-{}", &hex::encode(digest)[..12])
}

/// Locks `path`, waiting for whoever holds it. The lock ends with the file, or with the process.
async fn lock(path: &Path) -> anyhow::Result<File> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut next_word = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => {
                return Err(anyhow!(error).context(format!("cannot lock {}", path.display())));
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if Instant::now() >= next_word {
            say("another process is getting the programs ready: waiting for it");
            next_word += REMINDER;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }

    #[test]
    fn assets_come_before_the_path() {
        let (assets, path) = (folder_with(&NAMES), folder_with(&NAMES));
        let found = installed(
            Some(assets.path().as_os_str()),
            Some(path.path().as_os_str()),
        );
        assert_eq!(found.unwrap().folder(), assets.path());
    }

    #[test]
    fn assets_without_a_controller_manager_do_not_count() {
        let assets = folder_with(&["etcd", "kube-apiserver", "kubectl"]);
        assert_eq!(installed(Some(assets.path().as_os_str()), None), None);
        assert_eq!(
            Programs::in_folder(assets.path()),
            Err(vec!["kube-controller-manager"])
        );
    }

    #[test]
    fn programs_scattered_over_the_path_do_not_count() {
        let (first, second) = (folder_with(&NAMES[..2]), folder_with(&NAMES[2..]));
        let path = std::env::join_paths([first.path(), second.path()]).unwrap();
        assert_eq!(installed(None, Some(&path)), None);
    }

    #[test]
    fn a_file_that_cannot_be_executed_is_missing() {
        let folder = folder_with(&NAMES);
        std::fs::set_permissions(
            folder.path().join("etcd"),
            std::fs::Permissions::from_mode(0o644),
        )
        .unwrap();
        assert_eq!(Programs::in_folder(folder.path()), Err(vec!["etcd"]));
    }

    #[tokio::test]
    async fn a_second_locker_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = lock(&path).await.unwrap();
        let second = tokio::spawn(async move { lock(&path).await.map(|_| ()) });
        tokio::time::timeout(Duration::from_millis(500), async {
            while !second.is_finished() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect_err("the second got the lock while the first held it");
        drop(first);
        tokio::time::timeout(Duration::from_secs(30), second)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}
