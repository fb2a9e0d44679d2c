//! What becomes of a session that runs another version than the one that serves: a pure decision, by what the object says.

use std::time::Duration;

use agentcore_api::limits::{DEFAULT_DRAIN_DEADLINE_SECONDS, DEFAULT_DRAIN_IDLE_SECONDS};
use agentcore_api::sessions::{Drain, OnUpdate, Sessions, Unnamed};
use agentcore_api::values::seconds_or;
use jiff::{SignedDuration, Timestamp};

use super::ledger::{GiveWay, Record};

/// Most stops a minute, where the object says nothing.
const MAX_PER_MINUTE: u32 = 300;
/// Between the end of what is in flight, at the deadline, and the end of the session: the caller is told before AgentCore cuts.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// `spec.sessions` of an object, with the defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What is done at all.
    pub on_update: OnUpdate,
    /// Drain: idle time after which a stale session is stopped.
    pub idle_after: Duration,
    /// Time after the roll at which it is stopped whatever it does.
    pub deadline: Duration,
    /// Drain: whether a session whose agent said that it works on is left alone until the deadline.
    pub respect_busy: bool,
    /// Most stops a minute.
    pub max_per_minute: u32,
    /// In which session of an MCP server requests run that name none.
    pub unnamed: Unnamed,
}

/// Why a session is stopped, as metrics say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// `Stop`: nothing is in flight.
    Update,
    /// `Drain`: it was idle for long enough.
    Idle,
    /// Its deadline has come.
    Deadline,
    /// Its conversation has gone on in another session.
    Replaced,
}

impl Reason {
    /// As a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Idle => "idle",
            Self::Deadline => "deadline",
            Self::Replaced => "replaced",
        }
    }
}

/// What to do with a session now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing, for as long as nothing changes.
    Keep,
    /// Nothing before this time, unless it is used or left meanwhile.
    Wait(Timestamp),
    /// It is to end.
    Stop(Reason),
}

impl Default for Policy {
    fn default() -> Self {
        Self::of(None, false)
    }
}

impl Policy {
    /// What an object says. Agents with a JWT authorizer take no stop from the gateway: their sessions are left.
    pub fn of(spec: Option<&Sessions>, jwt: bool) -> Self {
        let drain = spec.and_then(|spec| spec.drain.as_ref());
        let time = |text: fn(&Drain) -> &Option<String>, default| {
            let text = drain.and_then(|drain| text(drain).as_deref());
            Duration::from_secs(seconds_or(text, default).into())
        };
        let wished = spec.and_then(|spec| spec.on_update).unwrap_or_default();
        Self {
            on_update: if jwt { OnUpdate::Leave } else { wished },
            idle_after: time(|drain| &drain.idle_after, DEFAULT_DRAIN_IDLE_SECONDS),
            deadline: time(|drain| &drain.deadline, DEFAULT_DRAIN_DEADLINE_SECONDS),
            respect_busy: drain.and_then(|drain| drain.respect_busy).unwrap_or(true),
            max_per_minute: drain
                .and_then(|drain| drain.max_per_minute)
                .unwrap_or(MAX_PER_MINUTE)
                .max(1),
            unnamed: spec.and_then(|spec| spec.unnamed).unwrap_or_default(),
        }
    }

    /// When a stale session makes room for a new one by the very turn that comes for it.
    pub fn give_way(&self) -> Option<GiveWay> {
        match self.on_update {
            OnUpdate::Leave => None,
            OnUpdate::Stop => Some(GiveWay {
                idle: Duration::ZERO,
                in_flight: true,
                busy: true,
            }),
            OnUpdate::Drain => Some(GiveWay {
                idle: self.idle_after,
                in_flight: false,
                busy: !self.respect_busy,
            }),
        }
    }

    /// When what is in flight in sessions that are stale since `since` has to end.
    pub fn cut_at(&self, since: Timestamp) -> Option<Timestamp> {
        (self.on_update != OnUpdate::Leave).then(|| later(since, self.deadline))
    }
}

/// Whether a session born on one version is stale where another serves. What is not known is not judged.
pub fn is_stale(born: Option<&str>, live: Option<&str>) -> bool {
    matches!((born, live), (Some(born), Some(live)) if born != live)
}

/// What to do with a session. `retired`: its conversation has another one already. `since`: when sessions of its version were first
/// found stale; none while they are current.
pub fn decide(
    record: &Record,
    retired: bool,
    policy: &Policy,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Verdict {
    let deadline = policy
        .cut_at(since.unwrap_or(record.last_used_at))
        .map(|at| later(at, LAST_WORDS));
    let Some(deadline) = deadline else {
        return Verdict::Keep;
    };
    if since.is_none() && !retired {
        return Verdict::Keep;
    }
    if now >= deadline {
        return Verdict::Stop(Reason::Deadline);
    }
    if record.in_flight > 0 {
        return Verdict::Wait(deadline);
    }
    if retired {
        return Verdict::Stop(Reason::Replaced);
    }
    if policy.on_update == OnUpdate::Stop {
        return Verdict::Stop(Reason::Update);
    }
    if record.busy && policy.respect_busy {
        return Verdict::Wait(deadline);
    }
    let idle_at = later(record.last_used_at, policy.idle_after);
    if now >= idle_at {
        Verdict::Stop(Reason::Idle)
    } else {
        Verdict::Wait(idle_at.min(deadline))
    }
}

/// The end of time is late enough for what lies beyond it.
fn later(at: Timestamp, time: Duration) -> Timestamp {
    SignedDuration::try_from(time)
        .ok()
        .and_then(|time| at.checked_add(time).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
