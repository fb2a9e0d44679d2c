//! No identity yet: the create, and what a conflict about the name means.

use agentcore_api::reasons;
use agentcore_api::runtime::Phase;

use super::pass::Pass;
use super::wish::Wish;
use super::{Decision, Read, live};
use crate::aws::{Endpoint, ServiceStatus};
use crate::conditions::Verdict;
use crate::desk::SLOW;
use crate::step::Rest;
use crate::tags::Ownership;

pub(super) fn plan(pass: Pass<'_>, wish: &Wish) -> Decision {
    if pass.desk.held(&wish.hash) {
        return pass.desk.rest_held();
    }
    // After a conflict the name is somebody's: who that is decides. It still is while a taking over is on its way.
    let taken = [reasons::CONFLICT, reasons::NAME_TAKEN, reasons::ADOPTED]
        .into_iter()
        .any(|reason| pass.desk.reason_is(reason));
    if !taken {
        return create(pass, wish);
    }
    match &pass.view.facts.endpoint {
        None => pass.desk.read(Read::Endpoint {
            runtime_id: wish.runtime_id.clone(),
            name: wish.name.clone(),
        }),
        Some(Err(fault)) if !fault.says_gone() => still_taken(pass, fault),
        Some(Ok(None) | Err(_)) => create(pass, wish),
        Some(Ok(Some(there))) => found(pass, wish, there),
    }
}

fn create(mut pass: Pass<'_>, wish: &Wish) -> Decision {
    pass.desk.status.phase = Some(Phase::Creating);
    pass.desk.verdict(Verdict::working(
        reasons::CREATING,
        "about to be made in AgentCore",
    ));
    pass.create(wish, false)
}

/// A fault while it is found out whose the name is; the reason is kept, for it says what to look at next.
fn still_taken(mut pass: Pass<'_>, fault: &crate::fault::Fault) -> Decision {
    pass.desk.verdict(Verdict::working(
        reasons::CONFLICT,
        crate::desk::said(fault),
    ));
    let rest = pass.desk.backoff();
    pass.desk.rest(rest)
}

fn found(mut pass: Pass<'_>, wish: &Wish, there: &Endpoint) -> Decision {
    if there.status == ServiceStatus::Deleting {
        let text = format!(
            "an earlier endpoint named {} is still being deleted",
            there.name
        );
        pass.desk.verdict(Verdict::working(reasons::CONFLICT, text));
        return pass.desk.rest(Rest::Transition {
            since: there.last_updated_at,
        });
    }
    let tags = match pass.tags_of(&there.arn) {
        None => {
            return pass.desk.read(Read::Tags {
                arn: there.arn.clone(),
            });
        }
        Some(Err(fault)) => return still_taken(pass, fault),
        Some(Ok(None)) => return create(pass, wish),
        Some(Ok(Some(tags))) => tags,
    };
    match pass.judge(tags) {
        Ownership::Ours => {
            pass.desk.status.runtime_id = Some(wish.runtime_id.clone());
            live::found(pass, wish, there)
        }
        Ownership::Former => {
            let text = format!("took over endpoint {}", there.name);
            pass.desk.event(false, reasons::ADOPTED, text.clone());
            pass.desk.verdict(Verdict::working(reasons::ADOPTED, text));
            let owner = pass.owner().tags();
            pass.tag(&there.arn, owner)
        }
        Ownership::Others | Ownership::Nobody => {
            let text = format!(
                "an endpoint named {} exists on the runtime and does not carry this object's tags; choose another spec.endpointName",
                there.name
            );
            pass.desk.event_once(true, reasons::NAME_TAKEN, &text);
            pass.desk.status.pending = None;
            pass.desk
                .verdict(Verdict::stalled(reasons::NAME_TAKEN, text));
            pass.desk.handled();
            pass.desk.rest(Rest::After(SLOW))
        }
    }
}
