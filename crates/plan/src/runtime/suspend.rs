//! Nothing is changed, the status is still read: `spec.suspend`, or Secrets and ConfigMaps that cannot be had.

use std::time::Duration;

use agentcore_api::reasons;

use super::live::{Listing, in_transition, listing};
use super::pass::Pass;
use super::wish::Refusal;
use super::{Decision, Read};
use crate::aws::ServiceStatus;
use crate::conditions::{State, Verdict};
use crate::step::{Rest, Step};

/// Pause before what cannot be read at the moment is read again.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(15);
const TEXT: &str = "suspended by spec.suspend: nothing is changed in AWS";

pub(super) fn plan(pass: Pass<'_>) -> Decision {
    let ready = pass.desk.is_ready();
    pause(pass, &Pause::new(reasons::SUSPENDED, TEXT, ready))
}

/// What the spec refers to cannot be had: what is live stays, and this generation is Ready only if it was.
pub(super) fn without_config(pass: Pass<'_>, refusal: &Refusal) -> Decision {
    let generation = pass.view.object.metadata.generation;
    let ready = pass.desk.is_ready() && pass.desk.status.observed_generation == generation;
    let text = if ready {
        format!("{}; the last version serves", refusal.message)
    } else {
        refusal.message.clone()
    };
    let held = Pause {
        warning: true,
        ..Pause::new(refusal.reason, &text, ready)
    };
    let mut decision = pause(pass, &held);
    if refusal.reason == reasons::CONFIG_UNAVAILABLE
        && let Step::Rest(Rest::Settled) = decision.step
    {
        decision.step = Step::Rest(Rest::After(UNAVAILABLE_PAUSE));
    }
    decision
}

/// Why nothing is changed.
struct Pause<'a> {
    reason: &'static str,
    text: &'a str,
    /// Whether Ready stays True while AgentCore's own status is good.
    ready: bool,
    warning: bool,
}

impl<'a> Pause<'a> {
    fn new(reason: &'static str, text: &'a str, ready: bool) -> Self {
        Self {
            reason,
            text,
            ready,
            warning: false,
        }
    }
}

fn pause(mut pass: Pass<'_>, why: &Pause<'_>) -> Decision {
    let Some(id) = pass.desk.status.id.clone() else {
        verdict(&mut pass, why, true);
        return pass.desk.rest(Rest::Settled);
    };
    match &pass.view.facts.runtime {
        None if due(&pass) => pass.desk.read(Read::Runtime { id }),
        None => {
            verdict(&mut pass, why, true);
            let rest = if in_transition(pass.desk.status.phase)
                && pass.desk.status.missing_since.is_none()
            {
                Rest::Transition {
                    since: pass.desk.since(),
                }
            } else {
                Rest::Settled
            };
            pass.desk.rest(rest)
        }
        Some(Err(fault)) => pass.desk.fault(fault, true),
        Some(Ok(None)) => {
            pass.desk.missing();
            verdict(&mut pass, why, false);
            pass.desk.rest(Rest::Settled)
        }
        Some(Ok(Some(there))) => {
            pass.note(there);
            let failed = matches!(
                there.status,
                ServiceStatus::CreateFailed | ServiceStatus::DeleteFailed
            );
            verdict(&mut pass, why, !failed);
            if there.status.in_transition() {
                return pass.desk.rest(Rest::Transition {
                    since: there.last_updated_at,
                });
            }
            pass.desk.rest(Rest::Settled)
        }
    }
}

/// Whether the list shows something that the status does not say yet.
fn due(pass: &Pass<'_>) -> bool {
    let status = &pass.desk.status;
    if pass.view.due.poll || status.service_status.is_none() {
        return true;
    }
    match listing(pass) {
        Listing::Quiet => false,
        Listing::Moving(entry) => status.service_status.as_deref() != Some(entry.status.as_str()),
        Listing::Gone => status.missing_since.is_none(),
        Listing::Changed => {
            let crate::runtime::Listed::Present { entry, .. } = &pass.view.facts.listed else {
                return false;
            };
            status.service_status.as_deref() != Some(entry.status.as_str())
                || status.latest_version.as_deref() != Some(entry.version.as_str())
        }
    }
}

/// Ready stays what it was; only the reason changes.
fn verdict(pass: &mut Pass<'_>, why: &Pause<'_>, good: bool) {
    let Pause {
        reason,
        text,
        ready,
        warning,
    } = *why;
    let state = if ready && good {
        State::Ready
    } else {
        State::Waiting
    };
    pass.desk.event_once(warning, reason, text);
    pass.desk.verdict(Verdict::new(state, reason, text));
}
