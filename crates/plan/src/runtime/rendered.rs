//! A spec in the words of AWS: the configuration that is wished for.

use std::collections::BTreeMap;

use agentcore_api::runtime::{Lifecycle, Protocol};
use agentcore_api::values::parse_duration;
use agentcore_api::{AgentRuntimeSpec, reasons};

use super::wish::Refusal;
use crate::aws::{ProtocolConfig, RuntimeConfig};
use crate::config::EnvValue;
use crate::normal::lifecycle;

/// Configuration in normal form, with these environment variables.
pub(super) fn config(
    spec: &AgentRuntimeSpec,
    env: BTreeMap<String, EnvValue>,
) -> Result<RuntimeConfig, Refusal> {
    let (idle, max) = durations(spec.lifecycle.as_ref())?;
    // Every field by name: a new one has to be rendered or left out on purpose.
    let AgentRuntimeSpec {
        runtime_name: _,
        description,
        artifact,
        execution_role,
        network,
        protocol,
        lifecycle: _,
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
        tags: _,
        region: _,
        deletion_policy: _,
        adopt: _,
        sessions: _,
        revision_history_limit: _,
        suspend: _,
    } = spec.clone();
    let protocol = protocol.unwrap_or(Protocol {
        server_protocol: None,
        port: None,
        path: None,
    });
    let Protocol {
        server_protocol,
        port,
        path,
    } = protocol;
    Ok(RuntimeConfig {
        artifact,
        role_arn: execution_role.arn,
        network,
        capacity_provider_arn: capacity_provider.map(|provider| provider.arn),
        description,
        authorizer,
        request_headers: request_headers
            .map(|headers| headers.allowlist)
            .unwrap_or_default(),
        protocol: ProtocolConfig::filled(server_protocol, port, path),
        idle_timeout_seconds: idle,
        max_lifetime_seconds: max,
        env,
        filesystems: filesystems.unwrap_or_default(),
        require_mmdsv2: metadata_service.map(|service| service.require_mmdsv2),
        platform_version,
        require_service_s3_endpoint: None,
        allowed_ports: allowed_ports.unwrap_or_default(),
    }
    .normalized())
}

fn durations(given: Option<&Lifecycle>) -> Result<(i32, i32), Refusal> {
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
    let idle = seconds(
        "idleRuntimeSessionTimeout",
        given.and_then(|it| it.idle_runtime_session_timeout.as_ref()),
    )?;
    let max = seconds("maxLifetime", given.and_then(|it| it.max_lifetime.as_ref()))?;
    let (idle, max) = lifecycle(idle, max);
    if idle > max {
        return Err(Refusal::new(
            reasons::INVALID_SPEC,
            format!(
                "spec.lifecycle.idleRuntimeSessionTimeout ({idle}s) is longer than maxLifetime ({max}s)"
            ),
        ));
    }
    Ok((idle, max))
}
