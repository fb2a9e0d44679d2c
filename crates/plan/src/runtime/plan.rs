//! The planner of an AgentRuntime: which state it is in, and who decides there.

use std::ops::ControlFlow;
use std::time::Duration;

use agentcore_api::reasons;
use jiff::Timestamp;

use super::pass::Pass;
use super::wish::{Refusal, Wish, render};
use super::{
    Action, Decision, View, adopt, claim, create, delete, gate, live, outcome, source, suspend,
};
use crate::complete::complete;
use crate::conditions::Verdict;
use crate::desk::{SLOW, elsewhere};
use crate::managed::delete::stuck;
use crate::step::Rest;

/// Pause before the namespace limit is looked at again: deletions of other objects do not wake this one.
const LIMIT_PAUSE: Duration = Duration::from_mins(1);

/// Says the next step for an AgentRuntime.
///
/// Called again with the same view and one more fact after a [`Step::Read`](crate::step::Step::Read), and with the outcome after
/// a [`Step::Act`](crate::step::Step::Act), the object then carrying the status that was written before the action.
pub fn plan(view: &View<'_>, now: Timestamp) -> Decision {
    let decision = match &view.outcome {
        Some(result) => outcome::verdict(view, result, now),
        None => decide(view, now),
    };
    let deleting = view.object.metadata.deletion_timestamp.is_some();
    complete(decision, deleting, now)
}

/// The step when nothing was done in this pass yet.
pub(super) fn decide(view: &View<'_>, now: Timestamp) -> Decision {
    gate::pass(view, now, decide_granted)
}

/// The step, whatever the namespace has been granted.
fn decide_granted(view: &View<'_>, now: Timestamp) -> Decision {
    let mut pass = Pass::new(view, now);
    let deleting = view.object.metadata.deletion_timestamp.is_some();
    if pass.desk.status.id.is_some()
        && pass.has_finalizer()
        && let Some(verdict) = elsewhere(pass.desk.status.account.as_deref(), view.policy)
    {
        return if deleting {
            stuck(pass, verdict, Rest::After(SLOW))
        } else {
            out_of_reach(pass, verdict)
        };
    }
    if deleting {
        return delete::plan(pass);
    }
    pass = match claim::first(pass) {
        ControlFlow::Continue(ours) => ours,
        ControlFlow::Break(decision) => return decision,
    };
    if view.object.spec.suspend == Some(true) {
        return suspend::plan(pass);
    }
    let wish = match render(view) {
        Ok(wish) => wish,
        Err(refusal) if refusal.is_of_config() => return suspend::without_config(pass, &refusal),
        Err(refusal) => return refused(pass, refusal),
    };
    warn_of_a_single_subnet(&mut pass, &wish);
    warn_of_skipped_names(&mut pass, &wish);
    if !pass.has_finalizer() {
        return add_finalizer(pass);
    }
    let (pass, wish, again) = match source::settle(pass, wish) {
        ControlFlow::Continue(settled) => settled,
        ControlFlow::Break(decision) => return decision,
    };
    let wish = &wish;
    again.bound(if pass.desk.status.id.is_some() {
        live::plan(pass, wish)
    } else if let (Some(adoption), 0) = (
        &view.object.spec.adopt,
        pass.desk.status.attempt.unwrap_or(0),
    ) {
        adopt::plan(pass, wish, adoption)
    } else {
        create::plan(pass, wish)
    })
}

/// A VPC with one subnet lies in one availability zone: said with the first status of each generation.
fn warn_of_a_single_subnet(pass: &mut Pass<'_>, wish: &Wish) {
    let generation = pass.view.object.metadata.generation;
    let vpc = wish
        .config
        .network
        .as_ref()
        .and_then(|network| network.vpc.as_ref());
    if let Some([subnet]) = vpc.map(|vpc| vpc.subnets.as_slice())
        && pass.desk.status.observed_generation != generation
    {
        let text = format!(
            "spec.network.vpc.subnets has one subnet ({subnet}), so one availability zone; AgentCore recommends at least two"
        );
        pass.desk.event(true, reasons::SINGLE_SUBNET, text);
    }
}

/// Keys that are no variable's name: said with the first status of each generation.
fn warn_of_skipped_names(pass: &mut Pass<'_>, wish: &Wish) {
    let generation = pass.view.object.metadata.generation;
    if !wish.skipped.is_empty() && pass.desk.status.observed_generation != generation {
        let text = format!(
            "skipped, because no variable can have such a name: {}",
            wish.skipped.join(", ")
        );
        pass.desk.event(true, reasons::ENV_NAME_SKIPPED, text);
    }
}

/// Nothing is asked or changed where the credentials are of another account.
fn out_of_reach(mut pass: Pass<'_>, verdict: Verdict) -> Decision {
    // What is somebody else's stays told: nobody calls it meanwhile.
    if !pass.desk.reason_is(reasons::NOT_OWNED) {
        pass.desk.event_once(true, verdict.reason, &verdict.message);
        pass.desk.verdict(verdict);
    }
    pass.desk.rest(Rest::After(SLOW))
}

pub(super) fn refused(mut pass: Pass<'_>, refusal: Refusal) -> Decision {
    let Refusal { reason, message } = refusal;
    pass.desk.event_once(true, reason, &message);
    pass.desk.verdict(Verdict::stalled(reason, message));
    pass.desk.handled();
    let limit = reason == reasons::NAMESPACE_LIMIT_REACHED;
    pass.desk.rest(if limit {
        Rest::After(LIMIT_PAUSE)
    } else {
        Rest::Settled
    })
}

fn add_finalizer(mut pass: Pass<'_>) -> Decision {
    if pass.desk.status.conditions.is_empty() {
        let text = "about to be made in AgentCore";
        pass.desk.verdict(Verdict::working(reasons::CREATING, text));
    }
    pass.act(Action::AddFinalizer)
}
