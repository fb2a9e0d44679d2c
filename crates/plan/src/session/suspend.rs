//! A session that is suspended: nothing is sent, and what was said of it stays.

use agentcore_api::reasons;
use agentcore_api::session::SessionPhase;

use super::Decision;
use super::pass::Pass;
use crate::conditions::{State, Verdict};
use crate::step::Rest;

const SUSPENDED: &str = "suspended by spec.suspend: nothing is sent";

/// Ready stays what it was; only the reason changes.
pub(super) fn suspended(mut pass: Pass<'_>) -> Decision {
    let state = if pass.is_ready() {
        State::Ready
    } else {
        State::Waiting
    };
    if !pass.reason_is(reasons::SUSPENDED) {
        pass.event(false, reasons::SUSPENDED, SUSPENDED);
    }
    let phase = pass.status.phase.unwrap_or(SessionPhase::Starting);
    pass.verdict(phase, Verdict::new(state, reasons::SUSPENDED, SUSPENDED));
    pass.rest(Rest::Settled)
}
