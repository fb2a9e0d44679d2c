//! The slow rolling sweep: tags, resource policies and endpoints, one check every 5 s, so at most 12 calls a minute.
//!
//! Each namespace has rounds of its own, and the namespaces take turns: how long a round takes depends on how many namespaces there are, not on how many
//! objects the others have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use agentcore_api::Kind;
use agentcore_plan::step::Sweep;
use kube::ResourceExt;
use tokio::time::{Instant, MissedTickBehavior};

use super::shard::Shard;
use agentcore_aws::{Operation, Priority};

const EVERY: Duration = Duration::from_secs(5);
/// Shortest time from one round to the next: few objects are not asked about all the time, and none right after a start.
const ROUND: Duration = Duration::from_mins(1);

/// One check of one object.
struct Check {
    shard: usize,
    kind: Kind,
    region: String,
    namespace: String,
    name: String,
    sweep: Sweep,
}

/// Runs for ever.
pub async fn run(shards: &[Arc<Shard>]) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rounds = Rounds::default();
    loop {
        ticks.tick().await;
        let checks_of = |namespace: &str| all_checks(shards, namespace);
        let Some(check) = rounds.next(&namespaces(shards), Instant::now(), checks_of) else {
            continue;
        };
        let Check {
            shard,
            kind,
            region,
            namespace,
            name,
            sweep,
        } = check;
        let shard = &shards[shard];
        // The check waits here behind all changes, not in its pass: an edit of the object would wait with it.
        if let Some(region) = shard.context.regions.running(&region) {
            let control = region.control(shard.context.tenant(&namespace));
            control.turn(operation(sweep), Priority::Sweep).await;
        }
        match kind {
            Kind::AgentRuntime => {
                shard
                    .context
                    .runtimes
                    .mark(&namespace, &name, |memory| memory.sweep = Some(sweep));
                shard.wake_runtime(&namespace, &name);
            }
            Kind::AgentEndpoint => {
                shard
                    .context
                    .endpoints
                    .mark(&namespace, &name, |memory| memory.sweep = Some(sweep));
                shard.wake_endpoint(&namespace, &name);
            }
            // A session has nothing that is looked at by turns.
            Kind::AgentSession => {}
        }
    }
}

/// What a check asks AWS for.
fn operation(sweep: Sweep) -> Operation {
    match sweep {
        Sweep::Tags => Operation::ListTagsForResource,
        Sweep::Endpoint => Operation::GetAgentRuntimeEndpoint,
        Sweep::ResourcePolicy => Operation::GetResourcePolicy,
        Sweep::Versions => Operation::ListAgentRuntimeVersions,
    }
}

/// The rounds of all namespaces.
struct Rounds<C> {
    rounds: BTreeMap<String, Round<C>>,
    /// Whose check was the last.
    last: String,
}

/// A round of one namespace.
struct Round<C> {
    began: Instant,
    left: VecDeque<C>,
}

impl<C> Default for Rounds<C> {
    fn default() -> Self {
        Self {
            rounds: BTreeMap::new(),
            last: String::new(),
        }
    }
}

impl<C> Rounds<C> {
    /// The next check: of the namespace that comes after the last one's and has something to be checked.
    fn next(
        &mut self,
        namespaces: &BTreeSet<String>,
        now: Instant,
        checks_of: impl Fn(&str) -> VecDeque<C>,
    ) -> Option<C> {
        self.rounds.retain(|name, _| namespaces.contains(name));
        let after = (Bound::Excluded(&self.last), Bound::Unbounded);
        let around = namespaces.range::<String, _>(..=&self.last);
        let order = namespaces.range::<String, _>(after).chain(around);
        for namespace in order {
            let first = || Round {
                began: now,
                left: VecDeque::new(),
            };
            let round = self.rounds.entry(namespace.clone()).or_insert_with(first);
            if round.left.is_empty() && now.duration_since(round.began) >= ROUND {
                *round = Round {
                    began: now,
                    left: checks_of(namespace),
                };
            }
            if let Some(check) = round.left.pop_front() {
                self.last.clone_from(namespace);
                return Some(check);
            }
        }
        None
    }
}

