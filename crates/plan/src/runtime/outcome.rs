//! The verdict after an action: what its outcome means for the status, and when to look again.

use agentcore_api::common::Pending;
use agentcore_api::reasons;
use jiff::Timestamp;

use super::pass::{CREATE, DELETE, Pass, UPDATE};
use super::plan::decide;
use super::wish::render;
use super::{Action, Decision, Outcome, View, delete, prune};
use crate::aws::{RuntimeAccepted, ServiceStatus};
use crate::conditions::Verdict;
use crate::desk::{SOON, said};
use crate::fault::{Class, Fault};
use crate::hash::WishHash;
use crate::step::{Rest, Step};

pub(super) fn verdict(view: &View<'_>, outcome: &Outcome, now: Timestamp) -> Decision {
    let mut pass = Pass::new(view, now);
    if view.object.metadata.deletion_timestamp.is_some() {
        return delete::outcome(pass, outcome);
    }
    if let Some(Action::DeleteVersion { .. }) = action(view, now) {
        return prune::outcome(pass, outcome);
    }
    let sent = pass
        .desk
        .status
        .pending
        .clone()
        .filter(|call| call.operation == CREATE || call.operation == UPDATE);
    match (outcome, sent) {
        (Outcome::Accepted(answer), sent) => accepted(pass, answer, sent),
        (Outcome::Failed(fault), Some(sent)) => refused(pass, fault, &sent),
        (Outcome::Failed(fault), None) => {
            let serving = render(view).is_ok_and(|wish| pass.serving(&wish));
            pass.desk.fault(fault, serving)
        }
        (Outcome::Done, _) if pass.desk.pending_is(DELETE) => {
            pass.desk.moving(ServiceStatus::Deleting, false);
            pass.desk.rest(Rest::Transition { since: now })
        }
        (Outcome::Done, _) => pass.desk.rest(Rest::After(SOON)),
    }
}

fn accepted(mut pass: Pass<'_>, answer: &RuntimeAccepted, sent: Option<Pending>) -> Decision {
    let RuntimeAccepted {
        arn,
        id,
        version,
        status,
        workload_identity_arn,
    } = answer;
    let created = sent.as_ref().is_none_or(|call| call.operation == CREATE);
    let submitted = sent.map_or_else(WishHash::unseen, |call| WishHash::parse(&call.wish_hash));
    let before = pass.desk.observed();
    // A create carries the tags and makes a runtime without a resource policy; an update carries neither.
    let hash = if created {
        submitted.without_policy()
    } else {
        WishHash {
            request: submitted.request,
            kept: String::new(),
            ..before
        }
    };
    let name = pass.desk.status.name.clone().unwrap_or_default();
    let serving = !created && pass.desk.reason_is(reasons::ROLLOUT_ACTIVE);
    pass.take_identity(id, arn, &name);
    let fields = &mut pass.desk.status;
    fields.pending = None;
    fields.latest_version = Some(version.clone());
    fields.workload_identity_arn = workload_identity_arn
        .clone()
        .or_else(|| fields.workload_identity_arn.take());
    pass.accepted_version(version);
    pass.observe(version, None, &hash);
    pass.desk.retry_under_way();
    pass.code_applied();
    // An answer may already say READY: whether it is, and with what, the next Get says.
    let status = match (status.in_transition(), created) {
        (true, _) => *status,
        (false, true) => ServiceStatus::Creating,
        (false, false) => ServiceStatus::Updating,
    };
    pass.desk.moving(status, serving);
    let (reason, what) = if created {
        (reasons::CREATING, "created")
    } else {
        (reasons::UPDATING, "updated")
    };
    let text = format!("runtime {id} is being {what}: version {version}");
    pass.desk.event(false, reason, text);
    let since = pass.desk.now;
    pass.desk.rest(Rest::Transition { since })
}

/// A create or an update was not accepted.
fn refused(mut pass: Pass<'_>, fault: &Fault, sent: &Pending) -> Decision {
    let hash = WishHash::parse(&sent.wish_hash);
    let serving = pass.desk.reason_is(reasons::ROLLOUT_ACTIVE);
    let create_failed =
        pass.desk.status.service_status.as_deref() == Some(ServiceStatus::CreateFailed.as_str());
    match fault.class {
        // It may have had its effect: the same token asks again.
        Class::Transient | Class::Unknown => pass.desk.fault(fault, serving),
        Class::Conflict | Class::Invalid if sent.operation == UPDATE && create_failed => {
            pass.desk.status.pending = None;
            pass.desk.write_ahead(DELETE, &hash, false);
            let text = format!(
                "{}; the failed runtime is deleted and made anew",
                said(fault)
            );
            pass.desk.verdict(Verdict::working(reasons::CREATING, text));
            pass.desk.rest(Rest::After(SOON))
        }
        Class::Invalid => pass.desk.invalid(fault, &hash),
        // The runtime is gone, which the next Get tells, or something that the request names is not there.
        Class::Gone => {
            pass.desk.status.pending = None;
            if !(serving && pass.desk.is_ready()) {
                let text = format!("{}; it is tried again by itself", said(fault));
                pass.desk.event_once(true, reasons::INVALID, &text);
                pass.desk.verdict(Verdict::stalled(reasons::INVALID, text));
            }
            let rest = pass.desk.backoff();
            pass.desk.rest(rest)
        }
        Class::Conflict if sent.operation == CREATE => {
            pass.desk.status.pending = None;
            let text = format!("{}; it is looked at again", said(fault));
            pass.desk.verdict(Verdict::working(reasons::CONFLICT, text));
            let rest = pass.desk.backoff();
            pass.desk.rest(rest)
        }
        Class::Throttled | Class::NotYet | Class::Denied | Class::Quota | Class::Conflict => {
            pass.desk.status.pending = None;
            pass.desk.fault(fault, serving)
        }
    }
}

/// The action that was done in this pass: planning again without its outcome finds it.
pub(super) fn action(view: &View<'_>, now: Timestamp) -> Option<Action> {
    let before = View {
        outcome: None,
        ..view.clone()
    };
    match decide(&before, now).step {
        Step::Act(action) => Some(action),
        Step::Read(_) | Step::Rest(_) => None,
    }
}
