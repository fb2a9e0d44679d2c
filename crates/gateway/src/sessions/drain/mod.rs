//! Ends stale sessions: looks at the ledger when a version moved and every few moments, stops what is to be stopped at the pace of the
//! objects and of AWS, and keeps the metrics of it.

mod queue;
mod scan;
pub mod start;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use agentcore_api::report::version_of;
use agentcore_invoke::{Auth, Client, Error};
use axum::http::StatusCode;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Sessions;
use super::ledger::LedgerUnavailable;
use super::metrics::SessionMetrics;
use super::policy::Reason;
use crate::agents::Agents;
use crate::chat::pool::Pool;
use crate::stops::Stops;
use queue::{Candidate, Ending, Key, Next, Queue};
use scan::{Seen, scan};

pub use scan::Tally;

/// Between two looks while nothing is stale: what was born before a roll was noticed is found by it.
const CALM: Duration = Duration::from_secs(5);
/// Between two looks while something is.
const ALERT: Duration = Duration::from_secs(1);
/// Least time between two looks, however much changes.
const LEAST: Duration = Duration::from_millis(300);
/// A scan over very many sessions takes at most one part in so many of the time.
const SHARE: u32 = 10;
/// Pause after a scan that the ledger did not answer.
const AWAY: Duration = Duration::from_secs(3);

/// The drain of one replica.
pub struct Drain {
    /// Which sessions there are.
    pub sessions: Sessions,
    /// What serves.
    pub agents: Arc<Agents>,
    /// The way to AgentCore.
    pub client: Client,
    /// Sockets that end with their session.
    pub pool: Pool,
    /// What is counted.
    pub metrics: SessionMetrics,
    /// The pace of stops.
    pub stops: Arc<Stops>,
    /// Whether this replica drains; of several that share a ledger, one does.
    pub leads: watch::Receiver<bool>,
    /// When cancelled, no more stops begin: this replica goes, and whoever comes after it decides.
    pub stop: CancellationToken,
    /// What was seen last, for the report: none while another replica drains.
    pub seen: Arc<Mutex<Option<Vec<Tally>>>>,
}

/// A stop that ended.
struct Stopped {
    candidate: Candidate,
    ending: Ending,
    result: &'static str,
}

impl Drain {
    /// Drains for ever.
    pub async fn run(mut self) {
        let mut queue = Queue::new(self.stops.clone());
        let mut stops: JoinSet<Stopped> = JoinSet::new();
        let mut scan_at = Instant::now();
        let mut scanning: Option<BoxFuture<'static, Result<Seen, LedgerUnavailable>>> = None;
        let mut away = false;
        loop {
            let now = Instant::now();
            let next = if self.stop.is_cancelled() {
                Next::Nothing
            } else {
                queue.next(now)
            };
            let next_stop = match next {
                Next::Stop(candidate) => {
                    stops.spawn(self.stop(*candidate));
                    continue;
                }
                Next::At(at) => Some(at),
                Next::Nothing => None,
            };
            let changed = self.agents.changed.clone();
            tokio::select! {
                seen = async { match &mut scanning { Some(scanning) => scanning.await, None => std::future::pending().await } } => {
                    scanning = None;
                    scan_at = Instant::now() + match seen {
                        Ok(seen) => {
                            if std::mem::take(&mut away) {
                                tracing::info!("the session ledger answers again");
                            }
                            self.take(seen, &mut queue)
                        }
                        Err(unavailable) => {
                            if !std::mem::replace(&mut away, true) {
                                tracing::warn!(error = %unavailable, "cannot scan the sessions, retrying");
                            }
                            AWAY
                        }
                    };
                }
                () = sleep_until(scan_at), if scanning.is_none() => scanning = Some(self.scan(queue.held())),
                () = changed.notified(), if scanning.is_none() => scan_at = scan_at.min(now + LEAST),
                Ok(()) = self.leads.changed() => scan_at = scan_at.min(now + LEAST),
                Some(stopped) = stops.join_next() => {
                    if let Ok(Stopped { candidate, ending, result }) = stopped {
                        queue.done(&candidate, ending, rand::random(), Instant::now());
                        if ending != Ending::Skipped {
                            self.metrics.stopped(&candidate.owner, candidate.reason, result);
                        }
                    }
                }
                () = async { match next_stop { Some(at) => sleep_until(at).await, None => std::future::pending().await } } => {}
            }
        }
    }

