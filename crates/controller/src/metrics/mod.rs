//! Prometheus metrics. Names begin with `agentcore_`; no label is free text, an id or a digest, but for the `*_info` series.

mod objects;
mod scans;

use std::time::Instant;

use agentcore_api::{AgentEndpoint, AgentRuntime, AgentSession, Kind, conditions};
use agentcore_cluster::store::Cache;
use agentcore_plan::fault::Class;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use parking_lot::Mutex;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use agentcore_aws::{Call, CallObserver, Operation, Priority, Scan};

/// From a cache hit to a call that takes its whole time-out.
const CALL_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Waiting for a token: from none to a burst of hundreds of objects.
const WAIT_BUCKETS: &[f64] = &[
    0.001, 0.05, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    /// Whether this replica leads.
    pub leader: IntGauge,
    queue: IntGaugeVec,
    transitions: IntCounterVec,
    reconciles: IntCounterVec,
    reconcile_seconds: HistogramVec,
    aws_requests: IntCounterVec,
    aws_seconds: HistogramVec,
    aws_throttles: IntCounterVec,
    aws_wait_seconds: HistogramVec,
    aws_waiting: IntGaugeVec,
    objects: Mutex<Vec<(Cache<AgentRuntime>, Cache<AgentEndpoint>)>>,
    sessions: Mutex<Vec<Cache<AgentSession>>>,
    scans: scans::Scans,
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some("agentcore".to_owned()), None)?;
        let metrics = Self {
            leader: IntGauge::new("leader", "1 while this replica holds the lease and acts.")?,
            queue: IntGaugeVec::new(
                Opts::new(
                    "queue_depth",
                    "Objects being reconciled, including those that wait for a permit, AWS or a rate limit.",
                ),
                &["controller"],
            )?,
            transitions: counter(
                "condition_transitions_total",
                "Changes of a condition's status; an absent Reconciling or Stalled is False.",
                &["kind", "type", "status"],
            )?,
            reconciles: counter(
                "reconcile_total",
                "Passes over objects.",
                &["controller", "result"],
            )?,
            reconcile_seconds: histogram(
                "reconcile_duration_seconds",
                "Time of a reconcile, including waits for a permit and AWS.",
                &["controller"],
                CALL_BUCKETS,
            )?,
            aws_requests: counter(
                "aws_requests_total",
                "AWS calls by operation and AWS error name, OK without one.",
                &["operation", "code"],
            )?,
            aws_seconds: histogram(
                "aws_request_duration_seconds",
                "Time of an AWS call.",
                &["operation"],
                CALL_BUCKETS,
            )?,
            aws_throttles: counter(
                "aws_throttles_total",
                "AWS calls that were throttled.",
                &["operation"],
            )?,
            aws_wait_seconds: histogram(
                "aws_limiter_wait_seconds",
                "Time that a call waited for the operator's own rate limit.",
                &["operation"],
                WAIT_BUCKETS,
            )?,
            aws_waiting: IntGaugeVec::new(
                Opts::new(
                    "aws_limiter_waiting",
                    "Calls that wait for the operator's own rate limit.",
                ),
                &["operation", "lane"],
            )?,
            objects: Mutex::default(),
            sessions: Mutex::default(),
            scans: scans::Scans::new()?,
            registry,
        };
        let Self {
            registry,
            leader,
            queue,
            transitions,
            reconciles,
            reconcile_seconds,
            aws_requests,
            aws_seconds,
            aws_throttles,
            aws_wait_seconds,
            aws_waiting,
            objects: _,
            sessions: _,
            scans: _,
        } = &metrics;
        registry.register(Box::new(leader.clone()))?;
        registry.register(Box::new(queue.clone()))?;
        registry.register(Box::new(aws_waiting.clone()))?;
        for counter in [transitions, reconciles, aws_requests, aws_throttles] {
            registry.register(Box::new(counter.clone()))?;
        }
        for histogram in [reconcile_seconds, aws_seconds, aws_wait_seconds] {
            registry.register(Box::new(histogram.clone()))?;
        }
        Ok(metrics)
    }

    /// A pass begins; it ends with the guard.
    pub fn pass(&self, controller: &'static str) -> PassGuard<'_> {
        self.queue.with_label_values(&[controller]).inc();
        PassGuard {
            metrics: self,
            controller,
            begun: Instant::now(),
            result: "cancelled",
        }
    }

    /// A status was written: counts the conditions that it changed.
    pub fn status_written(&self, kind: Kind, before: &[Condition], after: &[Condition]) {
        let status = |conditions: &[Condition], type_: &str| {
            let found = conditions.iter().find(|condition| condition.type_ == type_);
            found.map_or_else(|| "False".to_owned(), |condition| condition.status.clone())
        };
        for type_ in [
            conditions::READY,
            conditions::RECONCILING,
            conditions::STALLED,
        ] {
            let now = status(after, type_);
            if now != status(before, type_) {
                self.transitions
                    .with_label_values(&[kind.as_str(), type_, &now])
                    .inc();
            }
        }
    }

    /// Objects whose state is exported from now on, read from these caches at each scrape.
    pub fn observe_objects(&self, runtimes: Cache<AgentRuntime>, endpoints: Cache<AgentEndpoint>) {
        self.objects.lock().push((runtimes, endpoints));
    }

    /// AgentSessions whose conditions are exported from now on.
    pub fn observe_sessions(&self, sessions: Cache<AgentSession>) {
        self.sessions.lock().push(sessions);
    }

    /// The text format.
    pub fn encode(&self) -> Vec<u8> {
        let mut families = self.registry.gather();
        match objects::families(&self.objects.lock(), &self.sessions.lock()) {
            Ok(more) => families.extend(more),
            Err(error) => tracing::error!(%error, "cannot export object metrics"),
        }
        match self.scans.families() {
            Ok(more) => families.extend(more),
            Err(error) => tracing::error!(%error, "cannot export scan metrics"),
        }
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::error!(%error, "cannot encode metrics");
        }
        text
    }
}

