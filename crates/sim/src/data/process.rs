//! The program of a session: where it runs, what it is given, how it is ended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rand::RngExt as _;
use tempfile::TempDir;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::session::Session;
use super::watchdog::Watchdog;
use crate::logs::capture::Capture;
use crate::state::world::App;

/// Ports that the kernel gives to nobody by itself: a connection's own port can never be in an agent's way.
const PORTS: std::ops::Range<u16> = 10_240..32_000;
/// How often a port is tried before there is none.
const PORT_ATTEMPTS: usize = 1000;

/// A started program.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Child,
    /// Its process id, which is also its process group's.
    pub pid: u32,
    /// Reads what it writes.
    output: Capture,
    /// Its working folder; goes with it.
    folder: TempDir,
}

/// A loopback port that nobody listens on and that is not among `taken`.
///
/// # Errors
/// When none is found.
pub fn free_port(taken: &[u16]) -> io::Result<u16> {
    let mut rng = rand::rng();
    for _ in 0..PORT_ATTEMPTS {
        let port = rng.random_range(PORTS);
        if !taken.contains(&port) && TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        "every port that was tried is taken",
    ))
}

/// Starts the program of a session.
///
/// # Errors
/// When the version has no program, or the machine lacks something. A program that cannot be executed is not seen
/// here: it ends at once, with the reason in its log.
pub fn start(app: &Arc<App>, session: &Session, watchdog: &Watchdog) -> io::Result<Running> {
    let Some(image) = &session.born.image else {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "nothing was pushed that could run as this version",
        ));
    };
    let port = session.port.to_string();
    let program: Vec<String> = image
        .program
        .argv
        .iter()
        .map(|part| part.replace("{port}", &port))
        .collect();
    File::create(&session.log)?;
    let (output, pipe) = Capture::start(Arc::clone(app), session)?;
    // Beside the log, so that everything of a simulator lies in one place.
    let folder = tempfile::Builder::new()
        .prefix("session-")
        .tempdir_in(session.log.parent().unwrap_or(Path::new(".")))?;
    let mut command = watchdog.command(&program)?;
    command
        .env_clear()
        .envs(environment(session, folder.path(), &port))
        .current_dir(folder.path())
        // One pipe for both, so that lines keep their order.
        .stdout(pipe.try_clone()?)
        .stderr(Stdio::from(pipe));
    let child = Command::from(command).kill_on_drop(true).spawn()?;
    let pid = child
        .id()
        .ok_or_else(|| io::Error::other("the process ended before it began"))?;
    Ok(Running {
        child,
        pid,
        output,
        folder,
    })
}

/// The image's variables, the runtime's over them, and over both what the platform sets.
fn environment(session: &Session, folder: &Path, port: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    // Programs of this machine stand for images, and are looked for where this machine has its programs.
    if let Ok(path) = std::env::var("PATH") {
        all.insert("PATH".to_owned(), path);
    }
    all.insert("HOME".to_owned(), folder.to_string_lossy().into_owned());
    if let Some(image) = &session.born.image {
        all.extend(image.program.env.clone());
    }
    all.extend(session.born.config.environment());
    all.insert("AWS_REGION".to_owned(), session.place.1.clone());
    all.insert("PORT".to_owned(), port.to_owned());
    all
}

/// A command of a caller beside a session's agent: in its folder, with its environment. Everything of it ends with its owner.
#[derive(Debug)]
pub struct Shell {
    app: Arc<App>,
    child: Child,
    pid: u32,
}

impl Shell {
    /// Starts `/bin/sh` with this command.
    ///
    /// # Errors
    /// When the machine lacks something.
    pub fn start(app: &Arc<App>, session: &Session, command: &str) -> io::Result<Self> {
        let folder = session
            .folder()
            .ok_or_else(|| io::Error::other("the session has no folder"))?;
        let argv = ["/bin/sh", "-c", command].map(str::to_owned);
        let mut command = app.data.watchdog()?.command(&argv)?;
        command
            .env_clear()
            .envs(environment(session, &folder, &session.port.to_string()))
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = Command::from(command).kill_on_drop(true).spawn()?;
        let pid = child
            .id()
            .ok_or_else(|| io::Error::other("the process ended before it began"))?;
        Ok(Self {
            app: Arc::clone(app),
            child,
            pid,
        })
    }

    /// What it writes; each once.
    pub fn outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
    }

    /// Waits for its end; 128 and the number for a signal.
    pub async fn code(&mut self) -> Option<i32> {
        let status = self.child.wait().await.ok()?;
        status.code().or_else(|| Some(128 + status.signal()?))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        kill_group(self.pid);
        if let Ok(watchdog) = self.app.data.watchdog() {
            watchdog.forget(self.pid);
        }
    }
}

impl Running {
    /// Its working folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until everything that the program wrote can be found, after it has ended.
    pub async fn last_words(&mut self) {
        self.output.end().await;
    }

    /// Ends the program: SIGTERM, and SIGKILL for whatever is left after `grace`. Returns when it is gone.
    pub async fn end(mut self, grace: Duration, watchdog: &Watchdog) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // The program alone is told, as the first process of a container would be.
            if let Ok(pid) = i32::try_from(self.pid) {
                let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
            if tokio::time::timeout(grace, self.child.wait())
                .await
                .is_err()
            {
                kill_group(self.pid);
                let _ = self.child.wait().await;
            }
        }
        // What the program has left running would end with its container.
        kill_group(self.pid);
        watchdog.forget(self.pid);
        self.output.end().await;
        if let Err(error) = self.folder.close() {
            tracing::warn!(%error, "cannot remove a session's folder");
        }
    }
}

fn kill_group(leader: u32) {
    if let Ok(group) = i32::try_from(leader) {
        // No such group: everything has ended already.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}
