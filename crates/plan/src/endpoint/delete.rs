//! The object is being deleted: is the endpoint still there, is it ours, and when is it gone?

use agentcore_api::names::annotations;
use agentcore_api::runtime::Phase;
use agentcore_api::{DeletionPolicy, reasons};
use jiff::Timestamp;

use super::pass::{CREATE, DELETE, Pass};
use super::{Action, Decision, Outcome, Read, outcome as outcomes};
use crate::aws::{Endpoint, ServiceStatus, Tags};
use crate::conditions::Verdict;
use crate::desk::{SETTLING, SLOW, SOON, STUCK_AFTER, parsed, said};
use crate::failure::{Failure, Heals};
use crate::fault::{Class, Fault};
use crate::hash::WishHash;
use crate::step::Rest;
use crate::tags::{Ownership, ownership_keys};

pub(super) fn plan(mut pass: Pass<'_>) -> Decision {
    if !pass.has_finalizer() {
        return pass.desk.rest(Rest::Forget);
    }
    let status = &pass.desk.status;
    let (Some(runtime_id), Some(name)) = (status.runtime_id.clone(), status.name.clone()) else {
        return release(pass, None);
    };
    let accepted = status.deletion_accepted_at.is_some();
    if status.arn.is_none() || accepted {
        match &pass.view.facts.endpoint {
            None if accepted && !pass.view.due.poll && status.missing_since.is_none() => {
                return wait(pass);
            }
            None => return pass.desk.read(Read::Endpoint { runtime_id, name }),
            Some(Err(fault)) => return refused(pass, fault, &runtime_id),
            Some(Ok(None)) => return not_found(pass),
            Some(Ok(Some(there))) if accepted => return still_there(pass, there),
            Some(Ok(Some(there))) => pass.note(there),
        }
    }
    owned(pass, &runtime_id, &name)
}

/// Lets the object go.
fn release(mut pass: Pass<'_>, event: Option<(&'static str, String)>) -> Decision {
    if let Some((reason, note)) = event {
        let warning = reason == reasons::RETAINED && pass.desk.let_go();
        pass.desk.event(warning, reason, note);
    }
    going(&mut pass, "done in AWS; the object goes");
    pass.act(Action::RemoveFinalizer)
}

fn gone(pass: Pass<'_>) -> Decision {
    let name = pass.desk.status.name.clone().unwrap_or_default();
    release(
        pass,
        Some((reasons::DELETED, format!("endpoint {name} is gone"))),
    )
}

fn left_behind(pass: Pass<'_>, why: &str) -> Decision {
    let name = pass.desk.status.name.clone().unwrap_or_default();
    release(
        pass,
        Some((
            reasons::RETAINED,
            format!("endpoint {name} stays in AWS: {why}"),
        )),
    )
}

fn going(pass: &mut Pass<'_>, text: &str) {
    pass.desk.status.phase = Some(Phase::Deleting);
    pass.desk.verdict(Verdict::working(reasons::DELETING, text));
}

/// Something is in the way that a person has to see to; `let-go` gives up instead.
pub(super) fn stuck(mut pass: Pass<'_>, verdict: Verdict, rest: Rest) -> Decision {
    if pass.desk.let_go() {
        return left_behind(pass, "annotation let-go");
    }
    pass.desk.status.phase = Some(Phase::Deleting);
    pass.desk.event_once(true, verdict.reason, &verdict.message);
    pass.desk.verdict(verdict);
    pass.desk.rest(rest)
}

/// Whose is it, by its tags as they are now?
fn owned(mut pass: Pass<'_>, runtime_id: &str, name: &str) -> Decision {
    let arn = pass.desk.status.arn.clone().unwrap_or_default();
    let tags: &Tags = match pass.tags_of(&arn) {
        None => return pass.desk.read(Read::Tags { arn }),
        Some(Err(fault)) => return refused(pass, fault, runtime_id),
        Some(Ok(None)) => return not_found(pass),
        Some(Ok(Some(tags))) => tags,
    };
    let owner = pass.judge(tags);
    if pass.view.object.spec.deletion_policy == Some(DeletionPolicy::Retain) {
        let keys = ownership_keys(tags);
        if keys.is_empty() || !owner.is_ours() {
            return left_behind(pass, "deletionPolicy Retain");
        }
        going(&mut pass, "removing the ownership tags; the endpoint stays");
        return pass.act(Action::Untag { arn, keys });
    }
    match owner {
        Ownership::Ours | Ownership::Former => {
            going(&mut pass, "about to be deleted in AgentCore");
            pass.delete(runtime_id, name)
        }
        // Without an identity on record it never was ours.
        Ownership::Nobody if pass.desk.observed() == WishHash::unseen() => release(pass, None),
        Ownership::Others | Ownership::Nobody => not_ours(pass),
    }
}

