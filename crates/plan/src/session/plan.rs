//! The planner of an AgentSession: which call is due, and what is to be said when none is.

use agentcore_api::reasons;
use agentcore_api::session::{NextSession, SessionPhase};
use agentcore_api::values::Arn;
use jiff::{SignedDuration, Timestamp};

use super::pass::{Pass, is_due};
use super::suspend::suspended;
use super::target::{Target, target};
use super::{Action, Address, Decision, View, delete, limit, outcome};
use crate::conditions::{State, Verdict};
use crate::desk::{SLOW, elsewhere, parsed, whole_second};
use crate::step::{Rest, Step};

/// Failures in a row after which a session is given up and another one is begun.
pub(super) const ATTEMPTS: u32 = 5;
/// Longest time that a session may take to answer first; after it nobody knows how old it is.
const FIRST_ANSWER_MAX: SignedDuration = SignedDuration::from_mins(15);
/// Longest time before its end that a session is replaced.
const MARGIN_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Says the next step for an AgentSession.
///
/// Called again with the outcome after a [`Step::Act`](crate::step::Step::Act), the object then carrying the status that was written
/// before the action: so every id is in status before AgentCore hears of it.
pub fn plan(view: &View<'_>, now: Timestamp) -> Decision {
    match &view.outcome {
        Some(outcome) => outcome::verdict(view, outcome, now),
        None => decide(view, now),
    }
}

/// Why a session is wanted that is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// None serves.
    First,
    /// The endpoint moved to another version, or was made anew.
    Version,
    /// A person asked for a drain.
    Drain,
    /// The one that serves is near the end of its life.
    Age,
    /// The one that serves does not answer.
    Dead,
}

fn decide(view: &View<'_>, now: Timestamp) -> Decision {
    let mut pass = Pass::new(view, now);
    pass.handle_request();
    pass.handle_drain();
    let deleting = view.object.metadata.deletion_timestamp.is_some();
    let theirs = pass.status.in_use().next();
    if let Some(verdict) = theirs.and_then(|(arn, _)| elsewhere(Arn(arn).account(), view.policy)) {
        if deleting {
            return delete::stuck(pass, verdict);
        }
        pass.warn_once(&verdict);
        pass.verdict(SessionPhase::Failed, verdict);
        return pass.rest(Rest::After(SLOW));
    }
    if deleting {
        return delete::plan(pass);
    }
    if view.object.spec.suspend == Some(true) {
        return suspended(pass);
    }
    if let Some(at) = pass.stop_due() {
        return pass.act(Action::Stop { at });
    }
    if let Err(error) = pass.payload() {
        let text = format!("{error}; make it smaller");
        return waiting(pass, Verdict::stalled(reasons::INVALID_SPEC, text));
    }
    let target = match target(view) {
        Ok(target) => target,
        Err(verdict) => return waiting(pass, verdict),
    };
    let slow = too_slow(&pass, &target);
    if let (Some(verdict), None) = (&slow, &pass.status.session_id) {
        pass.retire_next();
        return waiting(pass, verdict.clone());
    }
    if let Some(verdict) = limit::too_many(&pass) {
        // No deletion of another object wakes this one.
        let mut decision = waiting(pass, verdict);
        decision.step = Step::Rest(Rest::After(limit::PAUSE));
        return decision;
    }
    if !pass.has_finalizer() {
        if pass.status.conditions.is_empty() {
            let verdict = Verdict::working(reasons::STARTING, "about to be begun");
            pass.verdict(SessionPhase::Starting, verdict);
        }
        return pass.act(Action::AddFinalizer);
    }
    match wanted(&pass, &target) {
        Some(why) if slow.is_none() => {
            prepare(&mut pass, &target, why);
            if let Some(at) = next_due(&mut pass, &target) {
                return call_next(pass, at, &target);
            }
        }
        _ => pass.retire_next(),
    }
    if let Some(at) = keepalive_due(&pass, &target) {
        if pass.status.version.as_ref() != Some(&target.version) {
            pass.status.version_unsure = Some(true);
        }
        return pass.invoke(at, &target);
    }
    settle(pass, &target)
}

/// Whether and why another session than the one that serves is wanted.
fn wanted(pass: &Pass<'_>, target: &Target) -> Option<Wanted> {
    let status = &pass.status;
    if status.session_id.is_none() {
        return Some(Wanted::First);
    }
    let same = status.version.as_ref() == Some(&target.version) && is_there(pass, target);
    if !same || status.version_unsure == Some(true) {
        return Some(Wanted::Version);
    }
    if status.drain_wanted == Some(true) {
        return Some(Wanted::Drain);
    }
    if replace_at(pass).is_some_and(|at| at <= pass.now) {
        return Some(Wanted::Age);
    }
    (status.failures.unwrap_or(0) >= ATTEMPTS).then_some(Wanted::Dead)
}

