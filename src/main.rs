//! `agentcore-operator`: parses the command line and runs what it names.

use std::process::ExitCode;

use agentcore_operator::args::{Args, Command};
use agentcore_operator::{cluster, controllers, telemetry};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Crd => cluster::crds::print(),
        Command::Controller(args) => {
            telemetry::init(args.log_format);
            controllers::run(*args).await
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agentcore-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}
