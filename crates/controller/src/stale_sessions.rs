//! The gateways' reports of sessions: watched, summed up by object, and passed on to the passes. A report that grew old does not count.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use agentcore_api::Kind;
use agentcore_api::names::SESSION_REPORT;
use agentcore_api::report::{FRESH_SECONDS, Report};
use agentcore_plan::stale_sessions::{Known, Reported};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher;
use kube::runtime::watcher::Event;
use kube::{Api, Resource, ResourceExt};
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval};

use super::shard::Shard;
use agentcore_cluster::listing::listing;
use agentcore_cluster::readable::Raw;

use agentcore_cluster::errors::told;

/// How often it is looked whether a report grew old or a drain is overdue.
const TICK: Duration = Duration::from_secs(15);
/// Key of a report in its ConfigMap.
const KEY: &str = "report";

/// Kind, namespace and name of an object.
type Key = (String, String, String);

/// What gateways report.
pub struct Reports {
    namespace: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether the first list is here.
    read: bool,
    /// By ConfigMap.
    reports: HashMap<String, Report>,
    /// Namespaces that some fresh report is about; an empty name: all.
    covered: BTreeSet<String>,
    sums: HashMap<Key, Known>,
}

/// What a change of the reports calls for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wakes {
    /// Every object: who reports has changed.
    all: bool,
    /// These.
    objects: Vec<Key>,
}

impl State {
    /// Sums up what is fresh; says who has to look again. `ticks`: also objects with stale sessions, whose time may be over.
    fn settle(&mut self, now: Timestamp, ticks: bool) -> Wakes {
        let fresh = |report: &Report| {
            let age = report
                .at
                .parse::<Timestamp>()
                .map(|at| now.duration_since(at).abs());
            age.is_ok_and(|age| age < SignedDuration::from_secs(FRESH_SECONDS))
        };
        let (mut covered, mut sums) = (BTreeSet::new(), HashMap::<Key, Known>::new());
        for report in self.reports.values().filter(|report| fresh(report)) {
            if report.namespaces.is_empty() {
                covered.insert(String::new());
            }
            covered.extend(report.namespaces.iter().cloned());
            for entry in &report.entries {
                let (kind, namespace, name) = entry.key();
                let key = (kind.to_owned(), namespace.to_owned(), name.to_owned());
                sums.entry(key).or_default().add(entry);
            }
        }
        let mut wakes = Wakes {
            all: covered != self.covered,
            objects: Vec::new(),
        };
        let changed = |key: &&Key| self.sums.get(*key) != sums.get(*key);
        let waits = |known: &Known| known.oldest_stale_since.is_some();
        wakes.objects.extend(sums.keys().filter(changed).cloned());
        wakes.objects.extend(
            self.sums
                .keys()
                .filter(|key| !sums.contains_key(*key))
                .cloned(),
        );
        if ticks {
            let stale = sums.iter().filter(|(_, known)| waits(known));
            wakes.objects.extend(stale.map(|(key, _)| key.clone()));
        }
        self.covered = covered;
        self.sums = sums;
        wakes
    }
}

impl Reports {
    /// Reports in this namespace.
    pub fn new(namespace: String) -> Self {
        Self {
            namespace,
            state: Mutex::default(),
        }
    }

    /// What is known of an object's sessions.
    pub fn of<K: Resource>(&self, kind: Kind, object: &K) -> Reported {
        let namespace = object.namespace().unwrap_or_default();
        let state = self.state.lock();
        if !state.read {
            return Reported::Unread;
        }
        if !state.covered.contains("") && !state.covered.contains(&namespace) {
            return Reported::Nobody;
        }
        let key = (kind.as_str().to_owned(), namespace, object.name_any());
        Reported::Gateway(state.sums.get(&key).cloned().unwrap_or_default())
    }

    /// Watches for ever.
    pub async fn run(&self, shards: &[Arc<Shard>]) {
        let Some(shard) = shards.first() else {
            return std::future::pending().await;
        };
        let api = Api::<Raw<ConfigMap>>::namespaced(shard.context.kube.clone(), &self.namespace);
        let config = watcher::Config::default().labels(SESSION_REPORT);
        let mut events = std::pin::pin!(listing(api, config));
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut listing = HashMap::new();
        let mut failing = false;
        loop {
            let wakes = tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        failing = false;
                        self.heard(event, &mut listing)
                    }
                    Some(Err(error)) => {
                        if !std::mem::replace(&mut failing, true) {
                            tracing::warn!(error = %told(&error), namespace = self.namespace, "cannot watch session reports, retrying");
                        }
                        continue;
                    }
                    None => return std::future::pending().await,
                },
                _ = ticks.tick() => self.state.lock().settle(Timestamp::now(), true),
            };
            wake(shards, &wakes);
        }
    }

    fn heard(&self, event: Event<Raw<ConfigMap>>, listing: &mut HashMap<String, Report>) -> Wakes {
        let mut state = self.state.lock();
        match event {
            Event::Init => {
                listing.clear();
                return Wakes::default();
            }
            Event::InitApply(object) => {
                listing.extend(read(&object).map(|report| (object.name_any(), report)));
                return Wakes::default();
            }
            Event::InitDone => {
                state.reports = std::mem::take(listing);
                let first = !std::mem::replace(&mut state.read, true);
                let mut wakes = state.settle(Timestamp::now(), false);
                wakes.all |= first;
                return wakes;
            }
            Event::Apply(object) => match read(&object) {
                Some(report) => state.reports.insert(object.name_any(), report),
                None => state.reports.remove(&object.name_any()),
            },
            Event::Delete(object) => state.reports.remove(&object.name_any()),
        };
        state.settle(Timestamp::now(), false)
    }
}

