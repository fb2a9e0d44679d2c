//! Runtimes that outlived their objects, by deletionPolicy Retain or annotation: a record of each, in a ConfigMap beside the Lease, so that
//! they count against the limit of their namespace for as long as they live.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use agentcore_api::values::Arn;
use agentcore_plan::runtime::Listed;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use parking_lot::Mutex;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::grants;
use super::shard::Shard;
use agentcore_cluster::MANAGED_BY;
use agentcore_cluster::errors::told;

/// Label of a record, and its value.
const RECORD: [&str; 2] = ["agentcore.dev/record", "retained"];
/// Records of one page.
const PAGE: u32 = 100;
/// Pause before records that could not be listed are asked for again.
const AGAIN: Duration = Duration::from_secs(5);

/// A runtime that nobody's object stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    id: String,
    region: String,
    /// When it was written down: a list begun earlier proves nothing.
    since: Timestamp,
}

/// What is known of such runtimes.
pub struct Retained {
    api: Api<ConfigMap>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether the first list is here.
    listed: bool,
    /// By namespace and by the name of the record.
    records: HashMap<String, BTreeMap<String, Record>>,
}

impl Retained {
    /// Records in this namespace.
    pub fn new(kube: Client, namespace: &str) -> Self {
        Self {
            api: Api::namespaced(kube, namespace),
            state: Mutex::default(),
        }
    }

    /// Reads the records once: from then on nobody else writes them. Objects that waited for that look again.
    pub async fn run(&self, shards: &[Arc<Shard>]) {
        loop {
            match self.list().await {
                Ok(records) => {
                    let mut state = self.state.lock();
                    for (namespace, name, record) in records {
                        let of_namespace = state.records.entry(namespace).or_default();
                        of_namespace.entry(name).or_insert(record);
                    }
                    state.listed = true;
                    break;
                }
                Err(error) => {
                    tracing::warn!(error = %told(&error), "cannot list the records of retained runtimes; no runtimes are created in namespaces with a limit until then");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        grants::wake_limited(shards);
        std::future::pending::<()>().await;
    }

    async fn list(&self) -> kube::Result<Vec<(String, String, Record)>> {
        let mut records = Vec::new();
        let mut page = ListParams::default().labels(&RECORD.join("=")).limit(PAGE);
        loop {
            let list = self.api.list(&page).await?;
            records.extend(list.items.iter().filter_map(read));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(records),
            }
        }
    }

    /// Writes down that a runtime lives on. Doing it twice is doing it once.
    pub async fn keep(&self, namespace: &str, id: &str, arn: &str) -> kube::Result<()> {
        let name = name(arn);
        let record: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {MANAGED_BY[0]: MANAGED_BY[1], RECORD[0]: RECORD[1]}},
            "data": {"namespace": namespace, "id": id, "arn": arn},
        }))
        .map_err(kube::Error::SerdeError)?;
        match self.api.create(&PostParams::default(), &record).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error),
        }
        let record = Record {
            id: id.to_owned(),
            region: Arn(arn).region().unwrap_or_default().to_owned(),
            since: Timestamp::now(),
        };
        let mut state = self.state.lock();
        let records = state.records.entry(namespace.to_owned()).or_default();
        records.insert(name, record);
        Ok(())
    }

    /// How many runtimes of a namespace outlived their objects; those that a later list lacks are forgotten. `None`: nobody knows yet.
    pub async fn count(&self, namespace: &str, shard: &Shard) -> Option<usize> {
        let records = {
            let state = self.state.lock();
            if !state.listed {
                return None;
            }
            state.records.get(namespace).cloned().unwrap_or_default()
        };
        let mut counted = 0;
        for (name, record) in records {
            let region = shard.context.regions.running(&record.region);
            let listed = region.map(|region| region.inventory.lookup_id(&record.id, record.since));
            if matches!(listed, Some(Listed::Absent { .. })) {
                self.forget(namespace, &name).await;
            } else if !stands_for(shard, namespace, &record.id) {
                counted += 1;
            }
        }
        Some(counted)
    }

    async fn forget(&self, namespace: &str, name: &str) {
        match self.api.delete(name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                tracing::warn!(error = %told(&error), %name, "cannot delete the record of a deleted runtime, retrying");
                return;
            }
        }
        if let Some(records) = self.state.lock().records.get_mut(namespace) {
            records.remove(name);
        }
    }
}

/// Whether an object of the namespace stands for the runtime again: then the object counts.
fn stands_for(shard: &Shard, namespace: &str, id: &str) -> bool {
    shard.runtimes.state().iter().any(|object| {
        let status = object.status.as_ref();
        object.namespace().as_deref() == Some(namespace)
            && status.and_then(|status| status.id.as_deref()) == Some(id)
    })
}

/// Name of the record of a runtime.
fn name(arn: &str) -> String {
    let hash = Sha256::digest(arn);
    let short = hash.iter().take(8).map(|byte| format!("{byte:02x}"));
    format!("agentcore-retained-{}", short.collect::<String>())
}

/// Namespace, name and content of a record; `None`: it is none, or somebody has spoilt it.
fn read(object: &ConfigMap) -> Option<(String, String, Record)> {
    let data = object.data.as_ref()?;
    let record = Record {
        id: data.get("id")?.clone(),
        region: Arn(data.get("arn")?).region()?.to_owned(),
        since: object
            .creation_timestamp()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
    };
    Some((data.get("namespace")?.clone(), object.name_any(), record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_a_spoilt_one_is_none() {
        let arn = "arn:aws:bedrock-agentcore:eu-west-1:111122223333:runtime/a-0123456789";
        let object = |data: serde_json::Value| -> ConfigMap {
            let name = name(arn);
            serde_json::from_value(json!({"metadata": {"name": name}, "data": data}))
                .expect("a ConfigMap")
        };
        let (namespace, name, record) = read(&object(
            json!({"namespace": "team-a", "id": "a-0123456789", "arn": arn}),
        ))
        .expect("a record");
        assert_eq!(
            (namespace.as_str(), record.region.as_str()),
            ("team-a", "eu-west-1")
        );
        assert_eq!(record.id, "a-0123456789");
        assert_eq!(name.len(), "agentcore-retained-".len() + 16);
        assert_eq!(read(&object(json!({"namespace": "team-a"}))), None);
    }
}
