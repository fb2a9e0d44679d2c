//! The deletion was accepted, or AWS no longer lets us look: when is it gone?

use std::ops::ControlFlow;
use std::time::Duration;

use agentcore_api::reasons;
use jiff::Timestamp;

use super::pass::{DELETE, Pass};
use super::{Decision, Listed, Read};
use crate::aws::{Runtime, ServiceStatus};
use crate::conditions::Verdict;
use crate::desk::{SETTLING, SLOW, SOON, said};
use crate::fault::{Class, Fault};
use crate::hash::WishHash;
use crate::managed::delete::{doubted, failed, faulty, going, gone, stuck, wait};
use crate::step::Rest;

/// The deletion was accepted (or somebody else's is seen).
pub(super) fn under_way(mut pass: Pass<'_>, since: Timestamp) -> Decision {
    let now = pass.desk.now;
    let status = &mut pass.desk.status;
    status
        .deletion_accepted_at
        .get_or_insert_with(|| now.to_string());
    status.pending = None;
    status.missing_since = None;
    status.service_status = Some(ServiceStatus::Deleting.as_str().to_owned());
    wait(pass, since)
}

/// What the list and Get say after the deletion was accepted.
pub(super) fn plan(pass: Pass<'_>) -> Decision {
    let id = pass.desk.status.id.clone().unwrap_or_default();
    if let Some(answer) = &pass.view.facts.runtime {
        return match answer {
            Ok(None) => gone(pass),
            Err(fault) => refused(pass, fault),
            Ok(Some(there)) => still_there(pass, there),
        };
    }
    let doubt = pass.view.due.poll || pass.desk.status.missing_since.is_some();
    match &pass.view.facts.listed {
        Listed::Present { entry, .. }
            if entry.status == ServiceStatus::Deleting && !pass.view.due.poll =>
        {
            let since = entry.last_updated_at;
            wait(pass, since)
        }
        Listed::Present { .. } | Listed::Absent { .. } => pass.desk.read(Read::Runtime { id }),
        Listed::Unknown if doubt => pass.desk.read(Read::Runtime { id }),
        Listed::Unknown => {
            let since = pass.desk.deletion_accepted_at().unwrap_or(pass.desk.now);
            wait(pass, since)
        }
    }
}

fn still_there(mut pass: Pass<'_>, there: &Runtime) -> Decision {
    let before = pass.desk.status.phase;
    pass.desk.status.missing_since = None;
    pass.desk
        .service(there.status, there.failure_reason.as_deref());
    match there.status {
        ServiceStatus::DeleteFailed => {
            match failed(pass, there.failure_reason.as_deref(), before) {
                ControlFlow::Continue(pass) => again(pass),
                ControlFlow::Break(decision) => decision,
            }
        }
        ServiceStatus::Deleting | ServiceStatus::Unknown => wait(pass, there.last_updated_at),
        // The deletion came to nothing: it is asked for anew.
        _ => again(pass),
    }
}

/// A delete that has to be told from the earlier one: another attempt, another token.
fn again(mut pass: Pass<'_>) -> Decision {
    let id = pass.desk.status.id.clone().unwrap_or_default();
    pass.desk.write_ahead(DELETE, &WishHash::unseen(), true);
    going(&mut pass, "asking AgentCore once more to delete it");
    pass.delete(&id)
}

/// A read or the delete was refused. AWS may say AccessDenied of what is gone: a complete list begun after that decides.
pub(super) fn refused(mut pass: Pass<'_>, fault: &Fault) -> Decision {
    if fault.class != Class::Denied {
        return faulty(pass, fault);
    }
    let Some(denied) = pass.desk.missing_since() else {
        pass.desk.missing();
        going(
            &mut pass,
            "AWS denies access to it; the list of runtimes will tell whether it is gone",
        );
        return pass.desk.rest(Rest::After(SOON));
    };
    if let Some(fault) = &pass.view.facts.list_fault {
        return pass.desk.fault(fault, false);
    }
    // A list may lag behind a create: of what never was READY it is believed a minute later.
    let young = pass.desk.status.ready_version.is_none();
    let believed = if young { denied + SETTLING } else { denied };
    if pass.desk.now < believed {
        let wait = Duration::try_from(believed.duration_since(pass.desk.now)).unwrap_or(SOON);
        return pass.desk.rest(Rest::After(wait.max(SOON)));
    }
    match &pass.view.facts.listed {
        Listed::Absent { as_of } if *as_of >= believed && pass.view.referrers.is_empty() => {
            gone_by_itself(pass)
        }
        Listed::Absent { as_of } if *as_of >= believed => {
            let text = "it is gone; waiting for the AgentEndpoints that refer to it";
            pass.desk
                .verdict(Verdict::waiting(reasons::ENDPOINTS_IN_USE, text));
            pass.desk.rest(Rest::After(SLOW))
        }
        Listed::Present { as_of, .. } if *as_of >= denied => {
            pass.desk.status.missing_since = None;
            let text = format!(
                "{}; it still exists, and the operator may not delete it",
                said(fault)
            );
            let rest = pass.desk.backoff();
            stuck(pass, Verdict::waiting(fault.reason, text), rest)
        }
        _ => pass.desk.read(Read::List),
    }
}

/// 404 before the deletion was asked for. Right after a create that may be too early to believe.
pub(super) fn not_found(mut pass: Pass<'_>) -> Decision {
    let young =
        pass.desk.status.ready_version.is_none() && pass.desk.status.deletion_accepted_at.is_none();
    if young {
        pass = match doubted(pass) {
            ControlFlow::Continue(pass) => pass,
            ControlFlow::Break(decision) => return decision,
        };
    }
    gone_by_itself(pass)
}

/// It is gone, and not by the delete that we asked for: whether another one carries our tags under the name, a list tells.
fn gone_by_itself(mut pass: Pass<'_>) -> Decision {
    if pass.desk.status.deletion_accepted_at.is_some() {
        return gone(pass);
    }
    let id = pass.desk.status.id.clone().unwrap_or_default();
    pass.desk
        .event(false, reasons::DELETED, format!("runtime {id} is gone"));
    pass.forget_identity();
    pass.desk.status.pending = None;
    pass.desk.status.attempt.get_or_insert(0);
    going(&mut pass, "it is gone; making sure that no other is left");
    pass.desk.rest(Rest::After(SOON))
}
