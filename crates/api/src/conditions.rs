//! Condition types. `Ready` is always there; the others only while they are True.

/// This generation's wish is live, and AgentCore says READY.
pub const READY: &str = "Ready";
/// The operator is working towards the wish.
pub const RECONCILING: &str = "Reconciling";
/// Nothing will happen without a change, in the manifest or outside it.
pub const STALLED: &str = "Stalled";
