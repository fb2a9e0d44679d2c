//! The gate before AWS: nothing is made, changed or looked up that the namespace has not been granted. What runs goes on, is read, is
//! suspended and is deleted without a grant.

use std::time::Duration;

use agentcore_api::names::tags::PREFIX;
use agentcore_api::reasons;
use jiff::Timestamp;

use super::pass::Pass;
use super::plan::refused;
use super::wish::{Refusal, namespace, region, render};
use super::{Action, Decision, Read, View};
use crate::conditions::Verdict;
use crate::grant::{Granted, asks, refusal, source_trouble};
use crate::hash::CHANGING;
use crate::image;
use crate::step::{Rest, Step};

/// Pause before grants that have not been listed are asked for again; their list wakes the object.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(15);
/// More looks than a source takes in one pass.
const MOST_LOOKS: usize = 8;

type Planner = fn(&View<'_>, Timestamp) -> Decision;

/// What the planner says, unless it is something that the namespace may not have.
pub(super) fn pass(view: &View<'_>, now: Timestamp, planner: Planner) -> Decision {
    let idle =
        view.object.metadata.deletion_timestamp.is_some() || view.object.spec.suspend == Some(true);
    if idle {
        return planner(view, now);
    }
    if !view.granted.known {
        return unknown(view, now, planner);
    }
    match missing(view) {
        None => planner(view, now),
        Some(refusal) => shut(view, now, planner, refusal),
    }
}

/// What the namespace may not have of what the spec asks for.
fn missing(view: &View<'_>) -> Option<Refusal> {
    let (object, policy) = (view.object, view.policy);
    let status = object.status.as_ref();
    let account = status.and_then(|status| status.account.as_deref());
    let fresh = status.is_none_or(|status| status.id.is_none());
    let asks = asks(
        &object.spec,
        &region(object, policy),
        account.unwrap_or(&policy.account),
        fresh,
    );
    refusal(namespace(object), asks, view.granted)
}

/// Before grants have been listed: reads of what the object may have in AWS, and nothing else.
fn unknown(view: &View<'_>, now: Timestamp, planner: Planner) -> Decision {
    let everything = Granted::everything();
    let open = View {
        granted: &everything,
        ..view.clone()
    };
    let decision = planner(&open, now);
    let waits = match &decision.step {
        Step::Read(Read::Source(_)) => true,
        Step::Act(action) => needs_grant(view, action),
        Step::Read(_) => untouched(view),
        Step::Rest(_) => false,
    };
    if !waits {
        return decision;
    }
    let mut pass = Pass::new(view, now);
    if !pass.steady {
        let text = "AgentGrants have not been listed yet; nothing is changed until they are";
        pass.desk
            .verdict(Verdict::working(reasons::GRANTS_UNKNOWN, text));
    }
    pass.desk.rest(Rest::After(UNKNOWN_PAUSE))
}

fn shut(view: &View<'_>, now: Timestamp, planner: Planner, refusal: Refusal) -> Decision {
    // No look is worth a call.
    if untouched(view) && render(view).is_ok() {
        return refused(Pass::new(view, now), refusal);
    }
    let mut view = view.clone();
    for _ in 0..MOST_LOOKS {
        let decision = planner(&view, now);
        match &decision.step {
            Step::Read(Read::Source(read)) => {
                let spec = &view.object.spec;
                let Some(trouble) = source_trouble(namespace(view.object), spec, view.granted)
                else {
                    return decision;
                };
                answer(read, &mut view.facts.source, trouble);
            }
            Step::Act(action) if needs_grant(&view, action) => {
                return stopped(&view, now, action, refusal);
            }
            Step::Read(_) | Step::Act(_) | Step::Rest(_) => return decision,
        }
    }
    refused(Pass::new(&view, now), refusal)
}

/// Whether nothing of the object is in AWS, and nothing may be on its way.
fn untouched(view: &View<'_>) -> bool {
    let status = view.object.status.as_ref();
    status.is_none_or(|status| status.id.is_none() && status.attempt.is_none())
}

/// A look that is not made has its answer at once.
fn answer(read: &image::Read, facts: &mut image::Facts, trouble: image::Trouble) {
    match read {
        image::Read::Look { wanted, .. } => {
            facts.listings.insert(wanted.clone(), Err(trouble));
        }
        image::Read::Inspect { digest, .. } => {
            facts.images.insert(digest.clone(), Err(trouble));
        }
        image::Read::Object { .. } => facts.object = Some(Err(trouble)),
    }
}

/// Whether an action changes something for the object's sake. The operator's own mark on what is the object's already is no such change.
fn needs_grant(view: &View<'_>, action: &Action) -> bool {
    let ours = || {
        let status = view.object.status.as_ref();
        status.is_some_and(|status| status.id.is_some())
    };
    match action {
        Action::Create { .. }
        | Action::Update { .. }
        | Action::Untag { .. }
        | Action::PutResourcePolicy { .. }
        | Action::DeleteResourcePolicy { .. } => true,
        Action::Tag { tags, .. } => !(ours() && tags.keys().all(|key| key.starts_with(PREFIX))),
        Action::AddFinalizer
        | Action::RemoveFinalizer
        | Action::Delete { .. }
        | Action::DeleteVersion { .. }
        | Action::DeleteEndpoint { .. } => false,
    }
}

/// A change is due and is not made. What was read is kept, and the part that differs is looked at again once it is granted.
fn stopped(view: &View<'_>, now: Timestamp, action: &Action, refusal: Refusal) -> Decision {
    let mut pass = Pass::new(view, now);
    if let Some(Ok(Some(there))) = &view.facts.runtime
        && pass.desk.status.id.as_ref() == Some(&there.id)
    {
        pass.note(there);
    }
    match action {
        Action::Tag { .. } | Action::Untag { .. } => {
            pass.desk.record(|hash| CHANGING.clone_into(&mut hash.tags));
        }
        Action::PutResourcePolicy { .. } | Action::DeleteResourcePolicy { .. } => {
            pass.desk
                .record(|hash| CHANGING.clone_into(&mut hash.policy));
        }
        _ => {}
    }
    refused(pass, refusal)
}
