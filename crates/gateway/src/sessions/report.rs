//! The report of a replica: how many sessions there are, by object and version, for the controller to sum up. A ConfigMap in the operator's
//! namespace, never an id of a session.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use agentcore_api::names::SESSION_REPORT;
use agentcore_api::report::{Entry, Report};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::drain::Tally;

use agentcore_cluster::errors::told;

/// Between two reports, where something changed or the last one failed.
const EVERY: Duration = Duration::from_secs(10);
/// Between two reports where nothing did: a report counts for a minute.
const BEAT: Duration = Duration::from_secs(30);
/// Longest wait for a report to be written.
const WRITE: Duration = Duration::from_secs(10);
/// Most bytes of a report's entries: a ConfigMap holds a mebibyte.
const BYTES_MAX: usize = 800_000;
/// Most versions of an object that are told apart: those with most sessions.
const VERSIONS_MAX: usize = 50;
/// Writer of these ConfigMaps.
const FIELD_MANAGER: &str = "agentcore-gateway";

/// What a replica says of sessions.
pub struct Reporter {
    api: Api<ConfigMap>,
    name: String,
    pod: Option<(String, String)>,
    namespaces: Vec<String>,
    seen: Arc<Mutex<Option<Vec<Tally>>>>,
}

impl Reporter {
    /// A reporter in this namespace, under this name: the replica's, or one for all that share a ledger, of which one reports at a time.
    /// `pod`: name and UID of the pod that the report goes with. `namespaces`: those that the replica looks at.
    pub fn new(
        client: Client,
        namespace: &str,
        identity: &str,
        pod: Option<(String, String)>,
        namespaces: &[String],
        seen: Arc<Mutex<Option<Vec<Tally>>>>,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: object_name(identity),
            pod,
            namespaces: namespaces.to_vec(),
            seen,
        }
    }

    /// Reports for ever, while this replica drains.
    pub async fn run(&self) {
        let mut ticks = interval(EVERY / 10);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The entries are those that came through.
        let mut written: Option<(Instant, Option<Vec<Entry>>)> = None;
        let mut failing = false;
        loop {
            ticks.tick().await;
            let Some(entries) = self.seen.lock().as_deref().map(entries) else {
                written = None;
                continue;
            };
            let due = written.as_ref().is_none_or(|(at, before)| {
                let same = before.as_ref() == Some(&entries);
                at.elapsed() >= if same { BEAT } else { EVERY }
            });
            if !due {
                continue;
            }
            let error = match timeout(WRITE, self.write(&entries)).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(told(&error)),
                Err(_) => Some("the API server does not answer".to_owned()),
            };
            if let Some(error) = &error
                && !failing
            {
                tracing::warn!(error, "cannot report sessions, retrying");
            }
            failing = error.is_some();
            // A failure is tried again well within the minute that the last report counts for.
            written = Some((Instant::now(), (!failing).then_some(entries)));
        }
    }

    async fn write(&self, entries: &[Entry]) -> kube::Result<()> {
        let report = Report {
            at: Timestamp::now().to_string(),
            namespaces: self.namespaces.clone(),
            entries: entries.to_vec(),
        };
        let text = serde_json::to_string(&report).map_err(kube::Error::SerdeError)?;
        let owners: Vec<_> = self
            .pod
            .iter()
            .map(|(name, uid)| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}))
            .collect();
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.name,
                "labels": {SESSION_REPORT: "true"},
                "ownerReferences": owners,
            },
            "data": {"report": text},
        });
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        self.api
            .patch(&self.name, &parameters, &Patch::Apply(&object))
            .await
            .map(drop)
    }
}

/// The entries, in an order that is the same each time. Where there are too many, namespaces take turns, and each begins with the objects that
/// have most sessions: nobody's objects push another's out.
fn entries(tallies: &[Tally]) -> Vec<Entry> {
    let all = |entry: &Entry| {
        let counts = entry.versions.values();
        counts.fold(0_u32, |sum, count| sum.saturating_add(*count))
    };
    let mut entries: Vec<Entry> = tallies.iter().map(entry).collect();
    entries.sort_by(|a, b| all(b).cmp(&all(a)).then_with(|| a.key().cmp(&b.key())));
    let mut turns: HashMap<String, usize> = HashMap::new();
    let mut entries: Vec<(usize, Entry)> = entries
        .into_iter()
        .map(|entry| {
            let turn = turns.entry(entry.namespace.clone()).or_default();
            *turn += 1;
            (*turn, entry)
        })
        .collect();
    entries.sort_by_key(|(turn, _)| *turn);
    let mut left = BYTES_MAX;
    let mut entries: Vec<Entry> = entries
        .into_iter()
        .map_while(|(_, entry)| {
            left = left.checked_sub(length(&entry))?;
            Some(entry)
        })
        .collect();
    entries.sort_by(|a, b| a.key().cmp(&b.key()));
    entries
}

