//! AgentGrant: which namespaces may use which roles, repositories, networks and names, and how much of what is shared.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::rules;

/// A pattern, in which only `{namespace}` stands in braces: a misspelt one would match nothing.
pub(crate) const PATTERN: &str = r"^([^{}]|\{namespace\})+$";
/// A pattern of names in AgentCore. `{namespace}` would not do: names have no hyphens, and `team_*` takes in `team_a_x` as well.
pub(crate) const NAME_PATTERNS: &str = r"^[a-zA-Z0-9_*?]+$";
/// Regions are written out.
pub(crate) const REGIONS: &str = r"^[a-z0-9-]+$";
/// Names of namespaces.
pub(crate) const NAMESPACES: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// What namespaces may use in AWS. It is in no category: `kubectl get agentcore` is for people who may not list grants. Lists of several grants that name a namespace unite; an absent list gives nothing.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Default)]
#[kube(group = "agentcore.dev", version = "v1alpha1", kind = "AgentGrant")]
#[kube(
    doc = "What namespaces may use in AWS: roles, repositories, networks, names, and how much of what is shared.",
    derive = "PartialEq",
    shortname = "agrant",
    printcolumn = r#"{"name":"Namespaces","type":"string","jsonPath":".spec.namespaces.names"}"#,
    printcolumn = r#"{"name":"Labels","type":"string","jsonPath":".spec.namespaces.matchLabels"}"#,
    printcolumn = r#"{"name":"Share","type":"integer","jsonPath":".spec.share"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct AgentGrantSpec {
    /// The namespaces that it speaks of.
    pub namespaces: Namespaces,
    /// Regions; absent: the operator's own region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 32), regex(pattern = REGIONS)))]
    pub regions: Option<Vec<String>>,
    /// ARNs of execution roles: `*` stands for any characters, `?` for one, `{namespace}` for the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048), regex(pattern = PATTERN)))]
    pub execution_roles: Option<Vec<String>>,
    /// Names in AgentCore that `spec.runtimeName` may choose: `*` stands for any characters, `?` for one. A name that a longer
    /// pattern gives to other namespaces is theirs alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 64), regex(pattern = NAME_PATTERNS)))]
    pub runtime_names: Option<Vec<String>>,
    /// What may be adopted; nothing else may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub adoption: Option<Vec<Adoption>>,
    /// Repositories of images, with their registry and without a tag, such as
    /// `111122223333.dkr.ecr.us-east-1.amazonaws.com/{namespace}/*`; patterns as in `executionRoles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048), regex(pattern = PATTERN)))]
    pub repositories: Option<Vec<String>>,
    /// S3 buckets of code; patterns as in `executionRoles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 128), regex(pattern = PATTERN)))]
    pub buckets: Option<Vec<String>>,
    /// Ids of subnets; patterns as in `executionRoles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 64), regex(pattern = PATTERN)))]
    pub subnets: Option<Vec<String>>,
    /// Ids of security groups; patterns as in `executionRoles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 64), regex(pattern = PATTERN)))]
    pub security_groups: Option<Vec<String>>,
    /// ARNs of capacity providers; patterns as in `executionRoles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048), regex(pattern = PATTERN)))]
    pub capacity_providers: Option<Vec<String>>,
    /// Whom a runtime's resource policy may let in; absent: Deny.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_policies: Option<ResourcePolicies>,
    /// Most objects of each namespace; absent: no limit, so that of several grants one without limits lifts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Weight in every AWS rate, 1 to 100; absent: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub share: Option<u32>,
}

/// Namespaces by name or by label: exactly one of the two.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("spec.namespaces", &["names", "matchLabels"]))]
pub struct Namespaces {
    /// By name. Safer than labels: whoever labels a namespace chooses its grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 63), regex(pattern = NAMESPACES)))]
    pub names: Option<Vec<String>>,
    /// By labels, all of which a namespace must carry; not empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "match_labels")]
    pub match_labels: Option<BTreeMap<String, String>>,
}

/// Runtimes that may be adopted.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Adoption {
    /// Ids of runtimes; `*` stands for any characters, `{namespace}` for the namespace.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 128), regex(pattern = PATTERN)))]
    pub runtime_ids: Vec<String>,
    /// Owners that they may be taken from, as `cluster/namespace/name` of the ownership tags, patterns as in `runtimeIds`; absent: only
    /// runtimes that nobody owns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 400), regex(pattern = PATTERN)))]
    pub from_owners: Option<Vec<String>>,
}

/// Whom a resource policy may let in. The later one is the more generous.
#[derive(
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
)]
#[schemars(transform = crate::rules::undescribed)]
pub enum ResourcePolicies {
    /// No resource policy at all.
    #[default]
    Deny,
    /// Principals of the runtime's own account.
    SameAccount,
    /// Anybody.
    Any,
}

/// Most of each namespace.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// AgentRuntimes, those included that were deleted with Retain while their runtimes live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub runtimes: Option<u32>,
    /// AgentEndpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub endpoints: Option<u32>,
    /// AgentSessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub sessions: Option<u32>,
    /// Bytes of objects that the operator keeps in memory; absent: 32 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1_048_576, max = 1_073_741_824))]
    pub bytes: Option<u64>,
}

/// Labels of namespaces, 1 to 20.
fn match_labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 20,
        "additionalProperties": { "type": "string", "maxLength": 63 },
    })
}
