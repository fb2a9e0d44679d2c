//! The verdict after a call: what its outcome means for the session that it was about.

use agentcore_api::reasons;
use agentcore_api::session::SessionPhase;
use jiff::{SignedDuration, Timestamp};

use super::pass::{Pass, after_failures};
use super::plan::{ATTEMPTS, settle, waiting};
use super::target::{Target, target};
use super::{CallResult, Decision, Outcome, View, delete};
use crate::conditions::{State, Verdict};
use crate::desk::{SOON, said, whole_second};
use crate::fault::{Class, Fault};
use crate::step::Rest;

pub(super) fn verdict(view: &View<'_>, outcome: &Outcome, now: Timestamp) -> Decision {
    let pass = Pass::new(view, now);
    if view.object.metadata.deletion_timestamp.is_some() {
        return delete::outcome(pass, outcome);
    }
    let Outcome { session_id, result } = outcome;
    let is_next = pass
        .status
        .next
        .as_ref()
        .is_some_and(|next| next.session_id == *session_id);
    let serves = pass.status.session_id.as_ref() == Some(session_id);
    if !is_next && !serves {
        return stopped(pass, session_id, result);
    }
    match target(view) {
        Ok(target) if is_next => of_next(pass, result, &target),
        Ok(target) => of_serving(pass, result, &target),
        Err(verdict) => waiting(pass, verdict),
    }
}

/// How a session was found that did not answer well.
struct Trouble {
    verdict: Verdict,
    /// Whether the agent was reached and answers, though not as it should.
    refused: bool,
    /// Whether it counts against the session.
    counts: bool,
}

/// What went wrong, or `None` for a good answer.
fn trouble(result: &CallResult, failures: u32) -> Option<Trouble> {
    let by_agent = |why: String| {
        let text = format!("{why}; it is asked again by itself");
        // Once another session does not answer either, somebody has to look.
        let state = if failures >= ATTEMPTS {
            State::Stalled
        } else {
            State::Working
        };
        Some(Trouble {
            verdict: Verdict::new(state, reasons::AGENT_FAILED, text),
            refused: false,
            counts: true,
        })
    };
    match result {
        CallResult::Answered(200..=299) | CallResult::Stopped => None,
        CallResult::Answered(status @ 400..=499) => {
            let text = format!(
                "the agent answered the keepalive with status {status}: change spec.keepAlive.payload to what it takes"
            );
            Some(Trouble {
                verdict: Verdict::stalled(reasons::KEEP_ALIVE_REFUSED, text),
                refused: true,
                counts: false,
            })
        }
        CallResult::Answered(status) => by_agent(format!(
            "the agent answered the keepalive with status {status}"
        )),
        CallResult::AgentFailed(why) => by_agent(why.clone()),
        CallResult::Failed(fault) => Some(Trouble {
            verdict: of_fault(fault),
            refused: false,
            counts: false,
        }),
    }
}

/// A fault of AWS for people.
pub(super) fn of_fault(fault: &Fault) -> Verdict {
    let state = match fault.class {
        Class::Invalid | Class::Quota => State::Stalled,
        Class::Denied | Class::Unknown => State::Waiting,
        _ => State::Working,
    };
    let text = format!("{}; it is tried again by itself", said(fault));
    Verdict::new(state, fault.reason, text)
}

/// When to ask again after a fault of AWS. Sessions that failed together do not come back together: their ids spread them.
fn after_fault(fault: &Fault, session_id: &str, now: Timestamp) -> String {
    let pause = match fault.class {
        Class::Throttled | Class::Transient | Class::NotYet | Class::Conflict => 10_000,
        Class::Gone | Class::Denied | Class::Invalid | Class::Quota | Class::Unknown => 60_000,
    };
    let spread = session_id
        .get(..2)
        .and_then(|digits| i64::from_str_radix(digits, 16).ok())
        .unwrap_or(0);
    let pause = pause + pause * spread / 512;
    (whole_second(now) + SignedDuration::from_millis(pause)).to_string()
}

fn of_serving(mut pass: Pass<'_>, result: &CallResult, target: &Target) -> Decision {
    let before = pass.status.failures.unwrap_or(0);
    let now = pass.now;
    if let CallResult::Answered(status) = result {
        pass.status.last_answer = Some(*status);
    }
    let Some(trouble) = trouble(result, before + 1) else {
        pass.status.last_answer_time = Some(whole_second(now).to_string());
        pass.status.failures = None;
        pass.status.retry_at = None;
        return settle(pass, target);
    };
    let id = pass.status.session_id.clone().unwrap_or_default();
    pass.status.retry_at = Some(match result {
        CallResult::Failed(fault) => after_fault(fault, &id, now),
        _ if trouble.refused => (whole_second(now) + pass.every()).to_string(),
        _ => after_failures(before + 1, now),
    });
    if trouble.counts || trouble.refused {
        let more = if trouble.counts {
            before + 1
        } else {
            before.max(1)
        };
        pass.status.failures = Some(more);
    }
    // A fault of AWS says nothing of the session, until it must have rested too long.
    let lives = before == 0
        && matches!(result, CallResult::Failed(_))
        && pass.rests_until(target.idle).is_some_and(|end| now < end);
    if !lives {
        say_trouble(&mut pass, trouble.verdict);
    }
    settle(pass, target)
}

