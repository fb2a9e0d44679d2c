//! Sees to it that no agent outlives the simulator, even when the simulator is killed outright.
//!
//! A small shell process reads a pipe that only the simulator, and for a moment each agent about to start, can
//! write to. Agents announce themselves; when the pipe ends, everything announced and not taken back is killed.

use std::io::{self, PipeWriter, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tokio::process::Child;

/// Reads `+ PID` and `- PID` lines until the end, then kills the process groups that are left and removes the folder.
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

/// Announces itself on the pipe that is its standard input, then becomes the program. The process id stays.
const ANNOUNCE: &str = r#"printf '+ %s\n' "$$" >&0 || exit 126; exec "$@" </dev/null"#;

/// The process that watches over the simulator's life.
#[derive(Debug)]
pub struct Watchdog {
    pipe: PipeWriter,
    /// Ends by itself when the pipe does; held so that the runtime collects it then.
    _child: Child,
}

impl Watchdog {
    /// Starts it, within a tokio runtime. In the end it also removes `folder`. It has a process group of its own, so
    /// that a Ctrl-C for the simulator does not reach it.
    ///
    /// # Errors
    /// When there is no `sh` or no pipe.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let (reader, pipe) = io::pipe()?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", WATCH, "sh"])
            .arg(folder)
            .stdin(reader)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0);
        Ok(Self {
            pipe,
            _child: tokio::process::Command::from(command).spawn()?,
        })
    }

    /// A command that becomes `program` under this watch, as the leader of a process group.
    ///
    /// # Errors
    /// When the pipe cannot be shared.
    pub fn command(&self, program: &[String]) -> io::Result<Command> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", ANNOUNCE, "sh"])
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
