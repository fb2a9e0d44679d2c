//! AWS's answers in the planner's words.

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

use super::{Converted, Mismatch, artifact, authorizer, parts, required, timestamp};

/// GetAgentRuntime's answer, its configuration in normal form.
pub fn runtime(answer: &GetAgentRuntimeOutput) -> Converted<Runtime> {
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
        config: config(answer)?,
    })
}

fn config(answer: &GetAgentRuntimeOutput) -> Converted<RuntimeConfig> {
    let network = answer
        .network_configuration()
        .map(parts::network_from_sdk)
        .transpose()?;
    let (network, require_service_s3_endpoint) = match network {
        Some((network, required)) => (Some(network), required),
        None => (None, None),
    };
    let request_headers = match answer.request_header_configuration() {
        None => Vec::new(),
        Some(sdk::RequestHeaderConfiguration::RequestHeaderAllowlist(names)) => names.clone(),
        Some(_) => return Err(Mismatch::unknown_arm("requestHeaderConfiguration")),
    };
    let lifecycle = answer.lifecycle_configuration();
    let lifecycle = LifecycleConfig {
        idle_timeout_seconds: lifecycle
            .and_then(sdk::LifecycleConfiguration::idle_runtime_session_timeout),
        max_lifetime_seconds: lifecycle.and_then(sdk::LifecycleConfiguration::max_lifetime),
    };
    let filesystems = answer
        .filesystem_configurations()
        .iter()
        .map(parts::filesystem_from_sdk)
        .collect::<Converted<_>>()?;
    let allowed_ports = answer
        .allowed_ports()
        .iter()
        .map(parts::port_from_sdk)
        .collect::<Converted<_>>()?;
    let config = RuntimeConfig {
        artifact: artifact::from_sdk(answer.agent_runtime_artifact())?,
        role_arn: answer.role_arn().to_owned(),
        network,
        capacity_provider_arn: answer
            .capacity_provider_configuration()
            .and_then(sdk::CapacityProviderConfiguration::capacity_provider_arn)
            .map(ToOwned::to_owned),
        description: answer.description().map(ToOwned::to_owned),
        authorizer: answer
            .authorizer_configuration()
            .map(authorizer::from_sdk)
            .transpose()?,
        request_headers,
        protocol: answer
            .protocol_configuration()
            .map(parts::protocol_from_sdk)
            .transpose()?
            .unwrap_or_default(),
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
    };
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

/// GetAgentRuntimeEndpoint's answer.
pub fn endpoint(answer: &GetAgentRuntimeEndpointOutput) -> Converted<Endpoint> {
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
    })
}

/// One entry of ListAgentRuntimeEndpoints, which gives no failure reason.
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
