//! What each verb does.

use crate::agents;
use crate::args::Command;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<Outcome, Error> {
    match command {
        Command::Agents(verb) => agents::run(verb, context).await,
        other => Err(Error::Failed(format!("not there yet: {other:?}"))),
    }
}
