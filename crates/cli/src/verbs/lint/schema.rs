//! The schema of the CRDs as the API server enforces it on what people write: strict, with names for what was meant.

use jsonschema::Validator;
use jsonschema::error::{TypeKind, ValidationErrorKind as K};
use serde_json::{Map, Value, json};

use super::finding::{Found, path_of};
use crate::error::Error;
use crate::objects::alike;

/// Keywords of a CRD's schema that a JSON schema has too.
const KEPT: [&str; 14] = [
    "type",
    "required",
    "enum",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "uniqueItems",
    "multipleOf",
    "format",
];
/// Longest value that is repeated in a message.
const SHOWN: usize = 80;

/// The schema of one kind.
pub struct Schema {
    validator: Validator,
    /// As the CRD has it.
    pub source: Value,
}

impl Schema {
    /// Makes ready the schema of a CRD.
    pub fn new(source: Value) -> Result<Self, Error> {
        let mut strict = strict(&source);
        // What every object has is checked on its own.
        if let Some(properties) = strict.get_mut("properties").and_then(Value::as_object_mut) {
            for name in ["apiVersion", "kind", "metadata"] {
                properties.insert(name.to_owned(), json!({}));
            }
        }
        let validator = jsonschema::options()
            .should_validate_formats(false)
            .build(&strict)
            .map_err(|error| {
                Error::Failed(format!("the schema in this plugin is not good: {error}"))
            })?;
        Ok(Self { validator, source })
    }

    /// What the schema has against an object. `true`: rules that relate fields can be asked all the same.
    pub fn check(&self, object: &Value) -> (Vec<Found>, bool) {
        let mut found = Vec::new();
        let mut sound = true;
        for error in self.validator.iter_errors(object) {
            let pointer = error.instance_path().to_string();
            let path = path_of(&pointer);
            let value = shown(error.instance());
            // As the API server: it asks no rule about an object whose shape is wrong or that is too large.
            sound &= matches!(
                error.kind(),
                K::Minimum { .. }
                    | K::Maximum { .. }
                    | K::MinLength { .. }
                    | K::MinItems { .. }
                    | K::MinProperties { .. }
                    | K::AdditionalProperties { .. }
            );
            match error.kind() {
                K::AdditionalProperties { unexpected } => {
                    found.extend(unexpected.iter().map(|name| self.unknown(&path, name)));
                    continue;
                }
                K::Required { property } => {
                    let name = property.as_str().unwrap_or_default();
                    found.push(Found::at(&path, format!("{name} is required")));
                    continue;
                }
                _ => {}
            }
            let message = match error.kind() {
                K::MaxLength { limit } => format!("has more than {limit} characters"),
                K::MinLength { limit } => format!("has fewer than {limit} characters"),
                K::MaxItems { limit } => format!("has more than {limit} items"),
                K::MinItems { limit } => format!("has fewer than {limit} items"),
                K::MaxProperties { limit } => format!("has more than {limit} entries"),
                K::MinProperties { limit } => format!("has fewer than {limit} entries"),
                K::Minimum { limit } => format!("{value} is less than {limit}"),
                K::Maximum { limit } => format!("{value} is more than {limit}"),
                K::Enum { options } => choice(error.instance(), options),
                K::Type { kind } => mistyped(&value, error.instance(), kind),
                _ => error.to_string(),
            };
            found.push(Found::at(&path, message));
        }
        (found, sound)
    }

    /// A field that there is not, and the one that may be meant.
    fn unknown(&self, path: &[String], name: &str) -> Found {
        let mut at = path.to_vec();
        at.push(name.to_owned());
        let known = self.properties(path);
        let hint = alike(name, &known, |one| one)
            .map_or_else(String::new, |one| format!("; did you mean {one}?"));
        Found::at(&at, format!("unknown field {name:?}{hint}"))
    }

    /// Names of the fields that an object at this place may have.
    fn properties(&self, path: &[String]) -> Vec<String> {
        let mut schema = &self.source;
        for step in path {
            let below = schema
                .get("properties")
                .and_then(|all| all.get(step))
                .or_else(|| schema.get("items"))
                .or_else(|| schema.get("additionalProperties"));
            let Some(below) = below else {
                return Vec::new();
            };
            schema = below;
        }
        let names = schema.get("properties").and_then(Value::as_object);
        names.into_iter().flat_map(Map::keys).cloned().collect()
    }
}

/// The same schema for a JSON schema's validator; an object has only the fields that are named.
fn strict(schema: &Value) -> Value {
    let Some(fields) = schema.as_object() else {
        return schema.clone();
    };
    let mut out = Map::new();
    for name in KEPT {
        if let Some(value) = fields.get(name) {
            out.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
        let all = properties
            .iter()
            .map(|(name, below)| (name.clone(), strict(below)));
        out.insert("properties".to_owned(), Value::Object(all.collect()));
    }
    if let Some(items) = fields.get("items") {
        out.insert("items".to_owned(), strict(items));
    }
    let open = fields.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    let more = fields.get("additionalProperties").map(strict);
    let is_object = fields.get("type").and_then(Value::as_str) == Some("object");
    if let Some(more) = more {
        out.insert("additionalProperties".to_owned(), more);
    } else if is_object && !open {
        out.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    Value::Object(out)
}

/// Takes out `null` where the schema lets a field be empty: that counts as absent.
pub fn without_nulls(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true)) {
                return;
            }
            let properties = schema.get("properties");
            let more = schema.get("additionalProperties");
            let of = |name: &String| properties.and_then(|all| all.get(name)).or(more);
            let empty = |name: &String| of(name).is_some_and(|below| below["nullable"] == true);
            fields.retain(|name, value| !(value.is_null() && empty(name)));
            for (name, value) in fields {
                if let Some(below) = of(name) {
                    without_nulls(value, below);
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = schema.get("items") {
                for item in items {
                    without_nulls(item, below);
                }
            }
        }
        _ => {}
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > SHOWN {
        let head: String = text.chars().take(SHOWN).collect();
        return format!("{head}...");
    }
    text
}

fn choice(value: &Value, options: &Value) -> String {
    let words: Vec<String> = options
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one.as_str().map(ToOwned::to_owned))
        .collect();
    let hint = value.as_str().and_then(|text| {
        let same = words.iter().find(|word| word.eq_ignore_ascii_case(text));
        same.or_else(|| alike(text, &words, |word| word))
    });
    let hint = hint.map_or_else(String::new, |word| format!("; did you mean {word}?"));
    format!("{} is none of {}{hint}", shown(value), words.join(", "))
}

fn mistyped(shown: &str, value: &Value, kind: &TypeKind) -> String {
    let wanted = match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(several) => several
            .iter()
            .map(|one| one.to_string())
            .collect::<Vec<_>>()
            .join(" or "),
    };
    let hint = if wanted == "string" && !value.is_object() && !value.is_array() {
        "; put it in quotes"
    } else {
        ""
    };
    format!("{shown} is no {wanted}{hint}")
}
