//! Where the gateway keeps sessions: what `--ledger` says.

/// Where sessions are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ledger {
    /// In the process: one replica.
    Memory,
    /// In Valkey or Redis: several replicas.
    Redis(RedisUrl),
}

/// Address of a Valkey or Redis; it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(pub String);

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisUrl(...)")
    }
}

pub(super) fn ledger(text: &str) -> Result<Ledger, String> {
    match text {
        "memory" => Ok(Ledger::Memory),
        _ if text.starts_with("redis://") || text.starts_with("rediss://") => {
            Ok(Ledger::Redis(RedisUrl(text.to_owned())))
        }
        _ => Err("must be memory, redis://HOST:PORT[/DB] or rediss://HOST:PORT[/DB]".to_owned()),
    }
}
