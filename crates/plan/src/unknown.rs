//! Settings that AgentCore has and this release does not know: they are named, and no update takes them away unless the spec says so.

use agentcore_api::conditions::UNKNOWN_SETTINGS;
use agentcore_api::reasons;
use agentcore_api::runtime::UnknownSettings;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::conditions::{Verdict, since};
use crate::desk::{Desk, SLOW, whole_second};
use crate::fields::Shared;
use crate::step::{Decision, Rest};

/// Writes the condition, or takes it away. `what`: the resource that has them.
pub(crate) fn say<S: Shared>(desk: &mut Desk<S>, what: &str, unknown: &[String]) {
    let now = whole_second(desk.now);
    let conditions = desk.status.fields().conditions;
    let since = since(conditions, UNKNOWN_SETTINGS, "True", now);
    forget(conditions);
    if unknown.is_empty() {
        return;
    }
    conditions.push(Condition {
        last_transition_time: since,
        message: format!(
            "AgentCore has settings of the {what} that this release does not know: {}",
            unknown.join(", ")
        ),
        // Written with those of all conditions when the pass ends.
        observed_generation: None,
        reason: reasons::UNKNOWN_SETTINGS.to_owned(),
        status: "True".to_owned(),
        type_: UNKNOWN_SETTINGS.to_owned(),
    });
}

/// Takes the condition away.
pub(crate) fn forget(conditions: &mut Vec<Condition>) {
    conditions.retain(|one| one.type_ != UNKNOWN_SETTINGS);
}

/// Whether nothing of this member of the AgentCore API is unknown.
pub(crate) fn free_of(unknown: &[String], member: &str) -> bool {
    !unknown.iter().any(|name| name.starts_with(member))
}

/// Whether an update would take something away that the spec does not let it.
pub(crate) fn keeps(unknown: &[String], spec: Option<UnknownSettings>) -> bool {
    !unknown.is_empty() && spec != Some(UnknownSettings::Overwrite)
}

/// Rests in the place of an update of `what`. `serving`: what the manifest says is live; only what it refers to, or AWS, has changed.
pub(crate) fn rest<S: Shared, R, A>(
    mut desk: Desk<S>,
    unknown: &[String],
    what: &str,
    serving: bool,
) -> Decision<S, R, A> {
    let text = format!(
        "{what} is not updated: that would take away settings that this release does not know ({}); upgrade the operator, or set spec.unknownSettings: Overwrite",
        unknown.join(", ")
    );
    *desk.status.fields().pending = None;
    desk.event_once(true, reasons::UNKNOWN_SETTINGS, &text);
    desk.verdict(if serving {
        Verdict::ready(reasons::UNKNOWN_SETTINGS, text)
    } else {
        Verdict::stalled(reasons::UNKNOWN_SETTINGS, text)
    });
    desk.handled();
    desk.rest(Rest::After(SLOW))
}
