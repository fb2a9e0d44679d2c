//! What is delivered beside the programs, tried with the tools that its users have: helm, kubectl, promtool, Lua, a real API server.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod chart;
mod gitops;
mod guide;
mod iam;
mod kustomize;
mod observability;
mod release;
mod support;
