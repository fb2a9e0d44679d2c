//! Kubernetes API of agentcore-operator: group `agentcore.dev`, version `v1alpha1`.
//!
//! The types here are the schema that the API server enforces and the words (conditions, reasons, annotations, tags) that
//! operator, documentation and tests share. Nothing here does I/O.

pub mod common;
pub mod conditions;
mod crds;
pub mod endpoint;
pub mod grant;
mod kind;
pub mod limits;
pub mod names;
pub mod payload;
pub mod reasons;
pub mod report;
mod rules;
pub mod runtime;
pub mod session;
pub mod sessions;
pub mod values;
mod words;

pub use common::{DeletionPolicy, LocalReference};
pub use crds::crds;
pub use endpoint::{AgentEndpoint, AgentEndpointSpec, AgentEndpointStatus};
pub use grant::{AgentGrant, AgentGrantSpec};
pub use kind::Kind;
pub use runtime::{AgentRuntime, AgentRuntimeSpec, AgentRuntimeStatus};
pub use session::{AgentSession, AgentSessionSpec, AgentSessionStatus};

/// API group of every kind of this project.
pub const GROUP: &str = "agentcore.dev";
/// API version of every kind of this project.
pub const VERSION: &str = "v1alpha1";
