//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use agentcore_api::values::parse_duration;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::agents;
use crate::complete;
use crate::exit;

/// See Amazon Bedrock AgentCore agents as Kubernetes has them, talk to them, and act on them.
///
/// Verbs that act set an annotation and never touch a spec, so Git stays the only one to write it.
#[derive(Parser, Debug)]
#[command(
    name = "kubectl-agentcore",
    bin_name = "kubectl agentcore",
    version,
    after_help = exit::TABLE,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Arguments {
    /// Flags of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every verb, named as kubectl names them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Namespace; otherwise that of the context
    #[arg(short, long, global = true, value_name = "NAME", add = complete::namespaces())]
    pub namespace: Option<String>,
    /// Kubeconfig file; otherwise $KUBECONFIG, ~/.kube/config, or the ServiceAccount of the pod
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", add = complete::contexts())]
    pub context: Option<String>,
    /// Cluster of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,
    /// User of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub user: Option<String>,
    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER")]
    pub impersonate: Option<String>,
    /// Group to impersonate; may be repeated
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        requires = "impersonate"
    )]
    pub impersonate_groups: Vec<String>,
    /// Longest time that the cluster may take for an answer, such as 30s
    #[arg(long, global = true, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub request_timeout: Duration,
    /// Colours; auto: on a terminal, unless $NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When there are colours.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Even into a file.
    Always,
    /// None.
    Never,
}

/// Shapes of output besides the one for people.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people, with more columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// KIND/NAME, a line each.
    Name,
}

/// Verbs.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show agents as a tree: versions, endpoints, sessions, and what is wrong
    Status(Status),
    /// End the sessions that run now, by the drain policy; new ones begin afresh
    Restart(Act),
    /// Try again now what failed, without waiting for the next attempt
    Retry(Act),
    /// See which image runs and why, and look at the repository now
    #[command(subcommand)]
    Image(Image),
    /// See the versions of an agent, and wait for a roll
    #[command(subcommand)]
    Rollout(Rollout),
    /// Show the events of agents, endpoints and sessions
    Events(Events),
    /// Print the AWS requests that a manifest leads to; needs no cluster
    Render(Render),
    /// Check manifests as the API server and the operator would; needs no cluster
    Lint(Lint),
    /// Print what the names of a namespace's runtimes begin with, for policies of IAM
    Iam(Iam),
    /// Print a script for completion in a shell
    Completion(Completion),
    /// Verbs that talk to agents.
    #[command(flatten)]
    Agents(agents::Verb),
}

/// Flags of `status`.
#[derive(Args, Debug)]
pub struct Status {
    /// NAME of an AgentRuntime, or KIND/NAME; absent: all of the namespace
    #[arg(value_name = "[KIND/]NAME", add = complete::objects())]
    pub names: Vec<String>,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "names")]
    pub all_namespaces: bool,
    /// Go on showing it as it changes, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// Flags of verbs that set an annotation.
#[derive(Args, Debug)]
pub struct Act {
    /// NAME of an AgentRuntime, or KIND/NAME
    #[arg(value_name = "[KIND/]NAME", add = complete::objects(), required = true)]
    pub names: Vec<String>,
    /// Wait until the operator has taken it up
    #[arg(long)]
    pub wait: bool,
    /// Longest time to wait
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub timeout: Duration,
}

/// Verbs about images.
#[derive(Subcommand, Debug)]
pub enum Image {
    /// List images: what is written, what runs, what was refused, and those of old versions
    List(ImageList),
    /// Look at the repository now
    Scan(Act),
    /// Say why this image runs, and which edit would change it
    Explain(One),
}

/// Flags of `image list`.
#[derive(Args, Debug)]
pub struct ImageList {
    /// NAME of an AgentRuntime; absent: all of the namespace
    #[arg(value_name = "NAME", add = complete::runtimes())]
    pub name: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "name")]
    pub all_namespaces: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// One AgentRuntime.
#[derive(Args, Debug)]
pub struct One {
    /// NAME of an AgentRuntime
    #[arg(value_name = "NAME", add = complete::runtimes())]
    pub name: String,
}

