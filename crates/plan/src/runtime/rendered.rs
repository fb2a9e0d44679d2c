//! A spec in the words of AWS: the configuration that is wished for.

use std::collections::BTreeMap;

use agentcore_api::runtime::{CapacityProvider, Lifecycle, Protocol};
use agentcore_api::values::parse_duration;
use agentcore_api::{AgentRuntimeSpec, reasons};

use super::wish::Refusal;
use crate::aws::{LifecycleConfig, ProtocolConfig, RuntimeConfig};
use crate::config::EnvValue;

/// Configuration in normal form, with these environment variables.
pub(super) fn config(
    spec: &AgentRuntimeSpec,
    env: BTreeMap<String, EnvValue>,
) -> Result<RuntimeConfig, Refusal> {
    // Every field by name: a new one has to be rendered or left out on purpose.
    let AgentRuntimeSpec {
        runtime_name: _,
        description,
        artifact,
        execution_role,
        network,
        protocol,
        lifecycle,
        env: _,      // through environment
        env_from: _, // through environment
        authorizer,
        request_headers,
        resource_policy: _,
        filesystems,
        metadata_service,
        platform_version,
        allowed_ports,
        capacity_provider,
        hooks,
        resources,
        unknown_settings: _,
        tags: _,
        region: _,
        deletion_policy: _,
        adopt: _,
        sessions: _,
        revision_history_limit: _,
        suspend: _,
    } = spec.clone();
    let (capacity_provider_arn, operating_system) = match capacity_provider {
        Some(CapacityProvider {
            arn,
            operating_system,
        }) => (Some(arn), operating_system),
        None => (None, None),
    };
    Ok(RuntimeConfig {
        artifact,
        role_arn: execution_role.arn,
        network,
        capacity_provider_arn,
        description,
        authorizer,
        request_headers: request_headers
            .map(|headers| headers.allowlist)
            .unwrap_or_default(),
        protocol: protocol.map(said).unwrap_or_default(),
        lifecycle: durations(lifecycle.as_ref())?,
        env,
        filesystems: filesystems.unwrap_or_default(),
        require_mmdsv2: metadata_service.map(|service| service.require_mmdsv2),
        platform_version,
        require_service_s3_endpoint: None,
        allowed_ports: allowed_ports.unwrap_or_default(),
        hooks,
        resources,
        operating_system,
    }
    .normalized())
}

fn said(protocol: Protocol) -> ProtocolConfig {
    let Protocol {
        server_protocol,
        port,
        path,
    } = protocol;
    ProtocolConfig {
        server_protocol,
        port,
        path,
    }
}

fn durations(given: Option<&Lifecycle>) -> Result<LifecycleConfig, Refusal> {
    let seconds = |field: &str, text: Option<&String>| {
        text.map(|text| {
            parse_duration(text)
                .map_err(|error| error.to_string())
                .and_then(|seconds| {
                    i32::try_from(seconds).map_err(|_| "duration is too long".to_owned())
                })
                .map_err(|error| {
                    Refusal::new(
                        reasons::INVALID_SPEC,
                        format!("spec.lifecycle.{field}: {error}"),
                    )
                })
        })
        .transpose()
    };
    let config = LifecycleConfig {
        idle_timeout_seconds: seconds(
            "idleRuntimeSessionTimeout",
            given.and_then(|it| it.idle_runtime_session_timeout.as_ref()),
        )?,
        max_lifetime_seconds: seconds(
            "maxLifetime",
            given.and_then(|it| it.max_lifetime.as_ref()),
        )?,
    };
    // Beyond what is written AgentCore itself knows what goes together.
    if let (Some(idle), Some(max)) = (config.idle_timeout_seconds, config.max_lifetime_seconds)
        && idle > max
    {
        return Err(Refusal::new(
            reasons::INVALID_SPEC,
            format!(
                "spec.lifecycle.idleRuntimeSessionTimeout ({idle}s) is longer than maxLifetime ({max}s)"
            ),
        ));
    }
    Ok(config)
}