/// Bytes of an entry in a report, or a little more: names of Kubernetes and editions have nothing in them that JSON escapes.
fn length(entry: &Entry) -> usize {
    const REST: usize = 256;
    let versions = entry.versions.keys().map(|version| version.len() + 16);
    REST + entry.namespace.len() + entry.name.len() + versions.sum::<usize>()
}

/// Sessions by version. Beyond what is told apart they count as of none that is known.
fn by_version(versions: &BTreeMap<Arc<str>, u32>) -> BTreeMap<String, u32> {
    let mut most: Vec<(&Arc<str>, u32)> = versions.iter().map(|(name, n)| (name, *n)).collect();
    most.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut told = BTreeMap::new();
    for (at, (version, count)) in most.into_iter().enumerate() {
        let name = if at < VERSIONS_MAX { &**version } else { "" };
        let sum: &mut u32 = told.entry(name.to_owned()).or_default();
        *sum = sum.saturating_add(count);
    }
    told
}

fn entry(tally: &Tally) -> Entry {
    let Tally {
        place,
        versions,
        stale,
        drains,
        stopped,
        failed,
        oldest,
    } = tally;
    let versions = by_version(versions);
    Entry {
        kind: place.kind.as_str().to_owned(),
        namespace: place.namespace.to_string(),
        name: place.name.to_string(),
        versions,
        draining: if *drains { stale - failed } else { 0 },
        stopped: *stopped,
        failed: *failed,
        oldest_stale_since: oldest.map(|at| {
            // Whole seconds, as Kubernetes writes times.
            Timestamp::from_second(at.as_second())
                .unwrap_or(at)
                .to_string()
        }),
    }
}

/// A name that Kubernetes takes, of a replica's name.
fn object_name(identity: &str) -> String {
    let mut name: String = identity
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    name.truncate(200);
    format!("agentcore-session-report-{}", name.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::Kind;
    use crate::sessions::ledger::Group;

    fn tally(name: &str, sessions: u32) -> Tally {
        Tally {
            place: Group {
                kind: Kind::AgentRuntime,
                namespace: "shop".into(),
                name: name.into(),
                version: None,
            },
            versions: [("1".into(), sessions)].into(),
            stale: sessions,
            drains: true,
            stopped: 0,
            failed: 0,
            oldest: None,
        }
    }

    fn fits(entries: &[Entry]) -> bool {
        let report = Report {
            at: String::new(),
            namespaces: Vec::new(),
            entries: entries.to_vec(),
        };
        serde_json::to_string(&report).unwrap().len() < 1 << 20
    }

    #[test]
    fn a_report_of_too_many_objects_names_those_with_most_sessions_and_fits_into_a_config_map() {
        let name = |number: usize| format!("{number:0>253}");
        let tallies: Vec<Tally> = (0..3_000)
            .map(|n| tally(&name(n), u32::try_from(n).unwrap()))
            .collect();
        let entries = entries(&tallies);
        assert!((1_000..3_000).contains(&entries.len()), "{}", entries.len());
        assert_eq!(entries[0].name, name(3_000 - entries.len()));
        assert!(fits(&entries));
    }

    #[test]
    fn no_namespace_pushes_anothers_objects_out_of_a_report() {
        let mut tallies: Vec<Tally> = (0..5_000)
            .map(|n| tally(&format!("{n:0>253}"), 9))
            .collect();
        // An object that drains over and over has an edition for each time.
        for (n, tally) in tallies.iter_mut().enumerate() {
            tally.versions = (0..100)
                .map(|version| (format!("{n}~{version:0>64}").into(), 1))
                .collect();
        }
        let mut other = tally("quiet", 1);
        other.place.namespace = "other".into();
        tallies.push(other);
        let entries = entries(&tallies);
        assert!(entries.iter().any(|entry| entry.namespace == "other"));
        assert!(fits(&entries));
        let first = entries.iter().find(|entry| entry.namespace == "shop");
        let versions = &first.unwrap().versions;
        assert_eq!((versions.len(), versions[""]), (VERSIONS_MAX + 1, 50));
    }

    #[test]
    fn a_replicas_name_makes_a_name_of_kubernetes() {
        assert_eq!(
            object_name("Host_0a.b-1_"),
            "agentcore-session-report-host-0a-b-1"
        );
    }
}
