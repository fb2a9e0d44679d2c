//! Who may call a runtime: tokens of an OpenID Connect issuer instead of IAM.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::{
    ACCOUNT_PATTERN, CERTIFICATE_SECRET_PATTERN, CERTIFICATE_URI_PATTERN, CLAIM_NAME_PATTERN,
    CLAIM_VALUE_PATTERN, DISCOVERY_URL_PATTERN, ENDPOINT_SECURITY_GROUP_PATTERN, LATTICE_PATTERN,
    SCOPE_PATTERN, SUBNET_PATTERN, VPC_PATTERN, WORKLOAD_IDENTITY_PATTERN,
};
use crate::rules;

/// Inbound authorizer; `customJWT` is the only kind.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// JSON web tokens.
    #[serde(rename = "customJWT")]
    pub custom_jwt: CustomJwt,
}

/// Which tokens are good.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CustomJwt {
    /// Address of the issuer's metadata document: https, with `/.well-known/openid-configuration` or
    /// `/.well-known/oauth-authorization-server` (AgentCore API), at most 2048 characters.
    #[schemars(length(max = 2048), regex(pattern = DISCOVERY_URL_PATTERN))]
    pub discovery_url: String,
    /// Values of `aud`, one of which a token must carry: 1 to 100 of 1 to 2048 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 2048)))]
    pub allowed_audience: Option<Vec<String>>,
    /// Values of `client_id`, one of which a token must carry: 1 to 100 of 1 to 2048 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 2048)))]
    pub allowed_clients: Option<Vec<String>>,
    /// Scopes, one of which a token must carry: 1 to 100 of 1 to 255 characters (AgentCore API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 255), regex(pattern = SCOPE_PATTERN)))]
    pub allowed_scopes: Option<Vec<String>>,
    /// Scopes as they are advertised to clients: 1 to 50, keys and values of 1 to 255 characters (AgentCore API).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::common::entries"
    )]
    #[schemars(schema_with = "rules::scope_mapping")]
    pub advertised_scope_mapping: Option<BTreeMap<String, String>>,
    /// Further claims that must match, 1 to 100; a map by `inboundTokenClaimName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["inboundTokenClaimName".into()]))]
    pub custom_claims: Option<Vec<CustomClaim>>,
    /// Private way to the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_endpoint: Option<PrivateEndpoint>,
    /// Private ways to further domains, at most 5 (AgentCore API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5))]
    pub private_endpoint_overrides: Option<Vec<PrivateEndpointOverride>>,
    /// Workloads that may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_workload_configuration: Option<AllowedWorkloadConfiguration>,
    /// The private certificate authority of the issuer, at most one (AgentCore API); absent: what is there is kept, `[]`: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1))]
    pub certificate_configurations: Option<Vec<CertificateConfiguration>>,
}

/// Where a certificate is, as PEM: exactly one of the two.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("an item of certificateConfigurations", &["s3", "secretsManager"]))]
pub struct CertificateConfiguration {
    /// An object in S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<CertificateObject>,
    /// A secret of Secrets Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_manager: Option<CertificateSecret>,
}

/// An object in S3 that holds a certificate.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct CertificateObject {
    /// `s3://bucket/key`, at most 2048 characters (AgentCore API).
    #[schemars(length(max = 2048), regex(pattern = CERTIFICATE_URI_PATTERN))]
    pub uri: String,
    /// Account that owns the bucket, 12 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 12), regex(pattern = ACCOUNT_PATTERN))]
    pub bucket_owner_account_id: Option<String>,
}

/// A secret that holds a certificate.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSecret {
    /// ARN of the secret, at most 2048 characters.
    #[schemars(length(max = 2048), regex(pattern = CERTIFICATE_SECRET_PATTERN))]
    pub secret_arn: String,
}

