//! AgentCore says READY: what is brought to the wish, and in which order.

use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use agentcore_api::reasons;
use agentcore_api::runtime::DefaultEndpoint;

use super::pass::Pass;
use super::wish::{Wish, canonical};
use super::{Action, Decision, Read, claim, prune};
use crate::aws::{Endpoint, Runtime, ServiceStatus};
use crate::conditions::{NOT_INVOCABLE, Verdict};
use crate::hash::{CHANGING, WishHash};
use crate::step::{Rest, Sweep};
use crate::tags::TagDiff;
use crate::unknown;

/// Pause between looks at DEFAULT while it has not moved.
const DEFAULT_PAUSE: Duration = Duration::from_secs(15);
/// Version that a create makes; every other version comes from an update.
pub(super) const FIRST_VERSION: &str = "1";

/// Brings a READY runtime to the wish. `there` is what Get showed; without it, what was compared earlier still holds.
pub(super) fn converge(pass: Pass<'_>, wish: &Wish, there: Option<&Runtime>) -> Decision {
    match in_order(pass, wish, there) {
        Continue(pass) => prune::plan(converged(pass)),
        Break(decision) => decision,
    }
}

/// The configuration comes first, as a change of it makes a new version. A part that has to be read, changed or waited for ends the pass, and
/// the next pass goes on from there.
fn in_order<'a>(pass: Pass<'a>, wish: &Wish, there: Option<&Runtime>) -> Checked<'a> {
    let pass = config(pass, wish, there)?;
    let pass = tags(pass, wish)?;
    let pass = resource_policy(pass, wish)?;
    default_endpoint(pass, wish)
}

/// Goes on with what comes next, or ends the pass.
type Checked<'a> = ControlFlow<Decision, Pass<'a>>;

fn config<'a>(mut pass: Pass<'a>, wish: &Wish, there: Option<&Runtime>) -> Checked<'a> {
    let Some(there) = there else {
        return Continue(pass);
    };
    let fields = wish.differing(&there.config);
    if !fields.is_empty() && !not_applied(&pass, wish, there) {
        return Break(correct(pass, wish, there, &fields));
    }
    pass.desk.status.pending = None;
    let status = &mut pass.desk.status;
    if status.ready_version.as_ref() != Some(&there.version) {
        status.previous_version = status.ready_version.take();
    }
    status.ready_version = Some(there.version.clone());
    let seen = pass.desk.observed();
    let hash = WishHash {
        request: wish.hash.request.clone(),
        kept: if fields.is_empty() && there.config.require_mmdsv2 == Some(false) {
            NOT_INVOCABLE.to_owned()
        } else {
            fields.join("+")
        },
        ..seen
    };
    pass.observe(&there.version, Some(there.last_updated_at), &hash);
    Continue(pass)
}

/// Whether this very version is what our own update of this very wish made: another update would change nothing.
fn not_applied(pass: &Pass<'_>, wish: &Wish, there: &Runtime) -> bool {
    !pass.desk.requested()
        && there.version != FIRST_VERSION
        && pass.desk.status.observed.as_ref().is_some_and(|seen| {
            let untouched = seen
                .last_updated_at
                .as_ref()
                .is_none_or(|at| *at == there.last_updated_at.to_string());
            seen.version == there.version && untouched
        })
        && pass.desk.observed().request == wish.hash.request
}

/// The configuration differs: an Update, unless this wish failed and its time has not come.
fn correct(mut pass: Pass<'_>, wish: &Wish, there: &Runtime, fields: &[&str]) -> Decision {
    if pass.desk.held(&wish.hash) {
        pass.desk.status.phase = Some(agentcore_api::runtime::Phase::Failed);
        return pass.desk.rest_held();
    }
    if unknown::keeps(&there.unknown, pass.view.object.spec.unknown_settings) {
        return unknown::rest(pass.desk, &there.unknown, &fields.join(", "), pass.steady);
    }
    if let Some(trouble) = &wish.held {
        let text = format!(
            "{}; until then {} cannot be updated",
            trouble.message,
            fields.join(", ")
        );
        pass.desk.event_once(true, trouble.reason, &text);
        // What the manifest says is live; only what it refers to has changed.
        pass.desk.verdict(if pass.steady {
            Verdict::ready(trouble.reason, text)
        } else {
            Verdict::stalled(trouble.reason, text)
        });
        let rest = pass.desk.backoff();
        return pass.desk.rest(rest);
    }
    let seen = pass.desk.observed();
    let named = fields.join(", ");
    if pass.steady && seen.request != wish.hash.request {
        let text = format!(
            "{named} is another by now; a new version is made, and the last good one serves"
        );
        pass.desk
            .verdict(Verdict::ready(reasons::ROLLOUT_ACTIVE, text));
    } else if pass.unchanged(wish) && pass.desk.is_ready() {
        let text =
            format!("{named} was changed in AWS; it is set back, and the last good version serves");
        pass.desk
            .event(false, reasons::DRIFT_CORRECTED, text.clone());
        pass.desk
            .verdict(Verdict::ready(reasons::ROLLOUT_ACTIVE, text));
    } else {
        pass.desk.verdict(Verdict::working(
            reasons::UPDATING,
            format!("about to update {named}"),
        ));
    }
    let config = wish.over(&there.config);
    pass.update(wish, there, config, false)
}

