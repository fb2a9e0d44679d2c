//! Flags of `agentcore-operator check`.

use std::time::Duration;

use agentcore_process::args::{DefaultGrantArgs, WatchArgs, duration};
use axum::http::Uri;

/// Flags of `agentcore-operator check`. KUBECONFIG or the in-cluster account says where.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    /// Address that answers 200 once a program is ready, such as http://agentcore-operator-metrics:9090/readyz; may be repeated.
    #[arg(
        long = "ready-url",
        env = "AGENTCORE_READY_URL",
        value_delimiter = ',',
        value_name = "URL",
        value_parser = plain_http
    )]
    pub ready_urls: Vec<Uri>,
    /// How long all of it may take to become true.
    #[arg(long, env = "AGENTCORE_TIMEOUT", value_name = "TIME", default_value = "1m", value_parser = duration)]
    pub timeout: Duration,
    /// Checks, instead of the installation, that there are no AgentRuntimes, AgentEndpoints and AgentSessions, which only a running operator can
    /// delete. Needs the right to list them.
    #[arg(long, env = "AGENTCORE_NO_OBJECTS")]
    pub no_objects: bool,
    /// Where `--no-objects` looks.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// What `--grants` is told.
    #[command(flatten)]
    pub grants: GrantsArgs,
}

/// What of the operator's settings decides what is granted without an AgentGrant.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GrantsArgs {
    /// Prints the AgentGrants with which everything stays as it is, instead of checking the installation.
    #[arg(long, env = "AGENTCORE_GRANTS")]
    pub grants: bool,
    /// Account of the operator; that of most runtimes when absent.
    #[arg(long, env = "AGENTCORE_ACCOUNT", value_name = "ID")]
    pub account: Option<String>,
    /// The operator's own region; that of most runtimes when absent.
    #[arg(long, env = "AGENTCORE_REGION", value_name = "R")]
    pub region: Option<String>,
    /// As the controller's.
    #[command(flatten)]
    pub default_grant: DefaultGrantArgs,
}

/// An address of an admin port, which never has TLS.
fn plain_http(text: &str) -> Result<Uri, String> {
    text.parse()
        .ok()
        .filter(|uri: &Uri| uri.scheme_str() == Some("http") && uri.host().is_some())
        .ok_or_else(|| "must be http://HOST:PORT/PATH".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_is_an_address_without_tls() {
        assert!(plain_http("http://agentcore-operator-metrics:9090/readyz").is_ok());
        assert!(plain_http("https://agentcore-operator-metrics:9090/readyz").is_err());
        assert!(plain_http("agentcore-operator-metrics:9090").is_err());
        assert!(plain_http("/readyz").is_err());
    }
}
