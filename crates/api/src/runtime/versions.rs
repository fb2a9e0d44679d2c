//! Versions of a runtime: why each was made, and how many there are. Parts of the status.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What asked for a version.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[schemars(transform = crate::rules::undescribed)]
pub enum CauseType {
    /// The manifest was edited.
    Spec,
    /// Another image came to be meant.
    Image,
    /// A Secret or ConfigMap that the manifest refers to has changed.
    Config,
    /// The runtime was changed in AWS and set back, or the version was made there by somebody else.
    Drift,
}

impl CauseType {
    /// As it is written in status and history.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spec => "Spec",
            Self::Image => "Image",
            Self::Config => "Config",
            Self::Drift => "Drift",
        }
    }
}

/// Why something was asked for. No value of a Secret or ConfigMap is ever in it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// `Spec`, `Image`, `Config` or `Drift`.
    pub r#type: CauseType,
    /// Text for people.
    pub message: String,
    /// What it was before: a generation, or an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Why a version was made.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct VersionCause {
    /// Version in AgentCore.
    pub version: String,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
    /// When it was asked for, or first seen (RFC 3339).
    pub time: String,
    /// Newest generation of the spec that this version is of.
    pub generation: i64,
}

/// Why a version was asked for whose number only AgentCore's answer tells.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NextCause {
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
    /// When it was asked for (RFC 3339).
    pub time: String,
    /// Generation of the spec that asked for it.
    pub generation: i64,
    /// Keyed hash of the request.
    pub wish_hash: String,
    /// The newest version when it was asked for; absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// How many versions there are.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct VersionsStatus {
    /// Versions that AgentCore listed last; it takes 1000.
    pub used: u32,
    /// Newest version at that time.
    pub checked: String,
    /// Old versions that AgentCore did not delete; they are tried again once there is a newer version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
}
