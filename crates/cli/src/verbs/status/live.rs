//! The tree as it changes: one watch of each kind, and a frame after each burst of events.

use agentcore_api::Kind;
use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{SelectAll, select_all};
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};

use super::model::World;
use crate::context::Cluster;
use crate::error::Error;
use crate::objects::api;
use crate::refusals;
use crate::salvaged::Salvaged;

/// Events that come together make one frame.
const BURST: Duration = Duration::from_millis(150);
/// Ages move on even when nothing happens.
const TICK: Duration = Duration::from_secs(5);
/// Objects of one page of a first list.
const PAGE: u32 = 500;

type Key = (Kind, String, String);
type Events =
    SelectAll<futures::stream::BoxStream<'static, (Kind, watcher::Result<Event<Salvaged>>)>>;

/// What is there now, kept so by watches.
pub struct Live {
    events: Events,
    objects: BTreeMap<Key, DynamicObject>,
    /// Kinds whose first list is not complete yet.
    waiting: Vec<Kind>,
    /// Why the cluster cannot be followed at the moment.
    pub trouble: Option<String>,
    /// Kinds that may not be looked at, or that there are not, and why.
    pub hidden: BTreeMap<Kind, String>,
    cluster: Cluster,
}

impl Live {
    /// Begins to watch.
    pub fn new(cluster: &Cluster, all_namespaces: bool) -> Result<Self, Error> {
        let cluster = cluster.patient()?;
        let one = |kind: Kind| {
            let api = api(kind, &cluster, all_namespaces);
            let config = watcher::Config::default().page_size(PAGE);
            let events = watcher(api, config).default_backoff();
            events.map(move |event| (kind, event)).boxed()
        };
        let events = select_all(Kind::ALL.map(one));
        Ok(Self {
            events,
            objects: BTreeMap::new(),
            waiting: Kind::ALL.to_vec(),
            trouble: None,
            hidden: BTreeMap::new(),
            cluster,
        })
    }

    /// Waits until there is something new to show, or for the next tick.
    pub async fn next(&mut self) -> Result<(), Error> {
        let first = tokio::time::timeout(TICK, self.events.next()).await;
        let Ok(Some((kind, event))) = first else {
            if self.waiting.is_empty() {
                return Ok(());
            }
            // Nothing to show yet: a tree with half of the kinds would be wrong.
            return Box::pin(self.next()).await;
        };
        self.take(kind, event)?;
        let end = tokio::time::Instant::now() + BURST;
        loop {
            let more = if self.waiting.is_empty() {
                match tokio::time::timeout_at(end, self.events.next()).await {
                    Ok(more) => more,
                    Err(_) => return Ok(()),
                }
            } else {
                self.events.next().await
            };
            match more {
                Some((kind, event)) => self.take(kind, event)?,
                None => {
                    return Err(Error::Unreachable(
                        "the watch has ended: try again".to_owned(),
                    ));
                }
            }
        }
    }

    fn take(&mut self, kind: Kind, event: watcher::Result<Event<Salvaged>>) -> Result<(), Error> {
        let key = |object: &Salvaged| {
            (
                kind,
                object.namespace().unwrap_or_default(),
                object.name_any(),
            )
        };
        match event {
            Ok(Event::Init) => self.objects.retain(|(of, ..), _| *of != kind),
            Ok(Event::InitApply(object) | Event::Apply(object)) => {
                self.trouble = None;
                self.objects.insert(key(&object), object.0);
            }
            Ok(Event::Delete(object)) => drop(self.objects.remove(&key(&object))),
            Ok(Event::InitDone) => {
                self.trouble = None;
                self.hidden.remove(&kind);
                self.waiting.retain(|of| *of != kind);
            }
            Err(error) => {
                let error = self.explain(&error, kind);
                if kind != Kind::AgentRuntime && error.hides_a_kind() {
                    self.waiting.retain(|of| *of != kind);
                    self.hidden.insert(kind, format!("not shown: {error}"));
                    return Ok(());
                }
                // Before the first frame somebody waits for an answer; later the last frame stays, and the watch goes on.
                if self.waiting.contains(&kind) || !matches!(error, Error::Unreachable(_)) {
                    return Err(error);
                }
                self.trouble = Some(error.to_string());
            }
        }
        Ok(())
    }

    fn explain(&self, error: &watcher::Error, kind: Kind) -> Error {
        use watcher::Error as E;
        match error {
            E::InitialListFailed(cause) => refusals::of_kind(cause, "list", kind, &self.cluster),
            E::WatchStartFailed(cause) | E::WatchFailed(cause) => {
                refusals::of_kind(cause, "watch", kind, &self.cluster)
            }
            E::WatchError(status) if status.code == 410 => {
                Error::Unreachable("the watch is begun anew".to_owned())
            }
            other => Error::Unreachable(format!("the watch of {} failed: {other}", kind.plural())),
        }
    }

    /// What is there now.
    pub fn world(&self) -> World {
        let of = |kind: Kind| {
            let mine = self.objects.iter().filter(move |((of, ..), _)| *of == kind);
            mine.map(|(_, object)| object.clone()).collect()
        };
        World {
            runtimes: of(Kind::AgentRuntime),
            endpoints: of(Kind::AgentEndpoint),
            sessions: of(Kind::AgentSession),
        }
    }
}
