//! Who may call a runtime: tokens of an OpenID Connect issuer instead of IAM.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Inbound authorizer; `customJWT` is the only kind.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// JSON web tokens.
    #[serde(rename = "customJWT")]
    pub custom_jwt: CustomJwt,
}

/// Which tokens are good.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CustomJwt {
    /// Address of the issuer's metadata document.
    pub discovery_url: String,
    /// Values of `aud`, one of which a token must carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_audience: Option<Vec<String>>,
    /// Values of `client_id`, one of which a token must carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_clients: Option<Vec<String>>,
    /// Scopes, one of which a token must carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_scopes: Option<Vec<String>>,
    /// Scopes as they are advertised to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertised_scope_mapping: Option<BTreeMap<String, String>>,
    /// Further claims that must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_claims: Option<Vec<CustomClaim>>,
    /// Private way to the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_endpoint: Option<PrivateEndpoint>,
    /// Private ways to further domains, at most 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_endpoint_overrides: Option<Vec<PrivateEndpointOverride>>,
    /// Workloads that may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_workload_configuration: Option<AllowedWorkloadConfiguration>,
}

/// A claim and what it must be.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct CustomClaim {
    /// Name of the claim.
    pub inbound_token_claim_name: String,
    /// Type of the claim.
    pub inbound_token_claim_value_type: ClaimValueType,
    /// What it must be.
    pub authorizing_claim_match_value: ClaimMatch,
}

/// Types of claims.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClaimValueType {
    /// One string.
    String,
    /// Several strings.
    StringArray,
}

/// Operator and value.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ClaimMatch {
    /// How the claim is compared.
    pub claim_match_operator: ClaimMatchOperator,
    /// With what it is compared.
    pub claim_match_value: ClaimMatchValue,
}

/// Comparisons of claims.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClaimMatchOperator {
    /// The claim is the value.
    Equals,
    /// The claim holds the value.
    Contains,
    /// The claim holds one of the values.
    ContainsAny,
}

/// Exactly one of the two.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ClaimMatchValue {
    /// One string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_value_string: Option<String>,
    /// Several strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_value_string_list: Option<Vec<String>>,
}

/// Exactly one of the two.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PrivateEndpoint {
    /// A VPC Lattice resource of yours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_managed_lattice_resource: Option<SelfManagedLatticeResource>,
    /// A resource that AgentCore makes in your VPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_vpc_resource: Option<ManagedVpcResource>,
}

/// A VPC Lattice resource configuration.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SelfManagedLatticeResource {
    /// Id or ARN.
    pub resource_configuration_identifier: String,
}

/// What AgentCore makes in your VPC.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ManagedVpcResource {
    /// VPC.
    pub vpc_identifier: String,
    /// Subnets.
    pub subnet_ids: Vec<String>,
    /// IPV4 or IPV6.
    pub endpoint_ip_address_type: EndpointIpAddressType,
    /// Security groups, at most 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_group_ids: Option<Vec<String>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// Domain that is routed, 3 to 255 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_domain: Option<String>,
}

/// Address families.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum EndpointIpAddressType {
    Ipv4,
    Ipv6,
}

/// A private way to one domain.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PrivateEndpointOverride {
    /// Domain.
    pub domain: String,
    /// The way.
    pub private_endpoint: PrivateEndpoint,
}

/// Workloads that may call.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AllowedWorkloadConfiguration {
    /// Hosting environments, 1 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosting_environments: Option<Vec<HostingEnvironment>>,
    /// Names of workload identities, 1 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identities: Option<Vec<String>>,
}

/// A hosting environment.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostingEnvironment {
    /// ARN of an AgentCore resource.
    pub arn: String,
}
