//! The controllers: from start to a clean stop. What they share is in the files here; each kind has a folder of the same five files.

pub mod args;
mod config;
mod context;
mod dispatch;
mod endpoint;
mod grants;
mod history;
mod left_alone;
pub mod metrics;
mod object_states;
mod pass;
mod permits;
mod regions;
mod retained;
mod runtime;
mod session;
mod shard;
mod stale_sessions;
mod sweep;
mod weights;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::args::ControllerArgs;
use crate::metrics::Metrics;
use agentcore_aws::{Aws, Rates};
use agentcore_cluster::client;
use agentcore_cluster::lease::{self, Fence, Lease};
use agentcore_process::admin::{self, Beat, Liveness, Readiness};
use agentcore_process::signals;
use context::Context;

/// How long a stop waits for what is under way.
const STOP_GRACE: Duration = Duration::from_secs(20);
/// How long a process that leads no more may take to end.
const END_GRACE: Duration = Duration::from_secs(5);
/// How often the controllers' task shows that it gets its turn, and how long it may stay away.
const BEATS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

/// Runs until SIGTERM or SIGINT (`Ok`), or until the lease is lost (`Err`).
pub async fn run(args: ControllerArgs) -> anyhow::Result<()> {
    let stop = signals::stop_on_signal()?;
    let metrics = Arc::new(Metrics::new()?);
    let readiness = Arc::new(Readiness::default());
    let liveness = Arc::new(Liveness::default());
    let fence = if args.leader_elect {
        Fence::standby()
    } else {
        Fence::open()
    };
    let led = fence.clone();
    liveness.ask(move || {
        let overdue = led.overdue();
        (overdue > END_GRACE).then(|| {
            format!(
                "leads no more since {} s, and still runs",
                overdue.as_secs()
            )
        })
    });
    let admin_stop = CancellationToken::new();
    let exported = metrics.clone();
    let admin = admin::serve(
        args.admin_listen,
        move || exported.encode(),
        readiness.clone(),
        liveness.clone(),
        admin_stop.clone(),
    )
    .await?;
    let beat = liveness.beat("controllers", BEATS.1);
    let leading = lead(&args, &metrics, &readiness, fence, &beat, &stop);
    let ended = Box::pin(leading).await;
    admin_stop.cancel();
    // Whoever reads the metrics may keep a connection for long.
    let admin = match tokio::time::timeout(END_GRACE, admin).await {
        Ok(admin) => admin.context("the admin endpoint ended badly")?,
        Err(_) => Ok(()),
    };
    ended.and(admin.context("the admin endpoint failed"))
}

/// Connects, waits for the lease, runs the controllers, gives the lease back.
async fn lead(
    args: &ControllerArgs,
    metrics: &Arc<Metrics>,
    readiness: &Readiness,
    fence: Fence,
    beat: &Beat,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let context = tokio::select! {
        connected = connect(args, metrics, fence.clone()) => connected?,
        () = stop.cancelled() => return Ok(()),
        never = beating(beat) => match never {},
    };
    readiness.set(true);
    if !args.leader_elect {
        tracing::warn!("leader election is off: run one replica only");
        return Box::pin(act(&context, metrics, beat, stop.clone())).await;
    }
    let namespace = args
        .lease_namespace
        .clone()
        .unwrap_or_else(client::own_namespace);
    let identity = args
        .lease_identity
        .clone()
        .unwrap_or_else(lease::default_identity);
    let kube = client::connect_for_leases().await?;
    let mut lease = Lease::compete(kube, &namespace, &identity, fence).await?;
    tracing::info!(%namespace, %identity, "waiting for the lease");
    tokio::select! {
        acquired = lease.acquired() => acquired?,
        () = stop.cancelled() => { lease.release().await; return Ok(()); }
        never = beating(beat) => match never {},
    }
    tracing::info!(%identity, "leading");
    let ended = tokio::select! {
        ended = Box::pin(act(&context, metrics, beat, stop.clone())) => ended,
        () = lease.lost() => Err(anyhow::anyhow!("lost the lease {namespace}/{}; another replica leads", lease::LEASE_NAME)),
    };
    lease.release().await;
    ended
}

/// Kubernetes and AWS answer, and say who we are there.
async fn connect(
    args: &ControllerArgs,
    metrics: &Arc<Metrics>,
    fence: Fence,
) -> anyhow::Result<Arc<Context>> {
    let kube = client::connect().await?;
    let rates = Rates::new(args.aws_rates.iter().cloned())?;
    let aws = Aws::connect(rates, metrics.clone(), args.region.clone())
        .await?
        .behind(fence);
    Context::new(args, kube, aws, metrics.clone()).await
}

/// Runs the controllers until `stop`, then lets what is under way end.
async fn act(
    context: &Arc<Context>,
    metrics: &Metrics,
    beat: &Beat,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    metrics.leader.set(1);
    let controllers = shard::run_all(context.clone(), stop.clone());
    tokio::pin!(controllers);
    let ended = tokio::select! {
        ended = &mut controllers => ended,
        never = beating(beat) => match never {},
        () = stop.cancelled() => if let Ok(ended) = tokio::time::timeout(STOP_GRACE, &mut controllers).await { ended } else { tracing::warn!("work still running after {STOP_GRACE:?}; the next leader takes it up"); Ok(()) },
    };
    metrics.leader.set(0);
    ended
}

/// Shows for ever that the task it runs in gets its turn.
async fn beating(beat: &Beat) -> Infallible {
    loop {
        beat.tick();
        tokio::time::sleep(BEATS.0).await;
    }
}
