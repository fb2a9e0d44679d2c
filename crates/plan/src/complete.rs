//! What every status says in short, whatever decided it: the phase, and when it is tried again.

use agentcore_api::conditions::{READY, STALLED};
use agentcore_api::runtime::Phase;
use jiff::{SignedDuration, Timestamp};

use crate::conditions::find;
use crate::desk::whole_second;
use crate::fields::Shared;
use crate::step::{Decision, Rest, Step};

/// Fills in what the conditions and the rest say together.
pub(crate) fn complete<S: Shared, R, A>(
    mut decision: Decision<S, R, A>,
    deleting: bool,
    now: Timestamp,
) -> Decision<S, R, A> {
    let is = |kind: &str| {
        find(decision.status.conditions(), kind).is_some_and(|one| one.status == "True")
    };
    let (ready, stalled) = (is(READY), is(STALLED));
    let exists = decision.status.exists();
    let fields = decision.status.fields();
    let phase = match (deleting, stalled, ready) {
        (true, _, _) => Phase::Deleting,
        (false, true, _) => Phase::Failed,
        (false, false, true) => Phase::Active,
        (false, false, false) => Phase::Creating,
    };
    if fields.phase.is_none() || !(exists || deleting) {
        *fields.phase = Some(phase);
    }
    if let Step::Rest(rest) = &decision.step {
        *fields.retry_at = (!ready)
            .then(|| ends(*rest, now))
            .flatten()
            .map(|at| at.to_string());
    }
    decision
}

/// When a rest is over at the latest, where time ends it.
fn ends(rest: Rest, now: Timestamp) -> Option<Timestamp> {
    let (Rest::After(time) | Rest::Backoff(time)) = rest else {
        return None;
    };
    let time = SignedDuration::try_from(time).ok()?;
    Some(whole_second(now + time))
}
