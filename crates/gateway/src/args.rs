//! The command line of the gateway. Each flag has an environment name `AGENTCORE_<FLAG>`; lists are comma-separated there.

mod ledger;
mod shares;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use agentcore_process::args::{LogFormat, WatchArgs, duration, rate, tag_value};
use http::Uri;
use ledger::ledger;
pub use ledger::{Ledger, RedisUrl};
pub use shares::ShareArgs;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
