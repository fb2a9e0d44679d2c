//! Flags that several programs have, and forms of values.

use std::time::Duration;

use clap::ValueEnum;

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

/// Forms of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// `90s`, `15m`, `1h30m`; not nothing.
pub fn duration(text: &str) -> Result<Duration, String> {
    match agentcore_api::values::parse_duration(text) {
        Ok(0) => Err("must be more than 0s".to_owned()),
        Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
        Err(error) => Err(error.to_string()),
    }
}

/// AWS's alphabet of tag values, 1 to 256 characters here.
pub fn tag_value(text: &str) -> Result<String, String> {
    let good =
        |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "._:/=+@-".contains(c);
    if text.is_empty() || text.len() > 256 || !text.chars().all(good) {
        return Err("must be 1 to 256 letters, digits, spaces or . _ : / = + @ -".to_owned());
    }
    Ok(text.to_owned())
}

/// `API=N` with N calls per second above zero.
pub fn rate(text: &str) -> Result<(String, f64), String> {
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
