//! File systems that a session mounts.

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::limits::{
    EFS_ACCESS_POINT_PATTERN, MOUNT_PATH_PATTERN, S3_FILES_ACCESS_POINT_PATTERN,
    VOLUME_NAME_PATTERN,
};
use crate::rules;

/// Exactly one of the four kinds of the AgentCore API.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(
    "an item of spec.filesystems",
    &["sessionStorage", "s3FilesAccessPoint", "efsAccessPoint", "capacityProviderVolume"]
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
