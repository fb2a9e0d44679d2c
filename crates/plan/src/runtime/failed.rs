//! AgentCore ended in a failed state: recorded once, tried again when that can help, replaced where an update cannot.

use agentcore_api::reasons;
use agentcore_api::runtime::Phase;
use agentcore_api::values::ImageRef;

use super::pass::{DELETE, Pass, UPDATE};
use super::wish::Wish;
use super::{Decision, source};
use crate::aws::{Runtime, ServiceStatus};
use crate::conditions::Verdict;
use crate::desk::SOON;
use crate::failure::{Failure, Heals, classify};
use crate::step::Rest;
use crate::unknown;

/// `before`: the phase on record before this Get.
pub(super) fn plan(
    pass: Pass<'_>,
    wish: &Wish,
    there: &Runtime,
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
    if !unheard && !of_this_wish(&pass, wish, there) {
        return again(pass, wish, there, true);
    }
    if seen && pass.desk.held(hash) {
        return pass.desk.rest_held();
    }
    // Another wish than the one on record, or the record's time has come.
    if seen && pass.desk.status.retry.is_some() {
        return again(pass, wish, there, true);
    }
    record(pass, wish, there)
}

/// Whether what failed is what is wished now.
fn of_this_wish(pass: &Pass<'_>, wish: &Wish, there: &Runtime) -> bool {
    if there.status == ServiceStatus::DeleteFailed {
        return true;
    }
    match &pass.desk.status.observed {
        Some(_) => pass.desk.observed().request == wish.hash.request,
        None => wish.differing(&there.config).is_empty(),
    }
}

fn again(mut pass: Pass<'_>, wish: &Wish, there: &Runtime, raise: bool) -> Decision {
    let why = there.failure_reason.as_deref().unwrap_or("no reason given");
    let replace = there.status == ServiceStatus::DeleteFailed || pass.desk.pending_is(DELETE);
    if replace {
        let text = format!("the failed runtime is deleted and made anew ({why})");
        pass.desk.verdict(Verdict::working(reasons::CREATING, text));
        pass.desk.write_ahead(DELETE, &wish.hash, raise);
        return pass.delete(&there.id);
    }
    if unknown::keeps(&there.unknown, pass.view.object.spec.unknown_settings) {
        return unknown::rest(pass.desk, &there.unknown, "what failed", pass.steady);
    }
    let text = format!("AgentCore failed ({why}); about to try again");
    pass.desk.verdict(if pass.steady {
        Verdict::ready(reasons::ROLLOUT_ACTIVE, text)
    } else {
        Verdict::working(reasons::UPDATING, text)
    });
    let config = wish.over(&there.config);
    pass.update(wish, there, config, raise)
}

fn record(mut pass: Pass<'_>, wish: &Wish, there: &Runtime) -> Decision {
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
    if there.status == ServiceStatus::UpdateFailed
        && source::take_back(&mut pass, failure.reason, why)
    {
        return pass.desk.rest(Rest::After(SOON));
    }
    let by_tag = wish
        .config
        .artifact
        .container
        .as_ref()
        .is_some_and(|container| {
            ImageRef::parse(&container.image).is_ok_and(|image| image.digest.is_none())
        });
    pass.desk.failed(failure, why, by_tag, &wish.hash)
}
