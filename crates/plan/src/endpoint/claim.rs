//! Whether an endpoint on record, or its runtime, is somebody else's by now: then it is left alone, whatever differs.

use std::ops::ControlFlow;

use agentcore_api::AgentRuntime;
use agentcore_api::reasons;

use super::pass::Pass;
use super::{Decision, Read};
use crate::conditions::{Verdict, ready_reason};
use crate::desk::SLOW;
use crate::hash::CHANGING;
use crate::step::{Rest, Sweep};

/// Reads the tags before anything else where the sweep has come to them, and where the last look found them to be another's. Then those of the
/// runtime are read as well: either may be why.
pub(super) fn first(pass: Pass<'_>) -> ControlFlow<Decision, Pass<'_>> {
    if pass.view.runtime.is_some_and(is_told) {
        return ControlFlow::Break(left_alone(pass));
    }
    let told = pass.desk.reason_is(reasons::NOT_OWNED);
    let due = told || pass.view.due.sweep == Some(Sweep::Tags);
    let Some(own) = pass.desk.status.arn.clone().filter(|_| due) else {
        return ControlFlow::Continue(pass);
    };
    let runtime = pass.desk.status.runtime_arn.clone().filter(|_| told);
    for (arn, is_runtime) in [(Some(own), false), (runtime, true)] {
        let Some(arn) = arn else { continue };
        match pass.tags_of(&arn) {
            None => return ControlFlow::Break(pass.desk.read(Read::Tags { arn })),
            // What was told holds until the tags say otherwise.
            Some(Err(_)) if told => {
                let rest = pass.desk.backoff();
                return ControlFlow::Break(pass.desk.rest(rest));
            }
            Some(Err(fault)) => return ControlFlow::Break(pass.desk.fault(fault, true)),
            // Whether it is gone is for a Get to say.
            Some(Ok(None)) => {}
            Some(Ok(Some(tags))) => {
                let ownership = if is_runtime {
                    pass.judge_runtime(tags)
                } else {
                    pass.judge(tags)
                };
                if !ownership.is_ours() {
                    return ControlFlow::Break(left_alone(pass));
                }
            }
        }
    }
    ControlFlow::Continue(pass)
}

/// Whether the AgentRuntime says that its runtime is another's.
fn is_told(runtime: &AgentRuntime) -> bool {
    let status = runtime.status.as_ref();
    status.is_some_and(|status| ready_reason(&status.conditions) == Some(reasons::NOT_OWNED))
}

/// Says so, and forgets what was known of the tags, so that they are compared once they are ours again.
pub(super) fn left_alone(mut pass: Pass<'_>) -> Decision {
    let text = "the endpoint or its runtime does not carry the ownership tags of this object, so nothing of it is changed, deleted or called";
    pass.desk.record(|hash| CHANGING.clone_into(&mut hash.tags));
    pass.desk.event_once(true, reasons::NOT_OWNED, text);
    pass.desk
        .verdict(Verdict::stalled(reasons::NOT_OWNED, text));
    pass.desk.handled();
    pass.desk.rest(Rest::After(SLOW))
}
