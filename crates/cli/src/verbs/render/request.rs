//! A wish as the JSON that AWS gets. Neither says a default of AgentCore's that nobody wrote and that AgentCore does not have.

use agentcore_api::runtime::{Artifact, Authorizer, Code, Container, Network};
use agentcore_plan::aws::{LifecycleConfig, ProtocolConfig, RuntimeConfig};
use agentcore_plan::runtime::Wish;
use serde_json::{Value, json};

/// Input of CreateAgentRuntime, without its client token.
pub fn create(wish: &Wish) -> Value {
    let mut input = members(("agentRuntimeName", &wish.name), &wish.config, false);
    input["tags"] = json!((!wish.tags.is_empty()).then_some(&wish.tags));
    input
}

/// Input of UpdateAgentRuntime, without its client token. What the operator keeps as AWS has it is not in it.
pub fn update(id: &str, config: &RuntimeConfig) -> Value {
    members(("agentRuntimeId", id), config, true)
}

/// What Create and Update both take, beside the runtime's name or id. `replaces`: an Update, which empties what it says is empty, and has members
/// that a Create has not.
fn members((key, named): (&str, &str), config: &RuntimeConfig, replaces: bool) -> Value {
    // Every field by name: a new one has to be rendered or left out on purpose.
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
        require_service_s3_endpoint,
        allowed_ports,
        hooks: _,     // as they are given
        resources: _, // as they are given
        operating_system,
    } = config;
    let metadata_service = require_mmdsv2.filter(|_| replaces);
    let service_endpoint = require_service_s3_endpoint.filter(|_| replaces);
    json!({
        (key): named,
        "description": description,
        "agentRuntimeArtifact": artifact_of(artifact),
        "roleArn": role_arn,
        "networkConfiguration": network.as_ref().map(|network| network_of(network, service_endpoint)),
        "capacityProviderConfiguration": capacity_provider_arn.as_ref().map(|arn| {
            json!({"capacityProviderArn": arn, "operatingSystemConfiguration": operating_system})
        }),
        "authorizerConfiguration": authorizer.as_ref().map(authorizer_of),
        "requestHeaderConfiguration": headers(request_headers),
        "protocolConfiguration": protocol_of(protocol),
        "lifecycleConfiguration": lifecycle_of(lifecycle),
        "metadataConfiguration": metadata_service.map(|required| json!({"requireMMDSV2": required})),
        "environmentVariables": (replaces || !env.is_empty()).then_some(env),
        "filesystemConfigurations": (replaces || !filesystems.is_empty()).then_some(filesystems),
        "platformVersion": platform_version,
        "allowedPorts": (!allowed_ports.is_empty()).then_some(allowed_ports),
        "hooksConfiguration": config.hooks_given(),
        "resourceConfigurations": config.resources_given(),
    })
}

/// Takes out what is not said.
pub fn prune(input: &mut Value) {
    if let Value::Object(fields) = input {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(prune);
    }
}

fn artifact_of(artifact: &Artifact) -> Value {
    let Artifact { container, code } = artifact;
    let container = container.as_ref().map(|container| {
        // What is followed is decided before it is sent.
        let Container { image, follow: _ } = container;
        json!({"containerConfiguration": {"containerUri": image}})
    });
    let code = code.as_ref().map(|code| {
        let Code {
            runtime,
            entry_point,
            s3,
            follow: _,
        } = code;
        json!({"codeConfiguration": {"code": {"s3": s3}, "runtime": runtime, "entryPoint": entry_point}})
    });
    container.or(code).unwrap_or_default()
}

fn network_of(network: &Network, require_service_s3_endpoint: Option<bool>) -> Value {
    let Network { mode, vpc } = network;
    let vpc = vpc.as_ref().map(|vpc| {
        json!({
            "subnets": vpc.subnets,
            "securityGroups": vpc.security_groups,
            "requireServiceS3Endpoint": require_service_s3_endpoint,
        })
    });
    json!({"networkMode": mode, "networkModeConfig": vpc})
}

/// The members below are spelled as AWS spells them.
fn authorizer_of(authorizer: &Authorizer) -> Value {
    let Authorizer { custom_jwt } = authorizer;
    let mut jwt = custom_jwt.clone();
    let certificates = &mut jwt.certificate_configurations;
    *certificates = certificates.take().filter(|some| !some.is_empty());
    json!({"customJWTAuthorizer": jwt})
}

fn headers(names: &[String]) -> Option<Value> {
    (!names.is_empty()).then(|| json!({"requestHeaderAllowlist": names}))
}

fn lifecycle_of(lifecycle: &LifecycleConfig) -> Option<Value> {
    let LifecycleConfig {
        idle_timeout_seconds: idle,
        max_lifetime_seconds: most,
    } = lifecycle;
    (*lifecycle != LifecycleConfig::default())
        .then(|| json!({"idleRuntimeSessionTimeout": idle, "maxLifetime": most}))
}

fn protocol_of(protocol: &ProtocolConfig) -> Option<Value> {
    let (server_protocol, ..) = protocol.in_force();
    let ProtocolConfig {
        server_protocol: _,
        port,
        path,
    } = protocol;
    (*protocol != ProtocolConfig::default())
        .then(|| json!({"serverProtocol": server_protocol, "port": port, "path": path}))
}
