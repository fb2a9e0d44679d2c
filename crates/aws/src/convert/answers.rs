//! AWS's answers in the planner's words.

use agentcore_api::runtime::Artifact;
use agentcore_plan::aws::{
    Endpoint, EndpointAccepted, LifecycleConfig, ListedRuntime, ListedVersion, Runtime,
    RuntimeAccepted, RuntimeConfig, ServiceStatus,
};
use agentcore_plan::config::EnvValue;
use aws_sdk_bedrockagentcorecontrol::operation::create_agent_runtime::CreateAgentRuntimeOutput;
use aws_sdk_bedrockagentcorecontrol::operation::create_agent_runtime_endpoint::CreateAgentRuntimeEndpointOutput;
use aws_sdk_bedrockagentcorecontrol::operation::get_agent_runtime::GetAgentRuntimeOutput;
use aws_sdk_bedrockagentcorecontrol::operation::get_agent_runtime_endpoint::GetAgentRuntimeEndpointOutput;
use aws_sdk_bedrockagentcorecontrol::operation::update_agent_runtime::UpdateAgentRuntimeOutput;
use aws_sdk_bedrockagentcorecontrol::operation::update_agent_runtime_endpoint::UpdateAgentRuntimeEndpointOutput;
use aws_sdk_bedrockagentcorecontrol::types as sdk;
use serde_json::Value;

use super::{Converted, Mismatch, artifact, authorizer, beyond, known, parts, required, timestamp};

/// GetAgentRuntime's answer, its configuration in normal form. `members`: the answer as it came.
pub fn runtime(answer: &GetAgentRuntimeOutput, members: &Value) -> Converted<Runtime> {
    let mut unknown = known::unknown(members);
    let config = config(answer, members, &mut unknown)?;
    Ok(Runtime {
        arn: required("agentRuntimeArn", answer.agent_runtime_arn())?,
        id: required("agentRuntimeId", answer.agent_runtime_id())?,
        name: required("agentRuntimeName", answer.agent_runtime_name())?,
        version: required("agentRuntimeVersion", answer.agent_runtime_version())?,
        status: ServiceStatus::parse(answer.status().as_str()),
        failure_reason: answer
            .failure_reason()
            .filter(|text| !text.is_empty())
            .map(ToOwned::to_owned),
        created_at: timestamp("createdAt", answer.created_at())?,
        last_updated_at: timestamp("lastUpdatedAt", answer.last_updated_at())?,
        workload_identity_arn: workload_identity(answer.workload_identity_details()),
        config,
        unknown,
    })
}

/// What is converted of this member of an answer; what this version does not know is named and left out.
fn known_only<T>(
    member: &str,
    converted: Converted<T>,
    unknown: &mut Vec<String>,
) -> Converted<Option<T>> {
    match converted {
        Ok(value) => Ok(Some(value)),
        Err(mismatch) if mismatch.unknown => {
            let problem = if mismatch.field == member {
                mismatch.problem
            } else {
                mismatch.to_string()
            };
            known::name(unknown, member, &problem);
            Ok(None)
        }
        Err(mismatch) => Err(mismatch),
    }
}