/// A claim and what it must be.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct CustomClaim {
    /// Name of the claim, 1 to 255 characters (AgentCore API).
    #[schemars(length(min = 1, max = 255), regex(pattern = CLAIM_NAME_PATTERN))]
    pub inbound_token_claim_name: String,
    /// Type of the claim.
    pub inbound_token_claim_value_type: ClaimValueType,
    /// What it must be.
    pub authorizing_claim_match_value: ClaimMatch,
}

/// Types of claims.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(transform = crate::rules::known_names)]
pub enum ClaimValueType {
    /// One string.
    String,
    /// Several strings.
    StringArray,
    /// A value that this release does not know: it is passed on as it is.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
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
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(transform = crate::rules::known_names)]
pub enum ClaimMatchOperator {
    /// The claim is the value.
    Equals,
    /// The claim holds the value.
    Contains,
    /// The claim holds one of the values.
    ContainsAny,
    /// A value that this release does not know: it is passed on as it is.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// Exactly one of the two.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("claimMatchValue", &["matchValueString", "matchValueStringList"]))]
pub struct ClaimMatchValue {
    /// One string, 1 to 255 characters (AgentCore API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = CLAIM_VALUE_PATTERN))]
    pub match_value_string: Option<String>,
    /// 1 to 100 strings of 1 to 255 characters (AgentCore API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 255), regex(pattern = CLAIM_VALUE_PATTERN)))]
    pub match_value_string_list: Option<Vec<String>>,
}

/// Exactly one of the two.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("privateEndpoint", &["selfManagedLatticeResource", "managedVpcResource"]))]
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
    /// Id (`rcfg-...`) or ARN, 20 to 2048 characters (AgentCore API).
    #[schemars(length(min = 20, max = 2048), regex(pattern = LATTICE_PATTERN))]
    pub resource_configuration_identifier: String,
}

/// What AgentCore makes in your VPC.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ManagedVpcResource {
    /// VPC, such as `vpc-0123456789abcdef0`.
    #[schemars(length(max = 21), regex(pattern = VPC_PATTERN))]
    pub vpc_identifier: String,
    /// Subnets, at most 100.
    #[schemars(length(max = 100), inner(regex(pattern = SUBNET_PATTERN), length(max = 24)))]
    pub subnet_ids: Vec<String>,
    /// `IPV4` or `IPV6`.
    pub endpoint_ip_address_type: EndpointIpAddressType,
    /// Security groups, at most 5 (AgentCore API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), inner(regex(pattern = ENDPOINT_SECURITY_GROUP_PATTERN), length(max = 20)))]
    pub security_group_ids: Option<Vec<String>>,
    /// Tags, at most 50; keys have 1 to 128 characters and do not begin with `aws:`, values have at most 256.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::common::entries"
    )]
    #[schemars(schema_with = "rules::managed_vpc_tags")]
    pub tags: Option<BTreeMap<String, String>>,
    /// Domain that is routed, 3 to 255 characters (AgentCore API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 255))]
    pub routing_domain: Option<String>,
}

/// Address families.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
#[schemars(transform = crate::rules::known_names)]
pub enum EndpointIpAddressType {
    Ipv4,
    Ipv6,
    /// A value that this release does not know: it is passed on as it is.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// A private way to one domain.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PrivateEndpointOverride {
    /// Domain, 1 to 253 characters (AgentCore API).
    #[schemars(length(min = 1, max = 253))]
    pub domain: String,
    /// The way.
    pub private_endpoint: PrivateEndpoint,
}

/// Workloads that may call.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AllowedWorkloadConfiguration {
    /// Hosting environments, 1 to 10 (AgentCore API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10))]
    pub hosting_environments: Option<Vec<HostingEnvironment>>,
    /// Names of workload identities, 1 to 10 of 3 to 255 characters (AgentCore API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10), inner(length(min = 3, max = 255), regex(pattern = WORKLOAD_IDENTITY_PATTERN)))]
    pub workload_identities: Option<Vec<String>>,
}

/// A hosting environment.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostingEnvironment {
    /// ARN of an AgentCore resource, 20 to 1011 characters (AgentCore API).
    #[schemars(length(min = 20, max = 1011))]
    pub arn: String,
}
