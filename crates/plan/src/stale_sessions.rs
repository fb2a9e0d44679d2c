//! What is said of sessions in a status: the gateways' reports summed up, and the condition `SessionsCurrent`, which never touches Ready.

use std::collections::BTreeMap;

use agentcore_api::conditions::SESSIONS_CURRENT;
use agentcore_api::limits::DEFAULT_DRAIN_DEADLINE_SECONDS;
use agentcore_api::names::drain_request;
use agentcore_api::report::{Entry, edition, version_of};
use agentcore_api::sessions::{Coverage, OnUpdate, Sessions, SessionsStatus};
use agentcore_api::values::seconds_or;
use agentcore_api::{
    AgentEndpoint, AgentEndpointStatus, AgentRuntime, AgentRuntimeStatus, reasons,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::conditions::{find, since};
use crate::step::{Decision, Event};

/// What stops may take beyond the deadline, at the rate of AWS, before they are called overdue.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);
/// How long stale sessions may take to end under `Stop`: what is in flight ends within an hour, AgentCore's limit of a stream.
const STREAMS: SignedDuration = SignedDuration::from_hours(1);

/// What the reports say of one object, together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Sessions by the edition that they were born on; an empty name where it is not known.
    pub versions: BTreeMap<String, u32>,
    /// Stale ones that wait for their end.
    pub draining: u32,
    /// Stale ones stopped since the last roll.
    pub stopped: u32,
    /// Stale ones whose stop was refused.
    pub failed: u32,
    /// Since when the oldest stale one is stale.
    pub oldest_stale_since: Option<String>,
}

impl Known {
    /// Adds one report's entry.
    pub fn add(&mut self, entry: &Entry) {
        let Entry {
            kind: _,
            namespace: _,
            name: _,
            versions,
            draining,
            stopped,
            failed,
            oldest_stale_since,
        } = entry;
        for (version, count) in versions {
            let sum = self.versions.entry(version.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.draining = self.draining.saturating_add(*draining);
        self.stopped = self.stopped.saturating_add(*stopped);
        self.failed = self.failed.saturating_add(*failed);
        // Both are written alike, so that the earlier text is the earlier time.
        let both = [self.oldest_stale_since.take(), oldest_stale_since.clone()];
        self.oldest_stale_since = both.into_iter().flatten().min();
    }
}

/// What is known of sessions when an object is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reported {
    /// The reports have not been read yet: what was said goes on.
    #[default]
    Unread,
    /// No gateway reports on this namespace.
    Nobody,
    /// Gateways report, and this is what they say of the object: nothing, where it has no sessions.
    Gateway(Known),
}

/// Notes what is known of an AgentRuntime's sessions, those of its DEFAULT endpoint, in the status that is about to be written.
pub fn note_runtime<R, A>(
    decision: &mut Decision<AgentRuntimeStatus, R, A>,
    object: &AgentRuntime,
    reported: &Reported,
    now: Timestamp,
) {
    let Decision { status, events, .. } = decision;
    let default = status.default_endpoint.as_ref();
    let live = default.and_then(|there| there.live_version.as_deref());
    let request = drain_request(object, status.last_handled_drain.as_deref());
    let live = live.map(|version| edition(version, request));
    status.last_handled_drain = request.map(str::to_owned);
    let wish = Wish {
        spec: object.spec.sessions.as_ref(),
        jwt: object.spec.wants_token(status.effective.as_ref()),
        live: live.as_deref(),
        generation: object.metadata.generation,
    };
    let before = object.status.as_ref();
    let said = Said {
        conditions: before.map_or(&[], |before| &before.conditions),
        sessions: before.and_then(|before| before.sessions.as_ref()),
    };
    status.sessions = wish.note(&mut status.conditions, events, &said, reported, now);
}

/// Notes what is known of an AgentEndpoint's sessions. `runtime`: the AgentRuntime that it refers to.
pub fn note_endpoint<R, A>(
    decision: &mut Decision<AgentEndpointStatus, R, A>,
    object: &AgentEndpoint,
    runtime: Option<&AgentRuntime>,
    reported: &Reported,
    now: Timestamp,
) {
    let Decision { status, events, .. } = decision;
    let live = status.live_version.as_deref();
    let request = drain_request(object, status.last_handled_drain.as_deref());
    let live = live.map(|version| edition(version, request));
    status.last_handled_drain = request.map(str::to_owned);
    let wish = Wish {
        spec: object.spec.sessions.as_ref(),
        jwt: runtime.is_some_and(AgentRuntime::wants_token),
        live: live.as_deref(),
        generation: object.metadata.generation,
    };
    let before = object.status.as_ref();
    let said = Said {
        conditions: before.map_or(&[], |before| &before.conditions),
        sessions: before.and_then(|before| before.sessions.as_ref()),
    };
    status.sessions = wish.note(&mut status.conditions, events, &said, reported, now);
}

/// Sessions by version, whatever drain request they came after.
fn by_version(editions: &BTreeMap<String, u32>) -> BTreeMap<String, u32> {
    let mut versions = BTreeMap::<String, u32>::new();
    for (edition, count) in editions.iter().filter(|(name, _)| !name.is_empty()) {
        let sum = versions.entry(version_of(edition).to_owned()).or_default();
        *sum = sum.saturating_add(*count);
    }
    versions
}

/// What was said the last time.
struct Said<'a> {
    conditions: &'a [Condition],
    sessions: Option<&'a SessionsStatus>,
}

