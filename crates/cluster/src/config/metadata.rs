//! A watch of one kind's metadata in one namespace: which names there are, and their resource versions.

use std::collections::HashMap;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::errors::told;
use crate::listing::listing;
use crate::readable::Head;

/// Longest wait for the first list.
const FIRST_LIST: Duration = Duration::from_secs(10);
/// Pause before a forbidden watch is tried again; a fifth more or less.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(30);
/// First and longest pause after another failure.
const FAILURE_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What the watch says of a name.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// It is there, at this resource version.
    At(String),
    /// It is not there.
    Absent,
    /// The watch does not work, or is forbidden.
    Unwatched,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Starting,
    Live,
    Broken,
}

struct Shared {
    versions: Mutex<HashMap<String, String>>,
    state: watch::Sender<State>,
}

/// A running watch; it ends when it is dropped.
pub struct MetadataWatch {
    shared: Arc<Shared>,
    _running: DropGuard,
}

impl MetadataWatch {
    /// Starts watching; `tell` is called with each name that came, changed or went.
    pub fn start<K>(api: Api<Head<K>>, tell: impl Fn(&str) + Send + Sync + 'static) -> Self
    where
        K: Resource<DynamicType = ()> + Clone + Debug + 'static,
    {
        let shared = Arc::new(Shared {
            versions: Mutex::default(),
            state: watch::Sender::new(State::Starting),
        });
        let stop = CancellationToken::new();
        let (running, ended) = (shared.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = run(&api, &running, &tell) => {}
                () = ended.cancelled() => {}
            }
        });
        Self {
            shared,
            _running: stop.drop_guard(),
        }
    }

    /// What is known of a name, after the first list.
    pub async fn look_up(&self, name: &str) -> Known {
        let mut state = self.shared.state.subscribe();
        let begun = state.wait_for(|state| *state != State::Starting);
        let state = match tokio::time::timeout(FIRST_LIST, begun).await {
            Ok(Ok(state)) => *state,
            Ok(Err(_)) | Err(_) => State::Broken,
        };
        if state != State::Live {
            return Known::Unwatched;
        }
        let versions = self.shared.versions.lock();
        versions
            .get(name)
            .map_or(Known::Absent, |version| Known::At(version.clone()))
    }
}

/// Watches for ever.
async fn run<K>(api: &Api<Head<K>>, shared: &Shared, tell: &impl Fn(&str))
where
    K: Resource<DynamicType = ()> + Clone + Debug + 'static,
{
    let mut pause = FAILURE_PAUSES.0;
    loop {
        let mut events = pin!(listing(api.clone(), watcher::Config::default()));
        let mut listed = HashMap::new();
        let error = loop {
            match events.next().await {
                Some(Ok(event)) => {
                    if matches!(event, Event::InitDone) {
                        pause = FAILURE_PAUSES.0;
                    }
                    shared.take(event, &mut listed, tell);
                }
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        shared.state.send_replace(State::Broken);
        let forbidden = error.as_ref().is_some_and(is_forbidden);
        let wait = if forbidden { FORBIDDEN_PAUSE } else { pause };
        if !forbidden {
            pause = (pause * 2).min(FAILURE_PAUSES.1);
        }
        if let Some(error) = error {
            tracing::debug!(error = %told(&error), forbidden, "metadata watch interrupted, retrying");
        }
        tokio::time::sleep(wait.mul_f64(0.8 + 0.4 * rand::random::<f64>())).await;
    }
}

impl Shared {
    fn take<K>(
        &self,
        event: Event<Head<K>>,
        listed: &mut HashMap<String, String>,
        tell: &impl Fn(&str),
    ) where
        K: Resource<DynamicType = ()>,
    {
        let entry = |object: &Head<K>| {
            let version = object.resource_version().unwrap_or_default();
            (object.name_any(), version)
        };
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                let (name, version) = entry(&object);
                listed.insert(name, version);
            }
            Event::InitDone => {
                let now = std::mem::take(listed);
                let before = std::mem::replace(&mut *self.versions.lock(), now.clone());
                // Those who asked while nothing was watched know what was there then, and not what is there now.
                self.state.send_replace(State::Live);
                let gone = before.keys().filter(|name| !now.contains_key(*name));
                let changed = now
                    .iter()
                    .filter(|(name, version)| before.get(*name) != Some(version));
                let changed = changed.map(|(name, _)| name);
                changed.chain(gone).for_each(|name| tell(name));
            }
            Event::Apply(object) => {
                let (name, version) = entry(&object);
                let before = self.versions.lock().insert(name.clone(), version.clone());
                if before != Some(version) {
                    tell(&name);
                }
            }
            Event::Delete(object) => {
                let (name, _) = entry(&object);
                self.versions.lock().remove(&name);
                tell(&name);
            }
        }
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    use watcher::Error as E;
    match error {
        E::InitialListFailed(error) | E::WatchStartFailed(error) | E::WatchFailed(error) => {
            matches!(error, kube::Error::Api(status) if status.code == 403)
        }
        E::WatchError(status) => status.code == 403,
        E::NoResourceVersion => false,
    }
}
