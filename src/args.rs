//! The command line. Each flag has an environment name `AGENTCORE_<FLAG>`; lists are comma-separated there.

mod common;
mod ledger;
mod shares;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::check::CheckArgs;
pub use common::{DefaultGrantArgs, WatchArgs};
use ledger::ledger;
pub use ledger::{Ledger, RedisUrl};
pub use shares::ShareArgs;

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

/// Flags of `agentcore-operator controller`. KUBECONFIG or the in-cluster account, and AWS's own variables, say where.
#[derive(Debug, Clone, clap::Args)]
pub struct ControllerArgs {
    /// Name of this cluster in ownership tags; the UID of the kube-system namespace serves when absent.
    #[arg(long, env = "AGENTCORE_CLUSTER_ID", value_parser = tag_value)]
    pub cluster_id: Option<String>,
    /// UID that the kube-system namespace had before this cluster was rebuilt: what carries it in its tags is this cluster's; may be repeated.
    #[arg(
        long = "former-cluster-uid",
        env = "AGENTCORE_FORMER_CLUSTER_UID",
        value_delimiter = ',',
        value_name = "UID"
    )]
    pub former_cluster_uids: Vec<String>,
    /// What namespaces may use that no AgentGrant names.
    #[command(flatten)]
    pub default_grant: DefaultGrantArgs,
    /// AWS region of objects that name none; AWS's own variables and profile serve when absent.
    #[arg(long, env = "AGENTCORE_REGION")]
    pub region: Option<String>,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "AGENTCORE_ADMIN_LISTEN", default_value = "[::]:9090")]
    pub admin_listen: SocketAddr,
    /// Where objects are looked for.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// Whether to act only while holding the Lease `agentcore-operator-controller`.
    #[arg(long, env = "AGENTCORE_LEADER_ELECT", default_value_t = true, action = ArgAction::Set,
          num_args = 0..=1, default_missing_value = "true")]
    pub leader_elect: bool,
    /// Namespace of the Lease; the pod's own namespace, else `default`, when absent.
    #[arg(long, env = "AGENTCORE_LEASE_NAMESPACE", value_name = "NS")]
    pub lease_namespace: Option<String>,
    /// Name of this replica in the Lease; host name and a random part when absent.
    #[arg(long, env = "AGENTCORE_LEASE_IDENTITY", value_name = "ID")]
    pub lease_identity: Option<String>,
    /// Tag of every AWS resource that the operator creates; may be repeated.
    #[arg(long = "default-tag", env = "AGENTCORE_DEFAULT_TAG", value_delimiter = ',', value_name = "K=V", value_parser = tag)]
    pub default_tags: Vec<(String, String)>,
    /// Tag key that every runtime and endpoint must have, from its spec or a default tag; may be repeated.
    #[arg(
        long = "required-tag-key",
        env = "AGENTCORE_REQUIRED_TAG_KEY",
        value_delimiter = ',',
        value_name = "K"
    )]
    pub required_tag_keys: Vec<String>,
    /// How many AgentRuntimes a namespace that no AgentGrant names may hold; no limit when absent.
    #[arg(long, env = "AGENTCORE_MAX_RUNTIMES_PER_NAMESPACE", value_name = "N")]
    pub max_runtimes_per_namespace: Option<usize>,
    /// Calls per second of an AWS API such as `CreateAgentRuntime`, where the account's quota is not 5; may be repeated.
    #[arg(long = "aws-rate", env = "AGENTCORE_AWS_RATE", value_delimiter = ',', value_name = "API=N", value_parser = rate)]
    pub aws_rates: Vec<(String, f64)>,
    /// Form of the log lines.
    #[arg(long, env = "AGENTCORE_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
}

