//! What the API server wants of every object's metadata.

use agentcore_api::limits::OBJECT_NAME_PATTERN;
use regex::Regex;
use serde_json::Value;

use super::finding::Found;
use crate::error::Error;
use crate::objects::alike;

/// Fields of metadata.
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];
/// Most characters of an object's name.
const NAME_MAX: usize = 253;
/// Most characters of a namespace or a label's value.
const LABEL_MAX: usize = 63;
/// A namespace (RFC 1123 label).
const NAMESPACE_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// A label's value.
const LABEL_PATTERN: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";
/// A key of a label or an annotation.
const KEY_PATTERN: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$";

/// The rules, ready.
pub struct Metadata {
    name: Regex,
    namespace: Regex,
    label: Regex,
    key: Regex,
}

impl Metadata {
    /// Makes them ready.
    pub fn new() -> Result<Self, Error> {
        let regex = |pattern: &str| {
            Regex::new(pattern).map_err(|error| {
                Error::Failed(format!("a pattern in this plugin is not good: {error}"))
            })
        };
        Ok(Self {
            name: regex(OBJECT_NAME_PATTERN)?,
            namespace: regex(NAMESPACE_PATTERN)?,
            label: regex(LABEL_PATTERN)?,
            key: regex(KEY_PATTERN)?,
        })
    }

    /// What is wrong.
    pub fn check(&self, object: &Value) -> Vec<Found> {
        let mut found = Vec::new();
        let mut say = |path: &[&str], message: String| {
            let mut at = vec!["metadata".to_owned()];
            at.extend(path.iter().map(|&step| step.to_owned()));
            found.push(Found::at(&at, message));
        };
        let Some(metadata) = object.get("metadata").and_then(Value::as_object) else {
            say(&[], "metadata.name is required".to_owned());
            return found;
        };
        for name in metadata
            .keys()
            .filter(|name| !FIELDS.contains(&name.as_str()))
        {
            let hint = alike(name, &FIELDS, |one| one)
                .map_or_else(String::new, |one| format!("; did you mean {one}?"));
            say(&[name], format!("unknown field {name:?}{hint}"));
        }
        match metadata.get("name") {
            Some(Value::String(name)) if name.len() <= NAME_MAX && self.name.is_match(name) => {}
            Some(name) if !name.is_null() => say(
                &["name"],
                format!(
                    "{name} is not a valid name: up to {NAME_MAX} lower-case letters, digits, - and ., beginning and ending with a letter or digit"
                ),
            ),
            _ if metadata.get("generateName").is_some_and(Value::is_string) => {}
            _ => say(&[], "name is required".to_owned()),
        }
        match metadata.get("namespace") {
            None | Some(Value::Null) => {}
            Some(Value::String(name))
                if name.len() <= LABEL_MAX && self.namespace.is_match(name) => {}
            Some(other) => say(
                &["namespace"],
                format!(
                    "{other} is not a valid namespace: up to {LABEL_MAX} lower-case letters, digits and -"
                ),
            ),
        }
        for field in ["labels", "annotations"] {
            let entries = match metadata.get(field) {
                None | Some(Value::Null) => continue,
                Some(Value::Object(entries)) => entries,
                Some(other) => {
                    say(&[field], format!("{other} is not a map of strings"));
                    continue;
                }
            };
            for (key, value) in entries {
                if !self.key.is_match(key) {
                    say(
                        &[field, key],
                        format!(
                            "{key:?} is not a valid key: [prefix/]name, with a name of up to 63 letters, digits, -, _ and ."
                        ),
                    );
                }
                match value {
                    Value::String(text)
                        if field == "labels"
                            && (text.len() > LABEL_MAX || !self.label.is_match(text)) =>
                    {
                        say(
                            &[field, key],
                            format!(
                                "{value} is not a valid label value: up to {LABEL_MAX} letters, digits, -, _ and ."
                            ),
                        );
                    }
                    Value::String(_) => {}
                    other => say(
                        &[field, key],
                        format!("{other} is not a string; put it in quotes"),
                    ),
                }
            }
        }
        found
    }
}
