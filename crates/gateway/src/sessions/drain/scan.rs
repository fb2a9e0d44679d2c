//! A scan of what the ledger has: how many sessions of which version, which of them are stale, which are to end.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentcore_api::sessions::OnUpdate;
use agentcore_invoke::Target;
use jiff::Timestamp;

use super::queue::{Candidate, Key};
use crate::agents::{Agent, Agents};
use crate::identity::Kind;
use crate::sessions::Sessions;
use crate::sessions::ledger::{Count, Group, Ledger, LedgerUnavailable, Member, Members};
use crate::sessions::policy::{self, Verdict, is_stale};

/// Sessions to stop that a scan names, of all objects together: more than are stopped before the next scan.
const WANTED: usize = 20_000;
/// Most of them of one object, and those that each has whatever the others have.
const WANTED_OF_ONE: (usize, usize) = (1_000, 20);

/// What is known of an object's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The object: a group of no version.
    pub place: Group,
    /// How many there are by edition of birth; an empty name where it is not known.
    pub versions: BTreeMap<Arc<str>, u32>,
    /// How many run another version than the one that serves, or were replaced.
    pub stale: u32,
    /// Whether those are to end.
    pub drains: bool,
    /// How many stale ones were stopped since the last roll.
    pub stopped: u32,
    /// Of the stale ones, those whose stop AWS refused.
    pub failed: u32,
    /// Since when the oldest stale one is stale.
    pub oldest: Option<Timestamp>,
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Seen {
    /// Every object with sessions.
    pub tallies: Vec<Tally>,
    /// Sessions to stop, with the stops a minute of their object.
    pub wanted: Vec<(Group, u32, Vec<Candidate>)>,
    /// Whether anything is stale.
    pub stale: bool,
    /// How long it took.
    pub took: Duration,
}

/// An object with sessions.
struct Place {
    agent: Option<Arc<Agent>>,
    groups: Vec<(Group, Count)>,
}

/// Looks. Streams of sessions whose deadline has come are ended by whoever has them. What is stale is judged, and sessions to stop are looked
/// for, only by the one that `drains`: another one may see the objects as they were. `held`: sessions that wait for their next try.
pub async fn scan(
    sessions: &Sessions,
    agents: &Agents,
    drains: bool,
    held: &HashSet<Key>,
) -> Result<Seen, LedgerUnavailable> {
    let begun = Instant::now();
    let ledger = sessions.ledger();
    let mut places: HashMap<Group, Place> = HashMap::new();
    for (group, count) in ledger.counts().await? {
        let place = Group {
            version: None,
            ..group.clone()
        };
        let place = places.entry(place).or_insert_with(|| Place {
            agent: agent(agents, &group),
            groups: Vec::new(),
        });
        if count.all() > 0 {
            place.groups.push((group, count));
        }
    }
    let since = if drains {
        judge(ledger, &places).await?
    } else {
        judged(ledger, &places).await?
    };
    let now = Timestamp::now();
    let mut seen = Seen {
        stale: !since.is_empty(),
        ..Seen::default()
    };
    let (most, least) = WANTED_OF_ONE;
    let most = (WANTED / places.len().max(1)).clamp(least, most);
    for (place, Place { agent, groups }) in places {
        let mut tally = Tally {
            place: place.clone(),
            versions: BTreeMap::new(),
            stale: 0,
            drains: false,
            stopped: 0,
            failed: 0,
            oldest: None,
        };
        let mut wanted = Wanted::new(most, held);
        for (group, count) in &groups {
            let version = group.version.clone().unwrap_or_default();
            *tally.versions.entry(version).or_default() += count.all();
            let since = since.get(group).copied();
            tally.stale += since.map_or(count.retired, |_| count.all());
            if let Some(since) = since {
                tally.oldest = Some(tally.oldest.map_or(since, |oldest| oldest.min(since)));
            }
            let Some(agent) = &agent else { continue };
            let cut_at = since.and_then(|since| agent.sessions.cut_at(since));
            if cut_at.is_some_and(|at| at <= now) {
                sessions.stream_cancels().cut(group);
            }
            let leaves = agent.sessions.on_update == OnUpdate::Leave;
            if drains && !leaves && (since.is_some() || count.retired > 0) {
                let mut from = None;
                loop {
                    let Members { members, next } = ledger.members(group, from).await?;
                    for member in members {
                        wanted.extend(candidate(member, agent, since, now));
                    }
                    if next.is_none() {
                        break;
                    }
                    from = next;
                    // Requests get their turn between two steps.
                    tokio::task::yield_now().await;
                }
                seen.stale = true;
            }
        }
        if let Some(agent) = &agent {
            tally.drains = agent.sessions.on_update != OnUpdate::Leave;
            if drains {
                tally.stopped = ledger.stopped(&live(&place, agent), 0).await?;
            }
            let candidates = wanted.done();
            if !candidates.is_empty() {
                let most = agent.sessions.max_per_minute;
                seen.wanted.push((place, most, candidates));
            }
        }
        if agent.is_some() || !groups.is_empty() {
            seen.tallies.push(tally);
        }
    }
    seen.took = begun.elapsed();
    Ok(seen)
}

