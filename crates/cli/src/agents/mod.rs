//! Verbs that talk to agents: invoke, chat, sessions and logs.

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;

/// Verbs that talk to agents.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Send an agent one request and print its answer
    Invoke(Target),
    /// Talk with an agent in one session
    Chat(Target),
    /// See, stop and drain sessions
    Sessions(Target),
    /// Read an agent's log
    Logs(Target),
}

/// Which agent.
#[derive(Args, Debug)]
pub struct Target {
    /// NAME of an AgentRuntime, or endpoint/NAME
    #[arg(value_name = "[KIND/]NAME")]
    pub name: String,
}

/// Does one of them.
pub async fn run(_verb: Verb, context: &Context) -> Result<Outcome, Error> {
    context.cluster().await?;
    Err(Error::Failed("this verb is not built in".to_owned()))
}