/// A pass under way.
pub struct PassGuard<'a> {
    metrics: &'a Metrics,
    controller: &'static str,
    begun: Instant,
    result: &'static str,
}

impl PassGuard<'_> {
    /// Says how it ended: well, or with a reason.
    pub fn ended(mut self, failure: Option<&'static str>) {
        self.result = failure.unwrap_or("success");
    }
}

impl Drop for PassGuard<'_> {
    fn drop(&mut self) {
        let Self {
            metrics,
            controller,
            begun,
            result,
        } = self;
        metrics.queue.with_label_values(&[*controller]).dec();
        metrics
            .reconciles
            .with_label_values(&[*controller, *result])
            .inc();
        metrics
            .reconcile_seconds
            .with_label_values(&[*controller])
            .observe(begun.elapsed().as_secs_f64());
    }
}

impl CallObserver for Metrics {
    fn observe(&self, call: &Call<'_>) {
        let Call {
            operation,
            region: _,
            priority: _,
            code,
            class,
            took,
            waited,
        } = *call;
        let operation = operation.as_str();
        self.aws_requests
            .with_label_values(&[operation, code])
            .inc();
        self.aws_seconds
            .with_label_values(&[operation])
            .observe(took.as_secs_f64());
        self.aws_wait_seconds
            .with_label_values(&[operation])
            .observe(waited.as_secs_f64());
        if class == Some(Class::Throttled) {
            self.aws_throttles.with_label_values(&[operation]).inc();
        }
    }

    fn waits(&self, operation: Operation, priority: Priority, change: i64) {
        self.aws_waiting
            .with_label_values(&[operation.as_str(), priority.as_str()])
            .add(change);
    }

    fn scanned(&self, scan: &Scan<'_>) {
        self.scans.ended(scan);
    }
}

fn counter(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn histogram(
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> prometheus::Result<HistogramVec> {
    HistogramVec::new(
        HistogramOpts::new(name, help).buckets(buckets.to_vec()),
        labels,
    )
}
