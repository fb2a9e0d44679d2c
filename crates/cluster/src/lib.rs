//! Everything that talks to the Kubernetes API server.

pub mod client;
pub mod config;
pub mod crds;
pub mod deadlines;
pub mod errors;
pub mod finalizer;
#[cfg(test)]
mod fuzz;
pub mod grants;
pub mod kept;
pub mod lease;
pub mod listing;
pub mod readable;
pub mod revisions;
pub mod room;
mod salvage;
pub mod status;
pub mod store;

/// Label, and its value, of objects that the operator makes for itself.
pub const MANAGED_BY: [&str; 2] = ["app.kubernetes.io/managed-by", "agentcore-operator"];
