//! The data plane: sessions of real processes, invoked and stopped by signed HTTP.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

#[allow(dead_code)]
#[path = "../control/client.rs"]
mod client;

mod commands;
mod doors;
mod ends;
mod errors;
mod forwarding;
mod identity;
mod limits;
mod logs;
mod platform;
mod program;
mod protocols;
mod socket;
mod sockets;
mod stage;
mod stops;
