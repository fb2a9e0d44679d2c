//! The program `agentcore-sim`.

use agentcore_sim::args::{Cli, Command, Serve};
use agentcore_sim::data::watchdog;
use agentcore_sim::{Config, Settings, Sim, push};
use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        .init();
    let runtime = || tokio::runtime::Runtime::new().context("cannot start the async runtime");
    match Cli::parse().command {
        Command::Serve(args) => runtime()?.block_on(serve(args)),
        Command::Push(args) => runtime()?.block_on(push::run(&args)),
        Command::Watch { folder } => {
            watchdog::watch(std::io::stdin().lock(), &folder);
            Ok(())
        }
        Command::Announce { program } => Err(watchdog::announce(&program))
            .with_context(|| format!("cannot run {}", program.join(" "))),
    }
}

async fn serve(args: Serve) -> anyhow::Result<()> {
    let Serve {
        listen,
        account,
        region,
        credentials,
        seed,
        profile,
        settings,
    } = args;
    let begin = Settings::default();
    let begin = match profile {
        None => begin,
        Some(profile) => begin
            .merged(&profile.members().into())
            .map_err(anyhow::Error::msg)?,
    };
    let settings = match settings {
        None => begin,
        Some(path) => {
            let text =
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let given = serde_json::from_slice(&text)
                .with_context(|| format!("{} is not JSON", path.display()))?;
            begin
                .merged(&given)
                .map_err(anyhow::Error::msg)
                .with_context(|| format!("bad settings in {}", path.display()))?
        }
    };
    // Before listening, so that a signal right after the line below finds its handler.
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle SIGINT")?;
    let config = Config {
        listen,
        account,
        region,
        credentials,
        seed,
        settings,
        program: Some(std::env::current_exe().context("cannot find this program")?),
    };
    let sim = Sim::start(config)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    println!("agentcore-sim is listening on {}", sim.url());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    sim.stop().await;
    Ok(())
}
