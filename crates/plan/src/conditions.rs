//! Conditions after kstatus: `Ready` always, `Reconciling` and `Stalled` only while they are True.

use agentcore_api::conditions::{READY, RECONCILING, STALLED};
use agentcore_api::reasons;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What AWS kept of a runtime as it should be, but without version 2 of the metadata service: AWS does not invoke it.
pub(crate) const NOT_INVOCABLE: &str = "requireMMDSV2";

/// What the conditions say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Ready, and which of the two others is there.
    pub state: State,
    /// Constant of `agentcore_api::reasons`.
    pub reason: &'static str,
    /// Text for people.
    pub message: String,
}

/// The four combinations of conditions that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Ready is True.
    Ready,
    /// Ready is False, Reconciling is True: the operator works on it.
    Working,
    /// Ready is False, Stalled is True: it needs a change.
    Stalled,
    /// Ready is False alone: it waits for something else.
    Waiting,
}

impl Verdict {
    /// Ready.
    pub fn ready(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(State::Ready, reason, message)
    }

    /// The wish is live, but for the fields (joined by `+`) that AWS kept as they were although an update said otherwise.
    pub fn live(kept: &str, message: impl Into<String>) -> Self {
        if kept.is_empty() {
            return Self::ready(reasons::READY, message);
        }
        if kept == NOT_INVOCABLE {
            return Self::stalled(
                reasons::NOT_INVOCABLE,
                "AgentCore invokes no runtime that does not require version 2 of the metadata service; set spec.metadataService.requireMMDSV2: true",
            );
        }
        let text = format!(
            "AgentCore accepted the update and kept {} as it was; set it to a value AgentCore takes, or delete and recreate the object",
            kept.replace('+', ", ")
        );
        Self::stalled(reasons::NOT_APPLIED, text)
    }

    /// At work.
    pub fn working(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(State::Working, reason, message)
    }

    /// Stalled.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(State::Stalled, reason, message)
    }

    /// Waiting.
    pub fn waiting(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(State::Waiting, reason, message)
    }

    /// Any of the four.
    pub fn new(state: State, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            state,
            reason,
            message: message.into(),
        }
    }

    /// Writes the conditions.
    pub fn write(self, conditions: &mut Vec<Condition>, generation: i64, now: Timestamp) {
        let Self {
            state,
            reason,
            message,
        } = self;
        let wanted = [
            (READY, Some(state == State::Ready)),
            (RECONCILING, (state == State::Working).then_some(true)),
            (STALLED, (state == State::Stalled).then_some(true)),
        ];
        let old = std::mem::take(conditions);
        for (kind, value) in wanted {
            let Some(value) = value else { continue };
            let status = if value { "True" } else { "False" };
            conditions.push(Condition {
                last_transition_time: since(&old, kind, status, now),
                message: message.clone(),
                observed_generation: Some(generation),
                reason: reason.to_owned(),
                status: status.to_owned(),
                type_: kind.to_owned(),
            });
        }
        // Conditions of another kind say nothing of Ready, and stay.
        let other = |one: &Condition| ![READY, RECONCILING, STALLED].contains(&one.type_.as_str());
        conditions.extend(old.into_iter().filter(other));
    }
}

/// Since when a condition of this type has this status: its time changes only with its status.
pub(crate) fn since(old: &[Condition], kind: &str, status: &str, now: Timestamp) -> Time {
    find(old, kind)
        .filter(|before| before.status == status)
        .map_or(Time(now), |before| before.last_transition_time.clone())
}

/// The condition of this type.
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// Whether Ready is True.
pub fn is_ready(conditions: &[Condition]) -> bool {
    find(conditions, READY).is_some_and(|ready| ready.status == "True")
}

/// Reason of Ready.
pub fn ready_reason(conditions: &[Condition]) -> Option<&str> {
    find(conditions, READY).map(|ready| ready.reason.as_str())
}
