//! AgentCore ended in a failed state: recorded once, tried again when that can help, replaced where an update cannot.

use agentcore_api::reasons;
use agentcore_api::runtime::Phase;
use agentcore_api::values::ImageRef;

use super::pass::{DELETE, Pass};
use super::wish::Wish;
use super::{Decision, source};
use crate::aws::{Runtime, ServiceStatus};
use crate::conditions::Verdict;
use crate::desk::SOON;
use crate::managed::failed::{Next, failure, next};
use crate::step::Rest;
use crate::unknown;

/// `before`: the phase on record before this Get.
pub(super) fn plan(
    pass: Pass<'_>,
    wish: &Wish,
    there: &Runtime,
    before: Option<Phase>,
) -> Decision {
    let of_this_wish = of_this_wish(&pass, wish, there);
    match next(&pass, &wish.hash, there.status, before, of_this_wish) {
        Next::Again { raise } => again(pass, wish, there, raise),
        Next::Held => pass.desk.rest_held(),
        Next::Record => record(pass, wish, there),
    }
}

/// Whether what failed is what is wished now.
fn of_this_wish(pass: &Pass<'_>, wish: &Wish, there: &Runtime) -> bool {
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
    let (failure, why) = failure(there.status, there.failure_reason.as_deref());
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
