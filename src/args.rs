//! The command line. Each flag has an environment name `AGENTCORE_<FLAG>`; lists are comma-separated there.

use agentcore_controller::args::ControllerArgs;
use agentcore_gateway::args::GatewayArgs;
use clap::{Parser, Subcommand};

use crate::check::CheckArgs;

/// Kubernetes operator for Amazon Bedrock AgentCore.
#[derive(Debug, Parser)]
#[command(name = "agentcore-operator", version, about)]
pub struct Args {
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The programs in this binary.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Reconciles AgentRuntime, AgentEndpoint and AgentSession objects with AgentCore.
    Controller(Box<ControllerArgs>),
    /// Lets programs in the cluster call agents by their Kubernetes names.
    Gateway(Box<GatewayArgs>),
    /// Prints the CustomResourceDefinitions as YAML.
    Crd,
    /// Sees whether an installation works: the API serves all kinds, and each program says that it is ready.
    Check(CheckArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn leader_election_is_on_and_can_be_turned_off() {
        let parse = |words: &[&str]| {
            let args =
                Args::try_parse_from(["agentcore-operator", "controller"].iter().chain(words))
                    .expect("parses");
            let Command::Controller(args) = args.command else {
                panic!("controller")
            };
            args.leader_elect
        };
        assert!(parse(&[]));
        assert!(parse(&["--leader-elect"]));
        assert!(!parse(&["--leader-elect=false"]));
    }
}
