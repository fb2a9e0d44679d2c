//! Validates a spec and renders it: which version an endpoint serves, under which name, on which runtime.

use agentcore_api::values::default_endpoint_name;
use agentcore_api::{AgentEndpoint, AgentRuntime, reasons};

use super::View;
use super::pass::DEFAULT;
use crate::aws::Tags;
use crate::conditions::Verdict;
use crate::hash::WishHash;
use crate::policy::Policy;
use crate::runtime::{Refusal, over_limit, wished_tags};
use crate::tags::Owner;

/// `spec.version` of an endpoint that follows its runtime.
const LATEST: &str = "Latest";

/// What is wished of AWS.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Id of the runtime.
    pub runtime_id: String,
    /// Name in AgentCore.
    pub name: String,
    /// Version that it serves.
    pub version: String,
    /// Description.
    pub description: Option<String>,
    /// Tags, ownership included.
    pub tags: Tags,
    /// What this wish is known by.
    pub hash: WishHash,
    /// Whether it follows the latest version.
    pub follows: bool,
}

/// Renders the wish, or says what it waits for or why it is refused. No AWS call was made.
pub(super) fn render(view: &View<'_>) -> Result<Wish, Verdict> {
    let (object, policy) = (view.object, view.policy);
    let name = name(object);
    if name == DEFAULT {
        return Err(Verdict::stalled(
            reasons::NAME_TAKEN,
            "DEFAULT is AgentCore's own; choose another spec.endpointName",
        ));
    }
    if let Some(other) = view.name_taken_by {
        return Err(Verdict::stalled(
            reasons::NAME_TAKEN,
            format!(
                "the older AgentEndpoint {other} has the name {name} on this runtime; choose another spec.endpointName"
            ),
        ));
    }
    let exists = object.status.as_ref().is_some_and(|it| it.arn.is_some());
    let most = view.granted.limits.endpoints.filter(|_| !exists);
    if let Some(Refusal { reason, message }) =
        over_limit(most, view.older_in_namespace, "AgentEndpoints")
    {
        return Err(Verdict::stalled(reason, message));
    }
    let tags = wished_tags(object.spec.tags.as_ref(), policy, &owner(object, policy))
        .map_err(|Refusal { reason, message }| Verdict::stalled(reason, message))?;
    let (runtime_id, latest) = ready_runtime(object, view.runtime)?;
    let follows = object.spec.version == LATEST;
    let version = if follows {
        latest
    } else {
        object.spec.version.clone()
    };
    let description = object
        .spec
        .description
        .clone()
        .filter(|text| !text.is_empty());
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let hash = WishHash::of(uid, &(&name, &version, &description), &tags, None);
    Ok(Wish {
        runtime_id,
        name,
        version,
        description,
        tags,
        hash,
        follows,
    })
}

/// Id of the runtime and its newest version that was READY.
fn ready_runtime(
    object: &AgentEndpoint,
    runtime: Option<&AgentRuntime>,
) -> Result<(String, String), Verdict> {
    let wanted = &object.spec.runtime_ref.name;
    let Some(runtime) = runtime else {
        return Err(Verdict::waiting(
            reasons::RUNTIME_NOT_FOUND,
            format!("there is no AgentRuntime {wanted} in this namespace"),
        ));
    };
    let status = runtime.status.as_ref();
    let id = status.and_then(|status| status.id.clone());
    let ready = status.and_then(|status| status.ready_version.clone());
    id.zip(ready).ok_or_else(|| {
        Verdict::working(
            reasons::RUNTIME_NOT_READY,
            format!("AgentRuntime {wanted} has no version that is READY yet"),
        )
    })
}

/// Name of the endpoint in AgentCore.
pub(super) fn name(object: &AgentEndpoint) -> String {
    let own = object.metadata.name.as_deref().unwrap_or_default();
    object
        .spec
        .endpoint_name
        .clone()
        .unwrap_or_else(|| default_endpoint_name(own))
}

/// The object as an owner.
pub(super) fn owner(object: &AgentEndpoint, policy: &Policy) -> Owner {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Owner {
        cluster: policy.cluster_id.clone(),
        cluster_uid: policy.cluster_uid.clone(),
        namespace: text(&object.metadata.namespace),
        name: text(&object.metadata.name),
        uid: text(&object.metadata.uid),
    }
}

/// The AgentRuntime that the object refers to, as an owner; without its UID once it is gone.
pub(super) fn runtime_owner(
    object: &AgentEndpoint,
    runtime: Option<&AgentRuntime>,
    policy: &Policy,
) -> Owner {
    let owner = owner(object, policy);
    Owner {
        name: object.spec.runtime_ref.name.clone(),
        uid: runtime
            .and_then(|one| one.metadata.uid.clone())
            .unwrap_or_default(),
        ..owner
    }
}