fn of_next(mut pass: Pass<'_>, result: &CallResult, target: &Target) -> Decision {
    let (now, every) = (pass.now, pass.every());
    let Some(next) = &mut pass.status.next else {
        return settle(pass, target);
    };
    let all = next.given_up * ATTEMPTS + next.failures + 1;
    let Some(trouble) = trouble(result, all) else {
        return serve(pass, result, target);
    };
    next.retry_at = Some(match result {
        CallResult::Failed(fault) => after_fault(fault, &next.session_id, now),
        _ if trouble.refused => {
            next.failures = next.failures.max(1);
            (whole_second(now) + every).to_string()
        }
        _ => {
            next.failures += 1;
            after_failures(all, now)
        }
    });
    let others_serve = pass.status.session_id.is_some() && pass.status.failures.is_none();
    if !others_serve {
        if pass.status.session_id.is_none() {
            say_trouble(&mut pass, trouble.verdict);
        }
        return settle(pass, target);
    }
    // What passes by itself is not worth a word while another one serves.
    if trouble.verdict.state != State::Working || trouble.counts {
        let text = format!(
            "the session on version {} serves; the next one, on version {}, does not: {}",
            pass.status.version.clone().unwrap_or_default(),
            target.version,
            trouble.verdict.message
        );
        let fresh = pass.rests_until(target.idle).is_some_and(|end| now < end);
        let state = if fresh { State::Ready } else { State::Working };
        let verdict = Verdict::new(state, reasons::REPLACEMENT_FAILED, text);
        pass.warn_once(&verdict);
        pass.verdict(SessionPhase::Replacing, verdict);
    }
    settle(pass, target)
}

fn say_trouble(pass: &mut Pass<'_>, verdict: Verdict) {
    pass.warn_once(&verdict);
    pass.verdict(SessionPhase::Failed, verdict);
}

/// The next session has answered: it serves from now on, and the one before it is to be stopped.
fn serve(mut pass: Pass<'_>, result: &CallResult, target: &Target) -> Decision {
    let born = pass.status.version.clone();
    pass.retire_serving();
    let Some(next) = pass.status.next.take() else {
        return settle(pass, target);
    };
    let (reason, text) = match born {
        None => (
            reasons::SESSION_STARTED,
            format!("a session on version {} answers", next.version),
        ),
        Some(born) => (
            reasons::SESSION_REPLACED,
            format!(
                "a session on version {} serves in place of the one on version {born}",
                next.version
            ),
        ),
    };
    pass.event(false, reason, text);
    let status = &mut pass.status;
    status.session_id = Some(next.session_id);
    status.version = Some(next.version);
    status.qualifier = Some(next.qualifier);
    status.runtime_arn = Some(next.runtime_arn);
    status.started_at = Some(next.started_at);
    status.expires_at = Some(next.expires_at);
    status.last_answer_time = Some(whole_second(pass.now).to_string());
    if let CallResult::Answered(code) = result {
        status.last_answer = Some(*code);
    }
    settle(pass, target)
}

/// A stop's outcome: 404 is as good as a yes.
pub(super) fn is_over(result: &CallResult) -> bool {
    match result {
        CallResult::Stopped => true,
        CallResult::Failed(fault) => fault.class == Class::Gone || fault.says_gone(),
        CallResult::Answered(_) | CallResult::AgentFailed(_) => false,
    }
}

/// Notes the outcome of a stop; the fault, where there was one.
pub(super) fn note_stop<'a>(
    pass: &mut Pass<'_>,
    session_id: &str,
    result: &'a CallResult,
) -> Option<&'a Fault> {
    let now = pass.now;
    let previous = &mut pass.status.previous;
    if is_over(result) {
        previous.retain(|one| one.session_id != session_id);
        return None;
    }
    for one in previous
        .iter_mut()
        .filter(|one| one.session_id == session_id)
    {
        one.failures = one.failures.saturating_add(1);
        one.retry_at = Some(after_failures(one.failures, now));
    }
    match result {
        CallResult::Failed(fault) => Some(fault),
        _ => None,
    }
}

fn stopped(mut pass: Pass<'_>, session_id: &str, result: &CallResult) -> Decision {
    let found = pass.status.previous.iter();
    let found = found.filter(|one| one.session_id == session_id);
    let version = found.map(|one| one.version.clone()).next();
    let version = version.unwrap_or_default();
    match note_stop(&mut pass, session_id, result) {
        Some(fault) if matches!(fault.class, Class::Denied | Class::Invalid | Class::Unknown) => {
            let text = format!(
                "the session on version {version} could not be stopped: {}; it is tried again by itself",
                said(fault)
            );
            pass.event(true, fault.reason, text);
        }
        Some(_) => {}
        None => pass.event(
            false,
            reasons::SESSION_STOPPED,
            format!("the session on version {version} is stopped"),
        ),
    }
    pass.rest(Rest::After(SOON))
}
