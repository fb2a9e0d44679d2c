//! Which session is stopped next: no object faster than its policy allows, all together no faster than AWS does, and none waits for the
//! trouble of another. Pure: time comes from outside.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::{SessionId, Target};
use tokio::time::Instant;

use crate::sessions::ledger::{Group, Owner, Record};
use crate::sessions::policy::Reason;
use crate::stops::{Place, Stops, place};

/// Pause before a stop that did not come through is tried again, at first; it doubles. One that AWS refused waits for ten times as long.
const PAUSE: Duration = Duration::from_secs(2);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_mins(5);
/// A refusal does not pass as quickly as a throttle.
const REFUSED_FACTOR: u32 = 10;
/// Most stops under way: beyond, answers are waited for.
const UNDER_WAY_MAX: usize = 256;

/// A session to stop.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Whose.
    pub owner: Owner,
    /// As it was when the decision fell.
    pub record: Record,
    /// Why.
    pub reason: Reason,
    /// Its runtime, by the endpoint of its birth.
    pub target: Target,
    /// What serves now.
    pub live: Group,
}

impl Candidate {
    /// The object that it belongs to.
    pub fn place(&self) -> Group {
        Group::of(&self.owner, None)
    }

    /// Tells it from others.
    pub fn key(&self) -> Key {
        let Record {
            conversation,
            generation,
            ..
        } = &self.record;
        (self.owner.clone(), conversation.clone(), *generation)
    }

    /// AWS counts stops by account and region.
    fn lane(&self) -> Place {
        place(&self.target.arn)
    }
}

/// A session: whose, of which conversation, of which generation.
pub type Key = (Owner, SessionId, u32);

/// How a stop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// There is no such session any more.
    Done,
    /// It was used meanwhile, so that nothing was sent.
    Skipped,
    /// AWS was busy, or out of reach.
    Again,
    /// AWS refused.
    Refused,
}

/// What the queue has to offer.
#[derive(Debug)]
pub enum Next {
    /// To be stopped now.
    Stop(Box<Candidate>),
    /// Nothing before this time.
    At(Instant),
    /// Nothing at all.
    Nothing,
}

/// Sessions that wait for their end.
pub struct Queue {
    /// The pace of each account and region, which callers share.
    stops: Arc<Stops>,
    places: HashMap<Group, Line>,
    /// Objects take turns.
    round: VecDeque<Group>,
    under_way: HashSet<Key>,
    later: HashMap<Key, Later>,
}

/// An object's sessions.
struct Line {
    pace: Duration,
    next: Instant,
    waiting: VecDeque<Candidate>,
}

/// A stop that did not come through.
struct Later {
    place: Group,
    tries: u32,
    at: Instant,
    refused: bool,
}

impl Queue {
    /// At the pace of these stops.
    pub fn new(stops: Arc<Stops>) -> Self {
        Self {
            stops,
            places: HashMap::new(),
            round: VecDeque::new(),
            under_way: HashSet::new(),
            later: HashMap::new(),
        }
    }

    /// What is to be stopped as of now, instead of what was said before: by object, with its stops a minute. Those under way go on.
    pub fn set(&mut self, wanted: Vec<(Group, u32, Vec<Candidate>)>, now: Instant) {
        let mut named = HashSet::new();
        let mut alive = HashSet::new();
        for place in self.places.values_mut() {
            place.waiting.clear();
        }
        for (group, per_minute, candidates) in wanted {
            let waiting: VecDeque<Candidate> = candidates
                .into_iter()
                .filter(|candidate| {
                    let key = candidate.key();
                    let free = !self.under_way.contains(&key);
                    // A list that was read in parts may name a session twice.
                    alive.insert(key) && free
                })
                .collect();
            if !self.places.contains_key(&group) {
                self.round.push_back(group.clone());
            }
            let place = self.places.entry(group.clone()).or_insert(Line {
                pace: Duration::ZERO,
                next: now,
                waiting: VecDeque::new(),
            });
            place.pace = Duration::from_mins(1) / per_minute.max(1);
            place.waiting = waiting;
            named.insert(group);
        }
        // The pace of an object outlives its list, or a quick succession of lists would outrun it.
        let places = &mut self.places;
        places.retain(|group, place| named.contains(group) || place.next > now);
        self.round.retain(|group| places.contains_key(group));
        let under_way = &self.under_way;
        self.later
            .retain(|key, _| alive.contains(key) || under_way.contains(key));
    }

