use std::collections::{BTreeMap, BTreeSet};

use agentcore_api::runtime::{AllowedPort, ServerProtocol};
use agentcore_plan::aws::{LifecycleConfig, ProtocolConfig, RuntimeConfig};
use aws_sdk_bedrockagentcorecontrol::operation::create_agent_runtime::builders::CreateAgentRuntimeInputBuilder;
use aws_sdk_bedrockagentcorecontrol::operation::get_agent_runtime::GetAgentRuntimeOutput;
use aws_sdk_bedrockagentcorecontrol::operation::update_agent_runtime::UpdateAgentRuntimeInput;
use aws_sdk_bedrockagentcorecontrol::operation::update_agent_runtime::builders::UpdateAgentRuntimeInputBuilder;
use aws_sdk_bedrockagentcorecontrol::types as sdk;
use serde_json::{Value, json};

use super::*;

#[path = "../../../../tests/offline/full_config.rs"]
mod full_config;
use full_config::{full, minimal};

const IMAGE: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com/support:prod";

/// What a Get would answer after this Update, if AgentCore gave back what it took.
fn echoed(update: UpdateAgentRuntimeInput) -> GetAgentRuntimeOutput {
    GetAgentRuntimeOutput::builder()
        .agent_runtime_arn(
            "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/support-abcdefghij",
        )
        .agent_runtime_id("support-abcdefghij")
        .agent_runtime_name("support")
        .agent_runtime_version("7")
        .created_at(DateTime::from_secs(1_790_000_000))
        .last_updated_at(DateTime::from_secs_and_nanos(1_790_000_001, 500_000_000))
        .status(sdk::AgentRuntimeStatus::Ready)
        .set_role_arn(update.role_arn)
        .set_network_configuration(update.network_configuration)
        .set_lifecycle_configuration(update.lifecycle_configuration)
        .set_description(update.description)
        .set_agent_runtime_artifact(update.agent_runtime_artifact)
        .set_protocol_configuration(update.protocol_configuration)
        .set_environment_variables(update.environment_variables)
        .set_authorizer_configuration(update.authorizer_configuration)
        .set_request_header_configuration(update.request_header_configuration)
        .set_metadata_configuration(update.metadata_configuration)
        .set_filesystem_configurations(update.filesystem_configurations)
        .set_capacity_provider_configuration(update.capacity_provider_configuration)
        .set_platform_version(update.platform_version)
        .set_allowed_ports(update.allowed_ports)
        .build()
        .expect("required fields are set")
}

fn client() -> aws_sdk_bedrockagentcorecontrol::Client {
    use aws_sdk_bedrockagentcorecontrol::config::{BehaviorVersion, Config};
    let config = Config::builder().behavior_version(BehaviorVersion::latest());
    aws_sdk_bedrockagentcorecontrol::Client::from_conf(config.build())
}

fn create(
    name: &str,
    config: &RuntimeConfig,
    tags: &BTreeMap<String, String>,
    token: &str,
) -> Converted<CreateAgentRuntimeInputBuilder> {
    let request = client().create_agent_runtime();
    super::create(request, name, config, tags, token).map(|request| request.as_input().clone())
}

fn update(
    id: &str,
    config: &RuntimeConfig,
    token: &str,
) -> Converted<UpdateAgentRuntimeInputBuilder> {
    let request = client().update_agent_runtime();
    super::update(request, id, config, token).map(|request| request.as_input().clone())
}

fn updated_input(config: &RuntimeConfig) -> UpdateAgentRuntimeInput {
    update("support-abcdefghij", config, "token")
        .expect("convertible")
        .build()
        .expect("complete")
}

#[test]
fn whatever_an_update_says_a_get_reads_back_equal() {
    let variations = [
        full(),
        RuntimeConfig {
            require_service_s3_endpoint: Some(true),
            ..full()
        },
        RuntimeConfig {
            artifact: minimal(IMAGE).artifact,
            ..full()
        },
        minimal(IMAGE),
        RuntimeConfig {
            network: None,
            capacity_provider_arn: Some("arn:aws:x".to_owned()),
            ..minimal(IMAGE)
        },
    ];
    for config in variations {
        let answer = echoed(updated_input(&config));
        // A mounted bucket is in no shape of the SDK; the simulator gives it back in tests/offline.
        let mut config = config.normalized();
        config
            .filesystems
            .retain(|one| one.s3_bucket_mount.is_none());
        let read = runtime(&answer, &beyond(&config)).expect("readable");
        assert_eq!(read.unknown, Vec::<String>::new());
        assert_eq!(read.config, config);
        assert_eq!(
            (
                read.version.as_str(),
                read.last_updated_at.subsec_millisecond()
            ),
            ("7", 500)
        );
    }
}

