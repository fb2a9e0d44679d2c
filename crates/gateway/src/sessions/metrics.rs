//! SessionMetrics of sessions and of their ends. Labels name objects and constants; never a session or a caller.

use jiff::Timestamp;
use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGaugeVec, Opts};

use super::drain::Tally;
use super::ledger::{Group, Owner};
use super::policy::Reason;

/// Metrics of the drain.
#[derive(Clone)]
pub struct SessionMetrics {
    sessions: IntGaugeVec,
    oldest: IntGaugeVec,
    stopped: IntCounterVec,
}

impl SessionMetrics {
    /// Nothing counted yet.
    pub fn new() -> prometheus::Result<Self> {
        Ok(Self {
            sessions: IntGaugeVec::new(
                Opts::new(
                    "sessions",
                    "Sessions that the ledger knows, by state; of several replicas, the one that drains says it.",
                ),
                &["kind", "namespace", "name", "state"],
            )?,
            oldest: IntGaugeVec::new(
                Opts::new(
                    "session_oldest_stale_seconds",
                    "For how long the oldest stale session is stale.",
                ),
                &["kind", "namespace", "name"],
            )?,
            stopped: IntCounterVec::new(
                Opts::new(
                    "sessions_stopped_total",
                    "Stops of stale sessions by their reason and what became of them.",
                ),
                &["kind", "namespace", "name", "reason", "result"],
            )?,
        })
    }

    /// What is to be exported.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.sessions.clone()),
            Box::new(self.oldest.clone()),
            Box::new(self.stopped.clone()),
        ]
    }

    /// Shows what a scan found; what it did not find any more is gone.
    pub fn show(&self, tallies: &[Tally]) {
        self.sessions.reset();
        self.oldest.reset();
        let now = Timestamp::now();
        for tally in tallies {
            let Group {
                kind,
                namespace,
                name,
                version: _,
            } = &tally.place;
            let all: u32 = tally.versions.values().sum();
            let draining = if tally.drains {
                tally.stale - tally.failed
            } else {
                0
            };
            let states = [
                ("current", all.saturating_sub(tally.stale)),
                ("stale", tally.stale),
                ("draining", draining),
                ("failed", tally.failed),
            ];
            for (state, count) in states {
                self.sessions
                    .with_label_values(&[kind.as_str(), namespace, name, state])
                    .set(count.into());
            }
            if let Some(oldest) = tally.oldest {
                self.oldest
                    .with_label_values(&[kind.as_str(), namespace, name])
                    .set(now.duration_since(oldest).as_secs().max(0));
            }
        }
    }

    /// A stop ended.
    pub fn stopped(&self, owner: &Owner, reason: Reason, result: &str) {
        let Owner {
            kind,
            namespace,
            name,
            subject: _,
        } = owner;
        let labels = [kind.as_str(), namespace, name, reason.as_str(), result];
        self.stopped.with_label_values(&labels).inc();
    }
}
