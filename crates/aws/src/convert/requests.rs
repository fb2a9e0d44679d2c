//! Wishes as requests. Neither says a default of AgentCore's that nobody wrote and that AgentCore does not have.

use std::collections::{BTreeMap, HashMap};

use agentcore_plan::aws::{LifecycleConfig, RuntimeConfig, Tags};
use agentcore_plan::config::EnvValue;
use aws_sdk_bedrockagentcorecontrol::operation::create_agent_runtime::builders::CreateAgentRuntimeFluentBuilder;
use aws_sdk_bedrockagentcorecontrol::operation::update_agent_runtime::builders::UpdateAgentRuntimeFluentBuilder;
use aws_sdk_bedrockagentcorecontrol::types as sdk;

use super::{Converted, artifact, authorizer, parts};

/// The request that makes a runtime, but for what is `beyond` the SDK.
///
/// The API has `metadataConfiguration` on Update only, and refuses `requireServiceS3Endpoint` here.
pub fn create(
    request: CreateAgentRuntimeFluentBuilder,
    name: &str,
    config: &RuntimeConfig,
    tags: &Tags,
    client_token: &str,
) -> Converted<CreateAgentRuntimeFluentBuilder> {
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
        require_mmdsv2: _,
        platform_version,
        require_service_s3_endpoint: _,
        allowed_ports,
        hooks: _,            // through beyond
        resources: _,        // through beyond
        operating_system: _, // through beyond
    } = config;
    let network = network
        .as_ref()
        .map(|network| parts::network_to_sdk(network, None));
    let env = (!env.is_empty()).then(|| revealed(env));
    let filesystems = (!filesystems.is_empty()).then(|| filesystems_to_sdk(config));
    let tags = (!tags.is_empty()).then(|| tags.clone().into_iter().collect());
    Ok(request
        .agent_runtime_name(name)
        .client_token(client_token)
        .agent_runtime_artifact(artifact::to_sdk(artifact)?)
        .role_arn(role_arn)
        .set_network_configuration(network.transpose()?)
        .set_capacity_provider_configuration(
            capacity_provider_arn.as_deref().map(capacity_provider),
        )
        .set_description(description.clone())
        .set_authorizer_configuration(authorizer.as_ref().map(authorizer::to_sdk).transpose()?)
        .set_request_header_configuration(headers(request_headers))
        .set_protocol_configuration(parts::protocol_to_sdk(protocol)?)
        .set_lifecycle_configuration(lifecycle_to_sdk(lifecycle))
        .set_environment_variables(env)
        .set_filesystem_configurations(filesystems.transpose()?)
        .set_platform_version(platform_version.clone())
        .set_allowed_ports(ports(allowed_ports)?)
        .set_tags(tags))
}

/// The request that makes a runtime's next version, but for what is `beyond` the SDK.
///
/// An Update resets what it leaves out: the configuration holds what AgentCore has of all that is to be kept. An empty map and an empty list
/// are said; the API has no empty form of a description, an authorizer, headers and ports.
pub fn update(
    request: UpdateAgentRuntimeFluentBuilder,
    id: &str,
    config: &RuntimeConfig,
    client_token: &str,
) -> Converted<UpdateAgentRuntimeFluentBuilder> {
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
        filesystems: _, // through filesystems_to_sdk
        require_mmdsv2,
        platform_version,
        require_service_s3_endpoint,
        allowed_ports,
        hooks: _,            // through beyond
        resources: _,        // through beyond
        operating_system: _, // through beyond
    } = config;
    let network = network
        .as_ref()
        .map(|network| parts::network_to_sdk(network, *require_service_s3_endpoint));
    let metadata = require_mmdsv2.map(|required| {
        sdk::RuntimeMetadataConfiguration::builder()
            .require_mmdsv2(required)
            .build()
    });
    Ok(request
        .agent_runtime_id(id)
        .client_token(client_token)
        .agent_runtime_artifact(artifact::to_sdk(artifact)?)
        .role_arn(role_arn)
        .set_network_configuration(network.transpose()?)
        .set_capacity_provider_configuration(
            capacity_provider_arn.as_deref().map(capacity_provider),
        )
        .set_description(description.clone())
        .set_authorizer_configuration(authorizer.as_ref().map(authorizer::to_sdk).transpose()?)
        .set_request_header_configuration(headers(request_headers))
        .set_protocol_configuration(parts::protocol_to_sdk(protocol)?)
        .set_lifecycle_configuration(lifecycle_to_sdk(lifecycle))
        .set_metadata_configuration(metadata.transpose()?)
        .set_environment_variables(Some(revealed(env)))
        .set_filesystem_configurations(Some(filesystems_to_sdk(config)?))
        .set_platform_version(platform_version.clone())
        .set_allowed_ports(ports(allowed_ports)?))
}

/// The environment as it is sent; the SDK's Debug keeps it to itself.
fn revealed(env: &BTreeMap<String, EnvValue>) -> HashMap<String, String> {
    env.iter()
        .map(|(name, value)| (name.clone(), value.reveal().to_owned()))
        .collect()
}

/// What is said of the life of sessions; `None`: nothing.
fn lifecycle_to_sdk(lifecycle: &LifecycleConfig) -> Option<sdk::LifecycleConfiguration> {
    let LifecycleConfig {
        idle_timeout_seconds,
        max_lifetime_seconds,
    } = lifecycle;
    (*lifecycle != LifecycleConfig::default()).then(|| {
        sdk::LifecycleConfiguration::builder()
            .set_idle_runtime_session_timeout(*idle_timeout_seconds)
            .set_max_lifetime(*max_lifetime_seconds)
            .build()
    })
}

fn capacity_provider(arn: &str) -> sdk::CapacityProviderConfiguration {
    sdk::CapacityProviderConfiguration::builder()
        .capacity_provider_arn(arn)
        .build()
}

fn headers(names: &[String]) -> Option<sdk::RequestHeaderConfiguration> {
    (!names.is_empty())
        .then(|| sdk::RequestHeaderConfiguration::RequestHeaderAllowlist(names.to_vec()))
}

fn filesystems_to_sdk(config: &RuntimeConfig) -> Converted<Vec<sdk::FilesystemConfiguration>> {
    let known = config.filesystems.iter();
    known
        .filter(|one| one.s3_bucket_mount.is_none())
        .map(parts::filesystem_to_sdk)
        .collect()
}

fn ports(
    ports: &[agentcore_api::runtime::AllowedPort],
) -> Converted<Option<Vec<sdk::AllowedPort>>> {
    (!ports.is_empty())
        .then(|| ports.iter().map(parts::port_to_sdk).collect())
        .transpose()
}