/// Verbs about versions.
#[derive(Subcommand, Debug)]
pub enum Rollout {
    /// List the versions that are kept: why, when, by whom, of what image
    History(History),
    /// Say how a roll goes, and wait for its end
    Status(RolloutStatus),
    /// Show what differs between two versions
    Diff(Diff),
}

/// Flags of `rollout history`.
#[derive(Args, Debug)]
pub struct History {
    /// NAME of an AgentRuntime
    #[arg(value_name = "NAME", add = complete::runtimes())]
    pub name: String,
    /// Print what this version was made of
    #[arg(long, value_name = "VERSION")]
    pub revision: Option<String>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// Flags of `rollout status`.
#[derive(Args, Debug)]
pub struct RolloutStatus {
    /// NAME of an AgentRuntime, or KIND/NAME
    #[arg(value_name = "[KIND/]NAME", add = complete::objects())]
    pub name: String,
    /// Longest time to wait; 0s: as long as it takes
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub timeout: Duration,
    /// Wait for the end (the default); --watch=false: say how it stands
    #[arg(short, long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set,
          num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub watch: bool,
}

/// Flags of `rollout diff`.
#[derive(Args, Debug)]
pub struct Diff {
    /// NAME of an AgentRuntime
    #[arg(value_name = "NAME", add = complete::runtimes())]
    pub name: String,
    /// Version
    #[arg(value_name = "FROM")]
    pub from: String,
    /// Another version; absent: the newest
    #[arg(value_name = "TO")]
    pub to: Option<String>,
}

/// Flags of `events`.
#[derive(Args, Debug)]
pub struct Events {
    /// NAME of an AgentRuntime, with its endpoints and sessions, or KIND/NAME; absent: all of the namespace
    #[arg(value_name = "[KIND/]NAME", add = complete::objects())]
    pub name: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "name")]
    pub all_namespaces: bool,
    /// Go on with events as they come, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// Flags of `render`.
#[derive(Args, Debug)]
pub struct Render {
    /// Manifests; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The update of an existing runtime of this id, instead of the create
    #[arg(long, value_name = "RUNTIME-ID")]
    pub update: Option<String>,
    /// The operator's cluster id, which the tags in AWS have
    #[arg(long, value_name = "ID")]
    pub cluster_id: Option<String>,
    /// UID of the cluster's kube-system namespace, which the names in AWS are made with
    #[arg(long, value_name = "UID")]
    pub cluster_uid: Option<String>,
    /// Region where the manifest names none
    #[arg(long, value_name = "REGION", env = "AWS_REGION")]
    pub region: Option<String>,
    /// Output format; absent: JSON
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// Flags of `lint`.
#[derive(Args, Debug)]
pub struct Lint {
    /// Manifests, or folders of them; - is standard input
    #[arg(value_name = "FILE|DIR", required = true)]
    pub paths: Vec<PathBuf>,
    /// Output format; absent: FILE:LINE: MESSAGE
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// Flags of `iam`.
#[derive(Args, Debug)]
pub struct Iam {
    /// Namespace whose agents a policy is for; absent: that of --namespace, else of the context
    #[arg(value_name = "NAMESPACE")]
    pub of: Option<String>,
    /// UID of the cluster's kube-system namespace; absent: the cluster is asked
    #[arg(long, value_name = "UID")]
    pub cluster_uid: Option<String>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// Flags of `completion`.
#[derive(Args, Debug)]
pub struct Completion {
    /// Shell; kubectl: the program kubectl_complete-agentcore, which completes `kubectl agentcore` in every shell
    pub shell: CompletionShell,
}

/// What there is a script for.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CompletionShell {
    Bash,
    Zsh,
    Fish,
    Kubectl,
}

/// A duration as manifests write it, such as `90s` or `1h30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .map(|seconds| Duration::from_secs(u64::from(seconds)))
        .map_err(|_| format!("invalid duration {text:?}, expected e.g. 30s, 5m or 1h30m"))
}
