//! agentcore-operator: runs Amazon Bedrock AgentCore runtimes and endpoints from Kubernetes objects.
//!
//! `controllers` decide with the pure planner of `agentcore-plan` and act through `aws` (the only place that names the AWS SDK)
//! and `cluster` (Kubernetes). Everything else starts, watches or shows them.

pub mod admin;
pub mod args;
pub mod aws;
pub mod check;
pub mod cluster;
pub mod controllers;
pub mod errors;
pub mod fair;
pub mod gateway;
pub mod lease;
pub mod listen;
pub mod metrics;
pub mod signals;
pub mod telemetry;
