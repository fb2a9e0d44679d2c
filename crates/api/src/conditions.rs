//! Condition types. `Ready` is always there; the others only while they are True.

/// This generation's wish is live, and AgentCore says READY.
pub const READY: &str = "Ready";
/// The operator is working towards the wish.
pub const RECONCILING: &str = "Reconciling";
/// Known sessions all run the version that serves. It says nothing of Ready.
pub const SESSIONS_CURRENT: &str = "SessionsCurrent";
/// The image or the code of the spec was found, and what AWS gets cannot change behind its name.
pub const IMAGE_RESOLVED: &str = "ImageResolved";
/// AgentCore has settings of the runtime that this release does not know. It says nothing of Ready.
pub const UNKNOWN_SETTINGS: &str = "UnknownSettings";
/// Nothing will happen without a change, in the manifest or outside it.
pub const STALLED: &str = "Stalled";
