//! Environment variables from Secrets and ConfigMaps: what a spec refers to, and what becomes of it, as Kubernetes does it for pods.
//!
//! Values travel in [`EnvValue`], whose Debug shows nothing; what is kept of them are HMACs with the operator's own key.

mod environment;
#[cfg(test)]
mod fuzz;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use agentcore_api::AgentRuntimeSpec;
use agentcore_api::runtime::{EnvFrom, EnvVar};

pub use environment::{Environment, Origin, environment};
pub use value::{EnvValue, HashKey, scrub};

/// Kinds that values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum SourceKind {
    Secret,
    ConfigMap,
}

impl SourceKind {
    /// Kubernetes' name of the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

/// A Secret or ConfigMap of the object's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Kind.
    pub kind: SourceKind,
    /// Name.
    pub name: String,
}

impl Source {
    fn new(kind: SourceKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

/// Data of a Secret or ConfigMap; `None` is a value that is no text (UTF-8).
pub type Data = BTreeMap<String, Option<EnvValue>>;

/// What became of reading a source.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// It is there.
    Data(Arc<Data>),
    /// It is not there.
    Missing,
    /// The operator may not read it.
    Forbidden,
    /// The API server did not say.
    Unavailable,
}

/// What is known of the sources that a spec refers to.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ConfigInput {
    /// The spec refers to none.
    #[default]
    NotNeeded,
    /// The operator's key for hashes cannot be read: without it nothing that may be a secret is used.
    NoKey {
        /// Why, for people.
        why: String,
    },
    /// Each source was asked for.
    Given {
        /// The operator's key.
        key: HashKey,
        /// What was found.
        found: BTreeMap<Source, Found>,
    },
}

impl ConfigInput {
    /// The operator's key, where it was read.
    pub fn key(&self) -> Option<&HashKey> {
        match self {
            Self::Given { key, .. } => Some(key),
            Self::NotNeeded | Self::NoKey { .. } => None,
        }
    }

    /// Takes every value that was read, and these others, out of a text: all at once, because values may be parts of each other.
    pub fn scrub<'a>(
        &'a self,
        text: &str,
        others: impl IntoIterator<Item = &'a EnvValue>,
    ) -> String {
        let found = match self {
            Self::Given { found, .. } => Some(found.values()),
            Self::NotNeeded | Self::NoKey { .. } => None,
        };
        let data = found.into_iter().flatten().filter_map(|found| match found {
            Found::Data(data) => Some(data),
            Found::Missing | Found::Forbidden | Found::Unavailable => None,
        });
        let read = data.flat_map(|data| data.values().flatten());
        scrub(text, read.chain(others))
    }
}

/// Every Secret and ConfigMap that a spec refers to.
pub fn sources(spec: &AgentRuntimeSpec) -> BTreeSet<Source> {
    let variables = spec.env.iter().flatten();
    let keys = variables.filter_map(|variable| reference(variable).map(|(source, ..)| source));
    let whole = spec.env_from.iter().flatten();
    keys.chain(whole.filter_map(|one| whole_source(one).map(|(source, _)| source)))
        .collect()
}

/// Source, key and whether it is optional.
fn reference(variable: &EnvVar) -> Option<(Source, &str, bool)> {
    let from = variable.value_from.as_ref()?;
    let (kind, key) = match (&from.secret_key_ref, &from.config_map_key_ref) {
        (Some(key), _) => (SourceKind::Secret, key),
        (None, Some(key)) => (SourceKind::ConfigMap, key),
        (None, None) => return None,
    };
    let optional = key.optional == Some(true);
    Some((Source::new(kind, &key.name), &key.key, optional))
}

fn whole_source(from: &EnvFrom) -> Option<(Source, bool)> {
    let (kind, object) = match (&from.secret_ref, &from.config_map_ref) {
        (Some(object), _) => (SourceKind::Secret, object),
        (None, Some(object)) => (SourceKind::ConfigMap, object),
        (None, None) => return None,
    };
    Some((
        Source::new(kind, &object.name),
        object.optional == Some(true),
    ))
}
