//! Flags of what callers share at the gateway: one number for each pool, that of all callers together. What one caller and one namespace may
//! hold of it is a fixed part (`docs/limits.md`), so that no setting makes one caller able to stop the others.

use std::num::{NonZeroU32, NonZeroU64};

use super::bytes;

/// Flags `--share-*` of `agentcore-operator gateway`. They hold for each replica.
#[derive(Debug, Clone, clap::Args)]
pub struct ShareArgs {
    /// Bytes of request bodies in memory, such as 256Mi; a quarter for one caller, half for one namespace's agents.
    #[arg(long = "share-bodies", env = "AGENTCORE_SHARE_BODIES", value_name = "BYTES", default_value = "256Mi", value_parser = bytes)]
    pub bodies: u64,
    /// Bytes of agents' answers that `chat` keeps in memory, such as 128Mi; a quarter for one caller, half for one namespace's agents.
    #[arg(long = "share-answers", env = "AGENTCORE_SHARE_ANSWERS", value_name = "BYTES", default_value = "128Mi", value_parser = bytes)]
    pub answers: u64,
    /// Requests, streams and WebSockets at a time; `--caller-streams` for one caller, half for one namespace's agents.
    #[arg(
        long = "share-streams",
        env = "AGENTCORE_SHARE_STREAMS",
        value_name = "N",
        default_value = "2000"
    )]
    pub streams: NonZeroU64,
    /// Upstream WebSockets that `chat` keeps; a quarter for one caller, half for one namespace's agents.
    #[arg(
        long = "share-sockets",
        env = "AGENTCORE_SHARE_SOCKETS",
        value_name = "N",
        default_value = "1000"
    )]
    pub sockets: NonZeroU64,
    /// Callers' connections; a quarter for those that have shown no token yet, a quarter for one caller.
    #[arg(
        long = "share-connections",
        env = "AGENTCORE_SHARE_CONNECTIONS",
        value_name = "N",
        default_value = "10000"
    )]
    pub connections: NonZeroU64,
    /// Reviews of callers' rights under way at the API server; a sixteenth for one caller.
    #[arg(
        long = "share-reviews",
        env = "AGENTCORE_SHARE_REVIEWS",
        value_name = "N",
        default_value = "32"
    )]
    pub reviews: NonZeroU64,
    /// Names a second that one caller may ask for without the gateway knowing whether it may call them.
    #[arg(
        long = "share-unknown-names",
        env = "AGENTCORE_SHARE_UNKNOWN_NAMES",
        value_name = "N",
        default_value = "10"
    )]
    pub unknown_names: NonZeroU32,
    /// Records of sessions in the memory ledger; a quarter for one caller, half for one namespace's agents.
    #[arg(
        long = "share-records",
        env = "AGENTCORE_SHARE_RECORDS",
        value_name = "N",
        default_value = "100000"
    )]
    pub records: NonZeroU64,
}
