//! What namespaces may use: AgentGrants and the labels of namespaces, watched in the whole cluster, and what they give each namespace.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use agentcore_api::{AgentGrant, AgentGrantSpec};
use agentcore_plan::grant::Granted;
use agentcore_plan::policy::Policy;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::listing::listing;
use super::readable::{Labelled, Raw};
use crate::errors::told;

type Labels = BTreeMap<String, String>;

/// What namespaces may use, by their name.
pub struct Grants {
    policy: Policy,
    state: Mutex<State>,
    changed: mpsc::UnboundedSender<String>,
    changes: Mutex<Option<mpsc::UnboundedReceiver<String>>>,
}

#[derive(Default)]
struct State {
    grants: Known<AgentGrantSpec>,
    namespaces: Known<Labels>,
    /// What was worked out for the namespaces that somebody asked for.
    given: HashMap<String, Arc<Granted>>,
}

impl State {
    fn work_out(&self, namespace: &str, policy: &Policy) -> Granted {
        if !self.grants.listed || !self.namespaces.listed {
            return Granted::unknown();
        }
        let none = Labels::new();
        let labels = self.namespaces.objects.get(namespace).unwrap_or(&none);
        Granted::of(namespace, labels, self.grants.objects.values(), policy)
    }

    /// Works out anew what was asked for; gives the namespaces that have something else now.
    fn renew(&mut self, policy: &Policy) -> Vec<String> {
        let names: BTreeSet<String> = self.given.keys().cloned().collect();
        let mut changed = Vec::new();
        for name in names {
            let now = self.work_out(&name, policy);
            if self.given.get(&name).is_some_and(|before| **before != now) {
                self.given.insert(name.clone(), Arc::new(now));
                changed.push(name);
            }
        }
        changed
    }
}

/// What a watch has shown of one kind.
struct Known<T> {
    /// Whether the first list is here.
    listed: bool,
    objects: BTreeMap<String, T>,
    /// The list that is being read.
    next: BTreeMap<String, T>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self {
            listed: false,
            objects: BTreeMap::new(),
            next: BTreeMap::new(),
        }
    }
}

impl<T> Known<T> {
    /// Takes in what the watch tells, `None` for an object that cannot be read; whether something may be different now.
    fn take(&mut self, event: Event<(String, Option<T>)>) -> bool {
        match event {
            Event::Init => {
                self.next.clear();
                return false;
            }
            Event::InitApply((name, value)) => {
                self.next.extend(value.map(|value| (name, value)));
                return false;
            }
            Event::InitDone => {
                self.objects = std::mem::take(&mut self.next);
                self.listed = true;
            }
            Event::Apply((name, Some(value))) => {
                self.objects.insert(name, value);
            }
            Event::Apply((name, None)) | Event::Delete((name, _)) => {
                self.objects.remove(&name);
            }
        }
        true
    }
}

impl Grants {
    /// Nothing is known yet, so nothing is granted and nothing is refused.
    pub fn new(policy: Policy) -> Self {
        let (changed, receiver) = mpsc::unbounded_channel();
        Self {
            policy,
            state: Mutex::default(),
            changed,
            changes: Mutex::new(Some(receiver)),
        }
    }

    /// What a namespace may use now.
    pub fn of(&self, namespace: &str) -> Arc<Granted> {
        let mut state = self.state.lock();
        if let Some(given) = state.given.get(namespace) {
            return given.clone();
        }
        let given = Arc::new(state.work_out(namespace, &self.policy));
        state.given.insert(namespace.to_owned(), given.clone());
        given
    }

    /// The stream of namespaces that have something else from now on; there is one reader.
    pub fn changes(&self) -> Option<mpsc::UnboundedReceiver<String>> {
        self.changes.lock().take()
    }

    /// Watches AgentGrants and namespaces for ever.
    pub async fn run(&self, kube: &Client) {
        let config = watcher::Config::default;
        let grants = listing(Api::<Raw<AgentGrant>>::all(kube.clone()), config());
        let namespaces = Api::<Labelled<Namespace>>::all(kube.clone());
        let namespaces = listing(namespaces, config());
        tokio::join!(
            self.follow(grants, spec, |state| &mut state.grants),
            self.follow(
                namespaces.inspect(|event| {
                    if let Ok(Event::Delete(namespace)) = event {
                        self.state.lock().given.remove(&namespace.name_any());
                    }
                }),
                |namespace| Some(namespace.labels().clone()),
                |state| &mut state.namespaces
            ),
        );
    }

