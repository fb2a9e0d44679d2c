//! AgentCore ended in a failed state: recorded once, tried again when that can help, replaced where an update cannot.

use agentcore_api::reasons;
use agentcore_api::runtime::Phase;

use super::Decision;
use super::pass::{DELETE, Pass};
use super::wish::Wish;
use crate::aws::{Endpoint, ServiceStatus};
use crate::conditions::Verdict;
use crate::managed::failed::{Next, failure, next};
use crate::unknown;

/// `before`: the phase on record before this Get.
pub(super) fn plan(
    pass: Pass<'_>,
    wish: &Wish,
    there: &Endpoint,
    before: Option<Phase>,
) -> Decision {
    let of_this_wish =
        pass.desk.status.observed.is_none() || pass.desk.observed().request == wish.hash.request;
    match next(&pass, &wish.hash, there.status, before, of_this_wish) {
        Next::Again { raise } => again(pass, wish, there, raise),
        Next::Held => pass.desk.rest_held(),
        Next::Record => record(pass, wish, there),
    }
}

fn again(mut pass: Pass<'_>, wish: &Wish, there: &Endpoint, raise: bool) -> Decision {
    let why = there.failure_reason.as_deref().unwrap_or("no reason given");
    if there.status == ServiceStatus::DeleteFailed || pass.desk.pending_is(DELETE) {
        let text = format!("the failed endpoint is deleted and made anew ({why})");
        pass.desk.verdict(Verdict::working(reasons::CREATING, text));
        pass.desk.write_ahead(DELETE, &wish.hash, raise);
        return pass.delete(&wish.runtime_id, &wish.name);
    }
    if unknown::keeps(&there.unknown, pass.view.object.spec.unknown_settings) {
        let serving = pass.serving(wish) && pass.desk.is_ready();
        return unknown::rest(pass.desk, &there.unknown, "what failed", serving);
    }
    let text = format!("AgentCore failed ({why}); about to try again");
    pass.desk.verdict(Verdict::working(reasons::UPDATING, text));
    pass.update(wish, there, raise)
}

fn record(pass: Pass<'_>, wish: &Wish, there: &Endpoint) -> Decision {
    let (failure, why) = failure(there.status, there.failure_reason.as_deref());
    // A version never comes to mean another image.
    pass.desk.failed(failure, why, false, &wish.hash)
}
