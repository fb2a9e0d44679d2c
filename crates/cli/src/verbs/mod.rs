//! What each verb does.

mod act;
mod lint;
mod status;

use crate::agents;
use crate::args::Command;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<Outcome, Error> {
    match command {
        Command::Status(args) => status::run(args, context).await,
        Command::Restart(args) => act::run(act::Request::Restart, args, context).await,
        Command::Retry(args) => act::run(act::Request::Retry, args, context).await,
        Command::Lint(args) => lint::run(&args, context),
        Command::Agents(verb) => agents::run(verb, context).await,
        other => Err(Error::Failed(format!("not there yet: {other:?}"))),
    }
}
