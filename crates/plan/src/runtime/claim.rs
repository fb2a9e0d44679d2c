//! Whether a runtime on record is somebody else's by now: then it is left alone, whatever differs.

use std::ops::ControlFlow;

use agentcore_api::reasons;
use agentcore_api::runtime::Phase;

use super::live::{Listing, listing};
use super::pass::Pass;
use super::{Decision, Read};
use crate::conditions::Verdict;
use crate::desk::SLOW;
use crate::fault::Class;
use crate::hash::CHANGING;
use crate::step::{Rest, Sweep};

/// Reads the tags before anything else where the sweep has come to them, and where the last look found them to be another's: whatever the spec says, a
/// runtime that was taken is told within one round, and stays told until its tags are ours again.
pub(super) fn first(pass: Pass<'_>) -> ControlFlow<Decision, Pass<'_>> {
    let told = pass.desk.reason_is(reasons::NOT_OWNED);
    let due = told || pass.view.due.sweep == Some(Sweep::Tags);
    let Some(arn) = pass.desk.status.arn.clone().filter(|_| due) else {
        return ControlFlow::Continue(pass);
    };
    match pass.tags_of(&arn) {
        None => ControlFlow::Break(pass.desk.read(Read::Tags { arn })),
        // AWS may say AccessDenied of what is gone: a complete list that lacks it decides that a Get is worth it.
        Some(Err(fault))
            if told && fault.class == Class::Denied && matches!(listing(&pass), Listing::Gone) =>
        {
            ControlFlow::Continue(pass)
        }
        // What was told holds until the tags say otherwise.
        Some(Err(_)) if told => {
            let rest = pass.desk.backoff();
            ControlFlow::Break(pass.desk.rest(rest))
        }
        Some(Err(fault)) => {
            let serving = pass.steady;
            ControlFlow::Break(pass.desk.fault(fault, serving))
        }
        Some(Ok(Some(tags))) if !pass.judge(tags).is_ours() => ControlFlow::Break(left_alone(pass)),
        // Whether it is gone is for a Get to say.
        Some(Ok(_)) => ControlFlow::Continue(pass),
    }
}

/// Says so, and forgets what was known of the tags, so that they are compared once they are ours again.
pub(super) fn left_alone(mut pass: Pass<'_>) -> Decision {
    pass.desk.record(|hash| CHANGING.clone_into(&mut hash.tags));
    let text = "the runtime does not carry this object's ownership tags, so nothing of it is changed, deleted or called; \
                put them back, or delete this object, which leaves the runtime to its owner";
    pass.desk.status.pending = None;
    pass.desk.status.phase.get_or_insert(Phase::Active);
    pass.desk.event_once(true, reasons::NOT_OWNED, text);
    pass.desk
        .verdict(Verdict::stalled(reasons::NOT_OWNED, text));
    pass.desk.handled();
    pass.desk.rest(Rest::After(SLOW))
}
