//! `spec.suspend`: nothing is changed, the status is still read.

use agentcore_api::reasons;

use super::live::{Listing, in_transition, listing};
use super::pass::Pass;
use super::{Decision, Read};
use crate::aws::ServiceStatus;
use crate::conditions::{State, Verdict};
use crate::step::Rest;

const TEXT: &str = "suspended by spec.suspend: nothing is changed in AWS";

pub(super) fn plan(mut pass: Pass<'_>) -> Decision {
    let Some(id) = pass.desk.status.id.clone() else {
        verdict(&mut pass, true);
        return pass.desk.rest(Rest::Settled);
    };
    match &pass.view.facts.runtime {
        None if due(&pass) => pass.desk.read(Read::Runtime { id }),
        None => {
            verdict(&mut pass, true);
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
            verdict(&mut pass, false);
            pass.desk.rest(Rest::Settled)
        }
        Some(Ok(Some(there))) => {
            pass.note(there);
            let failed = matches!(
                there.status,
                ServiceStatus::CreateFailed | ServiceStatus::DeleteFailed
            );
            verdict(&mut pass, !failed);
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
fn verdict(pass: &mut Pass<'_>, good: bool) {
    let state = if pass.desk.is_ready() && good {
        State::Ready
    } else {
        State::Waiting
    };
    pass.desk.event_once(false, reasons::SUSPENDED, TEXT);
    pass.desk
        .verdict(Verdict::new(state, reasons::SUSPENDED, TEXT));
}