/// Namespaces that have objects.
fn namespaces(shards: &[Arc<Shard>]) -> BTreeSet<String> {
    let mut namespaces = BTreeSet::new();
    for shard in shards {
        namespaces.extend(
            shard
                .runtimes
                .state()
                .iter()
                .filter_map(|one| one.namespace()),
        );
        namespaces.extend(
            shard
                .endpoints
                .state()
                .iter()
                .filter_map(|one| one.namespace()),
        );
    }
    namespaces
}

/// A round: each check of each object of a namespace that has something in AWS. Checks of one sort follow each other, so that a round that is
/// cut short by a restart does not always see the same objects only.
fn all_checks(shards: &[Arc<Shard>], namespace: &str) -> VecDeque<Check> {
    let mut round = VecDeque::new();
    let here = |of: Option<String>| of.as_deref() == Some(namespace);
    for sweep in [
        Sweep::Tags,
        Sweep::Endpoint,
        Sweep::ResourcePolicy,
        Sweep::Versions,
    ] {
        for (index, shard) in shards.iter().enumerate() {
            for object in shard.runtimes.state() {
                if let Some(status) = object.status.as_ref().filter(|status| status.id.is_some())
                    && here(object.namespace())
                    && wanted(sweep, &object)
                {
                    let region = status.region.as_deref();
                    round.push_back(check(index, Kind::AgentRuntime, &*object, region, sweep));
                }
            }
            if matches!(sweep, Sweep::ResourcePolicy | Sweep::Versions) {
                continue;
            }
            for object in shard.endpoints.state() {
                if let Some(status) = object.status.as_ref().filter(|status| status.arn.is_some())
                    && here(object.namespace())
                {
                    let region = status.region.as_deref();
                    round.push_back(check(index, Kind::AgentEndpoint, &*object, region, sweep));
                }
            }
        }
    }
    round
}

/// Policies are looked at only where the spec has one: without one they are not managed. Versions only where some may go.
fn wanted(sweep: Sweep, runtime: &agentcore_api::AgentRuntime) -> bool {
    match sweep {
        Sweep::ResourcePolicy => runtime.spec.resource_policy.is_some(),
        Sweep::Versions => agentcore_plan::runtime::prune_wanted(runtime),
        Sweep::Tags | Sweep::Endpoint => true,
    }
}

fn check<K: ResourceExt>(
    shard: usize,
    kind: Kind,
    object: &K,
    region: Option<&str>,
    sweep: Sweep,
) -> Check {
    Check {
        shard,
        kind,
        region: region.unwrap_or_default().to_owned(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        sweep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks_of(namespace: &str) -> VecDeque<(String, usize)> {
        let objects = if namespace == "many" { 5_000 } else { 2 };
        let checks = (0..objects).map(|number| (namespace.to_owned(), number));
        checks.collect()
    }

    #[tokio::test]
    async fn a_namespace_with_thousands_does_not_put_off_the_checks_of_the_others() {
        let namespaces = BTreeSet::from(["few".to_owned(), "many".to_owned(), "one".to_owned()]);
        let (mut rounds, begun) = (Rounds::default(), Instant::now());
        assert!(
            rounds.next(&namespaces, begun, checks_of).is_none(),
            "none right after a start"
        );
        let mut checked = BTreeMap::<String, usize>::new();
        for tick in 0_u32..120 {
            let now = begun + ROUND + tick * EVERY;
            if let Some((namespace, _)) = rounds.next(&namespaces, now, checks_of) {
                *checked.entry(namespace).or_default() += 1;
            }
        }
        // Ten minutes: the small ones have a round each minute, as if they were alone, and the large one has the rest.
        let of = |name: &str| checked[name];
        assert!((18..=20).contains(&of("few")), "{checked:?}");
        assert!((18..=20).contains(&of("one")), "{checked:?}");
        assert_eq!(of("many"), 120 - of("few") - of("one"));
    }

    #[tokio::test]
    async fn a_namespace_without_objects_is_forgotten() {
        let (mut rounds, begun) = (Rounds::default(), Instant::now());
        rounds.next(&BTreeSet::from(["few".to_owned()]), begun, checks_of);
        let next = rounds.next(&BTreeSet::new(), begun + ROUND, checks_of);
        assert!(next.is_none() && rounds.rounds.is_empty());
    }
}
