//! The command line of the controller. Each flag has an environment name `AGENTCORE_<FLAG>`; lists are comma-separated there.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use agentcore_process::args::{DefaultGrantArgs, LogFormat, WatchArgs, rate, tag_value};
use clap::ArgAction;

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

impl ControllerArgs {
    /// Default tags as a map.
    pub fn default_tag_map(&self) -> BTreeMap<String, String> {
        self.default_tags.iter().cloned().collect()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_the_operator_cannot_be_given() {
        assert!(tag("Project=support").is_ok());
        assert!(tag("agentcore.dev/cluster=x").is_err());
        assert!(tag("aws:x=y").is_err());
        assert!(tag("novalue").is_err());
    }
}
