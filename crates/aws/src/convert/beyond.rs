//! Members that the SDK does not have, as JSON. Names below the first are AWS's in the spec too.

use agentcore_api::runtime::{CertificateConfiguration, Filesystem};
use agentcore_plan::aws::RuntimeConfig;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::known;

const HOOKS: &str = "hooksConfiguration";
const RESOURCES: &str = "resourceConfigurations";
pub(super) const FILESYSTEMS: &str = "filesystemConfigurations";
const CERTIFICATES: &str = "/authorizerConfiguration/customJWTAuthorizer/certificateConfigurations";
const OPERATING_SYSTEM: &str = "/capacityProviderConfiguration/operatingSystemConfiguration";

/// What a Create and an Update have to say beside the SDK's request. Empty is left out: an Update resets what it leaves out.
pub fn beyond(config: &RuntimeConfig) -> Value {
    let mut members = Map::new();
    if let Some(hooks) = config.hooks_given() {
        members.insert(HOOKS.to_owned(), json!(hooks));
    }
    if let Some(resources) = config.resources_given() {
        members.insert(RESOURCES.to_owned(), json!(resources));
    }
    // The whole list: its items have an order.
    if config
        .filesystems
        .iter()
        .any(|one| one.s3_bucket_mount.is_some())
    {
        members.insert(FILESYSTEMS.to_owned(), json!(config.filesystems));
    }
    let certificates = config.authorizer.as_ref().and_then(|authorizer| {
        let certificates = authorizer.custom_jwt.certificate_configurations.as_ref();
        certificates.filter(|some| !some.is_empty())
    });
    if let Some(certificates) = certificates {
        members.insert(
            "authorizerConfiguration".to_owned(),
            json!({"customJWTAuthorizer": {"certificateConfigurations": certificates}}),
        );
    }
    if let Some(system) = &config.operating_system {
        members.insert(
            "capacityProviderConfiguration".to_owned(),
            json!({"operatingSystemConfiguration": system}),
        );
    }
    members.into()
}

/// Reads into a configuration what an answer has beside the SDK's.
pub(super) fn read(config: &mut RuntimeConfig, answer: &Value, unknown: &mut Vec<String>) {
    config.hooks = member(answer, &format!("/{HOOKS}"), unknown);
    config.resources = member(answer, &format!("/{RESOURCES}"), unknown);
    config.operating_system = member(answer, OPERATING_SYSTEM, unknown);
    if let Some(authorizer) = &mut config.authorizer {
        let certificates: Option<Vec<CertificateConfiguration>> =
            member(answer, CERTIFICATES, unknown);
        authorizer.custom_jwt.certificate_configurations = certificates.map(|mut all| {
            // One of a kind that is not known is named, and not kept.
            all.retain(
                |CertificateConfiguration {
                     s3,
                     secrets_manager,
                 }| { s3.is_some() || secrets_manager.is_some() },
            );
            all
        });
    }
}

/// The file system at this place of an answer, if it is of a kind that only the SDK does not know.
pub(super) fn filesystem(answer: &Value, at: usize) -> Option<Filesystem> {
    let item = answer.get(FILESYSTEMS)?.get(at)?;
    let filesystem: Filesystem = serde_json::from_value(item.clone()).ok()?;
    filesystem.s3_bucket_mount.is_some().then_some(filesystem)
}

/// A member at this place; one that is there and cannot be read is named.
fn member<T: DeserializeOwned>(
    answer: &Value,
    pointer: &str,
    unknown: &mut Vec<String>,
) -> Option<T> {
    let value = answer.pointer(pointer).filter(|value| !is_bare(value))?;
    let read = T::deserialize(value).ok();
    if read.is_none() {
        let place = pointer.trim_start_matches('/').replace('/', ".");
        known::name(
            unknown,
            &place,
            "holds something that is not known to this version",
        );
    }
    read
}

/// Whether this is all brackets, such as `{"linux": {}}`: AgentCore's defaults, of which a spec would say nothing.
fn is_bare(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().all(is_bare),
        Value::Object(fields) => fields.values().all(is_bare),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
