//! The series of each agent and route: looked up once a request by the object, not once a metric by all of its labels, and taken off
//! again when the object is gone.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts};

use crate::agents::{Agent, Kind};

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
/// The `code` of an answer whose status is none of HTTP's: an agent may send any three digits.
const NO_STATUS: &str = "other";

/// All metrics that have series by agent.
pub struct Families {
    requests: IntCounterVec,
    errors: IntCounterVec,
    seconds: HistogramVec,
    first_chunk: HistogramVec,
    known: RwLock<HashMap<Place, Arc<Series>>>,
}

/// An agent, or none, and a route.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    agent: Option<(Kind, Arc<str>, Arc<str>)>,
    route: &'static str,
}

/// What is counted at a place; a series begins with its first figure.
#[derive(Default)]
struct Series {
    requests: RwLock<Vec<(u16, IntCounter)>>,
    errors: RwLock<Vec<(&'static str, IntCounter)>>,
    seconds: OnceLock<Histogram>,
    first_chunk: OnceLock<Histogram>,
}

impl Place {
    pub(super) fn of(agent: Option<&Agent>, route: &'static str) -> Self {
        let agent = agent.map(|agent| (agent.kind, agent.namespace.clone(), agent.name.clone()));
        Self { agent, route }
    }

    fn labels(&self) -> [&str; 4] {
        match &self.agent {
            Some((kind, namespace, name)) => [kind.as_str(), namespace, name, self.route],
            None => [UNKNOWN, UNKNOWN, UNKNOWN, self.route],
        }
    }

    fn with<'a>(&'a self, last: &'a str) -> [&'a str; 5] {
        let [kind, namespace, name, route] = self.labels();
        [kind, namespace, name, route, last]
    }
}

/// The counter of a key, which is made if there is none. There are few.
fn counter<K: Copy + PartialEq>(
    counters: &RwLock<Vec<(K, IntCounter)>>,
    key: K,
    make: impl FnOnce() -> IntCounter,
) -> IntCounter {
    let find = |all: &[(K, IntCounter)]| {
        let found = all.iter().find(|(known, _)| *known == key);
        found.map(|(_, counter)| counter.clone())
    };
    if let Some(counter) = find(&counters.read()) {
        return counter;
    }
    let mut counters = counters.write();
    find(&counters).unwrap_or_else(|| {
        let counter = make();
        counters.push((key, counter.clone()));
        counter
    })
}

/// What all of an agent's statuses that are none of HTTP's have in common.
fn status(code: u16) -> u16 {
    if (100..600).contains(&code) { code } else { 0 }
}

/// A status as a label.
fn label(status: u16) -> String {
    if status == 0 {
        NO_STATUS.to_owned()
    } else {
        status.to_string()
    }
}

impl Families {
    pub(super) fn new() -> prometheus::Result<Self> {
        let counters =
            |name, help, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let histogram = |name, help, labels: &[&str], buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            HistogramVec::new(options, labels)
        };
        Ok(Self {
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
            known: RwLock::default(),
        })
    }

    /// What to register.
    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.requests.clone()),
            Box::new(self.errors.clone()),
            Box::new(self.seconds.clone()),
            Box::new(self.first_chunk.clone()),
        ]
    }

    /// A request is over; `took`: the whole of it, and until the first bytes of the agent's answer.
    pub(super) fn request(
        &self,
        place: &Place,
        code: u16,
        failed: Option<&'static str>,
        took: Option<(Duration, Option<Duration>)>,
    ) {
        let known = self.known.read().get(place).cloned();
        let series = known.unwrap_or_else(|| {
            let mut known = self.known.write();
            known.entry(place.clone()).or_default().clone()
        });
        let status = status(code);
        let made = || {
            let code = label(status);
            self.requests.with_label_values(&place.with(&code))
        };
        counter(&series.requests, status, made).inc();
        if let Some(reason) = failed {
            let made = || self.errors.with_label_values(&place.with(reason));
            counter(&series.errors, reason, made).inc();
        }
        let Some((total, first)) = took else { return };
        let histogram = |of: &HistogramVec| of.with_label_values(&place.labels());
        let seconds = series.seconds.get_or_init(|| histogram(&self.seconds));
        seconds.observe(total.as_secs_f64());
        if let Some(first) = first {
            let first_chunk = series
                .first_chunk
                .get_or_init(|| histogram(&self.first_chunk));
            first_chunk.observe(first.as_secs_f64());
        }
    }

    /// Takes off the series of agents that are gone.
    pub(super) fn prune(&self, exists: impl Fn(Kind, &str, &str) -> bool) {
        self.known.write().retain(|place, series| {
            let there = place
                .agent
                .as_ref()
                .is_none_or(|(kind, namespace, name)| exists(*kind, namespace, name));
            if !there {
                self.forget(place, series);
            }
            there
        });
    }

    /// An error only says that there was no such series.
    fn forget(&self, place: &Place, series: &Series) {
        for (status, _) in &*series.requests.read() {
            let _ = self
                .requests
                .remove_label_values(&place.with(&label(*status)));
        }
        for (reason, _) in &*series.errors.read() {
            let _ = self.errors.remove_label_values(&place.with(reason));
        }
        let _ = self.seconds.remove_label_values(&place.labels());
        let _ = self.first_chunk.remove_label_values(&place.labels());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        let agent = (Kind::AgentRuntime, "shop".into(), name.into());
        Place {
            agent: Some(agent),
            route: "invocations",
        }
    }

    /// All series, by their last two labels.
    fn shown(families: &Families) -> Vec<String> {
        let mut shown = Vec::new();
        for family in families.collectors().iter().flat_map(|one| one.collect()) {
            for metric in family.get_metric() {
                let mut values = metric
                    .get_label()
                    .iter()
                    .map(|label| format!("{}={}", label.name(), label.value()));
                let labels: Vec<_> = values.by_ref().collect();
                shown.push(format!("{} {}", family.name(), labels.join(" ")));
            }
        }
        shown.sort();
        shown
    }

    #[test]
    fn the_series_of_an_agent_go_with_it_and_those_of_others_stay() {
        let families = Families::new().expect("metrics");
        let took = Some((Duration::from_secs(1), Some(Duration::from_secs(1))));
        for name in ["gone", "stays"] {
            families.request(&place(name), 200, None, took);
            families.request(&place(name), 502, Some("AgentError"), took);
        }
        families.request(&Place::of(None, "unknown"), 404, Some("NotFound"), took);
        let before = shown(&families);
        assert!(before.iter().any(|series| series.contains("name=gone")));
        families.prune(|_, _, name| name == "stays");
        let after = shown(&families);
        let left: Vec<_> = before
            .into_iter()
            .filter(|series| !series.contains("name=gone"))
            .collect();
        assert_eq!(after, left);
        // One that comes again begins anew.
        families.request(&place("gone"), 200, None, None);
        let requests = families
            .requests
            .with_label_values(&place("gone").with("200"));
        assert_eq!(requests.get(), 1);
    }

    #[test]
    fn a_status_that_is_none_is_counted_with_the_others() {
        let families = Families::new().expect("metrics");
        for code in [100, 599, 600, 700, 999] {
            families.request(&place("odd"), code, None, None);
        }
        let count = |code| {
            families
                .requests
                .with_label_values(&place("odd").with(code))
                .get()
        };
        assert_eq!([count("100"), count("599"), count(NO_STATUS)], [1, 1, 3]);
        assert_eq!(shown(&families).len(), 3);
    }
}
