//! Secrets and ConfigMaps that specs refer to. Only their metadata is watched, in namespaces with such specs; values are read of what
//! is referred to, when its resource version has changed. Where watching is forbidden, reading is tried again from time to time.

mod key;
mod metadata;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use agentcore_plan::config::{ConfigInput, Data, EnvValue, Found, Source, SourceKind};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::readable::{Head, Raw};
use key::KeyKeeper;
use metadata::{Known, MetadataWatch};

use crate::errors::told;

/// How long a read without a watch stays good: passes that follow each other ask once.
const FRESH: Duration = Duration::from_secs(20);
/// Values that nobody asked for during this time are dropped from memory.
const KEPT: Duration = Duration::from_hours(1);
/// Values of one namespace that are read at a time: no pass has its turn meanwhile, and there is room for other namespaces' requests.
const AT_ONCE: usize = 4;

/// A Secret or ConfigMap is not as it was.
#[derive(Debug)]
pub struct Changed {
    /// Its namespace.
    pub namespace: String,
    /// Which one.
    pub source: Source,
}

/// What was read for one spec.
#[derive(Debug, Default)]
pub struct Reading {
    /// For the planner.
    pub input: ConfigInput,
    /// Whether nothing tells of changes, so that reading has to be tried again.
    pub asks_again: bool,
}

/// Secrets and ConfigMaps of all namespaces.
pub struct Configs {
    kube: Client,
    key: KeyKeeper,
    namespaces: Mutex<HashMap<String, Arc<Namespace>>>,
    tells: mpsc::UnboundedSender<Changed>,
    changes: Mutex<Option<mpsc::UnboundedReceiver<Changed>>>,
}

/// What is known of one namespace. The watches end with it.
struct Namespace {
    gets: Semaphore,
    watches: Mutex<HashMap<SourceKind, Arc<MetadataWatch>>>,
    read: Mutex<HashMap<Source, Read>>,
}

impl Default for Namespace {
    fn default() -> Self {
        Self {
            gets: Semaphore::new(AT_ONCE),
            watches: Mutex::default(),
            read: Mutex::default(),
        }
    }
}

/// What was read, and when.
struct Read {
    resource_version: Option<String>,
    at: Instant,
    used: Instant,
    found: Found,
}

impl Configs {
    /// Nothing is read yet. The operator's key is kept in `own_namespace`.
    pub fn new(kube: Client, own_namespace: &str) -> Self {
        let (tells, changes) = mpsc::unbounded_channel();
        Self {
            key: KeyKeeper::new(kube.clone(), own_namespace),
            kube,
            namespaces: Mutex::default(),
            tells,
            changes: Mutex::new(Some(changes)),
        }
    }

    /// The stream of changes; there is one reader.
    pub fn changes(&self) -> Option<mpsc::UnboundedReceiver<Changed>> {
        self.changes.lock().take()
    }

    /// Ends the watches of a namespace and drops its values.
    pub fn forget(&self, namespace: &str) {
        self.namespaces.lock().remove(namespace);
    }

    /// Whether a namespace is watched.
    pub fn watches(&self, namespace: &str) -> bool {
        self.namespaces.lock().contains_key(namespace)
    }

    /// Reads what a spec refers to.
    pub async fn read(&self, namespace: &str, wanted: BTreeSet<Source>) -> Reading {
        if wanted.is_empty() {
            return Reading::default();
        }
        let key = match self.key.get().await {
            Ok(key) => key,
            Err(why) => {
                return Reading {
                    input: ConfigInput::NoKey { why },
                    asks_again: true,
                };
            }
        };
        let place = self
            .namespaces
            .lock()
            .entry(namespace.to_owned())
            .or_default()
            .clone();
        let (mut found, mut asks_again) = (BTreeMap::new(), false);
        for source in wanted {
            let (one, watched) = self.source(namespace, &place, &source).await;
            asks_again |= !watched || matches!(one, Found::Forbidden | Found::Unavailable);
            found.insert(source, one);
        }
        place
            .read
            .lock()
            .retain(|_, read| read.used.elapsed() < KEPT);
        Reading {
            input: ConfigInput::Given { key, found },
            asks_again,
        }
    }

