//! Why an agent cannot be called: it is not there, or nothing serves behind it yet.

use agentcore_api::{conditions, reasons};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// What the Ready condition says when it is not True.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    /// Constant of `agentcore_api::reasons`.
    pub reason: String,
    /// Text for people.
    pub message: String,
}

/// Why a name leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// No such object in a watched namespace.
    #[error("not found")]
    NotFound,
    /// The object is there, and nothing serves behind it yet.
    #[error("not ready: {reason}: {message}")]
    NotReady {
        /// Constant of `agentcore_api::reasons`.
        reason: String,
        /// Text for people.
        message: String,
    },
}

impl From<NotReady> for Unresolved {
    fn from(NotReady { reason, message }: NotReady) -> Self {
        Self::NotReady { reason, message }
    }
}

/// What the Ready condition says.
pub(super) fn readiness(conditions: &[Condition]) -> Result<(), NotReady> {
    match conditions.iter().find(|one| one.type_ == conditions::READY) {
        Some(ready) if ready.status == "True" => Ok(()),
        Some(ready) => Err(NotReady {
            reason: ready.reason.clone(),
            message: ready.message.clone(),
        }),
        None => Err(not_seen()),
    }
}

/// No verdict yet, or one that says nothing of where the agent is.
pub(super) fn not_seen() -> NotReady {
    NotReady {
        reason: reasons::CREATING.to_owned(),
        message: "the controller has not reported where it is".to_owned(),
    }
}