    async fn follow<K: Resource<DynamicType = ()>, T>(
        &self,
        stream: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send,
        value: fn(&K) -> Option<T>,
        known: fn(&mut State) -> &mut Known<T>,
    ) {
        let mut stream = std::pin::pin!(stream);
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => self.take(named(event, value), known),
                Err(error) => {
                    tracing::warn!(kind = %K::kind(&()), error = %told(&error), "watch interrupted, retrying; nothing changes in AWS until its first list");
                }
            }
        }
    }

    fn take<T>(&self, event: Event<(String, Option<T>)>, known: fn(&mut State) -> &mut Known<T>) {
        let mut state = self.state.lock();
        if !known(&mut state).take(event) {
            return;
        }
        for namespace in state.renew(&self.policy) {
            tracing::info!(%namespace, "the namespace's grants changed");
            // A closed channel means that the controllers have ended: nobody is left to look.
            let _ = self.changed.send(namespace);
        }
    }
}

/// What a grant gives. One that cannot be read gives nothing.
fn spec(grant: &Raw<AgentGrant>) -> Option<AgentGrantSpec> {
    let decoded = grant.decode();
    decoded
        .inspect_err(|why| {
            tracing::warn!(name = grant.name_any(), %why, "the AgentGrant grants nothing");
        })
        .ok()
        .map(|grant| grant.spec)
}

/// An event with the part of its object that counts.
fn named<K: Resource, T>(
    event: Event<K>,
    value: fn(&K) -> Option<T>,
) -> Event<(String, Option<T>)> {
    let part = |object: K| (object.name_any(), value(&object));
    match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(object) => Event::InitApply(part(object)),
        Event::Apply(object) => Event::Apply(part(object)),
        Event::Delete(object) => Event::Delete(part(object)),
    }
}

#[cfg(test)]
mod tests {
    use agentcore_api::grant::Namespaces;

    use super::*;

    fn grant(labels: &[(&str, &str)], bucket: &str) -> AgentGrantSpec {
        AgentGrantSpec {
            namespaces: Namespaces {
                names: None,
                match_labels: Some(owned(labels)),
            },
            buckets: Some(vec![bucket.to_owned()]),
            ..AgentGrantSpec::default()
        }
    }

    fn owned(labels: &[(&str, &str)]) -> Labels {
        let labels = labels.iter();
        labels
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn listed(grants: &Grants) {
        for event in [Event::Init, Event::InitDone] {
            grants.take(event, |state| &mut state.grants);
        }
        for event in [Event::Init, Event::InitDone] {
            grants.take(event, |state| &mut state.namespaces);
        }
    }

    #[test]
    fn nothing_is_known_before_both_first_lists() {
        let grants = Grants::new(Policy::default());
        let mut changes = grants.changes().expect("the one reader");
        assert!(!grants.of("team-a").known);
        for event in [Event::Init, Event::InitDone] {
            grants.take(event, |state| &mut state.grants);
        }
        assert!(
            !grants.of("team-a").known,
            "namespaces have not been listed"
        );
        for event in [Event::Init, Event::InitDone] {
            grants.take(event, |state| &mut state.namespaces);
        }
        assert!(grants.of("team-a").known);
        assert_eq!(changes.try_recv().as_deref(), Ok("team-a"));
    }

    #[test]
    fn a_label_that_comes_and_a_grant_that_goes_change_what_its_namespace_has_and_no_other() {
        let grants = Grants::new(Policy::default());
        let mut changes = grants.changes().expect("the one reader");
        listed(&grants);
        let bucket = |namespace: &str| grants.of(namespace).buckets.clone();
        assert!(bucket("team-a").is_empty() && bucket("team-b").is_empty());
        let given = grant(&[("team", "a")], "{namespace}-code");
        grants.take(
            Event::Apply(("a".to_owned(), Some(given.clone()))),
            |state| &mut state.grants,
        );
        assert!(
            changes.try_recv().is_err(),
            "no namespace has the label yet"
        );
        let labels = owned(&[("team", "a")]);
        grants.take(Event::Apply(("team-a".to_owned(), Some(labels))), |state| {
            &mut state.namespaces
        });
        assert_eq!(changes.try_recv().as_deref(), Ok("team-a"));
        assert_eq!(bucket("team-a"), ["team-a-code"]);
        assert!(bucket("team-b").is_empty());
        grants.take(Event::Delete(("a".to_owned(), Some(given))), |state| {
            &mut state.grants
        });
        assert_eq!(changes.try_recv().as_deref(), Ok("team-a"));
        assert!(bucket("team-a").is_empty());
        assert!(changes.try_recv().is_err());
    }

    #[test]
    fn a_list_that_lacks_a_grant_takes_it_away() {
        let grants = Grants::new(Policy::default());
        listed(&grants);
        let given = AgentGrantSpec {
            namespaces: Namespaces {
                names: Some(vec!["team-a".to_owned()]),
                match_labels: None,
            },
            share: Some(50),
            ..AgentGrantSpec::default()
        };
        grants.take(Event::Apply(("a".to_owned(), Some(given))), |state| {
            &mut state.grants
        });
        assert_eq!(grants.of("team-a").share, 50);
        for event in [Event::Init, Event::InitDone] {
            grants.take(event, |state| &mut state.grants);
        }
        assert_eq!(grants.of("team-a").share, 10);
    }
}
