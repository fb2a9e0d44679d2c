//! Flags that several programs have.

/// Where objects are looked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct WatchArgs {
    /// Namespace whose objects are looked at; may be repeated; all namespaces when absent.
    #[arg(
        long = "watch-namespace",
        env = "AGENTCORE_WATCH_NAMESPACE",
        value_delimiter = ',',
        value_name = "NS"
    )]
    pub namespaces: Vec<String>,
}

/// What namespaces may use that no AgentGrant names.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DefaultGrantArgs {
    /// Gives namespaces that no AgentGrant names nothing at all.
    #[arg(long, env = "AGENTCORE_NO_DEFAULT_GRANT")]
    pub no_default_grant: bool,
    /// Pattern of execution roles (`*` and `?`; `{namespace}` is replaced) that namespaces which no AgentGrant names may use beside those
    /// under the path `/agentcore/{namespace}/`; may be repeated.
    #[arg(
        long = "allow-execution-role",
        env = "AGENTCORE_ALLOW_EXECUTION_ROLE",
        value_delimiter = ',',
        value_name = "PATTERN"
    )]
    pub allow_execution_roles: Vec<String>,
}
