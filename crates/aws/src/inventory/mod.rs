//! Shared poller: lists all runtimes of an account and region, and requeues the objects whose entry changed.
//!
//! No object asks AWS on its own whether it is done. While objects are in transition the poller looks at them together, by the
//! list or by a Get each, whichever is fewer calls; at rest it lists once a minute. Cost grows with pages, not with objects.
//! Runs in the leader only.

mod groups;
mod schedule;
mod snapshot;

pub use schedule::pace;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agentcore_plan::fault::Fault;
use agentcore_plan::runtime::Listed;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::control::Control;
use super::operation::Operation;
use super::rate_limiter::Priority;
use groups::Who;
use schedule::{Load, Look};
use snapshot::Snapshot;

/// An object, or whoever a runtime belongs to, should look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Key under which the object was given to [`Inventory::track`]; `None` when an entry changed, whoever it belongs to.
    pub key: Option<String>,
    /// Id of the runtime; empty for a tracked object that has none yet.
    pub runtime_id: String,
    /// Name of the runtime; empty where no list has shown it.
    pub name: String,
    /// Whether the runtime itself is to be read, because Gets are cheaper than the list. Only with `key`.
    pub poll: bool,
    /// Beginning of the list that says so; with `poll`, now.
    pub as_of: Timestamp,
}

/// The runtimes of one account and region, as the last complete list shows them.
#[derive(Debug)]
pub struct Inventory {
    control: Control,
    triggers: mpsc::UnboundedSender<Trigger>,
    state: Mutex<State>,
    /// Held while a list is under way: at most one is.
    listing: tokio::sync::Mutex<Last>,
    /// Lists begun so far.
    begun: AtomicU64,
    /// Something is tracked that was not.
    tracked: Notify,
}

/// The last list that ended, by its number.
#[derive(Debug, Default)]
struct Last {
    number: u64,
    result: Option<Result<(), Fault>>,
}

#[derive(Debug, Default)]
struct State {
    snapshot: Option<Snapshot>,
    tracked: HashMap<String, Tracked>,
    /// Beginning of the last list, whether it succeeded or not.
    listed_at: Option<Instant>,
    /// Last time that tracked objects were told to Get, and that those of [`Who::Few`] were.
    polled_at: Option<Instant>,
    few_polled_at: Option<Instant>,
    /// Lists that failed in a row.
    failures: u32,
    /// Drawn anew for each list: 0 to 1.
    jitter: f64,
}

/// An object in transition.
#[derive(Debug)]
struct Tracked {
    runtime_id: Option<String>,
    /// Beginning of the transition.
    since: Instant,
    /// When it was tracked first.
    seen: Instant,
}

/// What the poller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    List(Priority),
    Gets(Who),
}

impl Inventory {
    /// An inventory that knows nothing yet and sends what changes to `triggers`.
    pub fn new(control: Control, triggers: mpsc::UnboundedSender<Trigger>) -> Arc<Self> {
        Arc::new(Self {
            control,
            triggers,
            state: Mutex::default(),
            listing: tokio::sync::Mutex::default(),
            begun: AtomicU64::new(0),
            tracked: Notify::new(),
        })
    }

    /// Polls until `stop`. The first list is made at once.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let poll = async {
            loop {
                let (_, at) = self.next();
                tokio::select! {
                    () = self.tracked.notified() => continue,
                    () = tokio::time::sleep_until(at) => {}
                }
                // What was waited for can be settled by now, and a list made on behalf of somebody else.
                match self.next() {
                    (_, at) if at > Instant::now() => {}
                    (Next::Gets(who), _) => self.tell_to_get(who),
                    (Next::List(priority), _) => self.list_if_due(priority).await,
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = poll => {}
        }
    }

    /// What the last complete list begun at or after `not_before` says of a runtime id; [`Listed::Unknown`] without one.
    pub fn lookup_id(&self, id: &str, not_before: Timestamp) -> Listed {
        self.lookup(not_before, |snapshot| snapshot.id(id))
    }

