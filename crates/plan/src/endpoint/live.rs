//! An endpoint that was made: does anything need reading, and what did AgentCore say?

use std::ops::ControlFlow::{self, Break, Continue};

use agentcore_api::reasons;
use agentcore_api::runtime::Phase;

use super::pass::{DELETE, Pass};
use super::wish::Wish;
use super::{Action, Decision, Read, claim, failed};
use crate::aws::{Endpoint, ServiceStatus};
use crate::conditions::Verdict;
use crate::desk::SOON;
use crate::hash::{CHANGING, WishHash};
use crate::step::{Rest, Sweep};
use crate::tags::TagDiff;
use crate::unknown;

pub(super) fn plan(pass: Pass<'_>, wish: &Wish) -> Decision {
    match &pass.view.facts.endpoint {
        Some(Ok(Some(there))) => found(pass, wish, there),
        Some(Ok(None)) => missing(pass, wish),
        Some(Err(fault)) if fault.says_gone() => missing(pass, wish),
        Some(Err(fault)) => {
            let serving = pass.serving(wish);
            pass.desk.fault(fault, serving)
        }
        None => unread(pass, wish),
    }
}

pub(super) fn in_transition(phase: Option<Phase>) -> bool {
    matches!(
        phase,
        Some(Phase::Creating | Phase::Updating | Phase::Deleting)
    )
}

/// What is known without a call.
fn unread(mut pass: Pass<'_>, wish: &Wish) -> Decision {
    let (desk, status) = (&pass.desk, &pass.desk.status);
    let asked =
        pass.view.due.poll || pass.view.due.sweep == Some(Sweep::Endpoint) || desk.requested();
    let get = Read::Endpoint {
        runtime_id: wish.runtime_id.clone(),
        name: wish.name.clone(),
    };
    if asked || status.pending.is_some() || desk.reason_is(reasons::SUSPENDED) {
        return pass.desk.read(get);
    }
    if let Some(wait) = desk.missing_wait() {
        doubted(&mut pass, wish);
        return pass.desk.rest(Rest::After(wait));
    }
    if status.missing_since.is_some() {
        return pass.desk.read(get);
    }
    if in_transition(status.phase) {
        let known = status
            .service_status
            .as_deref()
            .map_or(ServiceStatus::Unknown, ServiceStatus::parse);
        let (since, serving) = (desk.since(), pass.serving(wish));
        pass.desk.moving(known, serving);
        return pass.desk.rest(Rest::Transition { since });
    }
    if desk.held(&wish.hash) {
        return pass.desk.rest_held();
    }
    let read = status
        .observed
        .as_ref()
        .is_some_and(|seen| seen.last_updated_at.is_some());
    if read && desk.observed().request == wish.hash.request && status.phase == Some(Phase::Active) {
        return converge(pass, wish, None);
    }
    pass.desk.read(get)
}

/// Get answered 404.
fn missing(mut pass: Pass<'_>, wish: &Wish) -> Decision {
    if pass.desk.pending_is(DELETE) {
        return anew(
            pass,
            reasons::CREATING,
            "the failed endpoint is gone; it is made anew",
        );
    }
    if pass.desk.missing() {
        let text = "the endpoint is gone in AgentCore; it is made anew";
        pass.desk.event(true, reasons::LOST, text);
        return anew(pass, reasons::LOST, text);
    }
    doubted(&mut pass, wish);
    let wait = pass.desk.missing_wait().unwrap_or(SOON);
    pass.desk.rest(Rest::After(wait))
}

/// A 404 that is not believed yet: what was live stays Ready, and nothing else does.
fn doubted(pass: &mut Pass<'_>, wish: &Wish) {
    if !(pass.serving(wish) && pass.desk.is_ready()) {
        let text = "AgentCore does not find the endpoint; it is asked once more";
        pass.desk.verdict(Verdict::working(reasons::LOST, text));
    }
}

/// Forgets the identity, so that the next look creates; the raised attempt keeps the create apart from the earlier one.
fn anew(mut pass: Pass<'_>, reason: &'static str, text: &str) -> Decision {
    let runtime_id = pass.desk.status.runtime_id.clone();
    pass.forget_identity();
    let status = &mut pass.desk.status;
    status.runtime_id = runtime_id;
    status.pending = None;
    status.phase = Some(Phase::Creating);
    status.attempt = Some(status.attempt.unwrap_or(0).saturating_add(1));
    pass.desk.verdict(Verdict::working(reason, text));
    pass.desk.rest(Rest::After(SOON))
}

/// Get showed it.
pub(super) fn found(mut pass: Pass<'_>, wish: &Wish, there: &Endpoint) -> Decision {
    let before = pass.desk.status.phase;
    pass.note(there);
    match there.status {
        ServiceStatus::Ready => converge(pass, wish, Some(there)),
        ServiceStatus::CreateFailed | ServiceStatus::UpdateFailed | ServiceStatus::DeleteFailed => {
            failed::plan(pass, wish, there, before)
        }
        ServiceStatus::Creating
        | ServiceStatus::Updating
        | ServiceStatus::Deleting
        | ServiceStatus::Unknown => {
            if there.status != ServiceStatus::Deleting {
                pass.desk.status.pending = None;
            }
            let serving = pass.serving(wish);
            pass.desk.moving(there.status, serving);
            pass.desk.rest(Rest::Transition {
                since: there.last_updated_at,
            })
        }
    }
}

/// Brings a READY endpoint to the wish. `there` is what Get showed; without it, what was compared earlier still holds.
fn converge(pass: Pass<'_>, wish: &Wish, there: Option<&Endpoint>) -> Decision {
    match in_order(pass, wish, there) {
        Continue(pass) => converged(pass, wish),
        Break(decision) => decision,
    }
}

