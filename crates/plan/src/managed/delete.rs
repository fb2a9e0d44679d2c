//! The object is being deleted: how it goes, what keeps it, and how a deletion that AgentCore accepted is waited for.

use std::ops::ControlFlow;

use agentcore_api::names::annotations;
use agentcore_api::reasons;
use agentcore_api::runtime::Phase;
use jiff::Timestamp;

use super::failed::DELETE_FAILED;
use super::{Decided, Managed};
use crate::conditions::Verdict;
use crate::desk::{SLOW, SOON, STUCK_AFTER, said};
use crate::fault::{Class, Fault};
use crate::fields::Shared as _;
use crate::hash::WishHash;
use crate::step::Rest;

/// Lets the object go.
pub(crate) fn release<P: Managed>(
    mut pass: P,
    event: Option<(&'static str, String)>,
) -> Decided<P> {
    if let Some((reason, note)) = event {
        let warning = reason == reasons::RETAINED && pass.desk().let_go();
        pass.desk_mut().event(warning, reason, note);
    }
    going(&mut pass, "done in AWS; the object goes");
    pass.remove_finalizer()
}

/// AgentCore says that it is gone.
pub(crate) fn gone<P: Managed>(pass: P) -> Decided<P> {
    let note = format!("{} {} is gone", P::WHAT, pass.named());
    release(pass, Some((reasons::DELETED, note)))
}

/// It stays behind in AWS.
pub(crate) fn left_behind<P: Managed>(pass: P, why: &str) -> Decided<P> {
    let named = pass.named().to_owned();
    stays(pass, &named, why)
}

/// What is named so stays behind in AWS.
pub(crate) fn stays<P: Managed>(pass: P, named: &str, why: &str) -> Decided<P> {
    let note = format!("{} {named} stays in AWS: {why}", P::WHAT);
    release(pass, Some((reasons::RETAINED, note)))
}

/// Says how the deletion goes.
pub(crate) fn going<P: Managed>(pass: &mut P, text: &str) {
    let desk = pass.desk_mut();
    *desk.status.fields().phase = Some(Phase::Deleting);
    desk.verdict(Verdict::working(reasons::DELETING, text));
}

/// Something is in the way that a person has to see to; `let-go` gives up instead.
pub(crate) fn stuck<P: Managed>(mut pass: P, verdict: Verdict, rest: Rest) -> Decided<P> {
    let desk = pass.desk_mut();
    if desk.let_go() {
        return left_behind(pass, "annotation let-go");
    }
    *desk.status.fields().phase = Some(Phase::Deleting);
    desk.event_once(true, verdict.reason, &verdict.message);
    desk.verdict(verdict);
    pass.into_desk().rest(rest)
}

/// It carries no owner's tags, and may be ours after all: a person has to say.
pub(crate) fn untagged<P: Managed>(pass: P) -> Decided<P> {
    let text = format!(
        "the {} carries no ownership tags any more, so it is not deleted; put them back, or set annotation {}: \"true\"",
        P::WHAT,
        annotations::LET_GO
    );
    let verdict = Verdict::stalled(reasons::NOT_OWNED, text);
    stuck(pass, verdict, Rest::After(SLOW))
}

/// AgentCore deletes: nothing to do but say so, and say it louder after 15 minutes.
pub(crate) fn wait<P: Managed>(mut pass: P, since: Timestamp) -> Decided<P> {
    let rest = Rest::Transition { since };
    let accepted = pass.desk().deletion_accepted_at().unwrap_or(since);
    if pass.desk().now.duration_since(accepted) >= STUCK_AFTER {
        let text = format!(
            "AgentCore has been deleting it since {accepted}; AWS Support can help, or annotation {}: \"true\" leaves it behind",
            annotations::LET_GO
        );
        return stuck(pass, Verdict::stalled(reasons::DELETION_STUCK, text), rest);
    }
    going(&mut pass, "AgentCore is deleting it");
    pass.into_desk().rest(rest)
}

/// The deletion failed; goes on where it is to be asked for once more. `before`: the phase on record before this Get.
pub(crate) fn failed<P: Managed>(
    pass: P,
    why: Option<&str>,
    before: Option<Phase>,
) -> ControlFlow<Decided<P>, P> {
    let (desk, hash) = (pass.desk(), WishHash::unseen());
    if desk.pending_is(P::DELETE) {
        return ControlFlow::Continue(pass);
    }
    if before != Some(Phase::Failed) || !desk.failure_recorded(&hash) {
        let why = why.unwrap_or("AgentCore could not delete it");
        let desk = pass.into_desk();
        return ControlFlow::Break(desk.failed(DELETE_FAILED, why, false, &hash));
    }
    if desk.let_go() {
        return ControlFlow::Break(left_behind(pass, "annotation let-go"));
    }
    if desk.held(&hash) {
        return ControlFlow::Break(pass.into_desk().rest_held());
    }
    ControlFlow::Continue(pass)
}

/// A read or the delete failed, and not because AWS denies it.
pub(crate) fn faulty<P: Managed>(pass: P, fault: &Fault) -> Decided<P> {
    if pass.desk().let_go() && matches!(fault.class, Class::Invalid | Class::Unknown) {
        return left_behind(pass, "annotation let-go");
    }
    pass.into_desk().fault(fault, false)
}

/// A 404 that may be too early to believe: goes on once it is.
pub(crate) fn doubted<P: Managed>(mut pass: P) -> ControlFlow<Decided<P>, P> {
    if pass.desk_mut().missing() {
        return ControlFlow::Continue(pass);
    }
    going(
        &mut pass,
        "AgentCore does not find it; it is asked once more",
    );
    let wait = pass.desk().missing_wait().unwrap_or(SOON);
    ControlFlow::Break(pass.into_desk().rest(Rest::After(wait)))
}

/// A call of a deletion failed, and nothing is to be learnt from that.
pub(crate) fn tried_again<P: Managed>(mut pass: P, fault: &Fault) -> Decided<P> {
    let text = format!("{}; it is tried again by itself", said(fault));
    let desk = pass.desk_mut();
    desk.verdict(Verdict::working(fault.reason, text));
    let rest = desk.backoff();
    pass.into_desk().rest(rest)
}