/// What an object says of its sessions.
struct Wish<'a> {
    spec: Option<&'a Sessions>,
    jwt: bool,
    /// The edition that is live.
    live: Option<&'a str>,
    generation: Option<i64>,
}

impl Wish<'_> {
    /// Writes the condition; gives what is known.
    fn note(
        &self,
        conditions: &mut Vec<Condition>,
        events: &mut Vec<Event>,
        said: &Said<'_>,
        reported: &Reported,
        now: Timestamp,
    ) -> Option<SessionsStatus> {
        conditions.retain(|condition| condition.type_ != SESSIONS_CURRENT);
        let (before, old) = (said.sessions, find(said.conditions, SESSIONS_CURRENT));
        let sums = match reported {
            Reported::Unread => {
                conditions.extend(old.cloned());
                return before.cloned();
            }
            Reported::Gateway(known) => Some(self.sums(known)),
            // Where nobody ever reported, and nobody asked, there is nothing to say.
            Reported::Nobody if self.spec.is_none() && before.is_none() => return None,
            Reported::Nobody => None,
        };
        let (status, reason, message) = self.verdict(sums.as_ref(), now);
        let news = [reasons::DRAINING, reasons::OVERDUE].contains(&reason);
        if news && old.is_none_or(|old| old.reason != reason) {
            events.push(Event {
                warning: reason == reasons::OVERDUE,
                reason,
                note: message.clone(),
            });
        }
        let now = crate::desk::whole_second(now);
        conditions.push(Condition {
            last_transition_time: since(said.conditions, SESSIONS_CURRENT, status, now),
            message,
            observed_generation: self.generation,
            reason: reason.to_owned(),
            status: status.to_owned(),
            type_: SESSIONS_CURRENT.to_owned(),
        });
        // Nobody reports: the versions that had sessions may have them still, and are kept.
        Some(sums.unwrap_or_else(|| {
            SessionsStatus {
                by_version: before
                    .map(|before| before.by_version.clone())
                    .unwrap_or_default(),
                ..SessionsStatus::default()
            }
        }))
    }

    fn sums(&self, known: &Known) -> SessionsStatus {
        let tracked = known
            .versions
            .values()
            .fold(0, |sum: u32, count| sum.saturating_add(*count));
        // What is not known is not judged.
        let stale = self.live.map_or(0, |live| {
            known
                .versions
                .iter()
                .filter(|(version, _)| !version.is_empty() && *version != live)
                .fold(0, |sum: u32, (_, count)| sum.saturating_add(*count))
        });
        let failed = known.failed.min(stale);
        SessionsStatus {
            tracked,
            current: tracked - stale,
            stale,
            draining: known.draining.min(stale - failed),
            stopped: known.stopped,
            failed,
            oldest_stale_since: known.oldest_stale_since.clone().filter(|_| stale > 0),
            by_version: by_version(&known.versions),
            coverage: Coverage::Gateway,
        }
    }

    fn verdict(
        &self,
        sums: Option<&SessionsStatus>,
        now: Timestamp,
    ) -> (&'static str, &'static str, String) {
        if self.jwt {
            let text = "an agent with a JWT authorizer takes no stop from the gateway: AgentCore's time-outs end its stale sessions";
            return ("Unknown", reasons::JWT_AUTHORIZER, text.to_owned());
        }
        let Some(sums) = sums else {
            let text = "no gateway reports sessions; those of callers that go to AWS themselves are not seen";
            return ("Unknown", reasons::NO_REPORT, text.to_owned());
        };
        let stale = match sums.stale {
            0 => {
                let text = "all known sessions run the version that serves";
                return ("True", reasons::ALL_CURRENT, text.to_owned());
            }
            1 => "1 known session runs an old version".to_owned(),
            stale => format!("{stale} known sessions run an old version"),
        };
        let wished = self
            .spec
            .and_then(|spec| spec.on_update)
            .unwrap_or_default();
        let limit = match wished {
            OnUpdate::Leave => {
                let text = format!("{stale}; AgentCore's time-outs end them (onUpdate Leave)");
                return ("False", reasons::LEFT_TO_TIME_OUT, text);
            }
            OnUpdate::Stop => STREAMS,
            OnUpdate::Drain => self.deadline(),
        };
        let due = sums
            .oldest_stale_since
            .as_ref()
            .and_then(|text| text.parse::<Timestamp>().ok())
            .and_then(|since| since.checked_add(limit).ok()?.checked_add(PATIENCE).ok());
        if due.is_some_and(|due| due <= now) {
            let text = match sums.failed {
                0 => format!("{stale} although their deadline has come"),
                failed => format!(
                    "{stale} although their deadline has come; AWS refused to stop {failed}, see the gateway's log"
                ),
            };
            return ("False", reasons::OVERDUE, text);
        }
        // No numbers that change with each stop: every change of a message is a write.
        let text = match wished {
            OnUpdate::Stop => "old sessions are stopped as soon as nothing is in flight",
            _ => "old sessions are stopped once they are idle, or at their deadline",
        };
        ("False", reasons::DRAINING, text.to_owned())
    }

    fn deadline(&self) -> SignedDuration {
        let drain = self.spec.and_then(|spec| spec.drain.as_ref());
        let text = drain.and_then(|drain| drain.deadline.as_deref());
        SignedDuration::from_secs(seconds_or(text, DEFAULT_DRAIN_DEADLINE_SECONDS).into())
    }
}