    fn scan(&self, held: HashSet<Key>) -> BoxFuture<'static, Result<Seen, LedgerUnavailable>> {
        let (sessions, agents) = (self.sessions.clone(), self.agents.clone());
        let leads = *self.leads.borrow();
        async move { scan(&sessions, &agents, leads, &held).await }.boxed()
    }

    /// Takes a scan's result; gives the pause until the next one.
    fn take(&self, seen: Seen, queue: &mut Queue) -> Duration {
        let Seen {
            mut tallies,
            wanted,
            stale,
            took,
        } = seen;
        queue.set(wanted, Instant::now());
        let leads = *self.leads.borrow();
        if leads {
            for tally in &mut tallies {
                tally.failed = queue.refused(&tally.place).min(tally.stale);
            }
            self.metrics.show(&tallies);
        } else {
            self.metrics.show(&[]);
        }
        *self.seen.lock() = leads.then_some(tallies);
        let pause = if stale { ALERT } else { CALM };
        pause.max(took * SHARE)
    }

    /// Stops one session: first it is taken out of its conversation, so that no turn begins in it any more.
    fn stop(&self, candidate: Candidate) -> impl Future<Output = Stopped> + Send + 'static {
        let (sessions, client, pool) = (
            self.sessions.clone(),
            self.client.clone(),
            self.pool.clone(),
        );
        async move {
            let (ending, result) = stop(&sessions, &client, &pool, &candidate).await;
            Stopped {
                candidate,
                ending,
                result,
            }
        }
    }
}

/// How it ended, and its name in metrics.
async fn stop(
    sessions: &Sessions,
    client: &Client,
    pool: &Pool,
    candidate: &Candidate,
) -> (Ending, &'static str) {
    let Candidate {
        owner,
        record,
        reason,
        target,
        live,
    } = candidate;
    let ledger = sessions.ledger();
    let whatever = *reason == Reason::Deadline;
    match ledger.retire(owner, record, whatever).await {
        Ok(true) => {}
        Ok(false) => return (Ending::Skipped, "skipped"),
        // Nothing was sent.
        Err(_) => return (Ending::Again, "retry"),
    }
    let upstream = sessions
        .deriver()
        .upstream(owner, &record.conversation, record.generation);
    let shown = sessions.deriver().shown(upstream.as_str());
    pool.close(&upstream);
    let stopped = client.stop(target, &upstream, Auth::SigV4).await;
    let (ending, result) = match &stopped {
        Ok(()) => (Ending::Done, "stopped"),
        Err(failed) => judged(&failed.error),
    };
    let version = record.birth.version.as_deref().map(version_of);
    let (kind, namespace, name) = (owner.kind.as_str(), &*owner.namespace, &*owner.name);
    let reason = reason.as_str();
    match stopped {
        Err(failed) if ending != Ending::Done => {
            let error = &failed.error;
            tracing::warn!(kind, namespace, name, session = shown, version, reason, %error, "cannot stop the stale session, retrying");
        }
        _ => {
            tracing::info!(
                kind,
                namespace,
                name,
                session = shown,
                version,
                reason,
                result,
                "stale session stopped"
            );
            // What is not written down is done again, and found done.
            let forgotten = ledger.ended(owner, record).await;
            if forgotten.is_err() || ledger.stopped(live, 1).await.is_err() {
                return (Ending::Again, "retry");
            }
        }
    }
    (ending, result)
}

/// What a stop that failed means.
fn judged(error: &Error) -> (Ending, &'static str) {
    match error {
        Error::Service(error) if error.name == "ResourceNotFoundException" => {
            (Ending::Done, "gone")
        }
        Error::Service(error)
            if error.status == StatusCode::TOO_MANY_REQUESTS
                || error.status == StatusCode::CONFLICT
                || error.status.is_server_error() =>
        {
            (Ending::Again, "retry")
        }
        Error::Service(_) => (Ending::Refused, "refused"),
        _ => (Ending::Again, "retry"),
    }
}
