//! Where a cluster's files are, and that only one cluster is there at a time.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tempfile::TempDir;
use tokio::time::Instant;

/// How long a new cluster waits for an old one in the same folder, whose owner has been killed, to be gone.
const LOCK_LIMIT: Duration = Duration::from_secs(3);

/// A locked folder with an empty `state`.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    temporary: Option<TempDir>,
    lock: File,
}

impl Folder {
    /// A folder that is removed when this is dropped.
    pub(crate) async fn temporary() -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("testcluster-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let mut folder = Self::given(dir.path()).await?;
        folder.temporary = Some(dir);
        Ok(folder)
    }

    /// `dir`, made if absent. What an earlier cluster left in it is removed, except for the logs.
    pub(crate) async fn given(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let path = dir
            .canonicalize()
            .with_context(|| format!("cannot find {}", dir.display()))?;
        let lock = File::create(path.join(".lock"))
            .with_context(|| format!("cannot write in {}", path.display()))?;
        let deadline = Instant::now() + LOCK_LIMIT;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => {
                    return Err(anyhow!(error).context(format!("cannot lock {}", path.display())));
                }
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                    bail!("{} is in use by another running cluster", path.display());
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_LIMIT / 100).await,
            }
        }
        let folder = Self {
            path,
            temporary: None,
            lock,
        };
        folder.renew_state()?;
        Ok(folder)
    }

    /// The folder itself, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder, if it is to go with the cluster.
    pub(crate) fn to_remove(&self) -> Option<&Path> {
        self.temporary.as_ref().map(TempDir::path)
    }

    /// Another handle of the lock: whoever has it holds the lock too, until this `Folder` is dropped.
    pub(crate) fn share_lock(&self) -> anyhow::Result<File> {
        self.lock.try_clone().context("cannot share a lock")
    }

    /// Data, sockets, keys and certificates; entered by nobody else. It is the programs' working folder.
    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Removes the state, when nothing uses it any more.
    pub(crate) fn remove_state(&self) -> anyhow::Result<()> {
        let state = self.state();
        match std::fs::remove_dir_all(&state) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(anyhow!(error).context(format!("cannot remove {}", state.display())))
            }
            _ => Ok(()),
        }
    }

    fn renew_state(&self) -> anyhow::Result<()> {
        self.remove_state()?;
        let state = self.state();
        let made = DirBuilder::new().mode(0o700).create(&state);
        made.with_context(|| format!("cannot make {}", state.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Closing would not do: a process that another thread starts at this moment has the file until it becomes
        // its program, and the lock with it.
        let _ = self.lock.unlock();
    }
}
