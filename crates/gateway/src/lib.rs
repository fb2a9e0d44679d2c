//! The gateway: programs in the cluster call an agent by its Kubernetes name. It asks Kubernetes who calls and whether they may, gives
//! each caller sessions of its own, and passes on what the agent says, as it says it.
//!
//! A request goes through these rooms: `server` (a connection), `path` (what is meant), `identity` (who asks), `quotas` (how much),
//! `agents` (where it goes), `payload` (its body), `sessions` (which session), `routes` and `chat` (what is done), `answer` (what comes
//! back), `request_log` (what is logged and counted), `problem` (what went wrong).

pub mod a2a;
pub mod agents;
pub mod answer;
pub mod args;
pub mod chat;
pub mod context;
#[cfg(test)]
mod fuzz;
pub mod headers;
pub mod identity;
pub mod metrics;
pub mod path;
pub mod payload;
pub mod problem;
pub mod quotas;
pub mod request_log;
pub mod routes;
pub mod server;
pub mod sessions;
pub mod shares;
pub mod stops;
pub mod trace;

pub mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentcore_api::values::ClusterNames;
use agentcore_invoke::{Client, Settings};
use anyhow::Context as _;
use hyper::service::service_fn;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::{GatewayArgs, Ledger};
use agentcore_cluster::client;
use agentcore_process::admin::{self, Liveness, Readiness};
use agentcore_process::signals::stop_on_signal;
use agents::Agents;
use chat::pool::{self, Keeping, Pool};
use context::Gateway;
use identity::{Asking, Gate};
use metrics::Metrics;
use payload::Reader;
use quotas::Quotas;
use server::tls::Reloading;
use server::{Server, Transport};
use sessions::memory::MemoryLedger;
use sessions::metrics::SessionMetrics;
use sessions::redis::RedisLedger;
use sessions::{Sessions, drain, ledger};
use shares::Shares;
use stops::{Rates, Stops};

/// After the grace time, streams get this long to say that they are cut.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Shortest secret in `--session-key-file`, in bytes.
const KEY_MIN: usize = 16;

/// Runs until SIGTERM or SIGINT.
pub async fn run(args: GatewayArgs) -> anyhow::Result<()> {
    let stop = stop_on_signal()?;
    let metrics = Metrics::new()?;
    let readiness = Arc::new(Readiness::default());
    let admin_stop = CancellationToken::new();
    let exported = metrics.clone();
    let admin = admin::serve(
        args.admin_listen,
        move || exported.encode(),
        readiness.clone(),
        Arc::new(Liveness::default()),
        admin_stop.clone(),
    )
    .await?;
    let ended = serve(&args, &metrics, &readiness, &stop).await;
    admin_stop.cancel();
    let admin = admin.await.context("the admin endpoint ended badly")?;
    ended.and(admin.context("the admin endpoint failed"))
}

/// Connects, waits for the first list of agents, serves until `stop`, and lets what is under way end.
#[allow(clippy::too_many_lines)] // what is made, once, in its order
async fn serve(
    args: &GatewayArgs,
    metrics: &Arc<Metrics>,
    readiness: &Readiness,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let transport = transport(args).await?;
    check_spool(&args.spool_dir)?;
    let key = session_key(args.session_key_file.as_deref())?;
    let connections = usize::try_from(args.shares.connections.get()).unwrap_or(usize::MAX);
    let server = Server::bind(args.listen, transport, connections).await?;
    tracing::info!(address = %server.local_addr(), "gateway listens");
    let kube = client::connect().await?;
    let names = names(args, &kube).await?;
    let (agents, watching) = Agents::watch(&kube, &args.watch.namespaces, names);
    let agents = Arc::new(agents);
    let client = Client::from_environment(Settings::default())
        .await
        .context("cannot make a client of AgentCore")?;
    let sessions = sessions(args, &key)?;
    let session_metrics = SessionMetrics::new()?;
    metrics.register(session_metrics.collectors())?;
    let asking = Asking::of(args.shares.reviews, args.shares.unknown_names);
    let gate = Gate::new(kube.clone(), args.token_audiences.clone(), asking);
    let gate = Arc::new(gate);
    metrics.register(gate.collectors())?;
    let reader = Reader::new(args.spool_dir.clone(), args.shares.bodies, args.spool_limit);
    let tasks = TaskTracker::new();
    let gateway = Arc::new(Gateway {
        agents,
        gate,
        quotas: Quotas::new(
            args.caller_rate,
            quotas::streams(args.caller_streams, args.shares.streams.get()),
        ),
        answers: shares::Pool::new("bytes of answers", Shares::of(args.shares.answers)),
        stops: Arc::new(Stops::new(Rates::of(args.stop_rate))),
        sessions,
        pool: Pool::new(Keeping {
            client: client.clone(),
            first_byte: args.upstream_timeout,
            idle: pool::IDLE,
            limit: Shares::of(args.shares.sockets.get()),
            gauge: metrics.pooled.clone(),
            stop: stop.clone(),
            tasks: tasks.clone(),
        }),
        client,
        reader,
        metrics: metrics.clone(),
        upstream_timeout: args.upstream_timeout,
        external_url: args.external_url.clone(),
        tls: args.tls_cert.is_some(),
        recheck: args.recheck_interval,
        stop: stop.clone(),
        over: CancellationToken::new(),
        sockets: tasks.clone(),
    });
    observe(&gateway);
    metrics.register(vec![Box::new(shown(&server, &gateway)?)])?;
    let draining = drain::start::run(
        args,
        drain::start::DrainDeps {
            kube: client::connect_for_leases().await?,
            sessions: gateway.sessions.clone(),
            agents: gateway.agents.clone(),
            client: gateway.client.clone(),
            pool: gateway.pool.clone(),
            stops: gateway.stops.clone(),
            metrics: session_metrics,
            stop: stop.clone(),
        },
    );
    tokio::select! {
        () = draining => anyhow::bail!("the drain of sessions ended"),
        () = watching => anyhow::bail!("the watch of agents ended"),
        ended = async {
            tokio::select! {
                () = gateway.agents.filled() => {}
                () = stop.cancelled() => return Ok(()),
            }
            if args.tls_cert.is_none() {
                tracing::warn!("serving plain HTTP: tokens and payloads are not encrypted (--plain-http)");
            }
            readiness.set(true);
            let service = {
                let gateway = gateway.clone();
                service_fn(move |request| routes::answer(gateway.clone(), request))
            };
            let drain = async {
                stop.cancelled().await;
                readiness.set(false);
                tokio::time::sleep(args.drain_grace).await;
                gateway.over.cancel();
            };
            let serving = server.serve(service, stop.clone(), args.drain_grace + LAST_WORDS);
            let cut = tokio::select! {
                cut = serving => cut,
                never = async { drain.await; std::future::pending().await } => never,
            };
            tasks.close();
            if cut > 0 || timeout(LAST_WORDS, tasks.wait()).await.is_err() {
                tracing::warn!(connections = cut, sockets = tasks.len(), "closed callers' connections after the grace period (--drain-grace)");
            }
            Ok(())
        } => ended,
    }
}

