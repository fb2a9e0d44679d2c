//! Environment variables from Secrets and ConfigMaps: what a spec refers to, and what becomes of it, as Kubernetes does it for pods.
//!
//! Values travel in [`EnvValue`], whose Debug shows nothing; what is kept of them are HMACs with the operator's own key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use agentcore_api::AgentRuntimeSpec;
use agentcore_api::limits::{ENV_MAX, ENV_NAME_MAX, ENV_VALUE_MAX};
use agentcore_api::reasons;
use agentcore_api::runtime::{EnvFrom, EnvVar};
use serde::{Serialize, Serializer};

use crate::hash::keyed;
use crate::runtime::Refusal;

/// Shorter values are hidden in foreign texts only where they stand as a word of their own.
const SHORT: usize = 8;
/// What stands in the place of a hidden value.
const HIDDEN: &str = "[hidden]";

/// Value of an environment variable.
///
/// Debug shows literals only. Serialize writes the value: it is for what is sent and what is hashed.
#[derive(Clone)]
pub struct EnvValue {
    text: String,
    hidden: bool,
}

impl EnvValue {
    /// A value that a manifest shows.
    pub fn literal(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hidden: false,
        }
    }

    /// A value that may be a secret.
    pub fn hidden(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hidden: true,
        }
    }

    /// The value.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Whether it may be a secret.
    pub fn is_hidden(&self) -> bool {
        self.hidden
    }
}

/// What counts is the value, not where it came from.
impl PartialEq for EnvValue {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for EnvValue {}

impl fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hidden {
            f.write_str(HIDDEN)
        } else {
            self.text.fmt(f)
        }
    }
}

impl Serialize for EnvValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Takes values that may be secrets out of a text that somebody else wrote.
pub fn scrub<'a>(text: &str, values: impl IntoIterator<Item = &'a EnvValue>) -> String {
    let mut clean = text.to_owned();
    for value in values {
        let secret = value.reveal();
        if !value.is_hidden() || secret.is_empty() || !clean.contains(secret) {
            continue;
        }
        clean = if secret.len() >= SHORT {
            clean.replace(secret, HIDDEN)
        } else {
            without_word(&clean, secret)
        };
    }
    clean
}

