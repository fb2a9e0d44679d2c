//! `testcluster`: a real Kubernetes API on loopback, for as long as the command runs.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use testcluster::{Cluster, programs};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A real Kubernetes API server, with etcd and the controllers that need no nodes, on loopback.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run a cluster until SIGINT or SIGTERM; a second signal kills it at once
    Up {
        /// Folder for the kubeconfig, the logs and the state, which is removed at the end
        #[arg(long, env = "TESTCLUSTER_DIR", value_name = "DIR")]
        dir: PathBuf,
    },
    /// Print the folder that has etcd, kube-apiserver, kube-controller-manager and kubectl, after downloading or
    /// building them if need be
    Programs,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testcluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut stop = StopSignals::listen()?;
    // Dropping the future that `select!` did not choose kills the processes that it has started.
    match args.command {
        Action::Up { dir } => {
            let cluster = tokio::select! {
                cluster = Cluster::start_in(&dir) => cluster?,
                () = stop.received() => return Ok(ExitCode::SUCCESS),
            };
            announce(&cluster)?;
            stop.received().await;
            tokio::select! {
                stopped = cluster.stop() => stopped?,
                () = stop.received() => return Ok(ExitCode::from(130)),
            }
        }
        Action::Programs => tokio::select! {
            found = programs::find() => println(&found?.folder().display().to_string())?,
            () = stop.received() => return Ok(ExitCode::SUCCESS),
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn announce(cluster: &Cluster) -> anyhow::Result<()> {
    let kubeconfig = cluster.kubeconfig().display();
    println(&format!(
        "The cluster answers at {}; its kubectl is {}.\nexport KUBECONFIG={kubeconfig}",
        cluster.url(),
        cluster.kubectl().display()
    ))
}

/// Prints lines at once, also into a pipe.
fn println(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")
}

/// SIGINT and SIGTERM, which mean the same here.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
