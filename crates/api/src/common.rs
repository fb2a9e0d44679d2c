//! Pieces that several kinds share.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::OBJECT_NAME_PATTERN;

/// What happens in AWS when the Kubernetes object is deleted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[schemars(transform = crate::rules::undescribed)]
pub enum DeletionPolicy {
    /// The AWS resource is deleted too.
    Delete,
    /// The AWS resource stays; only the operator's ownership tags are removed.
    Retain,
}

/// A reference to an object of the same namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalReference {
    /// Name of the object (DNS subdomain, at most 253 characters).
    #[schemars(length(max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub name: String,
}

/// A map without its entries that were left empty; absent where these were all.
pub(crate) fn entries<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let Some(all) = Option::<BTreeMap<String, Option<String>>>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let was_empty = all.is_empty();
    let given: BTreeMap<_, _> = all
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    Ok((was_empty || !given.is_empty()).then_some(given))
}

/// Why an attempt is not repeated at once, and when it is.
///
/// Written after AgentCore refused or failed a create or an update, so that a restart does not repeat it early.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Failures in a row of this wish.
    pub failures: u32,
    /// When the operator tries again by itself (RFC 3339); absent: only after an edit or a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Hash of the wish that failed: another wish is tried at once.
    pub wish_hash: String,
    /// Condition reason that the failure was given.
    pub reason: String,
    /// Text that the failure was given, AWS's own where there is one.
    pub message: String,
}

/// A mutating call that was about to be sent when the status was written. It is cleared with the call's outcome.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// AWS operation, such as `CreateAgentRuntime`.
    pub operation: String,
    /// When it was about to be sent (RFC 3339).
    pub at: String,
    /// Hash of the wish that it carries.
    pub wish_hash: String,
}
