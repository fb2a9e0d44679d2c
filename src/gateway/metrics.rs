//! The gateway's metrics. Labels name Kubernetes objects, routes and constants; never a session, a caller or a digest.

use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::Client;
use prometheus::core::Collector;
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use crate::gateway::agents::Agent;
use crate::gateway::sessions::Sessions;

/// From an echo beside the gateway to the longest synchronous turn (15 min), R4.6's 2 s and 5 s among them.
const DURATION_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0,
];
/// Until the first chunk: a warm session answers in tens of milliseconds, a cold start takes up to 30 s.
const FIRST_CHUNK_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
];
/// The agent of a request that names none that there is: one series for all of them.
const UNKNOWN: &str = "";

/// All metrics of a gateway.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    errors: IntCounterVec,
    seconds: HistogramVec,
    first_chunk: HistogramVec,
    /// Requests that were sent to AgentCore again.
    pub retries: IntCounter,
    streams: IntGaugeVec,
    sessions: IntGauge,
    upstream_connections: IntGauge,
    /// Upstream WebSockets that `chat` keeps.
    pub pooled: IntGauge,
    sources: parking_lot::Mutex<Option<(Sessions, Client)>>,
}

/// Names of an object in labels.
fn names(agent: Option<&Agent>) -> [&str; 3] {
    agent.map_or([UNKNOWN; 3], |agent| {
        [agent.kind.as_str(), &agent.namespace, &agent.name]
    })
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> prometheus::Result<Arc<Self>> {
        let registry = Registry::new_custom(Some("agentcore".to_owned()), None)?;
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            prometheus::Result::Ok(metric)
        };
        let histogram = |name: &str, help: &str, labels: &[&str], buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let metric = HistogramVec::new(options, labels)?;
            registry.register(Box::new(metric.clone()))?;
            prometheus::Result::Ok(metric)
        };
        let gauge = |name: &str, help: &str| {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            prometheus::Result::Ok(metric)
        };
        let streams = IntGaugeVec::new(
            Opts::new(
                "gateway_active_streams",
                "Answers and WebSockets under way.",
            ),
            &["route"],
        )?;
        registry.register(Box::new(streams.clone()))?;
        let retries = IntCounter::new(
            "gateway_upstream_retries_total",
            "Requests that were sent to AgentCore again.",
        )?;
        registry.register(Box::new(retries.clone()))?;
        Ok(Arc::new(Self {
            requests: counters(
                "gateway_requests_total",
                "Requests by HTTP status; 101 for a WebSocket, 499 for a caller that went away before the answer.",
                &["kind", "namespace", "name", "route", "code"],
            )?,
            errors: counters(
                "gateway_errors_total",
                "Requests that failed, by reason, those that broke off in the middle of an answer included.",
                &["kind", "namespace", "name", "route", "reason"],
            )?,
            seconds: histogram(
                "gateway_request_duration_seconds",
                "Time from a request's head to the end of its answer; WebSockets are not in it.",
                &["kind", "namespace", "name", "route"],
                DURATION_BUCKETS,
            )?,
            first_chunk: histogram(
                "gateway_first_chunk_seconds",
                "Time from a request's head to the first bytes of the agent's answer.",
                &["kind", "namespace", "name", "route"],
                FIRST_CHUNK_BUCKETS,
            )?,
            retries,
            streams,
            sessions: gauge("gateway_active_sessions", "Sessions that the ledger knows.")?,
            upstream_connections: gauge(
                "gateway_upstream_connections",
                "Open connections to AgentCore.",
            )?,
            pooled: gauge(
                "gateway_pooled_web_sockets",
                "Upstream WebSockets that chat keeps for further turns.",
            )?,
            sources: parking_lot::Mutex::default(),
            registry,
        }))
    }

    /// Exports metrics that others keep.
    pub fn register(&self, collectors: Vec<Box<dyn Collector>>) -> prometheus::Result<()> {
        collectors
            .into_iter()
            .try_for_each(|collector| self.registry.register(collector))
    }

    /// What is read at each scrape.
    pub fn observe(&self, sessions: Sessions, client: Client) {
        *self.sources.lock() = Some((sessions, client));
    }

    /// A request is over.
    pub fn request(&self, agent: Option<&Agent>, route: &str, code: &str, failed: Option<&str>) {
        let [kind, namespace, name] = names(agent);
        self.requests
            .with_label_values(&[kind, namespace, name, route, code])
            .inc();
        if let Some(reason) = failed {
            self.errors
                .with_label_values(&[kind, namespace, name, route, reason])
                .inc();
        }
    }

    /// How long it took.
    pub fn took(
        &self,
        agent: Option<&Agent>,
        route: &str,
        total: Duration,
        first: Option<Duration>,
    ) {
        let [kind, namespace, name] = names(agent);
        let labels = [kind, namespace, name, route];
        self.seconds
            .with_label_values(&labels)
            .observe(total.as_secs_f64());
        if let Some(first) = first {
            self.first_chunk
                .with_label_values(&labels)
                .observe(first.as_secs_f64());
        }
    }

    /// A stream begins; it ends when the gauge's guard is dropped.
    pub fn stream(&self, route: &str) -> Gauged {
        Gauged::new(self.streams.with_label_values(&[route]))
    }

    /// The text format.
    pub fn encode(&self) -> Vec<u8> {
        if let Some((sessions, client)) = &*self.sources.lock() {
            self.sessions
                .set(i64::try_from(sessions.len()).unwrap_or(i64::MAX));
            let connections = client.connections();
            self.upstream_connections
                .set(i64::try_from(connections).unwrap_or(i64::MAX));
        }
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics not encoded");
        }
        text
    }
}

/// One up, and one down at its end.
pub struct Gauged(IntGauge);

impl Gauged {
    /// Counts.
    pub fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Gauged {
    fn drop(&mut self) {
        self.0.dec();
    }
}
