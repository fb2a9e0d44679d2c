//! The command line of `agentcore-sim`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::state::profile::Profile;

/// A local AgentCore: control plane, data plane, ECR and STS on one port.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the simulator until SIGTERM or SIGINT.
    Serve(Serve),
    /// Push a program as an image to a running simulator.
    Push(Push),
    /// End what a simulator leaves behind.
    #[command(hide = true)]
    Watch {
        /// Folder to remove.
        folder: PathBuf,
    },
    /// Become a program under the simulator's watch.
    #[command(hide = true)]
    Announce {
        /// The program and its arguments.
        #[arg(last = true)]
        program: Vec<String>,
    },
}

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4680")]
    pub listen: SocketAddr,
    /// Account that the static keys belong to
    #[arg(long, value_name = "ID", default_value = "111122223333", value_parser = account)]
    pub account: String,
    /// Region of images pushed without one
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    pub region: String,
    /// Access key that may sign; repeat for several
    #[arg(long, value_name = "ID:SECRET", default_value = "test:test", value_parser = key_pair)]
    pub credentials: Vec<(String, String)>,
    /// Seed that makes ids and the chances of faults repeatable
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Be as slow as AWS: platform V1 or V2, or V2 with a second for a minute
    #[arg(long, value_name = "NAME")]
    pub profile: Option<Profile>,
    /// JSON file with settings to start with, as PUT /_sim/settings takes them
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
}

/// Flags of `push`.
#[derive(Debug, Args)]
pub struct Push {
    /// Bare repository name and tag
    #[arg(value_name = "REPO:TAG", value_parser = reference)]
    pub image: (String, String),
    /// The program that a session of the image runs
    #[arg(long, value_name = "PATH")]
    pub program: PathBuf,
    /// Where the simulator listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4680")]
    pub endpoint: String,
    /// Architectures of the image
    #[arg(
        long,
        value_name = "LIST",
        default_value = "arm64",
        value_delimiter = ','
    )]
    pub arch: Vec<String>,
    /// Environment variable of the image; repeat for several
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// Arguments of the program; {port} stands for the session's port
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

impl Push {
    /// The image's environment as a map.
    pub fn environment(&self) -> BTreeMap<String, String> {
        self.env.iter().cloned().collect()
    }
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("an account has twelve digits".to_owned())
    }
}

fn key_pair(text: &str) -> Result<(String, String), String> {
    split(text, ':', "write it as ID:SECRET")
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    if name.is_empty() {
        Err("the name is missing".to_owned())
    } else {
        Ok((name.to_owned(), value.to_owned()))
    }
}

fn reference(text: &str) -> Result<(String, String), String> {
    let (repository, tag) = text.rsplit_once(':').ok_or("write it as REPO:TAG")?;
    if repository.is_empty() || tag.is_empty() || tag.contains('/') {
        return Err("write it as REPO:TAG".to_owned());
    }
    Ok((repository.to_owned(), tag.to_owned()))
}

fn split(text: &str, at: char, hint: &str) -> Result<(String, String), String> {
    match text.split_once(at) {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => {
            Ok((left.to_owned(), right.to_owned()))
        }
        _ => Err(hint.to_owned()),
    }
}