/// Flags of `agentcore-operator gateway`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("transport").required(true).args(["tls_cert", "plain_http"])))]
pub struct GatewayArgs {
    /// Address of the agents' paths.
    #[arg(long, env = "AGENTCORE_LISTEN", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Name of this cluster in ownership tags, as the controller has it; the UID of the kube-system namespace serves when absent.
    #[arg(long, env = "AGENTCORE_CLUSTER_ID", value_parser = tag_value)]
    pub cluster_id: Option<String>,
    /// UID that the kube-system namespace had before this cluster was rebuilt, as the controller has it; may be repeated.
    #[arg(
        long = "former-cluster-uid",
        env = "AGENTCORE_FORMER_CLUSTER_UID",
        value_delimiter = ',',
        value_name = "UID"
    )]
    pub former_cluster_uids: Vec<String>,
    /// PEM file of the server's certificate and its chain; read again when it changes.
    #[arg(
        long,
        env = "AGENTCORE_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key.
    #[arg(
        long,
        env = "AGENTCORE_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
    /// Serves without TLS: only behind something that adds it, or on one machine.
    #[arg(long, env = "AGENTCORE_PLAIN_HTTP")]
    pub plain_http: bool,
    /// URL by which callers reach the gateway through a proxy, as agent cards name it; the host of each request when absent.
    #[arg(long, env = "AGENTCORE_EXTERNAL_URL", value_name = "URL", value_parser = base_url)]
    pub external_url: Option<String>,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "AGENTCORE_ADMIN_LISTEN", default_value = "[::]:9090")]
    pub admin_listen: SocketAddr,
    /// Where objects are looked for.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// Audience that callers' tokens must be for; may be repeated.
    #[arg(
        long = "token-audience",
        env = "AGENTCORE_TOKEN_AUDIENCE",
        value_delimiter = ',',
        default_value = "agentcore-gateway",
        value_name = "A"
    )]
    pub token_audiences: Vec<String>,
    /// File with the secret that sessions' ids come from, at least 16 bytes, the same for all replicas; random when absent.
    #[arg(long, env = "AGENTCORE_SESSION_KEY_FILE", value_name = "FILE")]
    pub session_key_file: Option<PathBuf>,
    /// Where the record of sessions is kept: `memory` for a single replica, redis://HOST:PORT[/DB] or rediss:// (TLS) for several.
    #[arg(long, env = "AGENTCORE_LEDGER", value_name = "WHERE", default_value = "memory", hide_env_values = true, value_parser = ledger)]
    pub ledger: Ledger,
    /// Stops of sessions a second, of each account and region, where AgentCore's quota is not 5.
    #[arg(long, env = "AGENTCORE_STOP_RATE", value_name = "N", default_value_t = 5.0, value_parser = per_second)]
    pub stop_rate: f64,
    /// Namespace of its Lease and of its report on sessions; the pod's own namespace, else `default`, when absent.
    #[arg(long, env = "AGENTCORE_LEASE_NAMESPACE", value_name = "NS")]
    pub lease_namespace: Option<String>,
    /// Name of this replica in the Lease and the report; host name and a random part when absent.
    #[arg(long, env = "AGENTCORE_LEASE_IDENTITY", value_name = "ID")]
    pub lease_identity: Option<String>,
    /// Folder for request bodies beyond 1 MiB while they are signed; the system's temporary folder when absent.
    #[arg(long, env = "AGENTCORE_SPOOL_DIR", value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub spool_dir: PathBuf,
    /// Most bytes in that folder, such as 500Mi or 2Gi; requests beyond it get 503.
    #[arg(long, env = "AGENTCORE_SPOOL_LIMIT", value_name = "BYTES", default_value = "2Gi", value_parser = bytes)]
    pub spool_limit: u64,
    /// How long an agent may take to begin its answer.
    #[arg(long, env = "AGENTCORE_UPSTREAM_TIMEOUT", value_name = "TIME", default_value = "15m", value_parser = duration)]
    pub upstream_timeout: Duration,
    /// How long what is under way may take to end after SIGTERM.
    #[arg(long, env = "AGENTCORE_DRAIN_GRACE", value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub drain_grace: Duration,
    /// How long an open stream may outlive the right to it: the right is checked again in time.
    #[arg(long, env = "AGENTCORE_RECHECK_INTERVAL", value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub recheck_interval: Duration,
    /// Requests per second of one caller; no limit when absent.
    #[arg(long, env = "AGENTCORE_CALLER_RATE", value_name = "N")]
    pub caller_rate: Option<NonZeroU32>,
    /// Requests, streams and WebSockets of one caller at a time; 0: no limit.
    #[arg(
        long,
        env = "AGENTCORE_CALLER_STREAMS",
        value_name = "N",
        default_value_t = 500
    )]
    pub caller_streams: usize,
    /// What callers share.
    #[command(flatten)]
    pub shares: ShareArgs,
    /// Form of the log lines.
    #[arg(long, env = "AGENTCORE_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
}

/// A rate above zero.
fn per_second(text: &str) -> Result<f64, String> {
    rate(&format!("stops={text}")).map(|(_, rate)| rate)
}

