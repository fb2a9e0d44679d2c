//! File systems that a session mounts.

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::limits::{
    ACCOUNT_PATTERN, BUCKET_PATTERN, EFS_ACCESS_POINT_PATTERN, MOUNT_PATH_PATTERN,
    MOUNT_PREFIX_PATTERN, REGION_PATTERN, S3_FILES_ACCESS_POINT_PATTERN, VOLUME_NAME_PATTERN,
};
use crate::rules;

/// Exactly one of the five kinds of the AgentCore API.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(
    "an item of spec.filesystems",
    &["sessionStorage", "s3FilesAccessPoint", "efsAccessPoint", "capacityProviderVolume", "s3BucketMount"]
))]
pub struct Filesystem {
    /// Storage that lives as long as the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_storage: Option<SessionStorage>,
    /// An access point of Amazon S3 Files; its ARN has at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "s3_files_access_point")]
    pub s3_files_access_point: Option<AccessPoint>,
    /// An access point of Amazon EFS; its ARN has at most 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "efs_access_point")]
    pub efs_access_point: Option<AccessPoint>,
    /// A volume of the capacity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider_volume: Option<CapacityProviderVolume>,
    /// A bucket of Amazon S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_bucket_mount: Option<S3BucketMount>,
}

/// Managed session storage.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct SessionStorage {
    /// Folder right under /mnt, 6 to 200 characters (AgentCore API).
    #[schemars(length(min = 6, max = 200), regex(pattern = MOUNT_PATH_PATTERN))]
    pub mount_path: String,
}

/// An access point and where it is mounted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct AccessPoint {
    /// ARN of the access point.
    pub access_point_arn: String,
    /// Folder right under /mnt, 6 to 200 characters (AgentCore API).
    #[schemars(length(min = 6, max = 200), regex(pattern = MOUNT_PATH_PATTERN))]
    pub mount_path: String,
}

/// A volume of the capacity provider and where it is mounted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct CapacityProviderVolume {
    /// Name of the volume, 1 to 48 characters (AgentCore API).
    #[schemars(length(min = 1, max = 48), regex(pattern = VOLUME_NAME_PATTERN))]
    pub volume_name: String,
    /// Folder right under /mnt, 6 to 200 characters (AgentCore API).
    #[schemars(length(min = 6, max = 200), regex(pattern = MOUNT_PATH_PATTERN))]
    pub mount_path: String,
}

/// A bucket of Amazon S3 and where it is mounted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct S3BucketMount {
    /// Bucket, also a directory bucket, 3 to 63 characters (AgentCore API).
    #[schemars(length(max = 63), regex(pattern = BUCKET_PATTERN))]
    pub bucket: String,
    /// Folder right under /mnt, 6 to 200 characters (AgentCore API).
    #[schemars(length(min = 6, max = 200), regex(pattern = MOUNT_PATH_PATTERN))]
    pub mount_path: String,
    /// Prefix of the objects that are seen, 1 to 1024 characters (AgentCore API), such as `data/{runtimeSessionId}/` for one of each session;
    /// absent: the whole bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = MOUNT_PREFIX_PATTERN))]
    pub prefix: Option<String>,
    /// Account that must own the bucket, 12 digits; absent: the runtime's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 12), regex(pattern = ACCOUNT_PATTERN))]
    pub s3_bucket_owner: Option<String>,
    /// Region of the bucket; absent: the runtime's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = REGION_PATTERN))]
    pub s3_bucket_region: Option<String>,
}

fn s3_files_access_point(generator: &mut SchemaGenerator) -> Schema {
    access_point(generator, S3_FILES_ACCESS_POINT_PATTERN, 256)
}

fn efs_access_point(generator: &mut SchemaGenerator) -> Schema {
    access_point(generator, EFS_ACCESS_POINT_PATTERN, 128)
}

/// Both kinds of access point have one shape; their ARNs differ.
fn access_point(generator: &mut SchemaGenerator, pattern: &str, longest: u32) -> Schema {
    let mut schema = AccessPoint::json_schema(generator);
    if let Some(arn) = schema
        .pointer_mut("/properties/accessPointArn")
        .and_then(|arn| arn.as_object_mut())
    {
        arn.insert("maxLength".into(), longest.into());
        arn.insert("pattern".into(), pattern.into());
    }
    schema
}