    /// Takes the next one.
    pub fn next(&mut self, now: Instant) -> Next {
        if self.under_way.len() >= UNDER_WAY_MAX {
            return Next::Nothing;
        }
        let mut soonest: Option<Instant> = None;
        for _ in 0..self.round.len() {
            let Some(group) = self.round.pop_front() else {
                break;
            };
            self.round.push_back(group.clone());
            let Some(place) = self.places.get_mut(&group) else {
                continue;
            };
            let Some((due, index)) = first_due(&place.waiting, &self.later, now) else {
                continue;
            };
            let at = due.max(place.next);
            let lane = place.waiting.get(index).map(Candidate::lane);
            let at = match lane {
                Some(lane) if at <= now => self.stops.try_take(&lane, now),
                _ => Err(at),
            };
            if let Err(at) = at {
                soonest = Some(soonest.map_or(at, |soonest| soonest.min(at)));
                continue;
            }
            let Some(candidate) = place.waiting.remove(index) else {
                continue;
            };
            place.next = after(place.next, place.pace, now);
            self.under_way.insert(candidate.key());
            return Next::Stop(Box::new(candidate));
        }
        soonest.map_or(Next::Nothing, Next::At)
    }

    /// A stop ended.
    pub fn done(&mut self, candidate: &Candidate, ending: Ending, jitter: f64, now: Instant) {
        let key = candidate.key();
        self.under_way.remove(&key);
        match ending {
            Ending::Done => {
                self.later.remove(&key);
            }
            Ending::Skipped => {
                // Its turn goes to somebody else.
                if let Some(place) = self.places.get_mut(&candidate.place()) {
                    place.next = now;
                }
                self.stops.give_back(&candidate.lane());
            }
            Ending::Again | Ending::Refused => {
                let tries = self.later.get(&key).map_or(0, |later| later.tries);
                let refused = ending == Ending::Refused;
                let first = if refused {
                    PAUSE * REFUSED_FACTOR
                } else {
                    PAUSE
                };
                let pause = (first * 2_u32.pow(tries.min(10))).min(PAUSE_MAX);
                let later = Later {
                    place: candidate.place(),
                    tries: tries + 1,
                    at: now + pause.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0),
                    refused,
                };
                self.later.insert(key, later);
            }
        }
    }

    /// Those whose stop did not come through.
    pub fn held(&self) -> HashSet<Key> {
        self.later.keys().cloned().collect()
    }

    /// How many sessions of an object AWS refused to stop, the last time.
    pub fn refused(&self, place: &Group) -> u32 {
        let refused = |later: &&Later| later.refused && later.place == *place;
        let count = self.later.values().filter(refused).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// The first that may go, and when: what waits for its next try does not hold up those behind it.
fn first_due(
    waiting: &VecDeque<Candidate>,
    later: &HashMap<Key, Later>,
    now: Instant,
) -> Option<(Instant, usize)> {
    let mut soonest: Option<(Instant, usize)> = None;
    for (index, candidate) in waiting.iter().enumerate() {
        let held = later.get(&candidate.key()).filter(|later| later.at > now);
        let Some(held) = held else {
            return Some((now, index));
        };
        if soonest.is_none_or(|(at, _)| held.at < at) {
            soonest = Some((held.at, index));
        }
    }
    soonest
}

/// The slot after one that was free at `slot`. One that is taken a little late does not put the next off, so that the rate is reached.
fn after(slot: Instant, pace: Duration, now: Instant) -> Instant {
    let since = now.checked_sub(pace).unwrap_or(now);
    slot.max(since) + pace
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
