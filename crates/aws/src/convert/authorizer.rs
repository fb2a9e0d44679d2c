//! Who may call a runtime: the JWT authorizer and everything below it.

use agentcore_api::runtime::{
    AllowedWorkloadConfiguration, Authorizer, ClaimMatch, ClaimMatchOperator, ClaimMatchValue,
    ClaimValueType, CustomClaim, CustomJwt, EndpointIpAddressType, HostingEnvironment,
    ManagedVpcResource, PrivateEndpoint, PrivateEndpointOverride, SelfManagedLatticeResource,
};
use aws_sdk_bedrockagentcorecontrol::types as sdk;

use super::{Converted, Mismatch, exactly_one, spellings};

pub(super) fn to_sdk(authorizer: &Authorizer) -> Converted<sdk::AuthorizerConfiguration> {
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
        certificate_configurations: _, // the SDK does not have it: beyond
    } = custom_jwt;
    let jwt = sdk::CustomJwtAuthorizerConfiguration::builder()
        .discovery_url(discovery_url)
        .set_allowed_audience(allowed_audience.clone())
        .set_allowed_clients(allowed_clients.clone())
        .set_allowed_scopes(allowed_scopes.clone())
        .set_advertised_scope_mapping(
            advertised_scope_mapping
                .clone()
                .map(|mapping| mapping.into_iter().collect()),
        )
        .set_custom_claims(all(custom_claims.as_deref(), claim_to_sdk)?)
        .set_private_endpoint(private_endpoint.as_ref().map(endpoint_to_sdk).transpose()?)
        .set_private_endpoint_overrides(all(
            private_endpoint_overrides.as_deref(),
            override_to_sdk,
        )?)
        .set_allowed_workload_configuration(
            allowed_workload_configuration
                .as_ref()
                .map(workloads_to_sdk)
                .transpose()?,
        )
        .build()?;
    Ok(sdk::AuthorizerConfiguration::CustomJwtAuthorizer(jwt))
}

pub(super) fn from_sdk(authorizer: &sdk::AuthorizerConfiguration) -> Converted<Authorizer> {
    let sdk::AuthorizerConfiguration::CustomJwtAuthorizer(jwt) = authorizer else {
        return Err(Mismatch::unknown_arm("authorizerConfiguration"));
    };
    let custom_jwt = CustomJwt {
        discovery_url: jwt.discovery_url().to_owned(),
        allowed_audience: jwt.allowed_audience.clone(),
        allowed_clients: jwt.allowed_clients.clone(),
        allowed_scopes: jwt.allowed_scopes.clone(),
        advertised_scope_mapping: jwt
            .advertised_scope_mapping
            .clone()
            .map(|mapping| mapping.into_iter().collect()),
        custom_claims: all(jwt.custom_claims.as_deref(), claim_from_sdk)?,
        private_endpoint: jwt.private_endpoint().map(endpoint_from_sdk).transpose()?,
        private_endpoint_overrides: all(
            jwt.private_endpoint_overrides.as_deref(),
            override_from_sdk,
        )?,
        allowed_workload_configuration: jwt
            .allowed_workload_configuration()
            .map(workloads_from_sdk),
        certificate_configurations: None,
    };
    Ok(Authorizer { custom_jwt })
}

/// Converts each item, or says why one cannot be.
fn all<A, B>(
    items: Option<&[A]>,
    convert: impl Fn(&A) -> Converted<B>,
) -> Converted<Option<Vec<B>>> {
    items
        .map(|items| items.iter().map(convert).collect())
        .transpose()
}

fn claim_to_sdk(claim: &CustomClaim) -> Converted<sdk::CustomClaimValidationType> {
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
    let value = exactly_one(
        "claimMatchValue",
        [
            match_value_string
                .clone()
                .map(sdk::ClaimMatchValueType::MatchValueString),
            match_value_string_list
                .clone()
                .map(sdk::ClaimMatchValueType::MatchValueStringList),
        ],
    )?;
    let matches = sdk::AuthorizingClaimMatchValueType::builder()
        .claim_match_operator(operator_to_sdk(claim_match_operator))
        .claim_match_value(value)
        .build()?;
    Ok(sdk::CustomClaimValidationType::builder()
        .inbound_token_claim_name(inbound_token_claim_name)
        .inbound_token_claim_value_type(value_type_to_sdk(inbound_token_claim_value_type))
        .authorizing_claim_match_value(matches)
        .build()?)
}

fn claim_from_sdk(claim: &sdk::CustomClaimValidationType) -> Converted<CustomClaim> {
    let matches = claim
        .authorizing_claim_match_value()
        .ok_or_else(|| Mismatch::missing("authorizingClaimMatchValue"))?;
    let (match_value_string, match_value_string_list) = match matches.claim_match_value() {
        Some(sdk::ClaimMatchValueType::MatchValueString(text)) => (Some(text.clone()), None),
        Some(sdk::ClaimMatchValueType::MatchValueStringList(list)) => (None, Some(list.clone())),
        Some(_) => return Err(Mismatch::unknown_arm("claimMatchValue")),
        None => return Err(Mismatch::missing("claimMatchValue")),
    };
    Ok(CustomClaim {
        inbound_token_claim_name: claim.inbound_token_claim_name().to_owned(),
        inbound_token_claim_value_type: value_type_from_sdk(claim.inbound_token_claim_value_type()),
        authorizing_claim_match_value: ClaimMatch {
            claim_match_operator: operator_from_sdk(matches.claim_match_operator()),
            claim_match_value: ClaimMatchValue {
                match_value_string,
                match_value_string_list,
            },
        },
    })
}

