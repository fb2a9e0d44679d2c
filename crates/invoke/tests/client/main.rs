//! The client against a local AgentCore with real agents, and against servers that misbehave in ways of their own.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod arns;
mod connections;
mod credentials;
mod data_planes;
mod errors;
mod events;
mod invocations;
mod resends;
mod sockets;
mod stage;
mod tiny;
