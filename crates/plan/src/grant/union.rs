//! What AgentGrants give a namespace together, and the built-in grant for namespaces that none of them names.

use std::collections::BTreeMap;

use agentcore_api::AgentGrantSpec;
use agentcore_api::grant::{Adoption, Limits, Namespaces, ResourcePolicies};

use super::{DEFAULT_BYTES, DEFAULT_SHARE, Granted};
use crate::policy::Policy;

/// What stands for the namespace in a pattern.
const NAMESPACE: &str = "{namespace}";
/// Weight that no grant exceeds.
const MOST_SHARE: u32 = 100;

impl Granted {
    /// What a namespace with these labels has. Lists unite; limits, share and resource policies are the most generous ones. A
    /// namespace that a grant names has what its grants give and nothing else.
    pub fn of<'a>(
        namespace: &str,
        labels: &BTreeMap<String, String>,
        grants: impl IntoIterator<Item = &'a AgentGrantSpec>,
        policy: &Policy,
    ) -> Self {
        let (own, others): (Vec<_>, Vec<_>) = grants
            .into_iter()
            .partition(|grant| names(&grant.namespaces, namespace, labels));
        let mut granted = if own.is_empty() {
            built_in(namespace, policy)
        } else {
            united(namespace, &own, policy)
        };
        granted.reserved_names = all(&others, |grant| grant.runtime_names.as_ref());
        granted
    }
}

/// Whether a grant speaks of a namespace. One that says both or nothing, which the API server refuses, speaks of none.
fn names(wanted: &Namespaces, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
    match (&wanted.names, &wanted.match_labels) {
        (Some(names), None) => names.iter().any(|name| name == namespace),
        (None, Some(wanted)) if !wanted.is_empty() => wanted
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value)),
        _ => false,
    }
}

fn united(namespace: &str, grants: &[&AgentGrantSpec], policy: &Policy) -> Granted {
    let filled = |list: fn(&AgentGrantSpec) -> Option<&Vec<String>>| {
        let patterns = all(grants, list);
        sorted(patterns.iter().filter_map(|one| fill(one, namespace)))
    };
    let regions = grants.iter().flat_map(|grant| match &grant.regions {
        Some(regions) => regions.clone(),
        None => vec![policy.region.clone()],
    });
    let most = |limit: fn(&Limits) -> Option<u32>| {
        let limits = grants
            .iter()
            .map(|grant| grant.limits.as_ref().and_then(limit));
        // No limit is the most generous one.
        limits.reduce(|one, other| one.zip(other).map(|(one, other)| one.max(other)))
    };
    let bytes = grants.iter().map(|grant| {
        let limits = grant.limits.as_ref();
        limits
            .and_then(|limits| limits.bytes)
            .unwrap_or(DEFAULT_BYTES)
    });
    let shares = grants
        .iter()
        .map(|grant| grant.share.unwrap_or(DEFAULT_SHARE));
    Granted {
        known: true,
        regions: sorted(regions),
        execution_roles: filled(|grant| grant.execution_roles.as_ref()),
        // Names have no place for the namespace: its hyphens would have to become underscores, and then two namespaces read alike.
        runtime_names: sorted(
            all(grants, |grant| grant.runtime_names.as_ref())
                .into_iter()
                .filter(|pattern| !pattern.contains(NAMESPACE)),
        ),
        reserved_names: Vec::new(),
        adoption: grants
            .iter()
            .flat_map(|grant| grant.adoption.iter().flatten())
            .map(|adoption| adoption_of(adoption, namespace))
            .collect(),
        repositories: filled(|grant| grant.repositories.as_ref()),
        buckets: filled(|grant| grant.buckets.as_ref()),
        subnets: filled(|grant| grant.subnets.as_ref()),
        security_groups: filled(|grant| grant.security_groups.as_ref()),
        capacity_providers: filled(|grant| grant.capacity_providers.as_ref()),
        resource_policies: grants
            .iter()
            .map(|grant| grant.resource_policies.unwrap_or_default())
            .max()
            .unwrap_or_default(),
        limits: Limits {
            runtimes: most(|limits| limits.runtimes).flatten(),
            endpoints: most(|limits| limits.endpoints).flatten(),
            sessions: most(|limits| limits.sessions).flatten(),
            bytes: bytes.max(),
        },
        share: shares.max().unwrap_or(DEFAULT_SHARE).clamp(1, MOST_SHARE),
    }
}

/// What a namespace has that no grant names.
fn built_in(namespace: &str, policy: &Policy) -> Granted {
    if policy.no_default_grant {
        return Granted::default();
    }
    let or_any = |text: &str| if text.is_empty() { "*" } else { text }.to_owned();
    let account = or_any(&policy.account);
    // Never a star: it would run over the account as well.
    let partition = if policy.partition.is_empty() {
        "aws"
    } else {
        &policy.partition
    };
    let own = format!("arn:{partition}:iam::{account}:role/agentcore/{NAMESPACE}/*");
    let roles = policy.execution_role_patterns.iter().chain([&own]);
    let repositories = ["", ".cn"]
        .map(|end| format!("{account}.dkr.ecr.*.amazonaws.com{end}/*"))
        .into_iter()
        .chain(["public.ecr.aws/*".to_owned()]);
    let runtimes = policy.max_runtimes_per_namespace;
    Granted {
        regions: vec![policy.region.clone()],
        execution_roles: sorted(roles.filter_map(|one| fill(one, namespace))),
        repositories: sorted(repositories),
        resource_policies: ResourcePolicies::SameAccount,
        limits: Limits {
            runtimes: runtimes.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
            ..Limits::default()
        },
        ..Granted::default()
    }
}

fn adoption_of(adoption: &Adoption, namespace: &str) -> Adoption {
    let filled = |patterns: &Vec<String>| {
        let patterns = patterns.iter();
        patterns.filter_map(|one| fill(one, namespace)).collect()
    };
    Adoption {
        runtime_ids: filled(&adoption.runtime_ids),
        from_owners: adoption.from_owners.as_ref().map(filled),
    }
}

fn all(
    grants: &[&AgentGrantSpec],
    list: fn(&AgentGrantSpec) -> Option<&Vec<String>>,
) -> Vec<String> {
    let lists = grants.iter().filter_map(|grant| list(grant));
    lists.flatten().cloned().collect()
}

fn sorted(patterns: impl Iterator<Item = String>) -> Vec<String> {
    let mut patterns: Vec<String> = patterns.collect();
    patterns.sort();
    patterns.dedup();
    patterns
}

/// A pattern with the namespace in its place. What is no name of a namespace stands for nothing: no `*` comes in by it.
fn fill(pattern: &str, namespace: &str) -> Option<String> {
    if !pattern.contains(NAMESPACE) {
        return Some(pattern.to_owned());
    }
    let plain = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
    (!namespace.is_empty() && namespace.chars().all(plain))
        .then(|| pattern.replace(NAMESPACE, namespace))
}
