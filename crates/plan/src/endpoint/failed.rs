//! AgentCore ended in a failed state: recorded once, tried again when that can help, replaced where an update cannot.

use agentcore_api::reasons;
use agentcore_api::runtime::Phase;

use super::Decision;
use super::pass::{DELETE, Pass, UPDATE};
use super::wish::Wish;
use crate::aws::{Endpoint, ServiceStatus};
use crate::conditions::Verdict;
use crate::failure::{Failure, Heals, classify};
use crate::unknown;

/// `before`: the phase on record before this Get.
pub(super) fn plan(
    pass: Pass<'_>,
    wish: &Wish,
    there: &Endpoint,
    before: Option<Phase>,
) -> Decision {
    let hash = &wish.hash;
    let seen = before == Some(Phase::Failed);
    // What was sent and not heard of: where no failure was on record before, this one is its outcome.
    let unheard = pass.desk.pending_is(UPDATE)
        && pass
            .desk
            .status
            .pending
            .as_ref()
            .is_some_and(|pending| pending.wish_hash == hash.to_string());
    let replacing = pass.desk.pending_is(DELETE) && there.status == ServiceStatus::CreateFailed;
    if (unheard && seen) || replacing {
        return again(pass, wish, there, false);
    }
    let of_this_wish = there.status == ServiceStatus::DeleteFailed
        || pass.desk.status.observed.is_none()
        || pass.desk.observed().request == hash.request;
    if !unheard && !of_this_wish {
        return again(pass, wish, there, true);
    }
    if seen && pass.desk.held(hash) {
        return pass.desk.rest_held();
    }
    if seen && pass.desk.status.retry.is_some() {
        return again(pass, wish, there, true);
    }
    record(pass, wish, there)
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
    let why = there
        .failure_reason
        .as_deref()
        .unwrap_or("AgentCore gave no reason");
    let failure = match there.status {
        ServiceStatus::CreateFailed => classify(why, reasons::CREATE_FAILED),
        ServiceStatus::DeleteFailed => Failure {
            reason: reasons::DELETE_FAILED,
            heals: Heals::Outside,
        },
        _ => classify(why, reasons::UPDATE_FAILED),
    };
    // A version never comes to mean another image.
    pass.desk.failed(failure, why, false, &wish.hash)
}
