//! What `RUST_LOG` lets through.

use tracing_subscriber::EnvFilter;

use super::foreign::OURS;

/// Without `RUST_LOG`, or with one that cannot be read.
const DEFAULT: &str = "info,kube_runtime::controller=off";
/// The name of the program stands for all crates that it is made of.
const PROGRAM: &str = "agentcore_operator";

/// The filter that the environment asks for.
pub(super) fn from_environment() -> EnvFilter {
    std::env::var(EnvFilter::DEFAULT_ENV)
        .ok()
        .and_then(|asked| EnvFilter::try_new(of_all_crates(&asked)).ok())
        .unwrap_or_else(|| EnvFilter::new(DEFAULT))
}

/// Directives in which the program's name is replaced by the names of its crates: `agentcore_operator=debug` is one directive for each. Other
/// directives stay, `agentcore_operator::access=off` among them.
fn of_all_crates(asked: &str) -> String {
    let mut directives = Vec::new();
    for directive in asked.split(',') {
        let level = directive.trim().strip_prefix(PROGRAM);
        match level.filter(|level| level.is_empty() || level.starts_with('=')) {
            Some(level) => directives.extend(OURS.map(|name| format!("{name}{level}"))),
            None => directives.push(directive.to_owned()),
        }
    }
    directives.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_all_of_its_crates() {
        let asked = of_all_crates("info, agentcore_operator=debug,agentcore_operator::access=off");
        let directives: Vec<_> = asked.split(',').collect();
        assert!(directives.contains(&"agentcore_gateway=debug"), "{asked}");
        assert!(directives.contains(&"agentcore_operator=debug"), "{asked}");
        assert!(
            directives.contains(&"agentcore_operator::access=off"),
            "{asked}"
        );
        assert_eq!(directives.len(), 2 + OURS.len(), "{asked}");
        EnvFilter::try_new(&asked).expect("directives");
        assert_eq!(of_all_crates("warn,hyper=debug"), "warn,hyper=debug");
        assert_eq!(
            of_all_crates("agentcore_operator_x=debug"),
            "agentcore_operator_x=debug"
        );
    }
}
