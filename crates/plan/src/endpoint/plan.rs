//! The planner of an AgentEndpoint: which state it is in, and who decides there.

use std::ops::ControlFlow;
use std::time::Duration;

use agentcore_api::reasons;
use jiff::Timestamp;

use super::pass::Pass;
use super::wish::{Wish, render};
use super::{Action, Decision, Read, View, claim, create, delete, live, outcome};
use crate::complete::complete;
use crate::conditions::{State, Verdict};
use crate::desk::{SLOW, SOON, elsewhere};
use crate::grant::region_refusal;
use crate::managed::delete::stuck;
use crate::runtime::Refusal;
use crate::step::{Rest, Step, Sweep};

/// Pause before grants that have not been listed are asked for again; their list wakes the object.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(15);

const SUSPENDED: &str = "suspended by spec.suspend: nothing is changed in AWS";

/// Says the next step for an AgentEndpoint.
///
/// Called again with the same view and one more fact after a [`Step::Read`](crate::step::Step::Read), and with the outcome after
/// a [`Step::Act`](crate::step::Step::Act), the object then carrying the status that was written before the action. After
/// [`Rest::Transition`] the next look has `due.poll` set: endpoints are in no list that is read anyway.
pub fn plan(view: &View<'_>, now: Timestamp) -> Decision {
    let decision = match &view.outcome {
        Some(result) => outcome::verdict(view, result, now),
        None => decide(view, now),
    };
    let deleting = view.object.metadata.deletion_timestamp.is_some();
    complete(decision, deleting, now)
}

/// The step when nothing was done in this pass yet.
pub(super) fn decide(view: &View<'_>, now: Timestamp) -> Decision {
    let decision = decide_granted(view, now);
    match &decision.step {
        Step::Act(
            Action::Create { .. }
            | Action::Update { .. }
            | Action::Tag { .. }
            | Action::Untag { .. },
        ) => ungranted(view, now).unwrap_or(decision),
        _ => decision,
    }
}

/// What is said instead of a change that the namespace has not been granted; `None`: it may be made. What an endpoint serves is its
/// runtime's, so the region is all that there is to grant.
fn ungranted(view: &View<'_>, now: Timestamp) -> Option<Decision> {
    let mut pass = Pass::new(view, now);
    if !view.granted.known {
        if !pass.desk.is_ready() {
            let text = "AgentGrants have not been listed yet; nothing is changed until they are";
            let verdict = Verdict::working(reasons::GRANTS_UNKNOWN, text);
            pass.desk.verdict(verdict);
        }
        return Some(pass.desk.rest(Rest::After(UNKNOWN_PAUSE)));
    }
    let region = pass.desk.status.region.clone();
    let region = region.or_else(|| view.runtime?.status.as_ref()?.region.clone());
    let region = region.as_deref().unwrap_or(&view.policy.region);
    let namespace = view.object.metadata.namespace.as_deref();
    let Refusal { reason, message } =
        region_refusal(namespace.unwrap_or_default(), region, view.granted)?;
    Some(refused(pass, Verdict::stalled(reason, message)))
}

/// The step, whatever the namespace has been granted.
fn decide_granted(view: &View<'_>, now: Timestamp) -> Decision {
    let pass = Pass::new(view, now);
    let deleting = view.object.metadata.deletion_timestamp.is_some();
    if pass.desk.status.arn.is_some()
        && pass.has_finalizer()
        && let Some(verdict) = elsewhere(pass.desk.status.account.as_deref(), view.policy)
    {
        return if deleting {
            stuck(pass, verdict, Rest::After(SLOW))
        } else {
            out_of_reach(pass, verdict)
        };
    }
    if deleting {
        return delete::plan(pass);
    }
    let pass = match claim::first(pass) {
        ControlFlow::Continue(ours) => ours,
        ControlFlow::Break(decision) => return decision,
    };
    if view.object.spec.suspend == Some(true) {
        return suspended(pass);
    }
    let wish = match render(view) {
        Ok(wish) => wish,
        Err(verdict) => return refused(pass, verdict),
    };
    if !pass.has_finalizer() {
        return add_finalizer(pass);
    }
    let status = &pass.desk.status;
    if status.runtime_id.as_deref() != Some(wish.runtime_id.as_str()) {
        return other_runtime(pass, &wish);
    }
    if status.arn.is_some() {
        live::plan(pass, &wish)
    } else {
        create::plan(pass, &wish)
    }
}

