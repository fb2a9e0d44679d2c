//! Sees to it that no agent outlives the simulator, even when the simulator is killed outright.
//!
//! A small process reads a pipe that only the simulator, and for a moment each agent about to start, can write to.
//! Agents announce themselves; when the pipe ends, everything announced and not taken back is killed.
//!
//! The program `agentcore-sim` is that process itself, since its image has no shell. Under a test, whose program is
//! another, `sh` is.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, PipeWriter, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;

/// [`watch`] for `sh`: reads `+ PID` and `- PID` lines until the end, then kills the process groups that are left and removes the folder.
const WATCH: &str = r#"
pids=' '
while read -r sign pid; do
  case $sign in
    +) pids="$pids$pid " ;;
    -) case $pids in *" $pid "*) pids="${pids%% $pid *} ${pids#* $pid }" ;; esac ;;
  esac
done
for pid in $pids; do kill -s KILL -- "-$pid" 2>/dev/null; done
rm -rf -- "$1"
"#;

/// [`announce`] for `sh`.
const ANNOUNCE: &str = r#"printf '+ %s\n' "$$" >&0 || exit 126; exec "$@" </dev/null"#;

/// Reads `+ PID` and `- PID` lines until the end, then kills the process groups that are left and removes the folder.
pub fn watch(lines: impl BufRead, folder: &Path) {
    let mut groups = BTreeSet::new();
    for line in lines.lines().map_while(Result::ok) {
        let Some((sign, Ok(pid))) = line.split_once(' ').map(|(s, pid)| (s, pid.parse::<i32>()))
        else {
            continue;
        };
        match sign {
            "+" => groups.insert(pid),
            _ => groups.remove(&pid),
        };
    }
    for group in groups {
        // No such group: everything has ended already.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    // Whoever is left has nobody to tell.
    let _ = std::fs::remove_dir_all(folder);
}

/// Announces this process on the pipe that is its standard input, then becomes the program. The process id stays.
/// Returns only when it cannot, with the reason.
pub fn announce(program: &[String]) -> io::Error {
    let announced = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|pipe| writeln!(File::from(pipe), "+ {}", std::process::id()));
    match (announced, program) {
        (Ok(()), [name, args @ ..]) => Command::new(name).args(args).stdin(Stdio::null()).exec(),
        (Ok(()), []) => io::Error::new(io::ErrorKind::InvalidInput, "there is no program"),
        (Err(error), _) => error,
    }
}

/// The process that watches over the simulator's life.
#[derive(Debug)]
pub struct Watchdog {
    program: Option<PathBuf>,
    pipe: PipeWriter,
    /// Ends by itself when the pipe does; held so that the runtime collects it then.
    _child: Child,
}

impl Watchdog {
    /// Starts it, within a tokio runtime: `program` is `agentcore-sim`, or none to use `sh`. In the end it also removes
    /// `folder`. It has a process group of its own, so that a Ctrl-C for the simulator does not reach it.
    ///
    /// # Errors
    /// When there is neither program nor `sh`, or no pipe.
    pub fn start(program: Option<PathBuf>, folder: &Path) -> io::Result<Self> {
        let (reader, pipe) = io::pipe()?;
        let mut command = helper(program.as_deref(), "watch", WATCH);
        command
            .arg(folder)
            .stdin(reader)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0);
        Ok(Self {
            program,
            pipe,
            _child: tokio::process::Command::from(command).spawn()?,
        })
    }

    /// A command that becomes `program` under this watch, as the leader of a process group.
    ///
    /// # Errors
    /// When the pipe cannot be shared.
    pub fn command(&self, program: &[String]) -> io::Result<Command> {
        let mut command = helper(self.program.as_deref(), "announce", ANNOUNCE);
        command
            .args(program)
            .stdin(self.pipe.try_clone()?)
            .process_group(0);
        Ok(command)
    }

    /// The process is gone: its id may become another's.
    pub fn forget(&self, pid: u32) {
        // Without a reader there is nothing that could kill by this id.
        let _ = (&self.pipe).write_all(format!("- {pid}\n").as_bytes());
    }
}

/// `agentcore-sim` in a hidden role, or `sh` with the script that does the same.
fn helper(program: Option<&Path>, role: &str, script: &str) -> Command {
    let mut command = Command::new(program.unwrap_or(Path::new("/bin/sh")));
    match program {
        Some(_) => command.args([role, "--"]),
        None => command.args(["-c", script, "sh"]),
    };
    command
}
