//! The verdict after an action: what its outcome means for the status, and when to look again.

use agentcore_api::common::Pending;
use agentcore_api::reasons;
use jiff::Timestamp;

use super::pass::{CREATE, DELETE, Pass, UPDATE};
use super::plan::decide;
use super::wish::render;
use super::{Action, Decision, Outcome, View, delete};
use crate::aws::{EndpointAccepted, ServiceStatus};
use crate::conditions::Verdict;
use crate::desk::{SOON, said};
use crate::failure::{Failure, Heals};
use crate::fault::{Class, Fault};
use crate::hash::WishHash;
use crate::step::{Rest, Step};

pub(super) fn verdict(view: &View<'_>, outcome: &Outcome, now: Timestamp) -> Decision {
    let mut pass = Pass::new(view, now);
    if view.object.metadata.deletion_timestamp.is_some() {
        return delete::outcome(pass, outcome);
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

fn accepted(mut pass: Pass<'_>, answer: &EndpointAccepted, sent: Option<Pending>) -> Decision {
    let EndpointAccepted {
        arn,
        runtime_arn,
        live_version,
        target_version,
        status,
    } = answer;
    let created = sent.as_ref().is_none_or(|call| call.operation == CREATE);
    let submitted = sent.map_or_else(WishHash::unseen, |call| WishHash::parse(&call.wish_hash));
    let hash = if created {
        submitted
    } else {
        WishHash {
            request: submitted.request,
            kept: String::new(),
            ..pass.desk.observed()
        }
    };
    let serving = !created && pass.desk.reason_is(reasons::ROLLOUT_ACTIVE);
    pass.take_arns(arn, runtime_arn);
    let fields = &mut pass.desk.status;
    fields.pending = None;
    fields.live_version = live_version.clone().or_else(|| fields.live_version.take());
    fields.target_version = target_version
        .clone()
        .or_else(|| fields.target_version.take());
    pass.observe(None, &hash);
    pass.desk.retry_under_way();
    let status = match (status.in_transition(), created) {
        (true, _) => *status,
        (false, true) => ServiceStatus::Creating,
        (false, false) => ServiceStatus::Updating,
    };
    pass.desk.moving(status, serving);
    let (reason, what) = if created {
        (reasons::CREATING, "created")
    } else {
        (reasons::UPDATING, "moved")
    };
    let version = target_version.as_deref().unwrap_or("?");
    let text = format!("endpoint {arn} is being {what}: version {version}");
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
                "{}; the failed endpoint is deleted and made anew",
                said(fault)
            );
            pass.desk.verdict(Verdict::working(reasons::CREATING, text));
            pass.desk.rest(Rest::After(SOON))
        }
        Class::Gone | Class::Invalid if fault.message.to_lowercase().contains("version") => {
            let failure = Failure {
                reason: reasons::VERSION_NOT_FOUND,
                heals: Heals::Outside,
            };
            pass.desk.failed(failure, &said(fault), false, &hash)
        }
        Class::Invalid => pass.desk.invalid(fault, &hash),
        Class::Conflict if sent.operation == CREATE => {
            pass.desk.status.pending = None;
            let text = format!("{}; it is looked at again", said(fault));
            pass.desk.verdict(Verdict::working(reasons::CONFLICT, text));
            let rest = pass.desk.backoff();
            pass.desk.rest(rest)
        }
        _ => {
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
