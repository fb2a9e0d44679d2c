//! The normal form of a configuration: order without meaning is sorted, empty is absent.
//!
//! The wish (from a spec) and reality (from a Get) both pass through here, so that a difference in form is never taken for drift.

use std::collections::BTreeMap;

use agentcore_api::runtime::{
    AllowedWorkloadConfiguration, Authorizer, BuildHooks, ClaimMatch, ClaimMatchValue, CustomClaim,
    CustomJwt, Hooks, ManagedVpcResource, Network, PrivateEndpoint, PrivateEndpointOverride, Vpc,
};

use crate::aws::{ProtocolConfig, RuntimeConfig};

impl RuntimeConfig {
    /// This configuration in normal form. Idempotent.
    #[must_use]
    pub fn normalized(self) -> Self {
        // Every field by name: a new one has to be thought about here.
        let Self {
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
            mut filesystems,
            require_mmdsv2,
            platform_version,
            require_service_s3_endpoint,
            mut allowed_ports,
            hooks,
            resources,
            operating_system,
        } = self;
        filesystems.sort();
        allowed_ports.sort();
        allowed_ports.dedup();
        Self {
            artifact,
            role_arn,
            network: network.map(normal_network),
            capacity_provider_arn: text(capacity_provider_arn),
            description: text(description),
            authorizer: authorizer.map(normal_authorizer),
            request_headers: sorted(request_headers),
            protocol: ProtocolConfig {
                path: text(protocol.path),
                ..protocol
            },
            lifecycle,
            env,
            filesystems,
            require_mmdsv2,
            platform_version: text(platform_version),
            require_service_s3_endpoint,
            allowed_ports,
            hooks: hooks.map(normal_hooks),
            resources,
            operating_system,
        }
    }
}

/// Without a hook there are no hooks of a build.
fn normal_hooks(hooks: Hooks) -> Hooks {
    let Hooks { build } = hooks;
    Hooks {
        build: build.filter(|build| *build != BuildHooks::default()),
    }
}

fn normal_network(network: Network) -> Network {
    let Network { mode, vpc } = network;
    let vpc = vpc.map(|vpc| {
        let Vpc {
            subnets,
            security_groups,
        } = vpc;
        Vpc {
            subnets: sorted(subnets),
            security_groups: sorted(security_groups),
        }
    });
    Network { mode, vpc }
}

fn normal_authorizer(authorizer: Authorizer) -> Authorizer {
    let Authorizer { custom_jwt } = authorizer;
    let CustomJwt {
        discovery_url,
        allowed_audience,
        allowed_clients,
        allowed_scopes,
        advertised_scope_mapping,
        custom_claims,
        private_endpoint,
        private_endpoint_overrides,
        allowed_workload_configuration,
        certificate_configurations,
    } = custom_jwt;
    Authorizer {
        custom_jwt: CustomJwt {
            discovery_url,
            allowed_audience: list(allowed_audience),
            allowed_clients: list(allowed_clients),
            allowed_scopes: list(allowed_scopes),
            advertised_scope_mapping: map(advertised_scope_mapping),
            custom_claims: list(
                custom_claims.map(|claims| claims.into_iter().map(normal_claim).collect()),
            ),
            private_endpoint: private_endpoint.map(normal_private_endpoint),
            private_endpoint_overrides: private_endpoint_overrides.and_then(normal_overrides),
            allowed_workload_configuration: allowed_workload_configuration
                .and_then(normal_workloads),
            certificate_configurations,
        },
    }
}

fn normal_claim(claim: CustomClaim) -> CustomClaim {
    let CustomClaim {
        inbound_token_claim_name,
        inbound_token_claim_value_type,
        authorizing_claim_match_value,
    } = claim;
    let ClaimMatch {
        claim_match_operator,
        claim_match_value,
    } = authorizing_claim_match_value;
    let ClaimMatchValue {
        match_value_string,
        match_value_string_list,
    } = claim_match_value;
    CustomClaim {
        inbound_token_claim_name,
        inbound_token_claim_value_type,
        authorizing_claim_match_value: ClaimMatch {
            claim_match_operator,
            claim_match_value: ClaimMatchValue {
                match_value_string,
                match_value_string_list: list(match_value_string_list),
            },
        },
    }
}

fn normal_private_endpoint(endpoint: PrivateEndpoint) -> PrivateEndpoint {
    let PrivateEndpoint {
        self_managed_lattice_resource,
        managed_vpc_resource,
    } = endpoint;
    PrivateEndpoint {
        self_managed_lattice_resource,
        managed_vpc_resource: managed_vpc_resource.map(|resource| {
            let ManagedVpcResource {
                vpc_identifier,
                subnet_ids,
                endpoint_ip_address_type,
                security_group_ids,
                tags,
                routing_domain,
            } = resource;
            ManagedVpcResource {
                vpc_identifier,
                subnet_ids: sorted(subnet_ids),
                endpoint_ip_address_type,
                security_group_ids: list(security_group_ids),
                tags: map(tags),
                routing_domain: text(routing_domain),
            }
        }),
    }
}

fn normal_overrides(
    overrides: Vec<PrivateEndpointOverride>,
) -> Option<Vec<PrivateEndpointOverride>> {
    let mut overrides: Vec<_> = overrides
        .into_iter()
        .map(|one| {
            let PrivateEndpointOverride {
                domain,
                private_endpoint,
            } = one;
            PrivateEndpointOverride {
                domain,
                private_endpoint: normal_private_endpoint(private_endpoint),
            }
        })
        .collect();
    overrides.sort_by(|a, b| a.domain.cmp(&b.domain));
    (!overrides.is_empty()).then_some(overrides)
}

fn normal_workloads(
    workloads: AllowedWorkloadConfiguration,
) -> Option<AllowedWorkloadConfiguration> {
    let AllowedWorkloadConfiguration {
        hosting_environments,
        workload_identities,
    } = workloads;
    let (hosting_environments, workload_identities) =
        (list(hosting_environments), list(workload_identities));
    (hosting_environments.is_some() || workload_identities.is_some()).then_some(
        AllowedWorkloadConfiguration {
            hosting_environments,
            workload_identities,
        },
    )
}

/// Sets travel as lists: order and repetition mean nothing.
fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items.dedup();
    items
}

fn list<T: Ord>(items: Option<Vec<T>>) -> Option<Vec<T>> {
    items.map(sorted).filter(|items| !items.is_empty())
}

fn map(items: Option<BTreeMap<String, String>>) -> Option<BTreeMap<String, String>> {
    items.filter(|items| !items.is_empty())
}

fn text(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}
