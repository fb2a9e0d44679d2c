//! The environment that a spec makes, as Kubernetes makes it for pods, or what stands in its way.

use std::collections::BTreeMap;

use agentcore_api::AgentRuntimeSpec;
use agentcore_api::limits::{ENV_MAX, ENV_NAME_MAX, ENV_VALUE_MAX};
use agentcore_api::reasons;

use super::{ConfigInput, EnvValue, Found, Source, reference, whole_source};
use crate::runtime::Refusal;

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
