//! What a runtime runs: a container image, or code in S3.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Exactly one of `container` and `code`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// A container image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// Code in S3, run by a managed language runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// A container image for linux/arm64.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Private ECR or public.ecr.aws image, with tag and/or digest.
    pub image: String,
}

/// A zip file in S3.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Code {
    /// Language runtime.
    pub runtime: CodeRuntime,
    /// What is started, 1 or 2 items of 1 to 128 characters.
    pub entry_point: Vec<String>,
    /// Where the zip file is.
    pub s3: S3Location,
}

/// Managed language runtimes of AgentCore.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum CodeRuntime {
    #[serde(rename = "PYTHON_3_10")]
    Python310,
    #[serde(rename = "PYTHON_3_11")]
    Python311,
    #[serde(rename = "PYTHON_3_12")]
    Python312,
    #[serde(rename = "PYTHON_3_13")]
    Python313,
    #[serde(rename = "PYTHON_3_14")]
    Python314,
    #[serde(rename = "NODE_22")]
    Node22,
}

/// An object in S3.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct S3Location {
    /// Bucket.
    pub bucket: String,
    /// Key (AWS calls it prefix), 1 to 1024 characters.
    pub prefix: String,
    /// Object version, 3 to 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}
