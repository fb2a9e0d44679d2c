//! The object is being deleted: is the endpoint still there, is it ours, and when is it gone?

use std::ops::ControlFlow;

use agentcore_api::DeletionPolicy;
use jiff::Timestamp;

use super::pass::{CREATE, DELETE, Pass};
use super::{Action, Decision, Outcome, Read, outcome as outcomes};
use crate::aws::{Endpoint, ServiceStatus, Tags};
use crate::conditions::Verdict;
use crate::desk::{SETTLING, SOON, parsed, said};
use crate::fault::{Class, Fault};
use crate::hash::WishHash;
use crate::managed::delete::{
    doubted, failed, faulty, going, gone, left_behind, release, stuck, tried_again, untagged, wait,
};
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
                return under_way(pass);
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
    untagged(pass)
}

/// The deletion was accepted.
fn under_way(pass: Pass<'_>) -> Decision {
    let since = pass.desk.deletion_accepted_at().unwrap_or(pass.desk.now);
    wait(pass, since)
}

fn still_there(mut pass: Pass<'_>, there: &Endpoint) -> Decision {
    let before = pass.desk.status.phase;
    pass.desk.status.missing_since = None;
    pass.desk
        .service(there.status, there.failure_reason.as_deref());
    match there.status {
        ServiceStatus::Deleting | ServiceStatus::Unknown => under_way(pass),
        ServiceStatus::DeleteFailed => {
            match failed(pass, there.failure_reason.as_deref(), before) {
                ControlFlow::Continue(pass) => again(pass, there),
                ControlFlow::Break(decision) => decision,
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
    if young {
        pass = match doubted(pass) {
            ControlFlow::Continue(pass) => pass,
            ControlFlow::Break(decision) => return decision,
        };
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
        return faulty(pass, fault);
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
            under_way(pass)
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
        (_, Outcome::Failed(fault)) => tried_again(pass, fault),
        (_, Outcome::Done | Outcome::Accepted(_)) => pass.desk.rest(Rest::After(SOON)),
    }
}