fn endpoint_to_sdk(endpoint: &PrivateEndpoint) -> Converted<sdk::PrivateEndpoint> {
    let PrivateEndpoint {
        self_managed_lattice_resource,
        managed_vpc_resource,
    } = endpoint;
    let lattice = self_managed_lattice_resource.as_ref().map(|resource| {
        let SelfManagedLatticeResource {
            resource_configuration_identifier: identifier,
        } = resource;
        Ok(sdk::PrivateEndpoint::SelfManagedLatticeResource(
            sdk::SelfManagedLatticeResource::ResourceConfigurationIdentifier(identifier.clone()),
        ))
    });
    let vpc = managed_vpc_resource
        .as_ref()
        .map(|resource| vpc_to_sdk(resource).map(sdk::PrivateEndpoint::ManagedVpcResource));
    exactly_one("privateEndpoint", [lattice, vpc])?
}

fn vpc_to_sdk(resource: &ManagedVpcResource) -> Converted<sdk::ManagedVpcResource> {
    let ManagedVpcResource {
        vpc_identifier,
        subnet_ids,
        endpoint_ip_address_type,
        security_group_ids,
        tags,
        routing_domain,
    } = resource;
    Ok(sdk::ManagedVpcResource::builder()
        .vpc_identifier(vpc_identifier)
        .set_subnet_ids(Some(subnet_ids.clone()))
        .endpoint_ip_address_type(address_type_to_sdk(endpoint_ip_address_type))
        .set_security_group_ids(security_group_ids.clone())
        .set_tags(tags.clone().map(|tags| tags.into_iter().collect()))
        .set_routing_domain(routing_domain.clone())
        .build()?)
}

fn endpoint_from_sdk(endpoint: &sdk::PrivateEndpoint) -> Converted<PrivateEndpoint> {
    let (self_managed_lattice_resource, managed_vpc_resource) = match endpoint {
        sdk::PrivateEndpoint::SelfManagedLatticeResource(
            sdk::SelfManagedLatticeResource::ResourceConfigurationIdentifier(identifier),
        ) => {
            let resource = SelfManagedLatticeResource {
                resource_configuration_identifier: identifier.clone(),
            };
            (Some(resource), None)
        }
        sdk::PrivateEndpoint::ManagedVpcResource(resource) => {
            let resource = ManagedVpcResource {
                vpc_identifier: resource.vpc_identifier().to_owned(),
                subnet_ids: resource.subnet_ids().to_vec(),
                endpoint_ip_address_type: address_type_from_sdk(
                    resource.endpoint_ip_address_type(),
                ),
                security_group_ids: resource.security_group_ids.clone(),
                tags: resource.tags.clone().map(|tags| tags.into_iter().collect()),
                routing_domain: resource.routing_domain().map(ToOwned::to_owned),
            };
            (None, Some(resource))
        }
        _ => return Err(Mismatch::unknown_arm("privateEndpoint")),
    };
    Ok(PrivateEndpoint {
        self_managed_lattice_resource,
        managed_vpc_resource,
    })
}

fn override_to_sdk(one: &PrivateEndpointOverride) -> Converted<sdk::PrivateEndpointOverride> {
    let PrivateEndpointOverride {
        domain,
        private_endpoint,
    } = one;
    Ok(sdk::PrivateEndpointOverride::builder()
        .domain(domain)
        .private_endpoint(endpoint_to_sdk(private_endpoint)?)
        .build()?)
}

fn override_from_sdk(one: &sdk::PrivateEndpointOverride) -> Converted<PrivateEndpointOverride> {
    let endpoint = one
        .private_endpoint()
        .ok_or_else(|| Mismatch::missing("privateEndpointOverrides.privateEndpoint"))?;
    Ok(PrivateEndpointOverride {
        domain: one.domain().to_owned(),
        private_endpoint: endpoint_from_sdk(endpoint)?,
    })
}

fn workloads_to_sdk(
    workloads: &AllowedWorkloadConfiguration,
) -> Converted<sdk::AllowedWorkloadConfiguration> {
    let AllowedWorkloadConfiguration {
        hosting_environments,
        workload_identities,
    } = workloads;
    let environments = all(
        hosting_environments.as_deref(),
        |HostingEnvironment { arn }| Ok(sdk::HostingEnvironment::builder().arn(arn).build()?),
    )?;
    Ok(sdk::AllowedWorkloadConfiguration::builder()
        .set_hosting_environments(environments)
        .set_workload_identities(workload_identities.clone())
        .build())
}

fn workloads_from_sdk(
    workloads: &sdk::AllowedWorkloadConfiguration,
) -> AllowedWorkloadConfiguration {
    let environments = workloads.hosting_environments.as_ref().map(|environments| {
        environments
            .iter()
            .map(|environment| HostingEnvironment {
                arn: environment.arn().to_owned(),
            })
            .collect()
    });
    AllowedWorkloadConfiguration {
        hosting_environments: environments,
        workload_identities: workloads.workload_identities.clone(),
    }
}

spellings!(value_type_to_sdk, value_type_from_sdk, ClaimValueType, sdk::InboundTokenClaimValueType, {
    String = String,
    StringArray = StringArray,
});

spellings!(operator_to_sdk, operator_from_sdk, ClaimMatchOperator, sdk::ClaimMatchOperatorType, {
    Equals = Equals,
    Contains = Contains,
    ContainsAny = ContainsAny,
});

spellings!(address_type_to_sdk, address_type_from_sdk, EndpointIpAddressType, sdk::EndpointIpAddressType, {
    Ipv4 = Ipv4,
    Ipv6 = Ipv6,
});