/// What names of runtimes are derived from. The same flags as the controller's have to say the same.
async fn names(args: &GatewayArgs, kube: &kube::Client) -> anyhow::Result<ClusterNames> {
    let uid = client::cluster_uid(kube).await?;
    Ok(ClusterNames {
        id: args.cluster_id.clone().unwrap_or_else(|| uid.clone()),
        uid,
        former_uids: args.former_cluster_uids.clone(),
    })
}

/// What metrics show of what callers share.
fn shown(server: &Server, gateway: &Gateway) -> anyhow::Result<shares::ShareMetrics> {
    let metrics = shares::ShareMetrics::new()?;
    for (label, pool) in gateway.reader.pools() {
        metrics.pool(label, pool);
    }
    metrics.pool("answers", &gateway.answers);
    metrics.pool("streams", gateway.quotas.pool());
    metrics.pool("sockets", gateway.pool.places());
    let (all, strangers) = (server.places(), server.places());
    metrics.watch("connections", move || all.reading());
    metrics.watch("strangers", move || strangers.strangers());
    Ok(metrics)
}

/// The sessions, in the ledger that was asked for.
fn sessions(args: &GatewayArgs, key: &[u8]) -> anyhow::Result<Sessions> {
    Ok(match &args.ledger {
        Ledger::Memory => {
            let shares = ledger::shares(args.shares.records.get());
            Sessions::new(key, Arc::new(MemoryLedger::new(shares)))
        }
        Ledger::Redis(url) => {
            let shares = ledger::shares(ledger::RECORDS_SHARED);
            Sessions::new(key, Arc::new(RedisLedger::new(url, shares)?))
        }
    })
}

/// How connections are spoken.
async fn transport(args: &GatewayArgs) -> anyhow::Result<Transport> {
    Ok(match (&args.tls_cert, &args.tls_key, args.plain_http) {
        (Some(certificate), Some(key), _) => {
            Transport::Tls(Box::new(Reloading::from_files(certificate, key).await?))
        }
        (_, _, true) => Transport::Plain,
        // An environment variable of `false` counts as given on the command line.
        _ => anyhow::bail!("give --tls-cert and --tls-key, or --plain-http"),
    })
}

/// Has the metrics look at sessions, connections and agents with each scrape.
fn observe(gateway: &Arc<Gateway>) {
    let there = Arc::downgrade(gateway);
    let (sessions, client) = (gateway.sessions.clone(), gateway.client.clone());
    let has = move |kind, namespace: &str, name: &str| {
        there
            .upgrade()
            .is_none_or(|gateway| gateway.agents.has(kind, namespace, name))
    };
    gateway.metrics.observe(sessions, client, has);
}

/// The secret that upstream session ids come from.
fn session_key(file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let Some(file) = file else {
        tracing::warn!(
            "no --session-key-file: the key is random, so that a restart gives every conversation another session"
        );
        return Ok(rand::random::<[u8; 32]>().to_vec());
    };
    let key = std::fs::read(file)
        .with_context(|| format!("cannot read {} (--session-key-file)", file.display()))?;
    anyhow::ensure!(
        key.len() >= KEY_MIN,
        "{} has {} bytes (--session-key-file); at least {KEY_MIN} are needed, 32 random ones are good",
        file.display(),
        key.len()
    );
    Ok(key)
}

/// Found out at the start, not at the first large request.
fn check_spool(dir: &Path) -> anyhow::Result<()> {
    tempfile::tempfile_in(dir)
        .map(drop)
        .with_context(|| format!("cannot write to {} (--spool-dir)", dir.display()))
}
