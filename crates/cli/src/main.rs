//! `kubectl agentcore`: look at agents, talk to them and act on them from a terminal.
//!
//! This file owns the way from the command line to an exit code, and nothing else.

mod agents;
mod args;
mod complete;
mod context;
mod error;
mod exit;
mod manifests;
mod objects;
mod offline;
mod output;
mod refusals;
mod salvaged;
mod verbs;
mod verdict;

use std::process::ExitCode;

use clap::Parser as _;

use args::Arguments;
use context::Context;
use exit::Outcome;

fn main() -> ExitCode {
    // The one provider that is built in; a second installation of it would be the only failure.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if complete::answer() {
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let outcome = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(arguments));
            // A thread that waits for a key or a line of input must not keep the program.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(error::Error::Failed(format!(
            "the program cannot start its threads: {error}"
        ))),
    };
    match outcome {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            output::complain(&error);
            error.exit().into()
        }
    }
}

/// Does what was asked for, until it is done or the person at the keyboard has enough.
async fn run(arguments: Arguments) -> Result<Outcome, error::Error> {
    let context = Context::new(arguments.global);
    tokio::select! {
        outcome = verbs::run(arguments.command, &context) => outcome,
        () = told_to_end() => {
            context.output.restore();
            Ok(Outcome::Interrupted)
        }
    }
}

/// Ctrl-C, or the signals by which a terminal or a system ends its programs: each leaves the terminal as it was.
async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut term), Ok(mut hangup)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
        ) {
            tokio::select! {
                () = agents::interrupted() => {}
                _ = term.recv() => {}
                _ = hangup.recv() => {}
            }
            return;
        }
    }
    // Where signals cannot be had, the system's own way of ending programs remains.
    agents::interrupted().await;
}