/// A part that has to be read or changed ends the pass, and the next pass goes on from there.
fn in_order<'a>(pass: Pass<'a>, wish: &Wish, there: Option<&Endpoint>) -> Checked<'a> {
    let pass = config(pass, wish, there)?;
    tags(pass, wish)
}

/// Goes on with what comes next, or ends the pass.
type Checked<'a> = ControlFlow<Decision, Pass<'a>>;

fn config<'a>(mut pass: Pass<'a>, wish: &Wish, there: Option<&Endpoint>) -> Checked<'a> {
    let Some(there) = there else {
        return Continue(pass);
    };
    let fields = differing(wish, there);
    if !fields.is_empty() && !not_applied(&pass, wish, there) {
        return Break(correct(pass, wish, there, &fields));
    }
    pass.desk.status.pending = None;
    let hash = WishHash {
        request: wish.hash.request.clone(),
        kept: fields.join("+"),
        ..pass.desk.observed().without_policy()
    };
    pass.observe(Some(there.last_updated_at), &hash);
    Continue(pass)
}

fn differing(wish: &Wish, there: &Endpoint) -> Vec<&'static str> {
    let description = there.description.as_deref().filter(|text| !text.is_empty());
    [
        (
            "version",
            there.live_version.as_deref() != Some(wish.version.as_str()),
        ),
        ("description", description != wish.description.as_deref()),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect()
}

/// Whether what is there is what our own call of this very wish made: another would change nothing.
fn not_applied(pass: &Pass<'_>, wish: &Wish, there: &Endpoint) -> bool {
    !pass.desk.requested()
        && pass.desk.observed().request == wish.hash.request
        && pass.desk.status.observed.as_ref().is_some_and(|seen| {
            seen.last_updated_at
                .as_ref()
                .is_none_or(|at| *at == there.last_updated_at.to_string())
        })
}

fn correct(mut pass: Pass<'_>, wish: &Wish, there: &Endpoint, fields: &[&str]) -> Decision {
    if pass.desk.held(&wish.hash) {
        pass.desk.status.phase = Some(Phase::Failed);
        return pass.desk.rest_held();
    }
    let named = fields.join(", ");
    let serving = pass.serving(wish) && pass.desk.is_ready();
    if unknown::keeps(&there.unknown, pass.view.object.spec.unknown_settings) {
        return unknown::rest(pass.desk, &there.unknown, &named, serving);
    }
    if serving {
        let text = if pass.desk.observed().request == wish.hash.request {
            let text = format!("{named} was changed in AWS; it is set back");
            pass.desk
                .event(false, reasons::DRIFT_CORRECTED, text.clone());
            text
        } else {
            format!("moving to version {}; the last one serves", wish.version)
        };
        pass.desk
            .verdict(Verdict::ready(reasons::ROLLOUT_ACTIVE, text));
    } else {
        pass.desk.verdict(Verdict::working(
            reasons::UPDATING,
            format!("about to update {named}"),
        ));
    }
    pass.update(wish, there, false)
}

fn tags<'a>(mut pass: Pass<'a>, wish: &Wish) -> Checked<'a> {
    let view = pass.view;
    let due = view.due.sweep == Some(Sweep::Tags) || pass.desk.requested();
    if pass.desk.observed().tags != wish.hash.tags || due {
        let arn = pass.desk.status.arn.clone().unwrap_or_default();
        match pass.tags_of(&arn) {
            None => return Break(pass.desk.read(Read::Tags { arn })),
            Some(Err(fault)) => {
                let serving = pass.serving(wish);
                return Break(pass.desk.fault(fault, serving));
            }
            Some(Ok(None)) => {
                pass.desk.missing();
                let wait = pass.desk.missing_wait().unwrap_or(SOON);
                return Break(pass.desk.rest(Rest::After(wait)));
            }
            Some(Ok(Some(there))) if !pass.judge(there).is_ours() => {
                return Break(claim::left_alone(pass));
            }
            Some(Ok(Some(there))) => {
                let diff = TagDiff::between(there, &wish.tags);
                if diff != TagDiff::default() {
                    return Break(correct_tags(pass, wish, arn, diff));
                }
            }
        }
        pass.desk
            .record(|hash| hash.tags.clone_from(&wish.hash.tags));
    }
    Continue(pass)
}

fn correct_tags(mut pass: Pass<'_>, wish: &Wish, arn: String, diff: TagDiff) -> Decision {
    let named = diff.keys().join(", ");
    let same_spec = pass.view.object.metadata.generation == pass.desk.status.observed_generation;
    if pass.serving(wish) {
        pass.desk.event(
            false,
            reasons::DRIFT_CORRECTED,
            format!("tags {named} changed in AWS; set back"),
        );
    } else if !(pass.desk.is_ready() && same_spec) {
        // What the operator itself wishes otherwise by now, a tag of its own say, is nothing that the manifest asked for.
        pass.desk.verdict(Verdict::working(
            reasons::UPDATING,
            format!("about to update tags {named}"),
        ));
    }
    pass.desk.record(|hash| CHANGING.clone_into(&mut hash.tags));
    let TagDiff { set, remove } = diff;
    if set.is_empty() {
        return pass.act(Action::Untag { arn, keys: remove });
    }
    pass.tag(&arn, set)
}

fn converged(mut pass: Pass<'_>, wish: &Wish) -> Decision {
    let text = format!("version {} is live", wish.version);
    let verdict = Verdict::live(&pass.desk.observed().kept, text);
    pass.desk.converged(verdict);
    pass.desk.rest(Rest::Settled)
}