fn config(
    answer: &GetAgentRuntimeOutput,
    members: &Value,
    unknown: &mut Vec<String>,
) -> Converted<RuntimeConfig> {
    let network = answer.network_configuration().map(parts::network_from_sdk);
    let (network, require_service_s3_endpoint) = match network {
        Some((network, required)) => (Some(network), required),
        None => (None, None),
    };
    let request_headers = match answer.request_header_configuration() {
        None => Ok(Vec::new()),
        Some(sdk::RequestHeaderConfiguration::RequestHeaderAllowlist(names)) => Ok(names.clone()),
        Some(_) => Err(Mismatch::unknown_arm("requestHeaderConfiguration")),
    };
    let request_headers =
        known_only("requestHeaderConfiguration", request_headers, unknown)?.unwrap_or_default();
    let lifecycle = answer.lifecycle_configuration();
    let lifecycle = LifecycleConfig {
        idle_timeout_seconds: lifecycle
            .and_then(sdk::LifecycleConfiguration::idle_runtime_session_timeout),
        max_lifetime_seconds: lifecycle.and_then(sdk::LifecycleConfiguration::max_lifetime),
    };
    let mut filesystems = Vec::new();
    for (at, filesystem) in answer.filesystem_configurations().iter().enumerate() {
        let converted = parts::filesystem_from_sdk(filesystem)
            .or_else(|mismatch| beyond::filesystem(members, at).ok_or(mismatch));
        filesystems.extend(known_only(beyond::FILESYSTEMS, converted, unknown)?);
    }
    let mut allowed_ports = Vec::new();
    for port in answer.allowed_ports() {
        allowed_ports.extend(known_only(
            "allowedPorts",
            parts::port_from_sdk(port),
            unknown,
        )?);
    }
    let artifact = artifact::from_sdk(answer.agent_runtime_artifact());
    let artifact = known_only("agentRuntimeArtifact", artifact, unknown)?;
    let authorizer = answer
        .authorizer_configuration()
        .map(authorizer::from_sdk)
        .transpose();
    let authorizer = known_only("authorizerConfiguration", authorizer, unknown)?.flatten();
    let protocol = answer
        .protocol_configuration()
        .map(parts::protocol_from_sdk);
    let mut config = RuntimeConfig {
        artifact: artifact.unwrap_or(Artifact {
            container: None,
            code: None,
        }),
        role_arn: answer.role_arn().to_owned(),
        network,
        capacity_provider_arn: answer
            .capacity_provider_configuration()
            .and_then(sdk::CapacityProviderConfiguration::capacity_provider_arn)
            .map(ToOwned::to_owned),
        description: answer.description().map(ToOwned::to_owned),
        authorizer,
        request_headers,
        protocol: protocol.unwrap_or_default(),
        lifecycle,
        env: answer
            .environment_variables()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name, EnvValue::hidden(value)))
            .collect(),
        filesystems,
        require_mmdsv2: answer
            .metadata_configuration()
            .map(sdk::RuntimeMetadataConfiguration::require_mmdsv2),
        platform_version: answer.platform_version().map(ToOwned::to_owned),
        require_service_s3_endpoint,
        allowed_ports,
        hooks: None,
        resources: None,
        operating_system: None,
    };
    beyond::read(&mut config, members, unknown);
    Ok(config.normalized())
}

fn workload_identity(details: Option<&sdk::WorkloadIdentityDetails>) -> Option<String> {
    details
        .map(|details| details.workload_identity_arn().to_owned())
        .filter(|arn| !arn.is_empty())
}

/// One entry of ListAgentRuntimes.
pub fn listed(entry: &sdk::AgentRuntime) -> Converted<ListedRuntime> {
    Ok(ListedRuntime {
        arn: required("agentRuntimeArn", entry.agent_runtime_arn())?,
        id: required("agentRuntimeId", entry.agent_runtime_id())?,
        name: required("agentRuntimeName", entry.agent_runtime_name())?,
        version: required("agentRuntimeVersion", entry.agent_runtime_version())?,
        status: ServiceStatus::parse(entry.status().as_str()),
        last_updated_at: timestamp("lastUpdatedAt", entry.last_updated_at())?,
    })
}

/// One entry of ListAgentRuntimeVersions.
pub fn listed_version(entry: &sdk::AgentRuntime) -> Converted<ListedVersion> {
    Ok(ListedVersion {
        version: required("agentRuntimeVersion", entry.agent_runtime_version())?,
        status: ServiceStatus::parse(entry.status().as_str()),
    })
}

/// CreateAgentRuntime's answer.
pub fn created(answer: &CreateAgentRuntimeOutput) -> Converted<RuntimeAccepted> {
    Ok(RuntimeAccepted {
        arn: required("agentRuntimeArn", answer.agent_runtime_arn())?,
        id: required("agentRuntimeId", answer.agent_runtime_id())?,
        version: required("agentRuntimeVersion", answer.agent_runtime_version())?,
        status: ServiceStatus::parse(answer.status().as_str()),
        workload_identity_arn: workload_identity(answer.workload_identity_details()),
    })
}