/// The report in a ConfigMap. Whatever else stands there counts for nothing.
fn read(object: &Raw<ConfigMap>) -> Option<Report> {
    let name = object.name_any();
    let map = object.decode();
    let map = map.inspect_err(|why| tracing::warn!(%name, %why, "not a session report"));
    let text = map.ok()?.data?.remove(KEY)?;
    match serde_json::from_str(&text) {
        Ok(report) => Some(report),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            tracing::warn!(%name, line, column, "not a session report");
            None
        }
    }
}

fn wake(shards: &[Arc<Shard>], wakes: &Wakes) {
    for shard in shards {
        if wakes.all {
            for object in shard.runtimes.state() {
                shard.wake_runtime(&object.namespace().unwrap_or_default(), &object.name_any());
            }
            for object in shard.endpoints.state() {
                shard.wake_endpoint(&object.namespace().unwrap_or_default(), &object.name_any());
            }
            continue;
        }
        for (kind, namespace, name) in &wakes.objects {
            shard.wake_reported(kind, namespace, name);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn report(age: i64, name: &str, sessions: u32) -> Report {
        let at = now() - SignedDuration::from_secs(age);
        serde_json::from_value(json!({
            "at": at.to_string(),
            "entries": [{
                "kind": "AgentRuntime", "namespace": "shop", "name": name, "versions": {"1": sessions},
                "draining": 0, "stopped": 0, "failed": 0, "oldestStaleSince": "2026-11-21T11:00:00Z",
            }],
        }))
        .unwrap()
    }

    fn key(name: &str) -> Key {
        ("AgentRuntime".into(), "shop".into(), name.into())
    }

    #[test]
    fn a_report_counts_while_it_is_fresh_and_changes_wake_whom_they_are_about() {
        let mut state = State::default();
        state.reports.insert("one".into(), report(0, "a", 1));
        state.reports.insert("two".into(), report(59, "a", 2));
        state.reports.insert("old".into(), report(60, "a", 4));
        let wakes = state.settle(now(), false);
        assert_eq!((wakes.all, wakes.objects), (true, vec![key("a")]));
        assert_eq!(state.sums[&key("a")].versions["1"], 3);
        assert_eq!(state.settle(now(), false), Wakes::default(), "nothing new");
        let ticked = state.settle(now(), true);
        assert_eq!(
            (ticked.all, ticked.objects),
            (false, vec![key("a")]),
            "stale"
        );
        // The second one grows old, and the first one names another object.
        state.reports.insert("one".into(), report(-1, "b", 1));
        let wakes = state.settle(now() + SignedDuration::from_secs(1), false);
        assert!(!wakes.all);
        let woken: BTreeSet<_> = wakes.objects.into_iter().collect();
        assert_eq!(woken, BTreeSet::from([key("a"), key("b")]));
        state.reports.clear();
        assert!(state.settle(now(), false).all, "nobody reports");
    }

    #[test]
    fn only_namespaces_that_a_report_is_about_are_covered() {
        let reports = Reports::new("agentcore-system".into());
        let object = |namespace: &str| ConfigMap {
            metadata: kube::core::ObjectMeta {
                name: Some("a".into()),
                namespace: Some(namespace.into()),
                ..Default::default()
            },
            ..Default::default()
        };
        let said = |namespace: &str| reports.of(Kind::AgentRuntime, &object(namespace));
        assert_eq!(said("shop"), Reported::Unread);
        let mut report = report(0, "a", 1);
        report.namespaces = vec!["shop".into()];
        {
            let mut state = reports.state.lock();
            state.read = true;
            state.reports.insert("one".into(), report);
            state.settle(now(), false);
        }
        assert!(matches!(said("shop"), Reported::Gateway(known) if known.versions["1"] == 1));
        assert_eq!(said("other"), Reported::Nobody);
    }
}
