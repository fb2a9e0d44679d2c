//! `agentcore-operator`: parses the command line and runs what it names.

use std::future::Future;
use std::process::ExitCode;

use agentcore_cluster::{crds, errors};
use agentcore_operator::args::{Args, Command};
use agentcore_operator::check;
use agentcore_process::args::LogFormat;
use agentcore_process::telemetry;
use anyhow::Context as _;
use clap::Parser;

/// What is free goes back to the system: a thousand passes at a time leave nothing behind, and the gateway's threads do not wait for each other.
/// Its settings are in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Crd => crds::print(),
        Command::Check(args) => on_this_thread(check::run(args)),
        Command::Controller(args) => run(
            args.log_format,
            "agentcore-operator-controller",
            agentcore_controller::run(*args),
        ),
        Command::Gateway(args) => run(
            args.log_format,
            "agentcore-operator-gateway",
            agentcore_gateway::run(*args),
        ),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agentcore-operator: {}", errors::told(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Runs a program to its end, with logs and spans around it.
fn run(
    format: LogFormat,
    service: &'static str,
    program: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let telemetry = telemetry::init(format, service)?;
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start")?
        .block_on(program);
    drop(telemetry);
    result
}

/// Runs something short to its end; what it has to say goes to standard output.
fn on_this_thread(program: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?
        .block_on(program)
}