/// What is another owner's stays with it. What carries no owner's tags may be ours after all: a person has to say.
pub(super) fn not_ours(pass: Pass<'_>) -> Decision {
    let nobody = pass
        .own_tags()
        .is_some_and(|tags| pass.judge(tags) == Ownership::Nobody);
    if !nobody {
        return left_behind(pass, "it, or its runtime, carries another owner's tags");
    }
    let text = format!(
        "the endpoint carries no ownership tags any more, so it is not deleted; put them back, or set annotation {}: \"true\"",
        annotations::LET_GO
    );
    stuck(
        pass,
        Verdict::stalled(reasons::NOT_OWNED, text),
        Rest::After(SLOW),
    )
}

/// The deletion was accepted.
fn wait(mut pass: Pass<'_>) -> Decision {
    let now = pass.desk.now;
    let accepted = pass.desk.deletion_accepted_at().unwrap_or(now);
    let rest = Rest::Transition { since: accepted };
    if now.duration_since(accepted) >= STUCK_AFTER {
        let text = format!(
            "AgentCore has been deleting it since {accepted}; AWS Support can help, or annotation {}: \"true\" leaves it behind",
            annotations::LET_GO
        );
        return stuck(pass, Verdict::stalled(reasons::DELETION_STUCK, text), rest);
    }
    going(&mut pass, "AgentCore is deleting it");
    pass.desk.rest(rest)
}

fn still_there(mut pass: Pass<'_>, there: &Endpoint) -> Decision {
    let before = pass.desk.status.phase;
    let hash = WishHash::unseen();
    pass.desk.status.missing_since = None;
    pass.desk
        .service(there.status, there.failure_reason.as_deref());
    match there.status {
        ServiceStatus::Deleting | ServiceStatus::Unknown => wait(pass),
        ServiceStatus::DeleteFailed if pass.desk.pending_is(DELETE) => again(pass, there),
        ServiceStatus::DeleteFailed => {
            let seen = before == Some(Phase::Failed) && pass.desk.failure_recorded(&hash);
            if !seen {
                let failure = Failure {
                    reason: reasons::DELETE_FAILED,
                    heals: Heals::Outside,
                };
                let why = there
                    .failure_reason
                    .as_deref()
                    .unwrap_or("AgentCore could not delete it");
                return pass.desk.failed(failure, why, false, &hash);
            }
            if pass.desk.let_go() {
                return left_behind(pass, "annotation let-go");
            }
            if pass.desk.held(&hash) {
                pass.desk.rest_held()
            } else {
                again(pass, there)
            }
        }
        _ if pass.desk.let_go() => left_behind(pass, "annotation let-go"),
        // The deletion came to nothing: it is asked for anew.
        _ => again(pass, there),
    }
}

/// A delete that has to be told from the earlier one: another attempt, another token.
fn again(mut pass: Pass<'_>, there: &Endpoint) -> Decision {
    let runtime_id = pass.desk.status.runtime_id.clone().unwrap_or_default();
    pass.desk.write_ahead(DELETE, &WishHash::unseen(), true);
    going(&mut pass, "asking AgentCore once more to delete it");
    pass.delete(&runtime_id, &there.name)
}

/// 404. A create that was cut off, or has just been answered, may be too young to be seen.
pub(super) fn not_found(mut pass: Pass<'_>) -> Decision {
    let now = pass.desk.now;
    let status = &pass.desk.status;
    let unheard = pass
        .desk
        .pending_is(CREATE)
        .then(|| pass.desk.pending_at())
        .flatten();
    if let Some(at) = unheard.filter(|at| now.duration_since(*at) < SETTLING) {
        going(
            &mut pass,
            "waiting until it is certain that nothing was made",
        );
        let wait =
            std::time::Duration::try_from((at + SETTLING).duration_since(now)).unwrap_or(SOON);
        return pass.desk.rest(Rest::After(wait.max(SOON)));
    }
    let young = status.arn.is_some()
        && status.live_version.is_none()
        && status.deletion_accepted_at.is_none();
    if young && !pass.desk.missing() {
        going(
            &mut pass,
            "AgentCore does not find it; it is asked once more",
        );
        let wait = pass.desk.missing_wait().unwrap_or(SOON);
        return pass.desk.rest(Rest::After(wait));
    }
    gone(pass)
}

