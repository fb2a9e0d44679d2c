//! The gateway: callers in the cluster reach agents, with their Kubernetes identity and no AWS credentials.

pub mod agents;
pub mod identity;
pub mod quotas;
pub mod server;
