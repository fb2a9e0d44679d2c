//! The check: what an AgentRuntime asks for, held against what its namespace has.

use std::fmt;

use agentcore_api::AgentRuntimeSpec;
use agentcore_api::grant::ResourcePolicies;
use agentcore_api::reasons;
use agentcore_api::runtime::{CustomJwt, PrivateEndpoint};
use agentcore_api::values::ImageRef;

use super::{Granted, reach};
use crate::glob;
use crate::image::Trouble;
use crate::runtime::Refusal;

/// How many of the things that are missing are named; the rest is counted.
const MOST_NAMED: usize = 5;

/// Something that a spec asks for and that has to be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Field of the manifest, such as `spec.network.vpc.subnets`.
    pub field: String,
    /// What it names.
    pub what: What,
}

/// What is asked for, by the field of an AgentGrant that gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `regions`.
    Region(String),
    /// `executionRoles`.
    ExecutionRole(String),
    /// `runtimeNames`.
    RuntimeName(String),
    /// `adoption`, by the id of the runtime.
    Adoption(String),
    /// `repositories`.
    Repository(String),
    /// `buckets`.
    Bucket(String),
    /// `subnets`.
    Subnet(String),
    /// `securityGroups`.
    SecurityGroup(String),
    /// `capacityProviders`.
    CapacityProvider(String),
    /// `resourcePolicies`.
    ResourcePolicy(ResourcePolicies),
}

/// An [`Ask`] that is not granted.
pub type Lack = Ask;

impl What {
    /// Field of AgentGrant's spec.
    pub fn list(&self) -> &'static str {
        match self {
            Self::Region(_) => "regions",
            Self::ExecutionRole(_) => "executionRoles",
            Self::RuntimeName(_) => "runtimeNames",
            Self::Adoption(_) => "adoption",
            Self::Repository(_) => "repositories",
            Self::Bucket(_) => "buckets",
            Self::Subnet(_) => "subnets",
            Self::SecurityGroup(_) => "securityGroups",
            Self::CapacityProvider(_) => "capacityProviders",
            Self::ResourcePolicy(_) => "resourcePolicies",
        }
    }

    /// What an administrator writes to grant it.
    pub fn value(&self) -> &str {
        match self {
            Self::Region(text)
            | Self::ExecutionRole(text)
            | Self::RuntimeName(text)
            | Self::Adoption(text)
            | Self::Repository(text)
            | Self::Bucket(text)
            | Self::Subnet(text)
            | Self::SecurityGroup(text)
            | Self::CapacityProvider(text) => text,
            Self::ResourcePolicy(ResourcePolicies::Deny) => "Deny",
            Self::ResourcePolicy(ResourcePolicies::SameAccount) => "SameAccount",
            Self::ResourcePolicy(ResourcePolicies::Any) => "Any",
        }
    }

    /// Whether a namespace has it.
    pub fn is_in(&self, granted: &Granted) -> bool {
        let fits = |patterns: &[String], text: &str| {
            patterns.iter().any(|pattern| glob::matches(pattern, text))
        };
        match self {
            Self::Region(text) => fits(&granted.regions, text),
            Self::ExecutionRole(text) => fits(&granted.execution_roles, text),
            Self::RuntimeName(text) => granted.may_name(text),
            Self::Adoption(text) => granted.adoptable(text),
            Self::Repository(text) => fits(&granted.repositories, text),
            Self::Bucket(text) => fits(&granted.buckets, text),
            Self::Subnet(text) => fits(&granted.subnets, text),
            Self::SecurityGroup(text) => fits(&granted.security_groups, text),
            Self::CapacityProvider(text) => fits(&granted.capacity_providers, text),
            Self::ResourcePolicy(reach) => *reach <= granted.resource_policies,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value();
        match self {
            Self::Adoption(_) => write!(out, "adoption: [{{runtimeIds: [{value:?}]}}]"),
            Self::ResourcePolicy(_) => write!(out, "resourcePolicies: {value}"),
            _ => write!(out, "{}: [{value:?}]", self.list()),
        }
    }
}