#[test]
fn a_create_says_nothing_that_is_a_default() {
    let request =
        create("support", &minimal(IMAGE), &BTreeMap::new(), "token").expect("convertible");
    let request = request.build().expect("complete");
    assert_eq!(request.protocol_configuration, None);
    assert_eq!(request.lifecycle_configuration, None);
    assert_eq!(request.environment_variables, None);
    assert_eq!(request.filesystem_configurations, None);
    assert_eq!(request.request_header_configuration, None);
    assert_eq!(request.allowed_ports, None);
    assert_eq!(request.tags, None);
}

#[test]
fn what_a_wish_leaves_out_neither_request_says() {
    let mcp = RuntimeConfig {
        protocol: ProtocolConfig {
            server_protocol: Some(ServerProtocol::Mcp),
            ..ProtocolConfig::default()
        },
        lifecycle: LifecycleConfig {
            max_lifetime_seconds: Some(600),
            ..LifecycleConfig::default()
        },
        ..minimal(IMAGE)
    };
    let create = create("support", &mcp, &BTreeMap::new(), "token").expect("convertible");
    let update = updated_input(&mcp);
    for (protocol, lifecycle) in [
        (
            create.get_protocol_configuration().clone(),
            create.get_lifecycle_configuration().clone(),
        ),
        (
            update.protocol_configuration,
            update.lifecycle_configuration,
        ),
    ] {
        let protocol = protocol.expect("said");
        assert_eq!(
            (protocol.server_protocol, protocol.port, protocol.path),
            (sdk::ServerProtocol::Mcp, None, None)
        );
        let lifecycle = lifecycle.expect("said");
        assert_eq!(
            (
                lifecycle.idle_runtime_session_timeout,
                lifecycle.max_lifetime
            ),
            (None, Some(600))
        );
    }
}

#[test]
fn a_port_without_a_protocol_is_sent_with_the_one_that_the_api_asks_for() {
    let http = RuntimeConfig {
        protocol: ProtocolConfig {
            port: Some(8081),
            ..ProtocolConfig::default()
        },
        ..minimal(IMAGE)
    };
    let request = create("support", &http, &BTreeMap::new(), "token").expect("convertible");
    let protocol = request.get_protocol_configuration().clone().expect("said");
    assert_eq!(
        (protocol.server_protocol, protocol.port, protocol.path),
        (sdk::ServerProtocol::Http, Some(8081), None)
    );
}

#[test]
fn a_create_never_asks_for_what_the_api_refuses_there() {
    let config = RuntimeConfig {
        require_service_s3_endpoint: Some(true),
        ..full()
    };
    let request = create("support", &config, &BTreeMap::new(), "token").expect("convertible");
    let network = request.get_network_configuration().clone().expect("said");
    assert_eq!(
        network
            .network_mode_config
            .expect("said")
            .require_service_s3_endpoint,
        None
    );
}

#[test]
fn an_update_says_emptiness_and_no_default() {
    let request = updated_input(&minimal(IMAGE));
    assert_eq!(
        request.environment_variables,
        Some(std::collections::HashMap::new())
    );
    assert_eq!(request.filesystem_configurations, Some(Vec::new()));
    assert_eq!(request.lifecycle_configuration, None);
    assert_eq!(request.protocol_configuration, None);
    assert_eq!(
        request.metadata_configuration, None,
        "no false that nobody wrote"
    );
}

#[test]
fn a_union_with_no_member_or_two_is_refused_before_it_is_sent() {
    let neither = RuntimeConfig {
        allowed_ports: vec![AllowedPort {
            port: None,
            port_range: None,
        }],
        ..minimal(IMAGE)
    };
    let refused = update("id", &neither, "token").expect_err("no member");
    assert_eq!(refused.field, "allowedPorts");
    let both = RuntimeConfig {
        artifact: full().artifact,
        ..minimal(IMAGE)
    };
    let both = RuntimeConfig {
        artifact: agentcore_api::runtime::Artifact {
            container: minimal(IMAGE).artifact.container,
            ..both.artifact
        },
        ..both
    };
    create("support", &both, &BTreeMap::new(), "token").expect_err("two members");
}