fn without_word(text: &str, word: &str) -> String {
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let last = before.chars().next_back().or(clean.chars().next_back());
        let alone = !inside(last) && !inside(after.chars().next());
        clean.push_str(before);
        clean.push_str(if alone { HIDDEN } else { word });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

/// The operator's own key for HMACs of referenced values, so that nobody can try values out against what is kept of them.
#[derive(Clone, PartialEq, Eq)]
pub struct HashKey(Vec<u8>);

impl HashKey {
    /// Least bytes of a key.
    pub const LEAST: usize = 16;

    /// A key of at least [`HashKey::LEAST`] random bytes; `None` for less.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= Self::LEAST).then_some(Self(bytes))
    }

    /// What a value is known by: other objects and variables know the same value by something else.
    pub fn seal(&self, uid: &str, name: &str, value: &EnvValue) -> String {
        let value = value.reveal();
        keyed(
            &self.0,
            &format!("{}:{uid}:{}:{name}:{value}", uid.len(), name.len()),
        )
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

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

    /// Takes every value that was read out of a text.
    pub fn scrub(&self, text: &str) -> String {
        let Self::Given { found, .. } = self else {
            return text.to_owned();
        };
        let data = found.values().filter_map(|found| match found {
            Found::Data(data) => Some(data),
            Found::Missing | Found::Forbidden | Found::Unavailable => None,
        });
        scrub(text, data.flat_map(|data| data.values().flatten()))
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

/// Where the value of a variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Object.
    pub source: Source,
    /// Key in its data.
    pub key: String,
    /// HMAC of the value.
    pub seal: String,
}

/// The environment of a runtime.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment {
    /// Values by name.
    pub values: BTreeMap<String, EnvValue>,
    /// Of these, where those come from that the manifest does not show.
    pub origins: BTreeMap<String, Origin>,
    /// Keys that are no variable's name, with their source.
    pub skipped: Vec<String>,
}

/// What stands in the way of an environment, by how much it weighs.
#[derive(Default)]
struct Problems {
    unavailable: Vec<String>,
    forbidden: Vec<String>,
    missing: Vec<String>,
    invalid: Vec<String>,
}

impl Problems {
    fn worst(self) -> Result<(), Refusal> {
        for (reason, list) in [
            (reasons::CONFIG_UNAVAILABLE, self.unavailable),
            (reasons::CONFIG_FORBIDDEN, self.forbidden),
            (reasons::CONFIG_MISSING, self.missing),
            (reasons::CONFIG_INVALID, self.invalid),
        ] {
            if !list.is_empty() {
                return Err(Refusal::new(reason, list.join("; ")));
            }
        }
        Ok(())
    }

    /// Notes why a source has no data; an optional one may be missing, and nothing else.
    fn no_data(&mut self, what: &str, source: &Source, found: Option<&Found>, optional: bool) {
        match found {
            Some(Found::Data(_)) => {}
            Some(Found::Missing) if optional => {}
            Some(Found::Missing) => {
                self.missing
                    .push(format!("{what} needs {source}, which is not there"));
            }
            Some(Found::Forbidden) => self.forbidden.push(format!(
                "{what} needs {source}, which the operator may not read in this namespace"
            )),
            Some(Found::Unavailable) | None => self.unavailable.push(format!(
                "{what} needs {source}, which cannot be read at the moment"
            )),
        }
    }
}

/// Makes the environment of a spec: `envFrom` in its order, a later one over an earlier one, then `env` over all of them.
pub fn environment(
    spec: &AgentRuntimeSpec,
    uid: &str,
    input: &ConfigInput,
) -> Result<Environment, Refusal> {
    let nothing = BTreeMap::new();
    let found = match input {
        ConfigInput::NotNeeded => &nothing,
        ConfigInput::NoKey { why } => {
            let text = format!(
                "env refers to Secrets or ConfigMaps, and the operator's key for hashes cannot be read: {why}"
            );
            return Err(Refusal::new(reasons::CONFIG_UNAVAILABLE, text));
        }
        ConfigInput::Given { found, .. } => found,
    };
    let (mut made, mut problems) = (Environment::default(), Problems::default());
    let mut origins: BTreeMap<String, (Source, String)> = BTreeMap::new();
    for (index, from) in spec.env_from.iter().flatten().enumerate() {
        let Some((source, optional)) = whole_source(from) else {
            continue;
        };
        let there = found.get(&source);
        problems.no_data(&format!("envFrom[{index}]"), &source, there, optional);
        let Some(Found::Data(data)) = there else {
            continue;
        };
        let prefix = from.prefix.as_deref().unwrap_or_default();
        for (key, value) in data.iter() {
            let name = format!("{prefix}{key}");
            if !is_name(&name) {
                made.skipped.push(format!("{name} ({source})"));
                continue;
            }
            let Some(value) = value else {
                problems.invalid.push(not_text(&name, &source));
                continue;
            };
            made.values.insert(name.clone(), value.clone());
            origins.insert(name, (source.clone(), key.clone()));
        }
    }
    for variable in spec.env.iter().flatten() {
        let name = &variable.name;
        let Some((source, key, optional)) = reference(variable) else {
            let value = variable.value.clone().unwrap_or_default();
            made.values.insert(name.clone(), EnvValue::literal(value));
            origins.remove(name);
            continue;
        };
        let there = found.get(&source);
        problems.no_data(&format!("env {name}"), &source, there, optional);
        let Some(Found::Data(data)) = there else {
            continue;
        };
        match data.get(key) {
            Some(Some(value)) => {
                made.values.insert(name.clone(), value.clone());
                origins.insert(name.clone(), (source, key.to_owned()));
            }
            Some(None) => problems.invalid.push(not_text(name, &source)),
            None if optional => {}
            None => problems.missing.push(format!(
                "env {name} needs key {key} of {source}, which is not there"
            )),
        }
    }
    check_limits(&made, &origins, &mut problems);
    problems.worst()?;
    if let Some(key) = input.key() {
        for (name, (source, data_key)) in origins {
            let Some(value) = made.values.get(&name) else {
                continue;
            };
            let seal = key.seal(uid, &name, value);
            let key = data_key;
            made.origins.insert(name, Origin { source, key, seal });
        }
    }
    Ok(made)
}

fn not_text(name: &str, source: &Source) -> String {
    format!("env {name} has a value in {source} that is no UTF-8 text")
}

/// The limits of the AgentCore API that the schema cannot check.
fn check_limits(
    made: &Environment,
    origins: &BTreeMap<String, (Source, String)>,
    problems: &mut Problems,
) {
    for (name, value) in &made.values {
        let length = value.reveal().chars().count();
        if let Some((source, _)) = origins.get(name)
            && length > ENV_VALUE_MAX
        {
            problems.invalid.push(format!(
                "env {name} has a value in {source} of {length} characters; AgentCore takes {ENV_VALUE_MAX}"
            ));
        }
    }
    if made.values.len() > ENV_MAX {
        problems.invalid.push(format!(
            "env and envFrom make {} variables; AgentCore takes {ENV_MAX}",
            made.values.len()
        ));
    }
}

/// Names that a key of a Secret or ConfigMap may become: letters, digits and underscores, no digit first, as a shell has them.
fn is_name(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= ENV_NAME_MAX
}