/// The tags of the runtime cannot be read.
pub(super) fn unreadable(pass: Pass<'_>, fault: &Fault) -> Decision {
    let runtime_id = pass.desk.status.runtime_id.clone().unwrap_or_default();
    refused(pass, fault, &runtime_id)
}

/// A read or the delete was refused. AWS may say AccessDenied of what is gone: then the runtime's endpoints decide, and where
/// those may not be listed either, whether there still is a runtime.
fn refused(pass: Pass<'_>, fault: &Fault, runtime_id: &str) -> Decision {
    if fault.class != Class::Denied {
        if pass.desk.let_go() && matches!(fault.class, Class::Invalid | Class::Unknown) {
            return stuck(
                pass,
                Verdict::waiting(fault.reason, said(fault)),
                Rest::After(SOON),
            );
        }
        return pass.desk.fault(fault, false);
    }
    let runtime_id = runtime_id.to_owned();
    let name = pass.desk.status.name.clone().unwrap_or_default();
    match (&pass.view.facts.endpoints, &pass.view.facts.runtime) {
        (None, _) => pass.desk.read(Read::Endpoints { runtime_id }),
        (Some(Ok(None)), _) | (_, Some(Ok(None))) => not_found(pass),
        (Some(Ok(Some(list))), _) if !list.iter().any(|one| one.name == name) => not_found(pass),
        (Some(Err(_)), None) => pass.desk.read(Read::Runtime { runtime_id }),
        _ if fault.says_gone() || runtime_gone(&pass) => not_found(pass),
        _ => {
            let text = format!(
                "{}; the operator may not look at it or delete it",
                said(fault)
            );
            let rest = pass.desk.backoff();
            stuck(pass, Verdict::waiting(fault.reason, text), rest)
        }
    }
}

/// Whether the runtime has been neither listed nor readable for a minute, by its own object's status.
fn runtime_gone(pass: &Pass<'_>) -> bool {
    let Some(status) = pass
        .view
        .runtime
        .and_then(|runtime| runtime.status.as_ref())
    else {
        return false;
    };
    status.id == pass.desk.status.runtime_id
        && status
            .missing_since
            .as_deref()
            .and_then(parsed)
            .is_some_and(|since| pass.desk.now.duration_since(since) >= SETTLING)
}

/// The verdict after an action of a deletion.
pub(super) fn outcome(mut pass: Pass<'_>, outcome: &Outcome) -> Decision {
    let now: Timestamp = pass.desk.now;
    match (outcomes::action(pass.view, now), outcome) {
        (Some(Action::RemoveFinalizer), Outcome::Done) => pass.desk.rest(Rest::Forget),
        (Some(Action::Delete { .. }), Outcome::Done) => {
            let status = &mut pass.desk.status;
            status.deletion_accepted_at = Some(now.to_string());
            status.pending = None;
            status.missing_since = None;
            status.service_status = Some(ServiceStatus::Deleting.as_str().to_owned());
            wait(pass)
        }
        (Some(Action::Delete { .. }), Outcome::Failed(fault))
            if matches!(fault.class, Class::Gone | Class::Denied) =>
        {
            // Whether it is gone is for the next look to say.
            pass.desk
                .status
                .deletion_accepted_at
                .get_or_insert_with(|| now.to_string());
            pass.desk.missing();
            pass.desk
                .verdict(Verdict::working(fault.reason, said(fault)));
            let rest = if fault.class == Class::Gone {
                Rest::After(SOON)
            } else {
                pass.desk.backoff()
            };
            pass.desk.rest(rest)
        }
        (_, Outcome::Failed(fault)) => {
            let text = format!("{}; it is tried again by itself", said(fault));
            pass.desk.verdict(Verdict::working(fault.reason, text));
            let rest = pass.desk.backoff();
            pass.desk.rest(rest)
        }
        (_, Outcome::Done | Outcome::Accepted(_)) => pass.desk.rest(Rest::After(SOON)),
    }
}
