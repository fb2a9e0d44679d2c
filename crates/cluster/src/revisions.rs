//! ControllerRevisions that keep the history of AgentRuntimes: which there are, and writing and deleting them.

use std::collections::HashMap;
use std::time::Duration;

use agentcore_api::AgentRuntime;
use agentcore_api::names::labels;
use agentcore_plan::runtime::Revision;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::api::{DeleteParams, PostParams};
use kube::core::ObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::MANAGED_BY;
use super::listing::listing;
use super::readable::Head;

use crate::errors::told;

/// Annotation: when the version was asked for.
const ASKED_AT: &str = "agentcore.dev/asked-at";
/// Longest wait for the first list: history is worth no more.
const FIRST_LIST: Duration = Duration::from_secs(10);
/// Field managers of the operator begin with this.
const OPERATOR: &str = "agentcore-operator";

/// One revision, as far as it has to be known.
#[derive(Clone, Debug)]
struct Kept {
    name: String,
    asked_at: String,
}

/// Revisions by UID of their AgentRuntime.
type ByRuntime = HashMap<String, Vec<Kept>>;

/// The revisions of one watched namespace, or of all.
#[derive(Debug)]
pub struct Revisions {
    kept: Mutex<ByRuntime>,
    filled: watch::Sender<bool>,
}

impl Default for Revisions {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            filled: watch::Sender::new(false),
        }
    }
}

impl Revisions {
    /// Waits for the first list, for a while: without it, at most one write too many is tried.
    pub async fn filled(&self) {
        let mut filled = self.filled.subscribe();
        let _ = tokio::time::timeout(FIRST_LIST, filled.wait_for(|filled| *filled)).await;
    }

    /// Watches for ever. Where that is forbidden there is no history.
    pub async fn watch(&self, api: Api<Head<ControllerRevision>>) {
        let [label, value] = MANAGED_BY;
        let config =
            watcher::Config::default().labels(&format!("{label}={value},{}", labels::RUNTIME_UID));
        let mut events = listing(api, config).boxed();
        // The list that is being read; what is kept stays until its end.
        let mut listed = ByRuntime::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(one)) => note(&mut listed, &one, true),
                Ok(Event::Apply(one)) => note(&mut self.kept.lock(), &one, true),
                Ok(Event::Delete(one)) => note(&mut self.kept.lock(), &one, false),
                Ok(Event::InitDone) => {
                    *self.kept.lock() = std::mem::take(&mut listed);
                    self.filled.send_replace(true);
                }
                Err(error) => {
                    self.filled.send_replace(true);
                    tracing::warn!(error = %told(&error), "cannot watch ControllerRevisions, retrying");
                }
            }
        }
    }

    /// Whether this very revision is written.
    pub fn has(&self, uid: &str, name: &str, asked_at: &str) -> bool {
        let kept = self.kept.lock();
        kept.get(uid).is_some_and(|list| {
            list.iter()
                .any(|one| one.name == name && one.asked_at == asked_at)
        })
    }

    /// Names of an object's revisions, newest first.
    pub fn names(&self, uid: &str) -> Vec<String> {
        let mut list = self.kept.lock().get(uid).cloned().unwrap_or_default();
        list.sort_by(|a, b| b.asked_at.cmp(&a.asked_at));
        list.into_iter().map(|one| one.name).collect()
    }

    /// Writes a revision. One of the same name that is about an earlier version of the same number makes room.
    pub async fn write(
        &self,
        kube: &Client,
        object: &AgentRuntime,
        revision: Revision,
    ) -> kube::Result<()> {
        let namespace = object.namespace().unwrap_or_default();
        let uid = object.uid().unwrap_or_default();
        let api = Api::<ControllerRevision>::namespaced(kube.clone(), &namespace);
        let Revision {
            name,
            mut labels,
            number,
            time,
            mut data,
        } = revision;
        data.insert("actor".to_owned(), json!(actor(kube, object).await));
        let [label, value] = MANAGED_BY.map(str::to_owned);
        labels.insert(label, value);
        let owner = object.controller_owner_ref(&()).map(|mut owner| {
            // Blocking needs a right to the owner's finalizers, and nothing waits for these.
            owner.block_owner_deletion = None;
            owner
        });
        let made = ControllerRevision {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(namespace.clone()),
                labels: Some(labels),
                annotations: Some([(ASKED_AT.to_owned(), time.clone())].into()),
                owner_references: owner.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            data: Some(RawExtension(Value::Object(data))),
            revision: number,
        };
        let mut answer = api.create(&PostParams::default(), &made).await;
        if is_code(&answer, 409) {
            let heads = Api::<Head<ControllerRevision>>::namespaced(kube.clone(), &namespace);
            let there = heads.get(&name).await?;
            if there.annotations().get(ASKED_AT) != Some(&time) {
                delete(&api, &name).await?;
                answer = api.create(&PostParams::default(), &made).await;
            }
        }
        if !is_code(&answer, 409) {
            answer?;
        }
        change(&mut self.kept.lock(), &uid, &name, Some(time));
        Ok(())
    }

    /// Deletes a revision.
    pub async fn delete(
        &self,
        kube: &Client,
        object: &AgentRuntime,
        name: &str,
    ) -> kube::Result<()> {
        let namespace = object.namespace().unwrap_or_default();
        let api = Api::<ControllerRevision>::namespaced(kube.clone(), &namespace);
        delete(&api, name).await?;
        let uid = object.uid().unwrap_or_default();
        change(&mut self.kept.lock(), &uid, name, None);
        Ok(())
    }
}

fn note(kept: &mut ByRuntime, one: &Head<ControllerRevision>, there: bool) {
    let Some(uid) = one.labels().get(labels::RUNTIME_UID) else {
        return;
    };
    let asked_at = one.annotations().get(ASKED_AT).cloned().unwrap_or_default();
    change(kept, uid, &one.name_any(), there.then_some(asked_at));
}

fn change(kept: &mut ByRuntime, uid: &str, name: &str, asked_at: Option<String>) {
    let mut list = kept.remove(uid).unwrap_or_default();
    list.retain(|one| one.name != name);
    list.extend(asked_at.map(|asked_at| Kept {
        name: name.to_owned(),
        asked_at,
    }));
    if !list.is_empty() {
        kept.insert(uid.to_owned(), list);
    }
}

async fn delete(api: &Api<ControllerRevision>, name: &str) -> kube::Result<()> {
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}

fn is_code<T>(answer: &kube::Result<T>, code: u16) -> bool {
    matches!(answer, Err(kube::Error::Api(status)) if status.code == code)
}

/// Who wrote the spec last, as far as the managed fields tell; our caches do without them.
async fn actor(kube: &Client, object: &AgentRuntime) -> Option<String> {
    let namespace = object.namespace().unwrap_or_default();
    let api = Api::<AgentRuntime>::namespaced(kube.clone(), &namespace);
    let metadata = api.get_metadata(&object.name_any()).await.ok()?;
    let writers = metadata.managed_fields().iter().filter(|entry| {
        let spec = entry
            .fields_v1
            .as_ref()
            .is_some_and(|fields| fields.0.get("f:spec").is_some());
        let manager = entry.manager.as_deref().unwrap_or_default();
        spec && entry.subresource.is_none() && !manager.starts_with(OPERATOR)
    });
    let last = writers.max_by_key(|entry| entry.time.clone().map(|time| time.0))?;
    last.manager.clone()
}
