//! What each verb does.

mod act;
mod events;
mod iam;
mod image;
mod lint;
mod render;
mod rollout;
mod status;

use crate::agents;
use crate::args::{Command, Image, Rollout};
use crate::complete;
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
        Command::Image(Image::List(args)) => image::list(args, context).await,
        Command::Image(Image::Scan(args)) => act::run(act::Request::Scan, args, context).await,
        Command::Image(Image::Explain(args)) => image::explain(args, context).await,
        Command::Rollout(Rollout::History(args)) => rollout::history(args, context).await,
        Command::Rollout(Rollout::Status(args)) => rollout::status(args, context).await,
        Command::Rollout(Rollout::Diff(args)) => rollout::diff(args, context).await,
        Command::Events(args) => events::run(args, context).await,
        Command::Iam(args) => iam::run(&args, context).await,
        Command::Render(args) => render::run(&args, context),
        Command::Agents(verb) => agents::run(verb, context).await,
        Command::Completion(args) => {
            context.output.print(&complete::script(args.shell))?;
            Ok(Outcome::Done)
        }
    }
}
