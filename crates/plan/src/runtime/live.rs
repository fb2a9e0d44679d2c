//! A runtime with an identity: does anything need reading, and what did AgentCore say?

use agentcore_api::reasons;
use agentcore_api::runtime::Phase;
use jiff::Timestamp;

use super::pass::{DELETE, Pass};
use super::wish::Wish;
use super::{Decision, Listed, Read, failed, ready};
use crate::aws::{ListedRuntime, Runtime, ServiceStatus};
use crate::conditions::Verdict;
use crate::desk::{SETTLING, SOON};
use crate::fault::{Class, Fault};
use crate::step::{Answer, Rest};

pub(super) fn plan(pass: Pass<'_>, wish: &Wish) -> Decision {
    let view = pass.view;
    if let Some(answer) = &view.facts.runtime {
        return answered(pass, wish, answer);
    }
    match look(&pass, wish) {
        Look::Get => get(pass),
        Look::Compared => ready::converge(pass, wish, None),
        Look::Held => pass.desk.rest_held(),
        Look::Missing(rest) => {
            let mut pass = pass;
            doubted(&mut pass, wish);
            pass.desk.rest(rest)
        }
        Look::Moving(status, since) => moving(pass, wish, status, since),
    }
}

fn get(pass: Pass<'_>) -> Decision {
    let id = pass.desk.status.id.clone().unwrap_or_default();
    pass.desk.read(Read::Runtime { id })
}

/// Reasons of a time in which nothing was compared.
const PAUSED: [&str; 5] = [
    reasons::SUSPENDED,
    reasons::CONFIG_MISSING,
    reasons::CONFIG_FORBIDDEN,
    reasons::CONFIG_INVALID,
    reasons::CONFIG_UNAVAILABLE,
];

/// What is known without a call.
enum Look {
    /// Not enough.
    Get,
    /// What was compared still holds.
    Compared,
    /// The wish failed, and its time has not come.
    Held,
    /// It was missing at the last look, and asking again is too early.
    Missing(Rest),
    /// AgentCore is at work, since then.
    Moving(ServiceStatus, Timestamp),
}

fn look(pass: &Pass<'_>, wish: &Wish) -> Look {
    let (desk, status) = (&pass.desk, &pass.desk.status);
    let fresh = status.phase.is_none() || status.service_status.is_none();
    let unheard = status.pending.is_some();
    if fresh
        || unheard
        || pass.view.due.poll
        || desk.requested()
        || PAUSED.iter().any(|reason| desk.reason_is(reason))
    {
        return Look::Get;
    }
    let listing = listing(pass);
    if let Listing::Moving(entry) = listing {
        return Look::Moving(entry.status, entry.last_updated_at);
    }
    if matches!(listing, Listing::Changed) {
        return Look::Get;
    }
    if let Some(wait) = desk.missing_wait() {
        return Look::Missing(Rest::After(wait));
    }
    if matches!(listing, Listing::Gone) || status.missing_since.is_some() {
        return Look::Get;
    }
    if in_transition(status.phase) {
        let known = status
            .service_status
            .as_deref()
            .map_or(ServiceStatus::Unknown, ServiceStatus::parse);
        return Look::Moving(known, desk.since());
    }
    if desk.held(&wish.hash) {
        return Look::Held;
    }
    let compared = status
        .observed
        .as_ref()
        .is_some_and(|seen| seen.last_updated_at.is_some());
    let same = desk.observed().request == wish.hash.request;
    if compared && same && status.phase == Some(Phase::Active) {
        Look::Compared
    } else {
        Look::Get
    }
}

pub(super) fn in_transition(phase: Option<Phase>) -> bool {
    matches!(
        phase,
        Some(Phase::Creating | Phase::Updating | Phase::Deleting)
    )
}

/// What the inventory says of this runtime, beside what is on record.
pub(super) enum Listing<'a> {
    /// Nothing, nothing new, or something older than what is on record.
    Quiet,
    /// AgentCore is at work.
    Moving(&'a ListedRuntime),
    /// It is not as it was.
    Changed,
    /// A complete list lacks it.
    Gone,
}

pub(super) fn listing<'a>(pass: &Pass<'a>) -> Listing<'a> {
    let status = &pass.desk.status;
    let (entry, as_of) = match &pass.view.facts.listed {
        Listed::Unknown => return Listing::Quiet,
        Listed::Absent { .. } => return Listing::Gone,
        Listed::Present { entry, as_of } => (entry, *as_of),
    };
    let observed = status.observed.as_ref();
    let newest = observed
        .map(|seen| seen.version.as_str())
        .or(status.latest_version.as_deref());
    // A failed update may take its version back, and no list lags for a minute: neither is stale.
    let stale = older(&entry.version, newest)
        && (entry.status == ServiceStatus::Ready || entry.status.in_transition())
        && as_of.duration_since(pass.desk.since()) < SETTLING;
    if status.id.as_deref() != Some(entry.id.as_str()) || stale {
        return Listing::Quiet;
    }
    if entry.status.in_transition() {
        return Listing::Moving(entry);
    }
    let seen_at = observed.and_then(|seen| seen.last_updated_at.as_deref());
    let same = status.service_status.as_deref() == Some(entry.status.as_str())
        && status.latest_version.as_deref() == Some(entry.version.as_str())
        && seen_at.is_none_or(|at| at == entry.last_updated_at.to_string());
    if same {
        Listing::Quiet
    } else {
        Listing::Changed
    }
}

