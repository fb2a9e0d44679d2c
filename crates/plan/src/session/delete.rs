//! The object is being deleted: every session that may run is stopped, then the object goes.

use agentcore_api::names::annotations;
use agentcore_api::session::SessionPhase;
use agentcore_api::{AgentRuntime, reasons};

use super::outcome::{note_stop, of_fault};
use super::pass::Pass;
use super::{Action, Decision, Outcome};
use crate::conditions::{State, Verdict};
use crate::desk::SLOW;
use crate::fault::Class;
use crate::step::Rest;

pub(super) fn plan(mut pass: Pass<'_>) -> Decision {
    if !pass.has_finalizer() {
        return pass.rest(Rest::Forget);
    }
    pass.retire_next();
    pass.retire_serving();
    let jwt = pass.view.runtime.is_some_and(AgentRuntime::wants_token);
    if jwt && !pass.status.previous.is_empty() {
        return left_behind(pass, "the runtime refuses the operator's signature");
    }
    if pass.is_told() && !pass.status.previous.is_empty() {
        return left_behind(pass, "the runtime is another's by its tags");
    }
    let tried = pass.status.previous.iter().any(|one| one.failures > 0);
    if tried && pass.let_go() {
        return left_behind(pass, "annotation let-go");
    }
    if let Some(at) = pass.stop_due() {
        if !tried {
            let verdict = Verdict::working(reasons::DELETING, "about to be stopped");
            pass.verdict(SessionPhase::Deleting, verdict);
        }
        return pass.act(Action::Stop { at });
    }
    if pass.status.previous.is_empty() {
        return release(pass);
    }
    let at = pass.stop_at();
    pass.rest_until(at)
}

/// Something is in the way that a person has to see to; `let-go` gives up instead.
pub(super) fn stuck(mut pass: Pass<'_>, verdict: Verdict) -> Decision {
    if !pass.has_finalizer() {
        return pass.rest(Rest::Forget);
    }
    if pass.let_go() {
        return left_behind(pass, "annotation let-go");
    }
    pass.warn_once(&verdict);
    pass.verdict(SessionPhase::Deleting, verdict);
    pass.rest(Rest::After(SLOW))
}

pub(super) fn outcome(mut pass: Pass<'_>, outcome: &Outcome) -> Decision {
    let Outcome { session_id, result } = outcome;
    let Some(fault) = note_stop(&mut pass, session_id, result) else {
        if pass.status.previous.is_empty() {
            pass.event(false, reasons::DELETED, "the session is stopped");
        }
        return after(pass);
    };
    // AWS may say AccessDenied of what is gone: of a runtime whose object is gone, that is believed.
    if fault.class == Class::Denied && pass.view.runtime.is_none() {
        pass.status
            .previous
            .retain(|one| one.session_id != *session_id);
        return after(pass);
    }
    let mut verdict = of_fault(fault);
    if verdict.state != State::Working {
        verdict.message = format!("{}; {}", verdict.message, or_let_go());
        pass.warn_once(&verdict);
    }
    pass.verdict(SessionPhase::Deleting, verdict);
    let at = pass.stop_at();
    pass.rest_until(at)
}

/// A stop is done: soon the next one, or the end.
fn after(pass: Pass<'_>) -> Decision {
    let now = pass.now;
    pass.rest_until(Some(now))
}

fn left_behind(mut pass: Pass<'_>, why: &str) -> Decision {
    let text = format!("the session is left to AgentCore's time-outs: {why}");
    pass.event(true, reasons::RETAINED, text);
    release(pass)
}

/// Lets the object go.
fn release(mut pass: Pass<'_>) -> Decision {
    pass.verdict(
        SessionPhase::Deleting,
        Verdict::working(reasons::DELETING, "stopped; the object goes"),
    );
    pass.act(Action::RemoveFinalizer)
}

/// What a person can do about a deletion that does not end.
fn or_let_go() -> String {
    format!(
        "annotation {}: \"true\" leaves the session to AgentCore's time-outs",
        annotations::LET_GO
    )
}
