//! File systems that a session mounts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Exactly one of the four kinds of the API.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct Filesystem {
    /// Storage that lives as long as the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_storage: Option<SessionStorage>,
    /// An S3 Files access point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_files_access_point: Option<AccessPoint>,
    /// An EFS access point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub efs_access_point: Option<AccessPoint>,
    /// A volume of the capacity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider_volume: Option<CapacityProviderVolume>,
}

/// Managed session storage.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct SessionStorage {
    /// Folder under /mnt.
    pub mount_path: String,
}

/// An access point and where it is mounted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct AccessPoint {
    /// ARN of the access point.
    pub access_point_arn: String,
    /// Folder under /mnt.
    pub mount_path: String,
}

/// A volume of the capacity provider and where it is mounted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct CapacityProviderVolume {
    /// Name of the volume.
    pub volume_name: String,
    /// Folder under /mnt.
    pub mount_path: String,
}