    /// What the last complete list begun at or after `not_before` says of a runtime's name; [`Listed::Unknown`] without one.
    pub fn lookup_name(&self, name: &str, not_before: Timestamp) -> Listed {
        self.lookup(not_before, |snapshot| snapshot.name(name))
    }

    fn lookup(&self, not_before: Timestamp, look: impl FnOnce(&Snapshot) -> Listed) -> Listed {
        match &self.state.lock().snapshot {
            Some(snapshot) if snapshot.as_of() >= not_before => look(snapshot),
            _ => Listed::Unknown,
        }
    }

    /// Waits for a complete list that was begun after this call, making it if need be. Callers that wait at the same time share
    /// one list, and its fault.
    pub async fn fresh(&self) -> Result<(), Fault> {
        let begun = self.begun.load(Ordering::SeqCst);
        let mut last = self.listing.lock().await;
        match &last.result {
            Some(result) if last.number > begun => result.clone(),
            _ => self.list(&mut last, Priority::Urgent).await,
        }
    }

    /// Tells that the object `key` is in transition since then: it will be woken when there is something to see, until it is
    /// settled. Telling again updates what is known of it.
    pub fn track(&self, key: String, runtime_id: Option<String>, since: Timestamp) {
        let now = Instant::now();
        let age = Duration::try_from(Timestamp::now().duration_since(since)).unwrap_or_default();
        let since = now.checked_sub(age).unwrap_or(now);
        let mut state = self.state.lock();
        let before = state.tracked.get(&key);
        let seen = before.map_or(now, |tracked| tracked.seen);
        let news =
            before.is_none_or(|tracked| tracked.runtime_id.is_some() != runtime_id.is_some());
        state.tracked.insert(
            key,
            Tracked {
                runtime_id,
                since,
                seen,
            },
        );
        drop(state);
        if news {
            self.tracked.notify_one();
        }
    }

    /// Tells that the object `key` is no longer in transition, or no more.
    pub fn settle(&self, key: &str) {
        self.state.lock().tracked.remove(key);
    }

