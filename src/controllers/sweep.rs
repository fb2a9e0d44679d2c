//! The slow rolling sweep: tags, resource policies and endpoints, one check every 5 s, so at most 12 calls a minute.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use agentcore_plan::step::Sweep;
use kube::ResourceExt;
use tokio::time::{Instant, MissedTickBehavior};

use super::shard::Shard;

const EVERY: Duration = Duration::from_secs(5);
/// Shortest time from one round to the next: few objects are not asked about all the time, and none right after a start.
const ROUND: Duration = Duration::from_mins(1);

/// One check of one object.
struct Check {
    shard: usize,
    kind: Kind,
    namespace: String,
    name: String,
    sweep: Sweep,
}

#[derive(Clone, Copy)]
enum Kind {
    Runtime,
    Endpoint,
}

/// Runs for ever.
pub async fn run(shards: &[Arc<Shard>]) {
    let mut rounds = tokio::time::interval_at(Instant::now() + ROUND, ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut round = VecDeque::new();
    loop {
        if round.is_empty() {
            rounds.tick().await;
            round = all_checks(shards);
        }
        ticks.tick().await;
        if let Some(check) = round.pop_front() {
            let Check {
                shard,
                kind,
                namespace,
                name,
                sweep,
            } = check;
            let shard = &shards[shard];
            match kind {
                Kind::Runtime => {
                    shard
                        .context
                        .runtimes
                        .mark(&namespace, &name, |memory| memory.sweep = Some(sweep));
                    shard.wake_runtime(&namespace, &name);
                }
                Kind::Endpoint => {
                    shard
                        .context
                        .endpoints
                        .mark(&namespace, &name, |memory| memory.sweep = Some(sweep));
                    shard.wake_endpoint(&namespace, &name);
                }
            }
        }
    }
}

/// A round: each check of each object that has something in AWS. Checks of one sort follow each other, so that a round that is
/// cut short by a restart does not always see the same objects only.
fn all_checks(shards: &[Arc<Shard>]) -> VecDeque<Check> {
    let mut round = VecDeque::new();
    for sweep in [
        Sweep::Tags,
        Sweep::Endpoint,
        Sweep::ResourcePolicy,
        Sweep::Versions,
    ] {
        for (index, shard) in shards.iter().enumerate() {
            for object in shard.runtimes.state() {
                if object
                    .status
                    .as_ref()
                    .is_some_and(|status| status.id.is_some())
                    && wanted(sweep, &object)
                {
                    round.push_back(check(index, Kind::Runtime, &*object, sweep));
                }
            }
            if matches!(sweep, Sweep::ResourcePolicy | Sweep::Versions) {
                continue;
            }
            for object in shard.endpoints.state() {
                if object
                    .status
                    .as_ref()
                    .is_some_and(|status| status.arn.is_some())
                {
                    round.push_back(check(index, Kind::Endpoint, &*object, sweep));
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

fn check<K: ResourceExt>(shard: usize, kind: Kind, object: &K, sweep: Sweep) -> Check {
    Check {
        shard,
        kind,
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        sweep,
    }
}