/// Sessions of an object that are to be stopped. The longest idle go first: they are the likeliest to be still idle when their turn comes. Those
/// beyond `most` are found by a later look.
struct Wanted<'a> {
    most: usize,
    held: &'a HashSet<Key>,
    found: Vec<Candidate>,
    /// They wait for their next try, and take no place of one that can be stopped now.
    waiting: Vec<Candidate>,
}

impl<'a> Wanted<'a> {
    fn new(most: usize, held: &'a HashSet<Key>) -> Self {
        Self {
            most,
            held,
            found: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn extend(&mut self, candidate: Option<Candidate>) {
        let Some(candidate) = candidate else {
            return;
        };
        if !self.held.is_empty() && self.held.contains(&candidate.key()) {
            self.waiting.push(candidate);
            return;
        }
        self.found.push(candidate);
        if self.found.len() >= 2 * self.most {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.found.sort_by_key(|one| one.record.last_used_at);
        self.found.truncate(self.most);
    }

    fn done(mut self) -> Vec<Candidate> {
        self.cut();
        self.found.append(&mut self.waiting);
        self.found.sort_by_key(|one| one.record.last_used_at);
        self.found
    }
}

/// Says which groups are stale, and keeps since when.
async fn judge(
    ledger: &dyn Ledger,
    places: &HashMap<Group, Place>,
) -> Result<HashMap<Group, Timestamp>, LedgerUnavailable> {
    let (stale, current): (Vec<Group>, Vec<Group>) = places
        .values()
        .flat_map(|place| place.groups.iter().map(move |(group, _)| (place, group)))
        .filter(|(place, _)| place.agent.is_some())
        .map(|(place, group)| (place.is_stale(group), group.clone()))
        .fold(Default::default(), |mut both, (stale, group)| {
            if stale { &mut both.0 } else { &mut both.1 }.push(group);
            both
        });
    let since = ledger.judge(&stale, &current).await?;
    Ok(stale.into_iter().zip(since).collect())
}

/// What another replica judged.
async fn judged(
    ledger: &dyn Ledger,
    places: &HashMap<Group, Place>,
) -> Result<HashMap<Group, Timestamp>, LedgerUnavailable> {
    let groups = places.values().flat_map(|place| &place.groups);
    let groups: Vec<Group> = groups.map(|(group, _)| group.clone()).collect();
    let since = ledger.stale_since(&groups).await?;
    let since = groups.into_iter().zip(since);
    Ok(since
        .filter_map(|(group, since)| Some((group, since?)))
        .collect())
}

impl Place {
    fn is_stale(&self, group: &Group) -> bool {
        let live = self
            .agent
            .as_ref()
            .and_then(|agent| agent.edition.as_deref());
        is_stale(group.version.as_deref(), live)
    }
}

/// The object, if anything serves behind it. Declared sessions are the controller's to end.
fn agent(agents: &Agents, group: &Group) -> Option<Arc<Agent>> {
    if group.kind == Kind::AgentSession {
        return None;
    }
    agents
        .resolve(group.kind, &group.namespace, &group.name)
        .ok()
}

/// What serves an object now.
fn live(place: &Group, agent: &Agent) -> Group {
    Group {
        version: agent.edition.clone(),
        ..place.clone()
    }
}

fn candidate(
    member: Member,
    agent: &Agent,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Option<Candidate> {
    let Member {
        owner,
        record,
        retired,
    } = member;
    let Verdict::Stop(reason) = policy::decide(&record, retired, &agent.sessions, since, now)
    else {
        return None;
    };
    Some(Candidate {
        live: live(&Group::of(&owner, None), agent),
        // AgentCore wants the endpoint that the session was born with, wherever that one is by now.
        target: Target {
            arn: agent.target.arn.clone(),
            qualifier: record.birth.qualifier.clone(),
        },
        owner,
        record,
        reason,
    })
}
