//! What is known of the image or the code of a runtime: which one is used, and what was seen where it comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The image of a runtime.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ImageStatus {
    /// As the spec gave it when the digest was found.
    pub given: String,
    /// Tag that the digest was found by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Digest that is used: of an index or of an image. Absent: the image is taken as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Digest of the image for linux/arm64, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_digest: Option<String>,
    /// When it was pushed (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_at: Option<String>,
    /// What was used before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ImageChoice>,
    /// What `follow` would take and does not yet, or may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<ImageChoice>,
    /// `follow.pin` that the digest was found by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// A look at the repository (RFC 3339). Written with other changes and once an hour, not after every look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scan_time: Option<String>,
    /// When the look after that one was due (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_scan_time: Option<String>,
    /// Tags that the look saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags_seen: Option<u32>,
    /// What was not taken, and why: the last 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub rejected: Vec<RejectedImage>,
    /// Last value of the annotation `agentcore.dev/resolve-requested-at` that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_resolve_request: Option<String>,
}

/// An image of the repository.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImageChoice {
    /// Digest.
    pub digest: String,
    /// Tag that it was found by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// When it was pushed (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_at: Option<String>,
}

/// An image that was not taken.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct RejectedImage {
    /// Digest.
    pub digest: String,
    /// Why: a reason of the condition ImageResolved.
    pub reason: String,
    /// When (RFC 3339).
    pub time: String,
}

/// The code of a runtime.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct CodeStatus {
    /// The object as the spec gave it when it was looked at: `s3://bucket/key`, with `?versionId=` where the spec says which version.
    pub given: String,
    /// Version of the object that is used; absent in a bucket without versioning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// ETag of the object that is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// ETag of the object when AgentCore last took the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_etag: Option<String>,
    /// Version of the object that was used before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_version_id: Option<String>,
    /// When the object was last written (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// Last value of the annotation `agentcore.dev/resolve-requested-at` that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_resolve_request: Option<String>,
}