/// Everything in a spec that has to be granted. `account`: the runtime's. `fresh`: nothing of it is in AWS yet, so that its name and
/// what it adopts are still to be chosen.
pub fn asks(spec: &AgentRuntimeSpec, region: &str, account: &str, fresh: bool) -> Vec<Ask> {
    let mut asks = Vec::new();
    let mut ask = |field: &str, what: What| {
        asks.push(Ask {
            field: field.to_owned(),
            what,
        });
    };
    // Without one the spec is refused for that.
    if !region.is_empty() {
        ask("spec.region", What::Region(region.to_owned()));
    }
    let role = &spec.execution_role.arn;
    ask("spec.executionRole.arn", What::ExecutionRole(role.clone()));
    if fresh {
        if let Some(name) = &spec.runtime_name {
            ask("spec.runtimeName", What::RuntimeName(name.clone()));
        }
        if let Some(adopt) = &spec.adopt {
            let id = adopt.runtime_id.clone();
            ask("spec.adopt.runtimeId", What::Adoption(id));
        }
    }
    if let Some(container) = &spec.artifact.container {
        let image = &container.image;
        // What is no image is refused as such; here it is in no repository that could be granted by less than `*`.
        let repository =
            ImageRef::parse(image).map_or_else(|_| image.clone(), |it| repository(&it));
        ask(
            "spec.artifact.container.image",
            What::Repository(repository),
        );
    }
    if let Some(code) = &spec.artifact.code {
        let bucket = code.s3.bucket.clone();
        ask("spec.artifact.code.s3.bucket", What::Bucket(bucket));
    }
    if let Some(vpc) = spec.network.as_ref().and_then(|it| it.vpc.as_ref()) {
        for one in &vpc.subnets {
            ask("spec.network.vpc.subnets", What::Subnet(one.clone()));
        }
        for one in &vpc.security_groups {
            let field = "spec.network.vpc.securityGroups";
            ask(field, What::SecurityGroup(one.clone()));
        }
    }
    for mount in spec.filesystems.iter().flatten() {
        if let Some(mount) = &mount.s3_bucket_mount {
            let field = "spec.filesystems.s3BucketMount.bucket";
            ask(field, What::Bucket(mount.bucket.clone()));
        }
    }
    if let Some(provider) = &spec.capacity_provider {
        let arn = provider.arn.clone();
        ask("spec.capacityProvider.arn", What::CapacityProvider(arn));
    }
    if let Some(authorizer) = &spec.authorizer {
        private_ways(&authorizer.custom_jwt, &mut ask);
    }
    if let Some(document) = &spec.resource_policy {
        let reach = reach(document, account).unwrap_or(ResourcePolicies::Any);
        ask("spec.resourcePolicy", What::ResourcePolicy(reach));
    }
    asks
}

/// Subnets and security groups in which AgentCore reaches the issuer of tokens, and the bucket of its certificate.
fn private_ways(jwt: &CustomJwt, ask: &mut impl FnMut(&str, What)) {
    let place = "spec.authorizer.customJWT";
    for certificate in jwt.certificate_configurations.iter().flatten() {
        if let Some(object) = &certificate.s3 {
            let path = object.uri.trim_start_matches("s3://");
            let bucket = path.split('/').next().unwrap_or_default();
            let field = format!("{place}.certificateConfigurations.s3.uri");
            ask(&field, What::Bucket(bucket.to_owned()));
        }
    }
    let mut of = |field: &str, way: &PrivateEndpoint| {
        let Some(managed) = &way.managed_vpc_resource else {
            return;
        };
        let place = format!("{place}.{field}.managedVpcResource");
        for one in &managed.subnet_ids {
            ask(&format!("{place}.subnetIds"), What::Subnet(one.clone()));
        }
        for one in managed.security_group_ids.iter().flatten() {
            let field = format!("{place}.securityGroupIds");
            ask(&field, What::SecurityGroup(one.clone()));
        }
    };
    if let Some(way) = &jwt.private_endpoint {
        of("privateEndpoint", way);
    }
    for one in jwt.private_endpoint_overrides.iter().flatten() {
        of("privateEndpointOverrides", &one.private_endpoint);
    }
}

/// An image's repository as grants name it: with its registry, without tag and digest.
fn repository(image: &ImageRef) -> String {
    format!("{}/{}", image.registry, image.repository)
}

/// Why a namespace may not have all of this; `None`: it may.
pub fn refusal(namespace: &str, asks: Vec<Ask>, granted: &Granted) -> Option<Refusal> {
    let lacks: Vec<Lack> = asks
        .into_iter()
        .filter(|ask| !ask.what.is_in(granted))
        .collect();
    let first = lacks.first()?;
    let of_role = matches!(first.what, What::ExecutionRole(_)) && lacks.len() == 1;
    let reason = if of_role {
        reasons::ROLE_NOT_ALLOWED
    } else {
        reasons::NOT_GRANTED
    };
    let shown = &lacks[..lacks.len().min(MOST_NAMED)];
    let listed = |each: fn(&Lack) -> String| shown.iter().map(each).collect::<Vec<_>>().join(", ");
    let named = listed(|lack| format!("{} {}", lack.field, lack.what.value()));
    let written = listed(|lack| format!("`{}`", lack.what));
    let more = match lacks.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(Refusal::new(
        reason,
        format!(
            "not granted to namespace {namespace}: {named}{more}; an administrator grants it in an AgentGrant that names the namespace, by {written}"
        ),
    ))
}

/// Why nothing may be made or changed in a region.
pub(crate) fn region_refusal(namespace: &str, region: &str, granted: &Granted) -> Option<Refusal> {
    let ask = Ask {
        field: "region".to_owned(),
        what: What::Region(region.to_owned()),
    };
    refusal(namespace, vec![ask], granted)
}

/// The answer to a look at where images or code come from that may not be made; `None`: it may.
pub(crate) fn source_trouble(
    namespace: &str,
    spec: &AgentRuntimeSpec,
    granted: &Granted,
) -> Option<Trouble> {
    let mut sources = asks(spec, "", "", false);
    sources.retain(|ask| ask.field.starts_with("spec.artifact."));
    refusal(namespace, sources, granted).map(|Refusal { reason, message }| Trouble {
        reason,
        message,
        again: None,
    })
}
