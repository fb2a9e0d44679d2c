//! Everything that talks to the Kubernetes API server.

pub mod client;
pub mod crds;
pub mod finalizer;
pub mod status;
pub mod store;