/// Whole bytes, or Ki, Mi or Gi of them, as in Kubernetes' quantities; at least 1Mi.
fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let unit: u64 = match unit {
        "" => 1,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err("the unit must be Ki, Mi or Gi".to_owned()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "must be a whole number such as 500Mi or 2Gi".to_owned())?;
    number
        .checked_mul(unit)
        .filter(|bytes| (1 << 20..=1 << 50).contains(bytes))
        .ok_or_else(|| "must be between 1Mi and 1048576Gi".to_owned())
}

/// An address of an admin port, which never has TLS.
pub(crate) fn plain_http(text: &str) -> Result<Uri, String> {
    text.parse()
        .ok()
        .filter(|uri: &Uri| uri.scheme_str() == Some("http") && uri.host().is_some())
        .ok_or_else(|| "must be http://HOST:PORT/PATH".to_owned())
}

/// `https://HOST[:PORT][/PATH]`, without a slash at its end.
fn base_url(text: &str) -> Result<String, String> {
    let good = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri
                .authority()
                .is_some_and(|host| !host.as_str().contains('@'))
            && uri.query().is_none()
    };
    let url = text.parse().ok().filter(good);
    url.map(|_| text.trim_end_matches('/').to_owned())
        .ok_or_else(|| "must be https://HOST[:PORT][/PATH]".to_owned())
}

/// `90s`, `15m`, `1h30m`; not nothing.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match agentcore_api::values::parse_duration(text) {
        Ok(0) => Err("must be more than 0s".to_owned()),
        Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
        Err(error) => Err(error.to_string()),
    }
}

impl ControllerArgs {
    /// Default tags as a map.
    pub fn default_tag_map(&self) -> BTreeMap<String, String> {
        self.default_tags.iter().cloned().collect()
    }
}

/// Forms of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// AWS's alphabet of tag values, 1 to 256 characters here.
fn tag_value(text: &str) -> Result<String, String> {
    let good =
        |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "._:/=+@-".contains(c);
    if text.is_empty() || text.len() > 256 || !text.chars().all(good) {
        return Err("must be 1 to 256 letters, digits, spaces or . _ : / = + @ -".to_owned());
    }
    Ok(text.to_owned())
}

/// `K=V`, with keys that AWS and the operator leave free.
fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    let key = tag_value(key)?;
    if key.len() > 128
        || key.starts_with("aws:")
        || key.starts_with(agentcore_api::names::tags::PREFIX)
    {
        return Err(
            "key must be at most 128 characters and start with neither aws: nor agentcore.dev/"
                .to_owned(),
        );
    }
    let value = if value.is_empty() {
        String::new()
    } else {
        tag_value(value)?
    };
    Ok((key, value))
}

/// `API=N` with N calls per second above zero.
fn rate(text: &str) -> Result<(String, f64), String> {
    let (api, rate) = text
        .split_once('=')
        .ok_or("must be API=N, such as CreateAgentRuntime=10")?;
    let rate: f64 = rate
        .parse()
        .map_err(|_| "N must be a number of calls per second")?;
    if api.is_empty() || !rate.is_finite() || !(0.01..=10_000.0).contains(&rate) {
        return Err("N must be between 0.01 and 10000".to_owned());
    }
    Ok((api.to_owned(), rate))
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
    fn a_base_url_has_scheme_and_host_and_no_slash_at_its_end() {
        for (text, wanted) in [
            ("https://a.example", Some("https://a.example")),
            (
                "http://a.example:8080/agents/",
                Some("http://a.example:8080/agents"),
            ),
            ("a.example", None),
            ("/agents", None),
            ("ftp://a.example", None),
            ("https://user@a.example", None),
            ("https://a.example/?b", None),
        ] {
            assert_eq!(base_url(text).ok().as_deref(), wanted, "{text}");
        }
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

    #[test]
    fn tags_of_the_operator_cannot_be_given() {
        assert!(tag("Project=support").is_ok());
        assert!(tag("agentcore.dev/cluster=x").is_err());
        assert!(tag("aws:x=y").is_err());
        assert!(tag("novalue").is_err());
    }

    #[test]
    fn what_is_checked_is_an_address_without_tls() {
        assert!(plain_http("http://agentcore-operator-metrics:9090/readyz").is_ok());
        assert!(plain_http("https://agentcore-operator-metrics:9090/readyz").is_err());
        assert!(plain_http("agentcore-operator-metrics:9090").is_err());
        assert!(plain_http("/readyz").is_err());
    }

    #[test]
    fn rates_are_positive() {
        assert_eq!(
            rate("CreateAgentRuntime=10"),
            Ok(("CreateAgentRuntime".to_owned(), 10.0))
        );
        assert!(rate("CreateAgentRuntime=0").is_err());
        assert!(rate("5").is_err());
    }
}