/// Whether the session that serves is where the reference leads; one of a runtime or endpoint that was made anew is gone.
fn is_there(pass: &Pass<'_>, target: &Target) -> bool {
    pass.status.runtime_arn.as_ref() == Some(&target.runtime_arn)
        && pass.status.qualifier.as_ref() == Some(&target.qualifier)
}

/// When the session that serves is to be replaced for its age: a tenth of its life before the end, at most 10 minutes.
fn replace_at(pass: &Pass<'_>) -> Option<Timestamp> {
    let end = parsed(pass.status.expires_at.as_deref()?)?;
    let start = parsed(pass.status.started_at.as_deref()?)?;
    Some(end - (end.duration_since(start) / 10).min(MARGIN_MAX))
}

/// Keepalives that come after AgentCore has ended the session for its rest keep nothing alive.
fn too_slow(pass: &Pass<'_>, target: &Target) -> Option<Verdict> {
    let every = pass.every();
    (every >= target.idle).then(|| {
        let text = format!(
            "spec.keepAlive.every is {}s, and the runtime's idle time-out {}s: it must be shorter, at best half of it",
            every.as_secs(),
            target.idle.as_secs()
        );
        Verdict::stalled(reasons::KEEP_ALIVE_TOO_SLOW, text)
    })
}

/// Sees to it that the next session is one of the version that is live, and not one that was tried too often.
fn prepare(pass: &mut Pass<'_>, target: &Target, why: Wanted) {
    let begin = match &pass.status.next {
        None => Some(0),
        Some(next) if !fits(next, target) => Some(0),
        Some(next) if is_due(next.retry_at.as_deref(), pass.now) && is_spent(next, pass.now) => {
            Some(next.given_up.saturating_add(1))
        }
        Some(_) => None,
    };
    let Some(given_up) = begin else { return };
    pass.retire_next();
    pass.begin(target, given_up);
    let version = &target.version;
    let born = pass.status.version.clone().unwrap_or_default();
    let text = match why {
        Wanted::First => format!("a session begins on version {version}"),
        Wanted::Version if born == *version => format!(
            "a session begins on version {version}, for the other one may run one that was live meanwhile"
        ),
        Wanted::Version => {
            format!("a session begins on version {version}; the one on version {born} goes after")
        }
        Wanted::Drain => {
            format!("a session begins on version {version}, for a drain was asked for")
        }
        Wanted::Age => {
            format!("a session begins on version {version}, for the other one's life ends")
        }
        Wanted::Dead => format!(
            "a session begins on version {version}, for the other one has not answered {ATTEMPTS} times in a row"
        ),
    };
    let reason = if why == Wanted::First {
        reasons::STARTING
    } else {
        reasons::REPLACING
    };
    pass.event(false, reason, text);
}

fn fits(next: &NextSession, target: &Target) -> bool {
    next.runtime_arn == target.runtime_arn
        && next.qualifier == target.qualifier
        && next.version == target.version
}

/// Whether a session that has not answered yet is to be given up.
fn is_spent(next: &NextSession, now: Timestamp) -> bool {
    if next.failures == 0 {
        return false;
    }
    let times = parsed(&next.started_at).zip(parsed(&next.expires_at));
    next.failures >= ATTEMPTS
        || times.is_none_or(|(start, end)| {
            now.duration_since(start) >= FIRST_ANSWER_MAX.min(end.duration_since(start) * 9 / 10)
        })
}

/// The next session, if it is to be called now.
fn next_due(pass: &mut Pass<'_>, target: &Target) -> Option<Address> {
    let now = pass.now;
    let next = pass.status.next.as_mut()?;
    if !is_due(next.retry_at.as_deref(), now) {
        return None;
    }
    if next.failures == 0 {
        // The agent has not seen it yet, as far as anybody knows: its life begins now.
        let now = whole_second(now);
        next.started_at = now.to_string();
        next.expires_at = (now + target.lifetime).to_string();
    }
    Some(Address {
        runtime_arn: next.runtime_arn.clone(),
        qualifier: next.qualifier.clone(),
        session_id: next.session_id.clone(),
    })
}

fn call_next(mut pass: Pass<'_>, at: Address, target: &Target) -> Decision {
    let failing = pass
        .status
        .next
        .as_ref()
        .is_some_and(|next| next.failures > 0 || next.given_up > 0);
    if !failing {
        say(&mut pass, target);
    }
    pass.invoke(at, target)
}

/// The session that serves, if it is to be kept alive now.
fn keepalive_due(pass: &Pass<'_>, target: &Target) -> Option<Address> {
    let at = keepalive_at(pass, target)?;
    (at <= pass.now).then(|| pass.serving()).flatten()
}

