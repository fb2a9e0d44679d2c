//! Settings that AgentCore has and this release does not know: they are named, and no update takes them away unless the spec says so.

use agentcore_api::conditions::UNKNOWN_SETTINGS;
use agentcore_api::reasons;
use agentcore_api::runtime::UnknownSettings;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::Decision;
use super::pass::Pass;
use crate::aws::Runtime;
use crate::conditions::{Verdict, since};
use crate::desk::{SLOW, whole_second};
use crate::step::Rest;

/// Writes the condition, or takes it away.
pub(super) fn say(pass: &mut Pass<'_>, there: &Runtime) {
    let generation = pass.view.object.metadata.generation;
    let now = whole_second(pass.desk.now);
    let conditions = &mut pass.desk.status.conditions;
    let since = since(conditions, UNKNOWN_SETTINGS, "True", now);
    forget(conditions);
    if there.unknown.is_empty() {
        return;
    }
    conditions.push(Condition {
        last_transition_time: since,
        message: format!(
            "AgentCore has settings of the runtime that this release does not know: {}",
            there.unknown.join(", ")
        ),
        observed_generation: generation,
        reason: reasons::UNKNOWN_SETTINGS.to_owned(),
        status: "True".to_owned(),
        type_: UNKNOWN_SETTINGS.to_owned(),
    });
}

/// Takes the condition away.
pub(super) fn forget(conditions: &mut Vec<Condition>) {
    conditions.retain(|one| one.type_ != UNKNOWN_SETTINGS);
}

/// Whether nothing of this member of the AgentCore API is unknown.
pub(super) fn free_of(there: &Runtime, member: &str) -> bool {
    !there.unknown.iter().any(|name| name.starts_with(member))
}

/// Whether an update would take something away that the spec does not let it.
pub(super) fn keeps(pass: &Pass<'_>, there: &Runtime) -> bool {
    let overwrite = pass.view.object.spec.unknown_settings == Some(UnknownSettings::Overwrite);
    !there.unknown.is_empty() && !overwrite
}

/// Rests in the place of an update of `what`.
pub(super) fn rest(mut pass: Pass<'_>, there: &Runtime, what: &str) -> Decision {
    let text = format!(
        "{what} is not updated: that would take away settings that this release does not know ({}); upgrade the operator, or set spec.unknownSettings: Overwrite",
        there.unknown.join(", ")
    );
    pass.desk.status.pending = None;
    pass.desk.event_once(true, reasons::UNKNOWN_SETTINGS, &text);
    // What the manifest says is live; only what it refers to, or AWS, has changed.
    pass.desk.verdict(if pass.steady {
        Verdict::ready(reasons::UNKNOWN_SETTINGS, text)
    } else {
        Verdict::stalled(reasons::UNKNOWN_SETTINGS, text)
    });
    pass.desk.handled();
    pass.desk.rest(Rest::After(SLOW))
}
