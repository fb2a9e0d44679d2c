//! Environment variables: literals, and values of Secrets and ConfigMaps of the same namespace.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::{CONFIG_KEY_PATTERN, OBJECT_NAME_PATTERN};
use crate::rules;

/// An environment variable: exactly one of `value` and `valueFrom`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("spec.env[]", &["value", "valueFrom"]))]
pub struct EnvVar {
    /// Name, 1 to 100 characters (AgentCore API).
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// Value, 0 to 5000 characters (AgentCore API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5000))]
    pub value: Option<String>,
    /// Where the value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvVarSource>,
}

impl EnvVar {
    /// A variable with a value in the manifest.
    pub fn literal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: Some(value.into()),
            value_from: None,
        }
    }
}

/// Where a value comes from: exactly one of `secretKeyRef` and `configMapKeyRef`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("spec.env[].valueFrom", &["secretKeyRef", "configMapKeyRef"]))]
pub struct EnvVarSource {
    /// A key of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<ConfigKey>,
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigKey>,
}

/// One key of a Secret or a ConfigMap of the same namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
pub struct ConfigKey {
    /// Name of the Secret or ConfigMap (DNS subdomain, at most 253 characters).
    #[schemars(length(max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub name: String,
    /// Key in its data: letters, digits, `.`, `_` and `-`, 1 to 253 characters.
    #[schemars(length(max = 253), regex(pattern = CONFIG_KEY_PATTERN))]
    pub key: String,
    /// Whether the variable is left out where the object or the key is missing; absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// All keys of a Secret or a ConfigMap as variables: exactly one of `secretRef` and `configMapRef`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("spec.envFrom[]", &["secretRef", "configMapRef"]))]
pub struct EnvFrom {
    /// Text before each key, at most 100 characters; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub prefix: Option<String>,
    /// A Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<ConfigObject>,
    /// A ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigObject>,
}

/// A Secret or a ConfigMap of the same namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
pub struct ConfigObject {
    /// Name of the Secret or ConfigMap (DNS subdomain, at most 253 characters).
    #[schemars(length(max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub name: String,
    /// Whether it may be missing; absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}
