//! AgentCore ended in a failed state: what comes next?

use agentcore_api::reasons;
use agentcore_api::runtime::Phase;

use super::Managed;
use crate::aws::ServiceStatus;
use crate::failure::{Failure, Heals, classify};
use crate::fields::Shared as _;
use crate::hash::WishHash;

/// What a failed state calls for.
pub(crate) enum Next {
    /// Another attempt; told from the earlier one where that was answered.
    Again { raise: bool },
    /// Waiting until the time of the next attempt.
    Held,
    /// Writing it down.
    Record,
}

/// `before`: the phase on record before this Get. `of_this_wish`: whether what failed is what is wished now.
pub(crate) fn next<P: Managed>(
    pass: &P,
    wish: &WishHash,
    status: ServiceStatus,
    before: Option<Phase>,
    of_this_wish: bool,
) -> Next {
    let desk = pass.desk();
    let seen = before == Some(Phase::Failed);
    // What was sent and not heard of: where no failure was on record before, this one is its outcome.
    let unheard = desk.pending_is(P::UPDATE)
        && desk
            .status
            .pending()
            .is_some_and(|pending| pending.wish_hash == wish.to_string());
    let replacing = desk.pending_is(P::DELETE) && status == ServiceStatus::CreateFailed;
    if (unheard && seen) || replacing {
        return Next::Again { raise: false };
    }
    if !unheard && !of_this_wish && status != ServiceStatus::DeleteFailed {
        return Next::Again { raise: true };
    }
    if seen && desk.held(wish) {
        return Next::Held;
    }
    // Another wish than the one on record, or the record's time has come.
    if seen && desk.status.retry().is_some() {
        return Next::Again { raise: true };
    }
    Next::Record
}

/// AgentCore's reason, understood, and in its own words.
pub(crate) fn failure(status: ServiceStatus, why: Option<&str>) -> (Failure, &str) {
    let why = why.unwrap_or("AgentCore gave no reason");
    let failure = match status {
        ServiceStatus::CreateFailed => classify(why, reasons::CREATE_FAILED),
        ServiceStatus::DeleteFailed => DELETE_FAILED,
        _ => classify(why, reasons::UPDATE_FAILED),
    };
    (failure, why)
}

/// A deletion that AgentCore gave up.
pub(crate) const DELETE_FAILED: Failure = Failure {
    reason: reasons::DELETE_FAILED,
    heals: Heals::Outside,
};
