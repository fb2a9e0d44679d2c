//! Where a wished configuration and the one that AWS has differ, field by field.

use agentcore_api::runtime::Authorizer;

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
        hooks,
        resources,
        operating_system,
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
        ("authorizer", authorizer_differs(authorizer.as_ref(), there)),
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
        // Nothing and empty are the same.
        (
            "hooks",
            hooks
                .as_ref()
                .is_some_and(|hooks| *hooks != there.hooks.clone().unwrap_or_default()),
        ),
        (
            "resources",
            resources
                .as_ref()
                .is_some_and(|resources| *resources != there.resources.clone().unwrap_or_default()),
        ),
        (
            "capacityProvider.operatingSystem",
            operating_system.is_some() && *operating_system != there.operating_system,
        ),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect()
}

/// Where a wish says nothing of certificates, those that are there are kept; `[]` and nothing are the same.
fn authorizer_differs(wish: Option<&Authorizer>, there: &RuntimeConfig) -> bool {
    let plain = |mut authorizer: Authorizer| {
        let certificates = &mut authorizer.custom_jwt.certificate_configurations;
        *certificates = certificates.take().filter(|some| !some.is_empty());
        authorizer
    };
    let wish = wish.map(|wish| plain(with_certificates(wish, there)));
    wish != there.authorizer.clone().map(plain)
}

/// The wished authorizer with the certificates that are there, if the wish says nothing of them.
fn with_certificates(wish: &Authorizer, there: &RuntimeConfig) -> Authorizer {
    let mut wish = wish.clone();
    let certificates = &mut wish.custom_jwt.certificate_configurations;
    if certificates.is_none() {
        let there = there.authorizer.as_ref();
        *certificates = there.and_then(|it| it.custom_jwt.certificate_configurations.clone());
    }
    wish
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
        authorizer: wish
            .authorizer
            .as_ref()
            .map(|authorizer| with_certificates(authorizer, there)),
        // They are for microVMs.
        hooks: wish.hooks.clone().or_else(|| {
            let kept = wish.capacity_provider_arn.is_none();
            there.hooks.clone().filter(|_| kept)
        }),
        resources: wish.resources.clone().or_else(|| there.resources.clone()),
        // It goes with a capacity provider.
        operating_system: wish.operating_system.clone().or_else(|| {
            let kept = wish.capacity_provider_arn.is_some();
            there.operating_system.clone().filter(|_| kept)
        }),
        ..wish.clone()
    }
}
