//! Child processes that cannot outlive their owner.
//!
//! Every child joins the process group of a guard: a shell that does nothing but read a pipe whose other end only
//! the owner holds. However the owner ends, SIGKILL included, the pipe closes and the guard kills the group, itself
//! with it. This needs no unsafe code, no program beyond `/bin/sh`, and works inside a test binary. (A parent-death
//! signal would not do: it fires when the *thread* that started the child ends, and test threads end early.)
//!
//! The group is not the terminal's foreground group, so Ctrl-C reaches the owner alone, which stops the children in
//! order.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::time::Instant;

/// `$1` is the folder to remove if the owner dies and cannot, `$2` is only there to be seen in `ps`.
const GUARD: &str = r#"read -r _; if [ -n "$1" ]; then rm -rf -- "$1"; fi; kill -KILL 0"#;

/// How often a condition on a child is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How much of a log goes into an error.
const LOG_TAIL_BYTES: u64 = 8 * 1024;
const LOG_TAIL_LINES: usize = 15;

/// A guard and the group it leads. Dropping it kills the group.
#[derive(Debug)]
pub(crate) struct Group {
    guard: Child,
    _lifeline: Option<ChildStdin>,
    members: Vec<Child>,
}

impl Group {
    /// Starts a guard. `label` shows in the process list; `remove` is a folder that the guard removes when the owner
    /// dies without having dropped the group; `hold` is a file that it keeps open, for its lock, as long as it lives.
    pub(crate) fn new(
        label: &Path,
        remove: Option<&Path>,
        hold: Option<File>,
    ) -> anyhow::Result<Self> {
        let mut guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "testcluster-guard"])
            .arg(remove.unwrap_or(Path::new("")))
            .arg(label)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(hold.map_or_else(Stdio::null, Stdio::from))
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start /bin/sh")?;
        let lifeline = guard.stdin.take();
        Ok(Self {
            guard,
            _lifeline: lifeline,
            members: Vec::new(),
        })
    }

    /// Starts `command` as a member of the group and returns what names it.
    pub(crate) fn spawn(&mut self, command: &mut Command) -> anyhow::Result<Member> {
        let child = command
            .process_group(pid_of(&self.guard).as_raw())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        self.members.push(child);
        Ok(Member(self.members.len() - 1))
    }

    /// The pipes from a member's standard output and error, where asked for and not taken yet.
    pub(crate) fn take_output(
        &mut self,
        member: &Member,
    ) -> (Option<ChildStdout>, Option<ChildStderr>) {
        let child = &mut self.members[member.0];
        (child.stdout.take(), child.stderr.take())
    }

    /// How the member ended, or nothing while it runs.
    pub(crate) fn ended(&mut self, member: &Member) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.members[member.0].try_wait()?)
    }

    /// Sends SIGTERM and waits until the member has ended. Fails when that takes longer than `limit`.
    pub(crate) async fn terminate(
        &mut self,
        member: &Member,
        limit: Duration,
    ) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        if self.ended(member)?.is_none() {
            // Not reaped yet, so the id is still this child's own.
            kill(pid_of(&self.members[member.0]), Signal::SIGTERM)?;
        }
        loop {
            if let Some(status) = self.ended(member)? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("still running {} s after SIGTERM", limit.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The guard is not reaped yet, so the group's id cannot have been given to others. An error means that the
        // guard has been killed by somebody else; the members are then ended one by one below.
        let _ = killpg(pid_of(&self.guard), Signal::SIGKILL);
        for child in self.members.iter_mut().chain([&mut self.guard]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Names a process of a [`Group`].
#[derive(Debug)]
pub(crate) struct Member(usize);

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(
        i32::try_from(child.id()).expect("process ids fit in pid_t, the type they come from"),
    )
}

/// One of the cluster's programs: a member of the group whose output goes to a file.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: &'static str,
    log: PathBuf,
    member: Member,
}

impl Daemon {
    /// Starts `command` with `log` (replaced) for its output. Proxy settings of the environment are not passed on.
    pub(crate) fn spawn(
        group: &mut Group,
        name: &'static str,
        log: PathBuf,
        command: &mut Command,
    ) -> anyhow::Result<Self> {
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        for variable in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command
                .env_remove(variable)
                .env_remove(variable.to_uppercase());
        }
        let member = group.spawn(
            command
                .stdin(Stdio::null())
                .stdout(file.try_clone()?)
                .stderr(file),
        )?;
        Ok(Self { name, log, member })
    }

    /// Fails, with the end of the log, if the program has ended.
    pub(crate) fn check_running(&self, group: &mut Group) -> anyhow::Result<()> {
        match group.ended(&self.member)? {
            None => Ok(()),
            Some(status) => Err(anyhow!(
                "{} ended early ({status})\n{}",
                self.name,
                self.log_tail()
            )),
        }
    }

    /// Ends the program in its own orderly way. An exit status that says otherwise is not an error: what counts is
    /// that it is gone.
    pub(crate) async fn stop(&self, group: &mut Group, limit: Duration) -> anyhow::Result<()> {
        let ended = group.terminate(&self.member, limit).await;
        ended
            .map(|_| ())
            .with_context(|| format!("cannot stop {}\n{}", self.name, self.log_tail()))
    }

    /// The last lines of the log, with its name.
    pub(crate) fn log_tail(&self) -> String {
        let tail = tail_of(&self.log).unwrap_or_else(|error| format!("(unreadable: {error})"));
        format!("the last lines of {}:\n{tail}", self.log.display())
    }
}

fn tail_of(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n"))
}
