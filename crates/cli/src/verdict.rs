//! How an object is: what its conditions say, put into one word.

use agentcore_api::{conditions, reasons};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::DynamicObject;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use crate::output::Tone;

/// One word for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum State {
    /// It needs a change.
    Failed,
    /// It waits for something else.
    Waiting,
    /// The operator works on it, or has not seen this edit yet.
    Progressing,
    /// `spec.suspend` is true.
    Suspended,
    /// It is as it should be, and something beside is not.
    Warning,
    /// It is as it should be.
    Ready,
}

impl State {
    /// Its colour.
    pub const fn tone(self) -> Tone {
        match self {
            Self::Failed | Self::Waiting => Tone::Bad,
            Self::Progressing | Self::Warning => Tone::Busy,
            Self::Suspended => Tone::Dim,
            Self::Ready => Tone::Good,
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Type of the condition that says so.
    pub condition: String,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
}

/// How an object is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// In a word.
    pub state: State,
    /// Status of the condition Ready; absent: nobody has said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// Reason of the condition Ready.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// What is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl Verdict {
    /// What an object's metadata, spec and conditions say together.
    pub fn of(object: &DynamicObject) -> Self {
        let conditions: Vec<Condition> = object
            .data
            .pointer("/status/conditions")
            .and_then(|list| Vec::deserialize(list).ok())
            .unwrap_or_default();
        let find = |kind: &str| conditions.iter().find(|one| one.type_ == kind);
        let is_true = |kind: &str| find(kind).is_some_and(|one| one.status == "True");
        let ready = find(conditions::READY);
        let observed = object
            .data
            .pointer("/status/observedGeneration")
            .and_then(Value::as_i64);
        let seen = observed >= object.metadata.generation && ready.is_some();
        let suspended = object.data.pointer("/spec/suspend") == Some(&Value::Bool(true));
        let mut problems = Vec::new();
        let mut state = if object.metadata.deletion_timestamp.is_some() || !seen {
            State::Progressing
        } else if is_true(conditions::STALLED) {
            State::Failed
        } else if is_true(conditions::RECONCILING) {
            State::Progressing
        } else if suspended {
            State::Suspended
        } else if !is_true(conditions::READY) {
            State::Waiting
        } else if ready.is_some_and(|one| one.reason == reasons::ROLLOUT_ACTIVE) {
            State::Progressing
        } else if ready
            .is_some_and(|one| one.reason != reasons::READY && one.reason != reasons::ADOPTED)
        {
            State::Warning
        } else {
            State::Ready
        };
        if let Some(one) = ready
            && matches!(state, State::Failed | State::Waiting | State::Warning)
        {
            problems.push(problem(one));
        }
        let beside = [
            (conditions::IMAGE_RESOLVED, "False", None),
            (
                conditions::SESSIONS_CURRENT,
                "False",
                Some(reasons::OVERDUE),
            ),
            (conditions::UNKNOWN_SETTINGS, "True", None),
        ];
        for (kind, status, reason) in beside {
            let bad = find(kind).filter(|one| {
                one.status == status && reason.is_none_or(|reason| one.reason == reason)
            });
            let said = |one: &&Condition| problems.iter().any(|other| other.reason == one.reason);
            if let Some(one) = bad.filter(|one| !said(one)) {
                problems.push(problem(one));
                if state == State::Ready {
                    state = State::Warning;
                }
            }
        }
        let (reason, message) = match ready {
            _ if object.metadata.deletion_timestamp.is_some() && ready.is_none() => {
                ("Deleting".to_owned(), String::new())
            }
            None => (
                "Unseen".to_owned(),
                "the operator has not reconciled it yet".to_owned(),
            ),
            Some(_) if !seen => (
                "Unseen".to_owned(),
                "the operator has not reconciled this change yet".to_owned(),
            ),
            Some(one) => (one.reason.clone(), one.message.clone()),
        };
        Self {
            state,
            ready: ready.map(|one| one.status.clone()),
            reason,
            message,
            problems,
        }
    }
}

fn problem(condition: &Condition) -> Problem {
    Problem {
        condition: condition.type_.clone(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn verdict(object: Value) -> Verdict {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        Verdict::of(&object)
    }

    fn object(spec: &Value, conditions: &[(&str, &str, &str)]) -> Value {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status, reason)| {
                json!({"type": kind, "status": status, "reason": reason, "message": format!("about {reason}"),
                       "lastTransitionTime": "2026-11-01T00:00:00Z", "observedGeneration": 2})
            })
            .collect();
        json!({"metadata": {"name": "a", "generation": 2}, "spec": spec,
               "status": {"observedGeneration": 2, "conditions": conditions}})
    }

    #[test]
    fn every_row_of_the_conditions_has_its_word() {
        let none = json!({});
        for (conditions, state) in [
            (&[("Ready", "True", "Ready")][..], State::Ready),
            (&[("Ready", "True", "RolloutActive")], State::Progressing),
            (&[("Ready", "True", "ConfigMissing")], State::Warning),
            (
                &[
                    ("Ready", "True", "Ready"),
                    ("ImageResolved", "False", "NoArm64"),
                ],
                State::Warning,
            ),
            (
                &[
                    ("Ready", "True", "Ready"),
                    ("UnknownSettings", "True", "UnknownSettings"),
                ],
                State::Warning,
            ),
            (
                &[
                    ("Ready", "True", "Ready"),
                    ("SessionsCurrent", "False", "Draining"),
                ],
                State::Ready,
            ),
            (
                &[
                    ("Ready", "True", "Ready"),
                    ("SessionsCurrent", "False", "Overdue"),
                ],
                State::Warning,
            ),
            (
                &[
                    ("Ready", "False", "Updating"),
                    ("Reconciling", "True", "Updating"),
                ],
                State::Progressing,
            ),
            (
                &[
                    ("Ready", "False", "RoleInvalid"),
                    ("Stalled", "True", "RoleInvalid"),
                ],
                State::Failed,
            ),
            (&[("Ready", "False", "RuntimeNotFound")], State::Waiting),
            (&[], State::Progressing),
        ] {
            assert_eq!(
                verdict(object(&none, conditions)).state,
                state,
                "{conditions:?}"
            );
        }
        let suspended = object(&json!({"suspend": true}), &[("Ready", "True", "Suspended")]);
        assert_eq!(verdict(suspended).state, State::Suspended);
    }

    #[test]
    fn an_edit_that_nobody_has_seen_is_not_ready() {
        let mut object = object(&json!({}), &[("Ready", "True", "Ready")]);
        object["metadata"]["generation"] = json!(3);
        let verdict = verdict(object);
        assert_eq!(
            (verdict.state, verdict.reason.as_str()),
            (State::Progressing, "Unseen")
        );
    }

    #[test]
    fn a_problem_is_told_once_though_two_conditions_say_it() {
        let object = object(
            &json!({}),
            &[
                ("Ready", "False", "TagNotFound"),
                ("Stalled", "True", "TagNotFound"),
                ("ImageResolved", "False", "TagNotFound"),
            ],
        );
        assert_eq!(verdict(object).problems.len(), 1);
    }
}
