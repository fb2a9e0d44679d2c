//! Whether a runtime on record is somebody else's by now: then it is left alone, whatever differs.

use std::ops::ControlFlow;

use agentcore_api::reasons;
use agentcore_api::runtime::Phase;

use super::pass::Pass;
use super::{Decision, Read};
use crate::aws::Tags;
use crate::conditions::Verdict;
use crate::desk::SLOW;
use crate::hash::CHANGING;
use crate::step::Rest;

/// Goes on with a runtime whose tags do not say that it is another owner's. `owned`: they must say that it is ours.
pub(super) fn check(pass: Pass<'_>, owned: bool) -> ControlFlow<Decision, Pass<'_>> {
    let answer = match &pass.view.facts.tags {
        None => {
            let arn = pass.desk.status.arn.clone().unwrap_or_default();
            return ControlFlow::Break(pass.desk.read(Read::Tags { arn }));
        }
        Some(Err(fault)) => return ControlFlow::Break(pass.desk.fault(fault, false)),
        Some(Ok(tags)) => tags.clone().unwrap_or_default(),
    };
    if taken(&pass, &answer) || (owned && !pass.owner().made(&answer)) {
        return ControlFlow::Break(left_alone(pass));
    }
    ControlFlow::Continue(pass)
}

/// Whether another owner's tags are on it. The same object under another cluster id is no other owner.
pub(super) fn taken(pass: &Pass<'_>, tags: &Tags) -> bool {
    pass.owner().lost(tags)
}

/// Says so, and forgets what was known of the tags, so that each later look reads them first.
pub(super) fn left_alone(mut pass: Pass<'_>) -> Decision {
    let mut hash = pass.desk.observed();
    CHANGING.clone_into(&mut hash.tags);
    if let Some(observed) = &mut pass.desk.status.observed {
        observed.wish_hash = hash.to_string();
    }
    let text = "the runtime does not carry this object's ownership tags any more, so nothing of it is changed or deleted; \
                put them back, or delete this object, which leaves the runtime to its new owner";
    pass.desk.status.pending = None;
    pass.desk.status.phase.get_or_insert(Phase::Active);
    pass.desk.event_once(true, reasons::NOT_OWNED, text);
    pass.desk
        .verdict(Verdict::stalled(reasons::NOT_OWNED, text));
    pass.desk.handled();
    pass.desk.rest(Rest::After(SLOW))
}
