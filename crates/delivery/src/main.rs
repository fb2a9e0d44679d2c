//! `delivery`: writes the generated files of what is delivered beside the programs. `make generate` runs it.

mod argo_cd;
mod reference;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Writes generated files below a folder that looks like the repository's root.
#[derive(Debug, Parser)]
#[command(name = "delivery", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes Argo CD's settings for health and actions.
    ArgoCd {
        /// The folder to write below.
        root: PathBuf,
    },
    /// Writes the API reference of the documentation.
    Reference {
        /// The folder to write below.
        root: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::ArgoCd { root } => argo_cd::write(&root),
        Command::Reference { root } => reference::write(&root),
    }
}
