//! The object is being deleted: what of it is in AWS, and may it go?

use std::time::Duration;

use agentcore_api::names::annotations;
use agentcore_api::{DeletionPolicy, reasons};
use jiff::Timestamp;

use super::pass::{DEFAULT, DELETE_ENDPOINT, Pass, TAG};
use super::wish::name;
use super::{Action, Decision, Listed, Outcome, Read, delete_wait, outcome as outcomes};
use crate::aws::{Endpoint, ServiceStatus};
use crate::conditions::Verdict;
use crate::desk::{SETTLING, SOON};
use crate::fault::Class;
use crate::managed::delete::{
    going, gone, left_behind, release, stays, stuck, tried_again, untagged,
};
use crate::step::Rest;
use crate::tags::{Ownership, ownership_keys};

/// Pause while endpoints are in the way; their objects wake the runtime as well.
const ENDPOINTS_PAUSE: Duration = Duration::from_secs(30);
/// Pause while an endpoint is being deleted.
const ENDPOINT_GOING: Duration = Duration::from_secs(5);

pub(super) fn plan(mut pass: Pass<'_>) -> Decision {
    if !pass.has_finalizer() {
        return pass.desk.rest(Rest::Forget);
    }
    if pass.desk.status.id.is_none()
        && let Some(decision) = unidentified(&mut pass)
    {
        return decision;
    }
    let adopted = pass.view.object.spec.adopt.is_some();
    let default = if adopted {
        DeletionPolicy::Retain
    } else {
        DeletionPolicy::Delete
    };
    match pass.view.object.spec.deletion_policy.unwrap_or(default) {
        DeletionPolicy::Retain => retain(pass),
        DeletionPolicy::Delete if pass.desk.status.deletion_accepted_at.is_some() => {
            delete_wait::plan(pass)
        }
        DeletionPolicy::Delete => remove(pass),
    }
}

/// No identity: nothing was ever sent, or a create's answer was lost. `None`: the identity was found.
fn unidentified(pass: &mut Pass<'_>) -> Option<Decision> {
    let status = &pass.desk.status;
    let sent = status.attempt.is_some();
    if pass.desk.pending_is(TAG) {
        return adopting(pass);
    }
    if !sent {
        return Some(release(pass.clone(), None));
    }
    if let Some(fault) = &pass.view.facts.list_fault {
        return Some(pass.desk.clone().fault(fault, false));
    }
    let wanted = status
        .name
        .clone()
        .unwrap_or_else(|| name(pass.view.object, pass.view.policy));
    // A create that was cut off may still be on its way for a while: only a later list proves that nothing came of it.
    let believed = pass
        .desk
        .pending_at()
        .map_or(pass.desk.now, |at| at + SETTLING);
    match &pass.view.facts.listed {
        Listed::Present { entry, .. } if entry.name == wanted => match pass.tags_of(&entry.arn) {
            None => Some(pass.desk.clone().read(Read::Tags {
                arn: entry.arn.clone(),
            })),
            Some(Err(fault)) => Some(pass.desk.clone().fault(fault, false)),
            Some(Ok(tags)) => match pass.judge(&tags.clone().unwrap_or_default()) {
                Ownership::Ours | Ownership::Former => {
                    pass.take_listed(entry);
                    None
                }
                Ownership::Others => Some(stays(
                    pass.clone(),
                    &entry.id,
                    "it carries another owner's tags",
                )),
                // It may be what the create made, and somebody has taken the tags away; or another's of the same name.
                Ownership::Nobody => Some(stays(
                    pass.clone(),
                    &entry.id,
                    "it carries no ownership tags",
                )),
            },
        },
        Listed::Absent { as_of } if *as_of >= believed || pass.desk.status.pending.is_none() => {
            Some(release(pass.clone(), None))
        }
        _ if pass.desk.now < believed => {
            going(pass, "waiting until it is certain that nothing was made");
            let wait = Duration::try_from(believed.duration_since(pass.desk.now)).unwrap_or(SOON);
            Some(pass.desk.clone().rest(Rest::After(wait.max(SOON))))
        }
        _ => Some(pass.desk.clone().read(Read::List)),
    }
}