fn keepalive_at(pass: &Pass<'_>, target: &Target) -> Option<Timestamp> {
    if pass.status.session_id.is_none() || !is_there(pass, target) {
        return None;
    }
    if let Some(at) = pass.status.retry_at.as_deref().and_then(parsed) {
        return Some(at);
    }
    if pass.status.failures.is_some() {
        // Asked for by a person.
        return Some(pass.now);
    }
    Some(pass.rests_until(pass.every()).unwrap_or(pass.now))
}

/// Nothing is due: says how it is, and until when it is left alone.
pub(super) fn settle(mut pass: Pass<'_>, target: &Target) -> Decision {
    say(&mut pass, target);
    let next = pass.status.next.as_ref();
    let wants =
        next.is_none() && wanted(&pass, target).is_some() && too_slow(&pass, target).is_none();
    let next = next.map(|next| {
        next.retry_at
            .as_deref()
            .and_then(parsed)
            .unwrap_or(pass.now)
    });
    let times = [
        keepalive_at(&pass, target),
        replace_at(&pass).filter(|at| *at > pass.now),
        pass.stop_at(),
        next,
        wants.then_some(pass.now),
    ];
    let first = times.into_iter().flatten().min();
    pass.rest_until(first)
}

/// The verdict on what serves and on what is to follow. What a call's outcome said stays while it still holds.
fn say(pass: &mut Pass<'_>, target: &Target) {
    let status = &pass.status;
    let version = status.version.clone().unwrap_or_default();
    let failures = status.failures.unwrap_or(0);
    let next_fails = status
        .next
        .as_ref()
        .is_some_and(|next| next.failures > 0 || next.given_up > 0);
    if status.session_id.is_none() {
        if next_fails {
            let text = "the session has not answered yet; it is asked again by itself";
            return keep_or(pass, SessionPhase::Failed, reasons::AGENT_FAILED, text);
        }
        let text = format!(
            "waiting for the first answer, on version {}",
            target.version
        );
        let verdict = Verdict::working(reasons::STARTING, text);
        return pass.verdict(SessionPhase::Starting, verdict);
    }
    if failures > 0 {
        let text = "the session does not answer; it is asked again by itself";
        return keep_or(pass, SessionPhase::Failed, reasons::AGENT_FAILED, text);
    }
    if let Some(verdict) = too_slow(pass, target) {
        pass.warn_once(&verdict);
        return pass.verdict(SessionPhase::Active, verdict);
    }
    let fresh = pass
        .rests_until(target.idle)
        .is_some_and(|end| pass.now < end);
    let state = if fresh { State::Ready } else { State::Working };
    let (phase, reason, text) = match wanted(pass, target) {
        // While AgentCore cannot be asked, what was said of that stays.
        None if !fresh && pass.status.retry_at.is_some() => return,
        None => (
            SessionPhase::Active,
            reasons::READY,
            format!("it answers, on version {version}"),
        ),
        Some(_) if next_fails && pass.reason_is(reasons::REPLACEMENT_FAILED) && pass.is_ready() => {
            return;
        }
        Some(_) if next_fails => (
            SessionPhase::Replacing,
            reasons::REPLACEMENT_FAILED,
            format!("the session on version {version} serves; the next one does not answer"),
        ),
        Some(_) => (
            SessionPhase::Replacing,
            reasons::REPLACING,
            format!(
                "the session on version {version} serves until one on version {} has answered",
                target.version
            ),
        ),
    };
    pass.verdict(phase, Verdict::new(state, reason, text));
}

/// A failure that was named is not named again in other words.
fn keep_or(pass: &mut Pass<'_>, phase: SessionPhase, reason: &'static str, text: &str) {
    let passing = [
        reasons::READY,
        reasons::STARTING,
        reasons::REPLACING,
        reasons::REPLACEMENT_FAILED,
        reasons::SUSPENDED,
        reasons::RUNTIME_NOT_FOUND,
        reasons::RUNTIME_NOT_READY,
        reasons::ENDPOINT_NOT_FOUND,
        reasons::ENDPOINT_NOT_READY,
        reasons::KEEP_ALIVE_TOO_SLOW,
        reasons::JWT_AUTHORIZER,
        reasons::NOT_OWNED,
        reasons::INVALID_SPEC,
    ];
    let named = !pass.is_ready()
        && !pass.status.conditions.is_empty()
        && !passing.into_iter().any(|one| pass.reason_is(one));
    if !named {
        pass.verdict(phase, Verdict::working(reason, text));
    }
}

/// The reference leads nowhere, or the session must not be begun. A change of what it refers to wakes it.
pub(super) fn waiting(mut pass: Pass<'_>, verdict: Verdict) -> Decision {
    if verdict.state == State::Stalled {
        pass.warn_once(&verdict);
    }
    let phase = pass.status.phase.unwrap_or(SessionPhase::Starting);
    pass.verdict(phase, verdict);
    let at = pass.stop_at();
    pass.rest_until(at)
}
