//! The verbs that talk to agents, as people run them: the program itself, a real API server, the operator and its gateway, a local
//! AgentCore with a real agent.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod chat;
mod direct;
mod forward;
mod invoke;
mod logs;
mod sessions;
mod stage;