/// The tags of an adopted runtime were on their way.
fn adopting(pass: &mut Pass<'_>) -> Option<Decision> {
    let Some(adoption) = pass.view.object.spec.adopt.as_ref() else {
        return Some(release(pass.clone(), None));
    };
    let id = adoption.runtime_id.clone();
    match &pass.view.facts.runtime {
        None => Some(pass.desk.clone().read(Read::Runtime { id })),
        Some(Err(fault)) => Some(pass.desk.clone().fault(fault, false)),
        Some(Ok(None)) => Some(release(pass.clone(), None)),
        Some(Ok(Some(there))) => {
            pass.take_identity(&there.id, &there.arn, &there.name);
            None
        }
    }
}

fn retain(mut pass: Pass<'_>) -> Decision {
    let arn = pass.desk.status.arn.clone().unwrap_or_default();
    match pass.tags_of(&arn) {
        None => pass.desk.read(Read::Tags { arn }),
        Some(Err(fault)) => delete_wait::refused(pass, fault),
        Some(Ok(None)) => gone(pass),
        Some(Ok(Some(tags))) => {
            let keys = ownership_keys(tags);
            if keys.is_empty() || !pass.judge(tags).is_ours() {
                return left_behind(pass, "deletionPolicy Retain");
            }
            going(&mut pass, "removing the ownership tags; the runtime stays");
            pass.act(Action::Untag { arn, keys })
        }
    }
}

fn remove(pass: Pass<'_>) -> Decision {
    let status = &pass.desk.status;
    if let Listed::Present { entry, .. } = &pass.view.facts.listed
        && status.id.as_deref() == Some(entry.id.as_str())
    {
        if entry.status == ServiceStatus::Deleting {
            return delete_wait::under_way(pass, entry.last_updated_at);
        }
        // A delete was refused because AgentCore is at work: the list says when that ends.
        if entry.status.in_transition()
            && pass.desk.reason_is(reasons::CONFLICT)
            && !pass.view.due.poll
        {
            let since = entry.last_updated_at;
            return pass.desk.rest(Rest::Transition { since });
        }
    }
    // What a list lacks may be gone already: then there is nothing to wait for.
    if matches!(pass.view.facts.listed, Listed::Absent { .. }) {
        return owned(pass);
    }
    referred(pass, owned)
}

/// Goes on when no AgentEndpoint refers to the runtime.
fn referred(pass: Pass<'_>, go_on: fn(Pass<'_>) -> Decision) -> Decision {
    if pass.view.referrers.is_empty() {
        return go_on(pass);
    }
    let names = pass.view.referrers.join(", ");
    let text = format!("AgentEndpoints refer to it: {names}; delete them first");
    stuck(
        pass,
        Verdict::waiting(reasons::ENDPOINTS_IN_USE, text),
        Rest::After(ENDPOINTS_PAUSE),
    )
}

/// Whose is it, by its tags as they are now?
fn owned(pass: Pass<'_>) -> Decision {
    let arn = pass.desk.status.arn.clone().unwrap_or_default();
    match pass.tags_of(&arn) {
        None => pass.desk.read(Read::Tags { arn }),
        Some(Err(fault)) => delete_wait::refused(pass, fault),
        Some(Ok(None)) => delete_wait::not_found(pass),
        Some(Ok(Some(tags))) if pass.judge(tags).is_ours() => referred(pass, free_of_endpoints),
        Some(Ok(Some(_))) => not_ours(pass),
    }
}

/// What is another owner's stays with it. What carries no owner's tags may be ours after all: a person has to say.
pub(super) fn not_ours(pass: Pass<'_>) -> Decision {
    let arn = pass.desk.status.arn.as_deref().unwrap_or_default();
    let nobody = match pass.tags_of(arn) {
        Some(Ok(Some(tags))) => pass.judge(tags) == Ownership::Nobody,
        _ => false,
    };
    if !nobody {
        return left_behind(pass, "it carries another owner's tags");
    }
    untagged(pass)
}