fn tags<'a>(mut pass: Pass<'a>, wish: &Wish) -> Checked<'a> {
    let (view, serving) = (pass.view, pass.serving(wish));
    let arn = pass.desk.status.arn.clone().unwrap_or_default();
    let seen = pass.desk.observed();
    if seen.tags != wish.hash.tags || view.due.sweep == Some(Sweep::Tags) || pass.desk.requested() {
        match pass.tags_of(&arn) {
            None => return Break(pass.desk.read(Read::Tags { arn })),
            Some(Err(fault)) => return Break(pass.desk.fault(fault, serving)),
            Some(Ok(None)) => {
                pass.desk
                    .status
                    .missing_since
                    .get_or_insert_with(|| pass.desk.now.to_string());
                return Break(pass.desk.rest(Rest::After(crate::desk::SOON)));
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
    announce(&mut pass, wish, &format!("tags {}", diff.keys().join(", ")));
    pass.desk.record(|hash| CHANGING.clone_into(&mut hash.tags));
    let TagDiff { set, remove } = diff;
    if set.is_empty() {
        return pass.act(Action::Untag { arn, keys: remove });
    }
    pass.tag(&arn, set)
}

/// Says that something beside the configuration is put right.
fn announce(pass: &mut Pass<'_>, wish: &Wish, what: &str) {
    if pass.unchanged(wish) {
        let text = format!("{what} changed in AWS; set back");
        pass.desk.event(false, reasons::DRIFT_CORRECTED, text);
    } else if !(pass.steady && pass.desk.is_ready()) {
        // What the operator itself wishes otherwise by now, a tag of its own say, is nothing that the manifest asked for.
        pass.desk.verdict(Verdict::working(
            reasons::UPDATING,
            format!("about to update {what}"),
        ));
    }
}

fn resource_policy<'a>(mut pass: Pass<'a>, wish: &Wish) -> Checked<'a> {
    let (view, serving) = (pass.view, pass.serving(wish));
    let seen = pass.desk.observed();
    let concerned = wish.resource_policy.is_some() || seen.has_policy();
    let due = view.due.sweep == Some(Sweep::ResourcePolicy) || pass.desk.requested();
    if concerned && (seen.policy != wish.hash.policy || due) {
        let arn = pass.desk.status.arn.clone().unwrap_or_default();
        let there = match &view.facts.resource_policy {
            None => return Break(pass.desk.read(Read::ResourcePolicy { arn })),
            Some(Err(fault)) => return Break(pass.desk.fault(fault, serving)),
            Some(Ok(there)) => there.as_deref().map(canonical),
        };
        if there != wish.resource_policy.as_deref().map(canonical) {
            announce(&mut pass, wish, "resource policy");
            pass.desk
                .record(|hash| CHANGING.clone_into(&mut hash.policy));
            return Break(match &wish.resource_policy {
                Some(policy) => pass.act(Action::PutResourcePolicy {
                    arn,
                    policy: policy.clone(),
                }),
                None => pass.act(Action::DeleteResourcePolicy { arn }),
            });
        }
    }
    if seen.policy != wish.hash.policy {
        pass.desk
            .record(|hash| hash.policy.clone_from(&wish.hash.policy));
    }
    Continue(pass)
}

fn default_endpoint<'a>(mut pass: Pass<'a>, wish: &Wish) -> Checked<'a> {
    let view = pass.view;
    let id = pass.desk.status.id.clone().unwrap_or_default();
    let due = view.due.sweep == Some(Sweep::Endpoint) || pass.desk.requested();
    if due || !default_is_live(&pass) {
        match &view.facts.default_endpoint {
            None => return Break(pass.desk.read(Read::DefaultEndpoint { id })),
            Some(Err(fault)) => {
                let serving = pass.serving(wish);
                return Break(pass.desk.fault(fault, serving));
            }
            Some(Ok(there)) => pass.desk.status.default_endpoint = there.as_ref().map(live_on),
        }
    }
    if default_is_live(&pass) {
        Continue(pass)
    } else {
        Break(lagging(pass, wish))
    }
}

fn live_on(endpoint: &Endpoint) -> DefaultEndpoint {
    DefaultEndpoint {
        live_version: endpoint.live_version.clone(),
        status: endpoint.status.as_str().to_owned(),
    }
}

fn default_is_live(pass: &Pass<'_>) -> bool {
    let status = &pass.desk.status;
    status.default_endpoint.as_ref().is_some_and(|default| {
        default.status == ServiceStatus::Ready.as_str()
            && default.live_version.is_some()
            && default.live_version == status.ready_version
    })
}

fn lagging(mut pass: Pass<'_>, wish: &Wish) -> Decision {
    let version = pass.desk.status.ready_version.as_deref().unwrap_or("?");
    let text = match &pass.view.facts.default_endpoint {
        Some(Ok(Some(there)))
            if !there.status.in_transition() && there.failure_reason.is_some() =>
        {
            let why = there.failure_reason.as_deref().unwrap_or_default();
            let status = there.status.as_str();
            format!("version {version} is READY, and DEFAULT is {status}: {why}")
        }
        _ => format!("version {version} is READY, and DEFAULT has not moved to it yet"),
    };
    let verdict = if pass.serving(wish) && pass.desk.is_ready() {
        Verdict::ready(reasons::ROLLOUT_ACTIVE, text)
    } else {
        Verdict::working(reasons::DEFAULT_ENDPOINT_MOVING, text)
    };
    pass.desk.verdict(verdict);
    pass.desk.rest(Rest::After(DEFAULT_PAUSE))
}

fn converged(mut pass: Pass<'_>) -> Pass<'_> {
    let version = pass.desk.status.ready_version.as_deref().unwrap_or("?");
    let text = format!("version {version} is live on DEFAULT");
    let verdict = Verdict::live(&pass.desk.observed().kept, text);
    pass.desk.converged(verdict);
    pass.serves_generation();
    pass
}
