//! Verbs that talk to agents: invoke, chat, sessions and logs.

mod args;
mod chat;
mod direct;
mod gateway;
mod interrupt;
mod invoke;
mod logs;
mod sessions;
mod target;
mod way;

pub use args::Verb;
pub use interrupt::interrupted;

use std::io::{IsTerminal as _, Write as _};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;
use crate::output::{Output, Tone};

/// Sent as User-Agent.
const USER_AGENT: &str = concat!("kubectl-agentcore/", env!("CARGO_PKG_VERSION"));

/// Does one of them.
pub async fn run(verb: Verb, context: &Context) -> Result<Outcome, Error> {
    match verb {
        Verb::Invoke(flags) => invoke::run(*flags, context).await,
        Verb::Chat(flags) => chat::run(*flags, context).await,
        Verb::Sessions(flags) => sessions::run(*flags, context).await,
        Verb::Logs(flags) => logs::run(*flags, context).await,
    }
}

/// A word about what is done, for people alone: not part of the result.
fn aside(output: Output, text: &str) {
    if std::io::stderr().is_terminal() {
        let text = output.paint.text(Tone::Dim, &plain(text));
        // Nobody is left to tell if this fails.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// Text from elsewhere in one line that cannot drive a terminal.
fn plain(text: &str) -> String {
    let harmless = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let harmless: String = harmless.collect();
    harmless.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text from elsewhere that keeps its lines and tabs, and cannot drive a terminal.
fn harmless(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}