/// UpdateAgentRuntime's answer.
pub fn updated(answer: &UpdateAgentRuntimeOutput) -> Converted<RuntimeAccepted> {
    Ok(RuntimeAccepted {
        arn: required("agentRuntimeArn", answer.agent_runtime_arn())?,
        id: required("agentRuntimeId", answer.agent_runtime_id())?,
        version: required("agentRuntimeVersion", answer.agent_runtime_version())?,
        status: ServiceStatus::parse(answer.status().as_str()),
        workload_identity_arn: workload_identity(answer.workload_identity_details()),
    })
}

/// GetAgentRuntimeEndpoint's answer. `members`: the answer as it came.
pub fn endpoint(answer: &GetAgentRuntimeEndpointOutput, members: &Value) -> Converted<Endpoint> {
    Ok(Endpoint {
        name: required("name", answer.name())?,
        id: answer.id().to_owned(),
        arn: required(
            "agentRuntimeEndpointArn",
            answer.agent_runtime_endpoint_arn(),
        )?,
        runtime_arn: required("agentRuntimeArn", answer.agent_runtime_arn())?,
        live_version: text(answer.live_version()),
        target_version: text(answer.target_version()),
        status: ServiceStatus::parse(answer.status().as_str()),
        description: text(answer.description()),
        failure_reason: text(answer.failure_reason()),
        created_at: timestamp("createdAt", answer.created_at())?,
        last_updated_at: timestamp("lastUpdatedAt", answer.last_updated_at())?,
        unknown: known::unknown_of_endpoint(members),
    })
}

/// One entry of ListAgentRuntimeEndpoints, which gives no failure reason and is not asked for settings.
pub fn listed_endpoint(entry: &sdk::AgentRuntimeEndpoint) -> Converted<Endpoint> {
    Ok(Endpoint {
        name: required("name", entry.name())?,
        id: entry.id().to_owned(),
        arn: required(
            "agentRuntimeEndpointArn",
            entry.agent_runtime_endpoint_arn(),
        )?,
        runtime_arn: required("agentRuntimeArn", entry.agent_runtime_arn())?,
        live_version: text(entry.live_version()),
        target_version: text(entry.target_version()),
        status: ServiceStatus::parse(entry.status().as_str()),
        description: text(entry.description()),
        failure_reason: None,
        created_at: timestamp("createdAt", entry.created_at())?,
        last_updated_at: timestamp("lastUpdatedAt", entry.last_updated_at())?,
        unknown: Vec::new(),
    })
}

/// CreateAgentRuntimeEndpoint's answer; a new endpoint has no live version yet.
pub fn created_endpoint(answer: &CreateAgentRuntimeEndpointOutput) -> Converted<EndpointAccepted> {
    Ok(EndpointAccepted {
        arn: required(
            "agentRuntimeEndpointArn",
            answer.agent_runtime_endpoint_arn(),
        )?,
        runtime_arn: required("agentRuntimeArn", answer.agent_runtime_arn())?,
        live_version: None,
        target_version: text(Some(answer.target_version())),
        status: ServiceStatus::parse(answer.status().as_str()),
    })
}

/// UpdateAgentRuntimeEndpoint's answer.
pub fn updated_endpoint(answer: &UpdateAgentRuntimeEndpointOutput) -> Converted<EndpointAccepted> {
    Ok(EndpointAccepted {
        arn: required(
            "agentRuntimeEndpointArn",
            answer.agent_runtime_endpoint_arn(),
        )?,
        runtime_arn: required("agentRuntimeArn", answer.agent_runtime_arn())?,
        live_version: text(answer.live_version()),
        target_version: text(answer.target_version()),
        status: ServiceStatus::parse(answer.status().as_str()),
    })
}

fn text(value: Option<&str>) -> Option<String> {
    value.filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}
