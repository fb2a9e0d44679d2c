//! What the operator itself would refuse although the API server takes it.

use agentcore_api::{AgentEndpoint, AgentRuntime, AgentSession, Kind, reasons};
use agentcore_plan::image::Policy as ImagePolicy;
use serde::Deserialize as _;
use serde_json::Value;

use super::finding::{Found, steps};
use crate::offline::{self, Surroundings};

/// Manifests may name no region: the operator has one of its own.
const ANYWHERE: Surroundings<'static> = Surroundings {
    region: "us-east-1",
    cluster_id: None,
    cluster_uid: None,
};

/// What the operator would refuse.
pub fn check(kind: Kind, object: &Value) -> Vec<Found> {
    let typed = match kind {
        Kind::AgentRuntime => AgentRuntime::deserialize(object).map(Some),
        Kind::AgentEndpoint => AgentEndpoint::deserialize(object).map(|_| None),
        Kind::AgentSession => AgentSession::deserialize(object).map(|_| None),
    };
    let runtime = match typed {
        Ok(Some(runtime)) => runtime,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![Found::at(&[], error.to_string())],
    };
    let mut found = Vec::new();
    let follow = runtime
        .spec
        .artifact
        .container
        .as_ref()
        .and_then(|one| one.follow.as_ref());
    if let Some(Err(problem)) = follow.map(ImagePolicy::parse) {
        found.push(placed(&format!("spec.artifact.container.follow.{problem}")));
    }
    if let Err(refusal) = offline::wish(&runtime, &ANYWHERE)
        // Whether a Secret is there, and what an envFrom makes, is known in the cluster only.
        && refusal.reason != reasons::CONFIG_MISSING
    {
        found.push(placed(&refusal.message));
    }
    found
}

/// The planner's texts begin with the field that they are about.
fn placed(message: &str) -> Found {
    let field: String = message
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '[' | ']'))
        .collect();
    if !field.starts_with("spec.") {
        return Found::at(&["spec".to_owned()], message.to_owned());
    }
    let rest = message[field.len()..].trim_start_matches([':', ' ']);
    Found::at(&steps(field.trim_end_matches('.')), rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_that_a_text_begins_with_becomes_the_place() {
        let found = placed("spec.lifecycle.maxLifetime: duration is too long");
        assert_eq!(
            (found.path.join("."), found.message.as_str()),
            (
                "spec.lifecycle.maxLifetime".to_owned(),
                "duration is too long"
            )
        );
        assert_eq!(placed("51 variables are too many").path, ["spec"]);
    }
}
