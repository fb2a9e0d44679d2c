//! A configuration that says something in every field, and one that says as little as possible.

use std::collections::BTreeMap;

use agentcore_api::runtime::{
    AccessPoint, AllowedPort, AllowedWorkloadConfiguration, Artifact, Authorizer, BuildHooks,
    CapacityProviderVolume, CertificateConfiguration, CertificateObject, ClaimMatch,
    ClaimMatchOperator, ClaimMatchValue, ClaimValueType, Code, CodeRuntime, Container, CustomClaim,
    CustomJwt, EndpointIpAddressType, Filesystem, Hook, HookAction, Hooks, HostingEnvironment,
    HttpPost, ManagedVpcResource, Network, NetworkMode, PortRange, PrivateEndpoint,
    PrivateEndpointOverride, Resources, S3BucketMount, S3Location, SelfManagedLatticeResource,
    ServerProtocol, SessionStorage, Vpc,
};
use agentcore_plan::aws::{LifecycleConfig, ProtocolConfig, RuntimeConfig};
use agentcore_plan::config::EnvValue;

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// Every field said, lists in an order that the normal form changes.
pub fn full() -> RuntimeConfig {
    let artifact = Artifact {
        container: None,
        code: Some(Code {
            runtime: CodeRuntime::Python313,
            entry_point: strings(&["opentelemetry-instrument", "main.py"]),
            s3: S3Location {
                bucket: "team-a-code".to_owned(),
                prefix: "support/app.zip".to_owned(),
                version_id: Some("abc123".to_owned()),
            },
            follow: None,
        }),
    };
    let network = Network {
        mode: NetworkMode::Vpc,
        vpc: Some(Vpc {
            subnets: strings(&["subnet-0123456789abcdef1", "subnet-0123456789abcdef0"]),
            security_groups: strings(&["sg-0123456789abcdef1", "sg-0123456789abcdef0"]),
        }),
    };
    let protocol = ProtocolConfig {
        server_protocol: Some(ServerProtocol::Mcp),
        port: Some(8123),
        path: Some("/tools".to_owned()),
    };
    RuntimeConfig {
        artifact,
        role_arn: "arn:aws:iam::111122223333:role/agentcore/team-a/support".to_owned(),
        network: Some(network),
        capacity_provider_arn: None,
        description: Some("Answers customers' questions.".to_owned()),
        authorizer: Some(Authorizer {
            custom_jwt: custom_jwt(),
        }),
        request_headers: strings(&["X-Tenant-Id", "X-Locale"]),
        protocol,
        lifecycle: LifecycleConfig {
            idle_timeout_seconds: Some(600),
            max_lifetime_seconds: Some(7200),
        },
        env: BTreeMap::from([
            ("EMPTY".to_owned(), EnvValue::literal("")),
            ("LOG_LEVEL".to_owned(), EnvValue::literal("info")),
        ]),
        filesystems: filesystems(),
        require_mmdsv2: Some(true),
        platform_version: Some("V2".to_owned()),
        require_service_s3_endpoint: None,
        allowed_ports: vec![
            AllowedPort {
                port: None,
                port_range: Some(PortRange {
                    from: 9000,
                    to: 9010,
                }),
            },
            AllowedPort {
                port: Some(8100),
                port_range: None,
            },
        ],
        hooks: Some(hooks()),
        resources: Some(vec![Resources {
            minimum_memory_in_mib: 16_384,
        }]),
        operating_system: None,
    }
}

fn hooks() -> Hooks {
    let http_post = HttpPost {
        path: "/warmup".to_owned(),
        port: Some(8100),
    };
    Hooks {
        build: Some(BuildHooks {
            warmup: Some(Hook {
                action: HookAction { http_post },
            }),
        }),
    }
}

