//! The command line of `agentcore-operator`, and its check of an installation. The programs that it starts are crates of their own:
//! `agentcore-controller` decides with the pure planner of `agentcore-plan` and acts through `agentcore-aws` (the only place that names the
//! AWS SDK) and `agentcore-cluster` (Kubernetes); `agentcore-gateway` passes requests to agents.

pub mod args;
pub mod check;
