//! Where a wished configuration and the one that AWS has differ, field by field.

use crate::aws::RuntimeConfig;

/// Name of the one field that only an Update can set.
pub const METADATA_SERVICE: &str = "metadataService";

/// Name of the field that says what runs.
pub(super) const ARTIFACT: &str = "artifact";

/// Names of the fields (as the spec spells them) in which AWS differs from the wish. Kept fields differ from nothing.
pub fn differing(wish: &RuntimeConfig, there: &RuntimeConfig) -> Vec<&'static str> {
    // Every field by name: a new one has to be compared or left out on purpose.
    let RuntimeConfig {
        artifact,
        role_arn,
        network,
        capacity_provider_arn,
        description,
        authorizer,
        request_headers,
        protocol,
        lifecycle,
        env,
        filesystems,
        require_mmdsv2,
        platform_version,
        require_service_s3_endpoint: _,
        allowed_ports,
    } = wish;
    [
        (ARTIFACT, *artifact != there.artifact),
        ("executionRole", *role_arn != there.role_arn),
        ("network", *network != there.network),
        (
            "capacityProvider",
            *capacity_provider_arn != there.capacity_provider_arn,
        ),
        ("description", *description != there.description),
        ("authorizer", *authorizer != there.authorizer),
        ("requestHeaders", *request_headers != there.request_headers),
        ("protocol", protocol.differs(&there.protocol)),
        ("lifecycle", lifecycle.differs(&there.lifecycle)),
        ("env", *env != there.env),
        ("filesystems", *filesystems != there.filesystems),
        (
            METADATA_SERVICE,
            require_mmdsv2.is_some_and(|wish| wish != there.require_mmdsv2.unwrap_or(false)),
        ),
        (
            "platformVersion",
            platform_version.is_some() && *platform_version != there.platform_version,
        ),
        ("allowedPorts", *allowed_ports != there.allowed_ports),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect()
}

/// The wish with its kept fields filled from what AWS has: what an Update sends.
///
/// Of the metadata service, what AWS shows is sent, and `true`, AWS's own default since 2026-02-15, where it shows nothing. A `false`
/// that nobody wrote is not sent: whether AWS keeps it or resets it then, it is AWS's choice.
pub fn filled(wish: &RuntimeConfig, there: &RuntimeConfig) -> RuntimeConfig {
    RuntimeConfig {
        protocol: wish.protocol.over(&there.protocol),
        lifecycle: wish.lifecycle.over(&there.lifecycle),
        platform_version: wish
            .platform_version
            .clone()
            .or_else(|| there.platform_version.clone()),
        require_mmdsv2: match wish.require_mmdsv2 {
            Some(written) => Some(written),
            None => there.require_mmdsv2.unwrap_or(true).then_some(true),
        },
        require_service_s3_endpoint: there.require_service_s3_endpoint,
        ..wish.clone()
    }
}
