//! The agent as a process: started, spoken to over HTTP and WebSockets, stopped by signals.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod http;
mod process;
mod ws;