/// Nothing is asked or changed where the credentials are of another account.
fn out_of_reach(mut pass: Pass<'_>, verdict: Verdict) -> Decision {
    // What is somebody else's stays told: nobody calls it meanwhile.
    if !pass.desk.reason_is(reasons::NOT_OWNED) {
        pass.desk.event_once(true, verdict.reason, &verdict.message);
        pass.desk.verdict(verdict);
    }
    pass.desk.rest(Rest::After(SLOW))
}

/// The runtime was made anew, and this endpoint went with the old one; or nothing was sent yet.
fn other_runtime(mut pass: Pass<'_>, wish: &Wish) -> Decision {
    if pass.desk.status.runtime_id.is_none() {
        return create::plan(pass, wish);
    }
    let text = format!(
        "the runtime was made anew as {}; so is this endpoint",
        wish.runtime_id
    );
    pass.desk.event(true, reasons::LOST, text.clone());
    pass.forget_identity();
    let status = &mut pass.desk.status;
    status.pending = None;
    status.runtime_id = Some(wish.runtime_id.clone());
    status.attempt = Some(status.attempt.unwrap_or(0).saturating_add(1));
    pass.desk.verdict(Verdict::working(reasons::LOST, text));
    pass.desk.rest(Rest::After(SOON))
}

/// What is written in the spec cannot be carried out, or not yet. A runtime that comes or changes wakes the endpoint; what goes
/// without a finalizer (the runtime, or the endpoint that had the name) wakes nobody, so it is looked at again, which costs no call.
fn refused(mut pass: Pass<'_>, verdict: Verdict) -> Decision {
    if verdict.state == State::Stalled {
        pass.desk.event_once(true, verdict.reason, &verdict.message);
    }
    pass.desk.verdict(verdict);
    pass.desk.handled();
    pass.desk.rest(Rest::After(SLOW))
}

fn add_finalizer(mut pass: Pass<'_>) -> Decision {
    if pass.desk.status.conditions.is_empty() {
        pass.desk.verdict(Verdict::working(
            reasons::CREATING,
            "about to be made in AgentCore",
        ));
    }
    pass.act(Action::AddFinalizer)
}

/// Nothing is changed, the status is still read.
fn suspended(mut pass: Pass<'_>) -> Decision {
    let status = &pass.desk.status;
    let (Some(runtime_id), Some(name), true) = (
        status.runtime_id.clone(),
        status.name.clone(),
        status.arn.is_some(),
    ) else {
        return held_still(pass, true, Rest::Settled);
    };
    match &pass.view.facts.endpoint {
        None if pass.view.due.poll || pass.view.due.sweep == Some(Sweep::Endpoint) => {
            pass.desk.read(Read::Endpoint { runtime_id, name })
        }
        None => {
            let rest = match pass.desk.status.phase {
                phase if live::in_transition(phase) => Rest::Transition {
                    since: pass.desk.since(),
                },
                _ => Rest::Settled,
            };
            held_still(pass, true, rest)
        }
        Some(Err(fault)) => pass.desk.fault(fault, true),
        Some(Ok(None)) => held_still(pass, false, Rest::Settled),
        Some(Ok(Some(there))) => {
            pass.note(there);
            let rest = if there.status.in_transition() {
                Rest::Transition {
                    since: there.last_updated_at,
                }
            } else {
                Rest::Settled
            };
            held_still(pass, true, rest)
        }
    }
}

/// Ready stays what it was; only the reason changes.
fn held_still(mut pass: Pass<'_>, good: bool, rest: Rest) -> Decision {
    let state = if pass.desk.is_ready() && good {
        State::Ready
    } else {
        State::Waiting
    };
    pass.desk.event_once(false, reasons::SUSPENDED, SUSPENDED);
    pass.desk
        .verdict(Verdict::new(state, reasons::SUSPENDED, SUSPENDED));
    pass.desk.rest(rest)
}