    /// What is there, and whether changes of it are told.
    async fn source(&self, namespace: &str, place: &Namespace, source: &Source) -> (Found, bool) {
        let watch = place
            .watches
            .lock()
            .entry(source.kind)
            .or_insert_with(|| self.watch(namespace, source.kind))
            .clone();
        let known = watch.look_up(&source.name).await;
        let good = |read: &Read| match &known {
            Known::At(version) => read.resource_version.as_ref() == Some(version),
            Known::Absent => false,
            Known::Unwatched => read.at.elapsed() < FRESH,
        };
        if known == Known::Absent {
            place.read.lock().remove(source);
            return (Found::Missing, true);
        }
        let watched = known != Known::Unwatched;
        if let Some(read) = place.read.lock().get_mut(source).filter(|read| good(read)) {
            read.used = Instant::now();
            return (read.found.clone(), watched);
        }
        let (resource_version, found) = {
            // Nobody closes it.
            let _one = place.gets.acquire().await;
            self.get(namespace, source).await
        };
        let now = Instant::now();
        let read = Read {
            resource_version,
            at: now,
            used: now,
            found: found.clone(),
        };
        place.read.lock().insert(source.clone(), read);
        (found, watched)
    }

    fn watch(&self, namespace: &str, kind: SourceKind) -> Arc<MetadataWatch> {
        let (kube, told) = (self.kube.clone(), self.tells.clone());
        let of = namespace.to_owned();
        let tell = move |name: &str| {
            let source = Source {
                kind,
                name: name.to_owned(),
            };
            let namespace = of.clone();
            // A closed channel means that the controllers have ended.
            let _ = told.send(Changed { namespace, source });
        };
        Arc::new(match kind {
            SourceKind::Secret => {
                MetadataWatch::start(Api::<Head<Secret>>::namespaced(kube, namespace), tell)
            }
            SourceKind::ConfigMap => {
                MetadataWatch::start(Api::<Head<ConfigMap>>::namespaced(kube, namespace), tell)
            }
        })
    }

    async fn get(&self, namespace: &str, source: &Source) -> (Option<String>, Found) {
        let name = source.name.as_str();
        let answer = match source.kind {
            SourceKind::Secret => {
                let api = Api::<Raw<Secret>>::namespaced(self.kube.clone(), namespace);
                let answer = api.get(name).await;
                answer.map(|raw| {
                    raw.decode()
                        .map(|it| (it.resource_version(), secret_data(it)))
                })
            }
            SourceKind::ConfigMap => {
                let api = Api::<Raw<ConfigMap>>::namespaced(self.kube.clone(), namespace);
                let answer = api.get(name).await;
                answer.map(|raw| raw.decode().map(|it| (it.resource_version(), map_data(it))))
            }
        };
        match answer {
            Ok(Ok((version, data))) => (version, Found::Data(Arc::new(data))),
            Ok(Err(why)) => {
                tracing::warn!(%source, namespace, %why, "cannot read the source, retrying");
                (None, Found::Unavailable)
            }
            Err(kube::Error::Api(status)) if status.code == 404 => (None, Found::Missing),
            Err(kube::Error::Api(status)) if status.code == 403 => (None, Found::Forbidden),
            Err(error) => {
                tracing::warn!(%source, namespace, error = %told(&error), "cannot read the source, retrying");
                (None, Found::Unavailable)
            }
        }
    }
}

fn secret_data(secret: Secret) -> Data {
    let data = secret.data.unwrap_or_default().into_iter();
    data.map(|(key, value)| (key, String::from_utf8(value.0).ok().map(EnvValue::hidden)))
        .collect()
}

/// As for pods, `binaryData` makes no variables.
fn map_data(map: ConfigMap) -> Data {
    let data = map.data.unwrap_or_default().into_iter();
    data.map(|(key, value)| (key, Some(EnvValue::hidden(value))))
        .collect()
}