fn custom_jwt() -> CustomJwt {
    CustomJwt {
        discovery_url: "https://idp.example.com/.well-known/openid-configuration".to_owned(),
        allowed_audience: Some(strings(&["support", "sales"])),
        allowed_clients: Some(strings(&["web", "app"])),
        allowed_scopes: Some(strings(&["agent.invoke"])),
        advertised_scope_mapping: Some(BTreeMap::from([(
            "agent.invoke".to_owned(),
            "invoke".to_owned(),
        )])),
        custom_claims: Some(claims()),
        private_endpoint: Some(PrivateEndpoint {
            self_managed_lattice_resource: None,
            managed_vpc_resource: Some(ManagedVpcResource {
                vpc_identifier: "vpc-0123456789abcdef0".to_owned(),
                subnet_ids: strings(&["subnet-0123456789abcdef3", "subnet-0123456789abcdef2"]),
                endpoint_ip_address_type: EndpointIpAddressType::Ipv6,
                security_group_ids: Some(strings(&[
                    "sg-0123456789abcdef3",
                    "sg-0123456789abcdef2",
                ])),
                tags: Some(BTreeMap::from([("Team".to_owned(), "a".to_owned())])),
                routing_domain: Some("idp.internal".to_owned()),
            }),
        }),
        private_endpoint_overrides: Some(vec![PrivateEndpointOverride {
            domain: "keys.example.com".to_owned(),
            private_endpoint: PrivateEndpoint {
                self_managed_lattice_resource: Some(SelfManagedLatticeResource {
                    resource_configuration_identifier: "rcfg-0123456789abcdef0".to_owned(),
                }),
                managed_vpc_resource: None,
            },
        }]),
        certificate_configurations: Some(vec![CertificateConfiguration {
            s3: Some(CertificateObject {
                uri: "s3://team-a-certificates/idp.pem".to_owned(),
                bucket_owner_account_id: Some("111122223333".to_owned()),
            }),
            secrets_manager: None,
        }]),
        allowed_workload_configuration: Some(AllowedWorkloadConfiguration {
            hosting_environments: Some(vec![HostingEnvironment {
                arn: "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/caller-abcdefghij"
                    .to_owned(),
            }]),
            workload_identities: Some(strings(&["writer", "reader"])),
        }),
    }
}

fn claims() -> Vec<CustomClaim> {
    let one = ClaimMatchValue {
        match_value_string: Some("a".to_owned()),
        match_value_string_list: None,
    };
    let several = ClaimMatchValue {
        match_value_string: None,
        match_value_string_list: Some(strings(&["y", "x"])),
    };
    let claim = |name: &str, value_type, operator, value| CustomClaim {
        inbound_token_claim_name: name.to_owned(),
        inbound_token_claim_value_type: value_type,
        authorizing_claim_match_value: ClaimMatch {
            claim_match_operator: operator,
            claim_match_value: value,
        },
    };
    vec![
        claim(
            "team",
            ClaimValueType::String,
            ClaimMatchOperator::Equals,
            one,
        ),
        claim(
            "groups",
            ClaimValueType::StringArray,
            ClaimMatchOperator::ContainsAny,
            several,
        ),
    ]
}

/// One of each kind.
fn filesystems() -> Vec<Filesystem> {
    let none = Filesystem {
        session_storage: None,
        s3_files_access_point: None,
        efs_access_point: None,
        capacity_provider_volume: None,
        s3_bucket_mount: None,
    };
    let mount_path = |name: &str| format!("/mnt/{name}");
    vec![
        Filesystem { session_storage: Some(SessionStorage { mount_path: mount_path("work") }), ..none.clone() },
        Filesystem {
            s3_files_access_point: Some(AccessPoint {
                access_point_arn: "arn:aws:s3files:us-east-1:111122223333:file-system/fs-0123456789abcdef0/access-point/fsap-0123456789abcdef0"
                    .to_owned(),
                mount_path: mount_path("files"),
            }),
            ..none.clone()
        },
        Filesystem {
            efs_access_point: Some(AccessPoint {
                access_point_arn: "arn:aws:elasticfilesystem:us-east-1:111122223333:access-point/fsap-01234567".to_owned(),
                mount_path: mount_path("efs"),
            }),
            ..none.clone()
        },
        Filesystem {
            capacity_provider_volume: Some(CapacityProviderVolume {
                volume_name: "scratch".to_owned(),
                mount_path: mount_path("scratch"),
            }),
            ..none.clone()
        },
        Filesystem {
            s3_bucket_mount: Some(S3BucketMount {
                bucket: "team-a-data".to_owned(),
                mount_path: mount_path("bucket"),
                prefix: Some("data/{runtimeSessionId}/".to_owned()),
                s3_bucket_owner: Some("111122223333".to_owned()),
                s3_bucket_region: Some("us-east-1".to_owned()),
            }),
            ..none
        },
    ]
}

/// A container image in a public network; everything else is AgentCore's default.
pub fn minimal(image: &str) -> RuntimeConfig {
    RuntimeConfig {
        artifact: Artifact {
            container: Some(Container {
                image: image.to_owned(),
                follow: None,
            }),
            code: None,
        },
        role_arn: "arn:aws:iam::111122223333:role/agentcore/team-a/support".to_owned(),
        network: Some(Network {
            mode: NetworkMode::Public,
            vpc: None,
        }),
        capacity_provider_arn: None,
        description: None,
        authorizer: None,
        request_headers: Vec::new(),
        protocol: ProtocolConfig::default(),
        lifecycle: LifecycleConfig::default(),
        env: BTreeMap::new(),
        filesystems: Vec::new(),
        require_mmdsv2: None,
        platform_version: None,
        require_service_s3_endpoint: None,
        allowed_ports: Vec::new(),
        hooks: None,
        resources: None,
        operating_system: None,
    }
}