    /// Runtimes in the last complete list, and the objects in transition: for metrics.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state.lock();
        (
            state.snapshot.as_ref().map_or(0, Snapshot::len),
            state.tracked.len(),
        )
    }

    /// What is to be done next, and when.
    fn next(&self) -> (Next, Instant) {
        let state = self.state.lock();
        let now = Instant::now();
        let Some(listed_at) = state.listed_at else {
            return (Next::List(Priority::Urgent), now);
        };
        let not_before = match state.failures {
            0 => listed_at,
            failures => listed_at + schedule::backoff(failures, state.jitter),
        };
        let at_rest = if state.failures > 0 {
            not_before
        } else {
            listed_at + schedule::at_rest(state.jitter)
        };
        let pages = state.pages();
        let mut next = (Next::List(Priority::Sweep), at_rest);
        let (few, rest) = state.groups(pages);
        let polled = [state.few_polled_at, state.polled_at];
        for ((group, who), polled_at) in [(few, Who::Few), (rest, Who::All)].into_iter().zip(polled)
        {
            let first_seen = group.iter().map(|tracked| tracked.seen).min();
            let Some(first_seen) = first_seen else {
                continue;
            };
            let load = self.load(&group, pages, state.failures > 0, now);
            let (look, last, not_before) = match load.look() {
                Look::List => (Next::List(Priority::Urgent), Some(listed_at), not_before),
                Look::Gets => (Next::Gets(who), polled_at, now),
            };
            // What was mutated a moment ago is not done yet: the first look comes an interval after it was tracked.
            let at = (last.map_or(first_seen, |last| last.max(first_seen)) + load.interval())
                .max(not_before);
            if at <= next.1 {
                next = (look, at);
            }
        }
        next
    }

    fn load(&self, group: &[&Tracked], pages: usize, list_fails: bool, now: Instant) -> Load {
        let with_id = group.iter().filter(|tracked| tracked.runtime_id.is_some());
        let with_id = with_id.count();
        let ages = group
            .iter()
            .map(|tracked| now.duration_since(tracked.since));
        Load {
            with_id,
            without_id: group.len() - with_id,
            pages,
            list_fails,
            youngest: ages.min().unwrap_or_default(),
            get_quarter: self.control.quarter(Operation::GetAgentRuntime),
            list_quarter: self.control.quarter(Operation::ListAgentRuntimes),
        }
    }

    /// Waits for a list that is under way, and makes one if one is still due.
    async fn list_if_due(&self, priority: Priority) {
        let mut last = self.listing.lock().await;
        if self.next().1 <= Instant::now() {
            // The schedule counts failures, and the log tells of them.
            let _ = self.list(&mut last, priority).await;
        }
    }

    /// Makes a list, installs it and triggers whom it concerns.
    async fn list(&self, last: &mut Last, priority: Priority) -> Result<(), Fault> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let as_of = Timestamp::now();
        {
            let mut state = self.state.lock();
            state.listed_at = Some(Instant::now());
            state.jitter = rand::random();
        }
        let result = self
            .control
            .list_runtimes(priority)
            .await
            .map(|entries| self.install(entries, as_of));
        if let Err(fault) = &result {
            let failures = {
                let mut state = self.state.lock();
                state.failures = state.failures.saturating_add(1);
                state.failures
            };
            tracing::warn!(region = self.control.region(), code = %fault.code, message = %fault.message, failures,
                request_id = fault.request_id.as_deref(), "cannot list runtimes");
        }
        *last = Last {
            number,
            result: Some(result.clone()),
        };
        result
    }

    fn install(&self, entries: Vec<agentcore_plan::aws::ListedRuntime>, as_of: Timestamp) {
        let snapshot = Snapshot::new(entries, as_of);
        let mut state = self.state.lock();
        state.failures = 0;
        let changes = snapshot.changes(state.snapshot.as_ref());
        let mut triggered = HashSet::with_capacity(changes.len());
        for (runtime_id, name) in changes {
            triggered.insert(runtime_id.clone());
            self.trigger(Trigger {
                key: None,
                runtime_id,
                name,
                poll: false,
                as_of,
            });
        }
        // An object that waits looks at every list that could end its wait: AWS is done with it, or the list lacks it.
        for (key, tracked) in &state.tracked {
            let id = tracked.runtime_id.clone().unwrap_or_default();
            let entry = snapshot.get(&id);
            if triggered.contains(&id) || entry.is_some_and(|entry| entry.status.in_transition()) {
                continue;
            }
            let name = entry.map(|entry| entry.name.clone()).unwrap_or_default();
            self.trigger(Trigger {
                key: Some(key.clone()),
                runtime_id: id,
                name,
                poll: false,
                as_of,
            });
        }
        state.snapshot = Some(snapshot);
    }

    /// Tells tracked objects to read their runtimes.
    fn tell_to_get(&self, who: Who) {
        let mut state = self.state.lock();
        state.few_polled_at = Some(Instant::now());
        if who == Who::All {
            state.polled_at = state.few_polled_at;
        }
        let as_of = Timestamp::now();
        for (key, tracked) in state.told(who) {
            let Some(runtime_id) = tracked.runtime_id.clone() else {
                continue;
            };
            let entry = state
                .snapshot
                .as_ref()
                .and_then(|snapshot| snapshot.get(&runtime_id));
            let name = entry.map(|entry| entry.name.clone()).unwrap_or_default();
            self.trigger(Trigger {
                key: Some(key.clone()),
                runtime_id,
                name,
                poll: true,
                as_of,
            });
        }
    }

    /// Nobody listens any more when the controllers end before the inventory does.
    fn trigger(&self, trigger: Trigger) {
        let _ = self.triggers.send(trigger);
    }
}

#[cfg(test)]
mod tests;
