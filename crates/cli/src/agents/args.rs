//! Flags of the verbs that talk to agents.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::args::{Act, Format, duration};
use crate::complete;

/// Audience of tokens for the gateway, unless it was started with another.
const AUDIENCE: &str = "agentcore-gateway";
/// Where the chart puts the gateway.
const NAMESPACE: &str = "agentcore-system";

/// Verbs that talk to agents.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Send an agent one request and print its answer
    Invoke(Box<Invoke>),
    /// Talk with an agent in one session
    Chat(Box<Chat>),
    /// See, stop and drain sessions
    #[command(subcommand)]
    Sessions(Box<Sessions>),
    /// Read what an agent wrote, from CloudWatch Logs
    Logs(Box<Logs>),
}

/// Which agent.
#[derive(Args, Debug, Clone)]
pub struct Agent {
    /// NAME of an AgentRuntime, or KIND/NAME (endpoint/NAME, session/NAME)
    #[arg(value_name = "[KIND/]NAME", add = complete::objects())]
    pub name: String,
    /// NAME of an AgentEndpoint of it; absent: DEFAULT
    #[arg(long, value_name = "NAME", add = complete::endpoints())]
    pub endpoint: Option<String>,
}

/// How the agent is reached.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Way to the agent")]
pub struct Way {
    /// Go to AgentCore with AWS credentials of your own, past the gateway
    #[arg(long)]
    pub direct: bool,
    /// Address of the gateway; absent: the one in the cluster, by a port-forward
    #[arg(long, value_name = "URL", env = "AGENTCORE_GATEWAY")]
    pub gateway: Option<String>,
    /// Namespace of the gateway in the cluster
    #[arg(long, value_name = "NAME", default_value = NAMESPACE, add = complete::namespaces())]
    pub gateway_namespace: String,
    /// Certificates (PEM) that the gateway's has to come from; absent: those of this machine
    #[arg(long, value_name = "FILE")]
    pub gateway_ca: Option<PathBuf>,
    /// Believe whoever answers to be the gateway, and show them the token
    #[arg(long)]
    pub insecure_skip_tls_verify: bool,
    /// ServiceAccount to call as, [NAMESPACE/]NAME: a token of it is asked for
    #[arg(
        long,
        value_name = "[NAMESPACE/]NAME",
        conflicts_with_all = ["token", "direct"]
    )]
    pub as_serviceaccount: Option<String>,
    /// File with a token for the gateway; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "direct")]
    pub token: Option<PathBuf>,
    /// Audience that the gateway wants of tokens
    #[arg(long, value_name = "NAME", default_value = AUDIENCE)]
    pub token_audience: String,
    /// File with a token for the agent itself, where it has a JWT authorizer
    #[arg(long, value_name = "FILE")]
    pub agent_token: Option<PathBuf>,
}

/// Flags of `invoke`.
#[derive(Args, Debug)]
pub struct Invoke {
    /// Which agent.
    #[command(flatten)]
    pub agent: Agent,
    /// What is sent; -, or nothing where input is piped in, is standard input
    #[arg(value_name = "PAYLOAD", conflicts_with = "file")]
    pub payload: Option<String>,
    /// File that is sent
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// What the payload is
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    pub content_type: String,
    /// What the answer may be
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "application/json",
        conflicts_with = "stream"
    )]
    pub accept: String,
    /// Ask for a stream of events, and print them as they come
    #[arg(long)]
    pub stream: bool,
    /// Session to go on with: 33 to 256 letters, digits, hyphens and underscores; absent: a new one
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Print status and headers before the answer
    #[arg(short, long)]
    pub include: bool,
    /// How it is reached.
    #[command(flatten)]
    pub way: Way,
}

/// Flags of `chat`.
#[derive(Args, Debug)]
pub struct Chat {
    /// Which agent.
    #[command(flatten)]
    pub agent: Agent,
    /// Session to go on with; absent: a new one
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Say this, print the answer, and end
    #[arg(long, value_name = "PROMPT")]
    pub once: Option<String>,
    /// How turns travel to the agent
    #[arg(long, value_name = "TRANSPORT", default_value = "http")]
    pub transport: Transport,
    /// How it is reached.
    #[command(flatten)]
    pub way: Way,
}

/// How turns travel to the agent.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A request for each turn.
    Http,
    /// One WebSocket for all turns.
    Ws,
}

/// Verbs about sessions.
#[derive(Subcommand, Debug)]
pub enum Sessions {
    /// List your sessions, and count those of everybody
    List(List),
    /// End one of your sessions
    Stop(Stop),
    /// End the sessions that run now, by the drain policy; new ones begin afresh
    Drain(Act),
}

/// Flags of `sessions list`.
#[derive(Args, Debug)]
pub struct List {
    /// Which agent.
    #[command(flatten)]
    pub agent: Agent,
    /// Output format
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
    /// How it is reached.
    #[command(flatten)]
    pub way: Way,
}

/// Flags of `sessions stop`.
#[derive(Args, Debug)]
pub struct Stop {
    /// Which agent.
    #[command(flatten)]
    pub agent: Agent,
    /// The session; with --direct AgentCore's id of it
    #[arg(value_name = "ID")]
    pub id: String,
    /// How it is reached.
    #[command(flatten)]
    pub way: Way,
}

/// Flags of `logs`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools)] // flags are
pub struct Logs {
    /// Which agent.
    #[command(flatten)]
    pub agent: Agent,
    /// Only what this session wrote: AgentCore's id of it (`sessions list -o wide` has it)
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Go on with lines as they come, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// How far back, such as 10m
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub since: Duration,
    /// At most so many of the newest lines; those that follow come besides
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,
    /// Put the time before each line
    #[arg(long)]
    pub timestamps: bool,
    /// Put the session's id before each line
    #[arg(long)]
    pub prefix: bool,
    /// Also what is no output of the agent's program: OpenTelemetry records and spans
    #[arg(long)]
    pub all_streams: bool,
    /// json: an object a line
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<LogFormat>,
}

/// Shapes of a log.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// An object a line: time, session, stream, message.
    Json,
}