/// Whether a version came before another; what is not a number is not older.
fn older(version: &str, than: Option<&str>) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    number(version)
        .zip(than.and_then(number))
        .is_some_and(|(one, other)| one < other)
}

fn moving(mut pass: Pass<'_>, wish: &Wish, status: ServiceStatus, since: Timestamp) -> Decision {
    let serving = pass.serving(wish);
    pass.desk.moving(status, serving);
    pass.desk.rest(Rest::Transition { since })
}

/// Get answered.
pub(super) fn answered(pass: Pass<'_>, wish: &Wish, answer: &Answer<Runtime>) -> Decision {
    match answer {
        Err(fault) => denied_or_down(pass, wish, fault),
        Ok(None) => missing(pass, wish),
        Ok(Some(there)) => found(pass, wish, there),
    }
}

/// Get failed. Where the list lacks it too, nobody can say that it still serves; lost is only what Get answers 404 for.
/// The time is noted then: endpoints that are being deleted go by it.
fn denied_or_down(mut pass: Pass<'_>, wish: &Wish, fault: &Fault) -> Decision {
    let unlisted = matches!(listing(&pass), Listing::Gone);
    if unlisted && fault.class == Class::Denied {
        let believed = pass.desk.missing();
        // A create's answer that names what nobody has ever seen: a repeated token may be answered with what is long gone.
        if believed && pass.desk.status.ready_version.is_none() {
            return lost(pass);
        }
    }
    let serving = pass.serving(wish) && !unlisted;
    pass.desk.fault(fault, serving)
}

fn found(mut pass: Pass<'_>, wish: &Wish, there: &Runtime) -> Decision {
    let before = pass.desk.status.phase;
    pass.heard(wish, there);
    pass.note(there);
    match there.status {
        ServiceStatus::Ready => ready::converge(pass, wish, Some(there)),
        ServiceStatus::Creating | ServiceStatus::Updating | ServiceStatus::Unknown => {
            pass.desk.status.pending = None;
            moving(pass, wish, there.status, there.last_updated_at)
        }
        ServiceStatus::Deleting => moving(pass, wish, there.status, there.last_updated_at),
        ServiceStatus::CreateFailed | ServiceStatus::UpdateFailed | ServiceStatus::DeleteFailed => {
            failed::plan(pass, wish, there, before)
        }
    }
}

/// Get answered 404.
fn missing(mut pass: Pass<'_>, wish: &Wish) -> Decision {
    let id = pass.desk.status.id.clone().unwrap_or_default();
    if pass.desk.pending_is(DELETE) {
        let text = format!("failed runtime {id} is gone; it is made anew");
        return anew(pass, reasons::CREATING, text);
    }
    if !pass.desk.missing() {
        doubted(&mut pass, wish);
        let wait = pass.desk.missing_wait().unwrap_or(SOON);
        return pass.desk.rest(Rest::After(wait));
    }
    lost(pass)
}

/// A 404 that is not believed yet: what was live stays Ready, and nothing else does.
fn doubted(pass: &mut Pass<'_>, wish: &Wish) {
    if pass.serving(wish) && pass.desk.is_ready() {
        return;
    }
    let id = pass.desk.status.id.as_deref().unwrap_or_default();
    let text = format!("AgentCore does not find runtime {id}; it is asked once more");
    pass.desk.verdict(Verdict::working(reasons::LOST, text));
}

fn lost(mut pass: Pass<'_>) -> Decision {
    let id = pass.desk.status.id.clone().unwrap_or_default();
    let text = format!("runtime {id} is gone in AgentCore; it is made anew");
    pass.desk.event(true, reasons::LOST, text.clone());
    anew(pass, reasons::LOST, text)
}

/// Forgets the identity, so that the next look creates; the raised attempt keeps the create apart from the earlier one.
fn anew(mut pass: Pass<'_>, reason: &'static str, text: String) -> Decision {
    pass.forget_identity();
    let status = &mut pass.desk.status;
    status.pending = None;
    status.phase = Some(Phase::Creating);
    status.attempt = Some(status.attempt.unwrap_or(0).saturating_add(1));
    pass.desk.verdict(Verdict::working(reason, text));
    pass.desk.rest(Rest::After(SOON))
}