fn free_of_endpoints(pass: Pass<'_>) -> Decision {
    let id = pass.desk.status.id.clone().unwrap_or_default();
    let endpoints: &[Endpoint] = match &pass.view.facts.endpoints {
        None => return pass.desk.read(Read::Endpoints { id }),
        Some(Err(fault)) => return delete_wait::refused(pass, fault),
        Some(Ok(None)) => return delete_wait::not_found(pass),
        Some(Ok(Some(endpoints))) => endpoints,
    };
    let others: Vec<&Endpoint> = endpoints.iter().filter(|one| one.name != DEFAULT).collect();
    if others.is_empty() {
        return delete(pass, &id);
    }
    let strangers: Vec<&&Endpoint> = others
        .iter()
        .filter(|one| {
            one.status != ServiceStatus::Deleting
                && !pass.view.owned_endpoint_names.contains(&one.name)
        })
        .collect();
    match strangers.first() {
        Some(first) if pass.has_annotation(annotations::DELETE_ENDPOINTS) => {
            delete_endpoint(pass, &id, first)
        }
        Some(_) => {
            let names: Vec<&str> = strangers.iter().map(|one| one.name.as_str()).collect();
            let text = format!(
                "AgentCore has endpoints of it that no AgentEndpoint owns: {}; delete them, or set annotation {}: \"true\"",
                names.join(", "),
                annotations::DELETE_ENDPOINTS
            );
            stuck(
                pass,
                Verdict::waiting(reasons::ENDPOINTS_IN_USE, text),
                Rest::After(ENDPOINTS_PAUSE),
            )
        }
        None => {
            let mut pass = pass;
            going(&mut pass, "waiting for its endpoints to be gone");
            pass.desk.rest(Rest::After(ENDPOINT_GOING))
        }
    }
}

fn delete(mut pass: Pass<'_>, id: &str) -> Decision {
    if pass.desk.let_go() && pass.desk.missing_since().is_some() {
        return left_behind(pass, "AWS does not let the operator delete it");
    }
    going(&mut pass, "about to be deleted in AgentCore");
    pass.delete(id)
}

fn delete_endpoint(mut pass: Pass<'_>, id: &str, endpoint: &Endpoint) -> Decision {
    going(&mut pass, "deleting endpoints that no AgentEndpoint owns");
    let at = endpoint.created_at.to_string();
    let client_token = pass.token(DELETE_ENDPOINT, id, &at, &endpoint.name);
    pass.act(Action::DeleteEndpoint {
        runtime_id: id.to_owned(),
        name: endpoint.name.clone(),
        client_token,
    })
}

/// The verdict after an action of a deletion.
pub(super) fn outcome(mut pass: Pass<'_>, outcome: &Outcome) -> Decision {
    let now: Timestamp = pass.desk.now;
    let action = outcomes::action(pass.view, now);
    match (action, outcome) {
        (Some(Action::RemoveFinalizer), Outcome::Done) => pass.desk.rest(Rest::Forget),
        (Some(Action::Delete { .. }), Outcome::Done) => delete_wait::under_way(pass, now),
        (Some(Action::Delete { .. }), Outcome::Failed(fault)) if fault.class == Class::Conflict => {
            let text = "AgentCore is at work on it, or an endpoint still exists; the deletion is tried again";
            pass.desk.verdict(Verdict::working(reasons::CONFLICT, text));
            pass.desk.rest(Rest::Transition { since: now })
        }
        (Some(Action::Delete { .. }), Outcome::Failed(fault)) if fault.class == Class::Gone => {
            pass.desk.status.deletion_accepted_at = Some(now.to_string());
            pass.desk.missing();
            pass.desk.rest(Rest::After(SOON))
        }
        (Some(Action::Delete { .. }), Outcome::Failed(fault)) if fault.class == Class::Denied => {
            // It may be gone: the next reads tell.
            pass.desk.missing();
            let text = crate::desk::said(fault);
            pass.desk.verdict(Verdict::waiting(fault.reason, text));
            let rest = pass.desk.backoff();
            pass.desk.rest(rest)
        }
        (_, Outcome::Failed(fault)) if fault.class == Class::Gone => {
            pass.desk.rest(Rest::After(SOON))
        }
        (_, Outcome::Failed(fault)) => tried_again(pass, fault),
        (_, Outcome::Done | Outcome::Accepted(_)) => pass.desk.rest(Rest::After(SOON)),
    }
}