#[test]
fn a_value_that_this_version_does_not_know_is_kept_and_sent_as_it_came() {
    let mut answer = echoed(updated_input(&minimal(IMAGE)));
    answer.protocol_configuration = Some(
        sdk::ProtocolConfiguration::builder()
            .server_protocol("GRPC".into())
            .build()
            .expect("complete"),
    );
    let network = sdk::NetworkConfiguration::builder().network_mode("MESH".into());
    answer.network_configuration = Some(network.build().expect("complete"));
    let read = runtime(&answer, &Value::Null).expect("readable");
    assert_eq!(read.unknown, Vec::<String>::new());
    let sent = updated_input(&read.config);
    let protocol = sent.protocol_configuration().expect("a protocol");
    assert_eq!(protocol.server_protocol().as_str(), "GRPC");
    let network = sent.network_configuration().expect("a network");
    assert_eq!(network.network_mode().as_str(), "MESH");
}

#[test]
fn a_member_beyond_the_sdk_that_cannot_be_read_is_named_and_an_empty_one_says_nothing() {
    let answer = echoed(updated_input(&minimal(IMAGE)));
    let read = |linux: Value| {
        let members = json!({"capacityProviderConfiguration": {"operatingSystemConfiguration": {"linux": linux}}});
        let read = runtime(&answer, &members).expect("readable");
        (read.config, read.unknown)
    };
    assert_eq!(read(json!({})), (minimal(IMAGE), Vec::new()));
    let place = "capacityProviderConfiguration.operatingSystemConfiguration";
    let name = format!("{place}: holds something that is not known to this version");
    assert_eq!(
        read(json!({"privilegeMode": 1})),
        (minimal(IMAGE), vec![name])
    );
}

#[test]
fn an_answer_without_an_identity_is_an_error() {
    let mut answer = echoed(updated_input(&minimal(IMAGE)));
    answer.agent_runtime_id = String::new();
    assert_eq!(
        runtime(&answer, &Value::Null).expect_err("no id"),
        Mismatch::missing("agentRuntimeId")
    );
}

/// Field names by structure, read from a pretty debug print.
fn fields(printed: &str, into: &mut BTreeMap<String, BTreeSet<String>>) {
    let mut open: Vec<String> = Vec::new();
    for line in printed.lines().map(str::trim) {
        let (field, value) = match line.split_once(": ") {
            Some((field, value))
                if field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') =>
            {
                (Some(field), value)
            }
            _ => (None, line),
        };
        if let (Some(field), Some(structure)) = (field, open.last()) {
            into.entry(structure.clone())
                .or_default()
                .insert(field.to_owned());
        }
        if let Some(structure) = value.strip_suffix('{') {
            open.push(structure.trim().to_owned()); // of a map: no name, and its keys are quoted
        } else if line == "}" || line == "}," {
            open.pop();
        }
    }
}

#[test]
fn the_sdk_has_no_field_that_the_conversion_does_not_know() {
    let mut seen = BTreeMap::new();
    let image = RuntimeConfig {
        artifact: minimal(IMAGE).artifact,
        ..full()
    };
    let provider = RuntimeConfig {
        capacity_provider_arn: Some("arn:aws:x".to_owned()),
        ..full()
    };
    for config in [full(), image, provider] {
        let create = create("support", &config, &BTreeMap::new(), "token").expect("convertible");
        let update = updated_input(&config);
        // The inputs hide the values of sensitive members, so those are printed on their own.
        fields(
            &format!("{:#?}", create.build().expect("complete")),
            &mut seen,
        );
        fields(
            &format!("{:#?}", update.authorizer_configuration),
            &mut seen,
        );
        fields(&format!("{:#?}", update.agent_runtime_artifact), &mut seen);
        fields(&format!("{:#?}", echoed(update.clone())), &mut seen);
        fields(&format!("{update:#?}"), &mut seen);
    }
    let seen: Vec<_> = seen
        .iter()
        .map(|(structure, fields)| {
            format!(
                "{structure}: {}",
                fields.iter().cloned().collect::<Vec<_>>().join(" ")
            )
        })
        .collect();
    assert_eq!(seen.join("\n"), include_str!("known_fields.txt").trim_end());
}
