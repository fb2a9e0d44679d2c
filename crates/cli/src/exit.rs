//! Exit codes: what scripts may rely on. The table is in `--help` and in docs/kubectl-plugin.md.

use std::process::ExitCode;

/// How a verb that could do its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was asked for is so.
    Done,
    /// The answer is no: a roll failed, or there are findings. The verb has said which.
    Failed,
    /// It was not so in time.
    TimedOut,
    /// Ctrl-C, or told to end.
    Interrupted,
}

/// What the shell gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It failed, or the answer is no.
    Failed = 1,
    /// The command line is wrong (as clap exits).
    Usage = 2,
    /// Not in time.
    TimedOut = 3,
    /// The object, or the kind, is not there.
    NotFound = 4,
    /// Not allowed, or not known to the cluster.
    Forbidden = 5,
    /// The cluster, the gateway or AWS cannot be reached.
    Unreachable = 6,
    /// Ctrl-C, as shells count it.
    Interrupted = 130,
}

/// The table of `--help`.
pub const TABLE: &str = "\
Exit codes:
  0    done
  1    it failed, or the answer is no (a roll that failed, findings of lint)
  2    the command line is wrong
  3    not in time (--timeout)
  4    the object or its kind is not there
  5    not allowed
  6    the cluster, the gateway or AWS cannot be reached
  130  interrupted by Ctrl-C";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Exit::Done,
            Outcome::Failed => Exit::Failed,
            Outcome::TimedOut => Exit::TimedOut,
            Outcome::Interrupted => Exit::Interrupted,
        }
        .into()
    }
}
