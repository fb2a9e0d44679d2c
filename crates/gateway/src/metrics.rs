//! The gateway's metrics. Labels name Kubernetes objects that there are, routes and constants; never a session, a caller or a digest.

mod series;

use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::Client;
use prometheus::core::Collector;
use prometheus::{Encoder as _, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::agents::{Agent, Kind};
use crate::sessions::Sessions;
use series::{Families, Place};

/// Whether there is an agent of this kind, namespace and name.
type Exists = Box<dyn Fn(Kind, &str, &str) -> bool + Send + Sync>;

/// All metrics of a gateway.
pub struct Metrics {
    registry: Registry,
    families: Families,
    /// Requests that were sent to AgentCore again.
    pub retries: IntCounter,
    streams: IntGaugeVec,
    sessions: IntGauge,
    forgotten: IntCounter,
    unreadable: IntCounter,
    upstream_connections: IntGauge,
    /// Upstream WebSockets that `chat` keeps.
    pub pooled: IntGauge,
    sources: parking_lot::Mutex<Option<(Sessions, Client, Exists)>>,
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> prometheus::Result<Arc<Self>> {
        let registry = Registry::new_custom(Some("agentcore".to_owned()), None)?;
        let families = Families::new()?;
        for family in families.collectors() {
            registry.register(family)?;
        }
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
        let counter = |name: &str, help: &str| {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            prometheus::Result::Ok(metric)
        };
        let retries = counter(
            "gateway_upstream_retries_total",
            "Requests that were sent to AgentCore again.",
        )?;
        Ok(Arc::new(Self {
            families,
            retries,
            streams,
            sessions: gauge("gateway_active_sessions", "Sessions that the ledger knows.")?,
            forgotten: counter(
                "gateway_ledger_forgotten_total",
                "Conversations that the ledger forgot to make room for others.",
            )?,
            unreadable: counter(
                "gateway_ledger_unreadable_total",
                "Values of the ledger that could not be read and count as absent.",
            )?,
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

    /// What is read at each scrape; `exists` says whose series stay.
    pub fn observe(
        &self,
        sessions: Sessions,
        client: Client,
        exists: impl Fn(Kind, &str, &str) -> bool + Send + Sync + 'static,
    ) {
        *self.sources.lock() = Some((sessions, client, Box::new(exists)));
    }

    /// A request is over. `took`: the whole of it, and until the first bytes of the agent's answer.
    pub fn request(
        &self,
        agent: Option<&Agent>,
        route: &'static str,
        code: u16,
        failed: Option<&'static str>,
        took: Option<(Duration, Option<Duration>)>,
    ) {
        let place = Place::of(agent, route);
        self.families.request(&place, code, failed, took);
    }

    /// A stream begins; it ends when the gauge's guard is dropped.
    pub fn stream(&self, route: &str) -> Gauged {
        Gauged::new(self.streams.with_label_values(&[route]))
    }

    /// The text format.
    pub fn encode(&self) -> Vec<u8> {
        let sources = self.sources.lock();
        if let Some((sessions, client, _)) = &*sources {
            self.sessions
                .set(i64::try_from(sessions.len()).unwrap_or(i64::MAX));
            let ledger = sessions.ledger();
            for (counter, total) in [
                (&self.forgotten, ledger.forgotten()),
                (&self.unreadable, ledger.unreadable()),
            ] {
                counter.inc_by(total.saturating_sub(counter.get()));
            }
            let connections = client.connections();
            self.upstream_connections
                .set(i64::try_from(connections).unwrap_or(i64::MAX));
        }
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "cannot encode metrics");
        }
        // Not before their last figures are told.
        if let Some((_, _, exists)) = &*sources {
            self.families.prune(exists);
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
