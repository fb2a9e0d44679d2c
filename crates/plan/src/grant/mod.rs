//! What a namespace may use: its grants united, or the built-in grant where no grant names it.

mod check;
mod principals;
mod union;

use agentcore_api::grant::{Adoption, Limits, ResourcePolicies};

pub use check::{Ask, Lack, What, asks, refusal};
pub(crate) use check::{region_refusal, source_trouble};
pub use principals::{DocumentError, reach};

use crate::glob;
use crate::tags::Owner;

/// Weight in the rates of AWS where no grant says one.
pub const DEFAULT_SHARE: u32 = 10;

/// Bytes of objects that the operator keeps of a namespace where no grant says more.
pub const DEFAULT_BYTES: u64 = 32 << 20;

/// What one namespace may use. Patterns are filled in: `{namespace}` is the namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Granted {
    /// Whether grants and namespaces have been listed; before that nothing is changed in AWS.
    pub known: bool,
    /// Regions.
    pub regions: Vec<String>,
    /// Patterns of execution roles.
    pub execution_roles: Vec<String>,
    /// Patterns of names that `spec.runtimeName` may choose.
    pub runtime_names: Vec<String>,
    /// Patterns of names that grants give to other namespaces: where one of them is the longer one, the name is theirs.
    pub reserved_names: Vec<String>,
    /// What may be adopted.
    pub adoption: Vec<Adoption>,
    /// Patterns of repositories.
    pub repositories: Vec<String>,
    /// Patterns of buckets.
    pub buckets: Vec<String>,
    /// Patterns of subnets.
    pub subnets: Vec<String>,
    /// Patterns of security groups.
    pub security_groups: Vec<String>,
    /// Patterns of capacity providers.
    pub capacity_providers: Vec<String>,
    /// Whom a resource policy may let in.
    pub resource_policies: ResourcePolicies,
    /// Most objects.
    pub limits: Limits,
    /// Weight in the rates of AWS, 1 to 100.
    pub share: u32,
}

impl Granted {
    /// Everything that can be granted: what a manifest is held against where no cluster is at hand.
    pub fn everything() -> Self {
        let any = || vec!["*".to_owned()];
        Self {
            regions: any(),
            execution_roles: any(),
            runtime_names: any(),
            adoption: vec![Adoption {
                runtime_ids: any(),
                from_owners: Some(any()),
            }],
            repositories: any(),
            buckets: any(),
            subnets: any(),
            security_groups: any(),
            capacity_providers: any(),
            resource_policies: ResourcePolicies::Any,
            ..Self::default()
        }
    }

    /// What holds before grants and namespaces have been listed: nothing is changed, and nobody is told that it is refused for good.
    pub fn unknown() -> Self {
        Self {
            known: false,
            ..Self::default()
        }
    }

    /// Whether `spec.runtimeName` may choose this name: a pattern of this namespace fits, and no longer one of others.
    pub fn may_name(&self, name: &str) -> bool {
        let longest = |patterns: &[String]| {
            let fitting = patterns
                .iter()
                .filter(|pattern| glob::matches(pattern, name));
            fitting.map(|pattern| literal(pattern)).max()
        };
        longest(&self.runtime_names)
            .is_some_and(|own| longest(&self.reserved_names).is_none_or(|other| other <= own))
    }

    /// Whether a runtime is among those that may be adopted, whoever owns it now.
    pub fn adoptable(&self, runtime_id: &str) -> bool {
        let mut ids = self.adoption.iter().flat_map(|one| &one.runtime_ids);
        ids.any(|pattern| glob::matches(pattern, runtime_id))
    }

    /// Whether a runtime may be adopted from its present owner; `None`: it carries no owner's tags.
    pub fn may_adopt(&self, runtime_id: &str, from: Option<&Owner>) -> bool {
        let fits = |patterns: &[String], text: &str| {
            patterns.iter().any(|pattern| glob::matches(pattern, text))
        };
        self.adoption.iter().any(|adoption| {
            let owner = from.is_none_or(|owner| {
                let owner = format!("{}/{}/{}", owner.cluster, owner.namespace, owner.name);
                fits(adoption.from_owners.as_deref().unwrap_or_default(), &owner)
            });
            owner && fits(&adoption.runtime_ids, runtime_id)
        })
    }
}

impl Default for Granted {
    fn default() -> Self {
        Self {
            known: true,
            reserved_names: Vec::new(),
            regions: Vec::new(),
            execution_roles: Vec::new(),
            runtime_names: Vec::new(),
            adoption: Vec::new(),
            repositories: Vec::new(),
            buckets: Vec::new(),
            subnets: Vec::new(),
            security_groups: Vec::new(),
            capacity_providers: Vec::new(),
            resource_policies: ResourcePolicies::default(),
            limits: Limits::default(),
            share: DEFAULT_SHARE,
        }
    }
}

/// How many characters of a pattern stand for themselves: the more, the more exactly it names something.
fn literal(pattern: &str) -> usize {
    pattern.chars().filter(|sign| !"*?".contains(*sign)).count()
}
