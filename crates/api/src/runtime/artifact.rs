//! What a runtime runs: a container image, or code in S3.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CodeFollow, Follow};
use crate::limits::{BUCKET_PATTERN, IMAGE_MAX, IMAGE_PATTERN};
use crate::rules;

/// Exactly one of `container` and `code`; which one may change later.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = rules::exactly_one("spec.artifact", &["container", "code"]))]
pub struct Artifact {
    /// A container image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// Code in S3, run by a managed language runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// A container image for linux/arm64.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = (
    "!has(self.follow) || !self.image.startsWith('public.ecr.aws/')",
    "spec.artifact.container.follow needs an image in a private Amazon ECR repository"
))]
pub struct Container {
    /// Image in a private Amazon ECR repository or at public.ecr.aws, with tag and/or digest, 1 to 1024 characters
    /// (AgentCore API). Without either, the tag `latest` is meant.
    #[schemars(length(min = 1, max = IMAGE_MAX), regex(pattern = IMAGE_PATTERN))]
    pub image: String,
    /// Watches the image's repository and takes what it says; absent: the image is read once for each edit of `image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<Follow>,
}

/// A zip file in S3.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.follow) || !has(self.s3.versionId)",
    "spec.artifact.code.follow and spec.artifact.code.s3.versionId exclude each other"
))]
pub struct Code {
    /// Language runtime: `PYTHON_3_10` to `PYTHON_3_14`, or `NODE_22`.
    pub runtime: CodeRuntime,
    /// What is started: 1 or 2 items of 1 to 128 characters (AgentCore API).
    #[schemars(length(min = 1, max = 2), inner(length(min = 1, max = 128)))]
    pub entry_point: Vec<String>,
    /// Where the zip file is.
    pub s3: S3Location,
    /// Watches the object; absent: it is read once for each edit of `s3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<CodeFollow>,
}

/// Managed language runtimes of AgentCore.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
#[schemars(transform = crate::rules::known_names)]
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
    /// A value that this release does not know: it is passed on as it is.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// An object in S3.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct S3Location {
    /// Bucket, 3 to 63 characters.
    #[schemars(length(max = 63), regex(pattern = BUCKET_PATTERN))]
    pub bucket: String,
    /// Key of the object (AWS calls it prefix), 1 to 1024 characters.
    #[schemars(length(min = 1, max = 1024))]
    pub prefix: String,
    /// Version of the object, 3 to 1024 characters; absent: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 1024))]
    pub version_id: Option<String>,
}
