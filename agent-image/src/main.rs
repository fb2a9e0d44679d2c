//! The reference agent for AgentCore Runtime: one process per session, told what to do over HTTP or a WebSocket.
//!
//! This file owns start and end of the process: where it listens, how it logs, and that SIGTERM lets
//! running turns finish. The protocol is described in the package's README.

mod agent;
mod invocations;
mod outcome;
mod ping;
mod request;
mod socket;
mod turns;
mod ws;

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::agent::Agent;

/// Where AgentCore expects an HTTP agent when nothing else is said.
const DEFAULT_PORT: u16 = 8080;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    log_to_stderr();
    let port = port_from(std::env::var("PORT").ok().as_deref())?;
    // AgentCore reaches the agent over the microVM's network, never over loopback alone.
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let stop = stop_requested()?;
    tracing::info!(address = %listener.local_addr()?, pid = std::process::id(), "listening");
    let agent = Agent::new();
    let stopping = agent.clone();
    axum::serve(listener, agent::router(agent.clone()))
        .with_graceful_shutdown(async move {
            stop.await;
            stopping.sockets().stop();
        })
        .await
        .context("cannot serve")?;
    // The server's own wait ends with HTTP: an upgraded connection is no longer its.
    agent.sockets().ended().await;
    tracing::info!("stopped");
    Ok(())
}

/// JSON lines on stderr, `LOG_LEVEL` (default `info`) deciding how much. Payloads are never logged.
fn log_to_stderr() {
    let wished = std::env::var("LOG_LEVEL").unwrap_or_default();
    let filter = EnvFilter::try_new(wished.trim().to_ascii_lowercase())
        .ok()
        .filter(|_| !wished.trim().is_empty())
        .unwrap_or_else(|| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// The port to listen on: `PORT` when set, else 8080.
fn port_from(wished: Option<&str>) -> anyhow::Result<u16> {
    match wished.map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(DEFAULT_PORT),
        Some(text) => text
            .parse()
            .with_context(|| format!("PORT is not a port number: {text}")),
    }
}

/// Resolves on the first SIGTERM or SIGINT. The handlers are installed before this returns, so that a
/// signal that arrives right after the first ping cannot kill the process unheard.
fn stop_requested() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: running turns may end, new connections are refused");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_8080_unless_port_says_otherwise() {
        assert_eq!(port_from(None).unwrap(), 8080);
        assert_eq!(port_from(Some(" ")).unwrap(), 8080);
        assert_eq!(port_from(Some("9123")).unwrap(), 9123);
        assert!(port_from(Some("70000")).is_err());
        assert!(port_from(Some("http")).is_err());
    }
}
